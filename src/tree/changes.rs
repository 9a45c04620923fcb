//! Changes told to whoever watches: what Box's news did to what the mount shows, and what Box took from here. Nobody waits for a
//! watcher, and without one nothing is worked out.

use super::error::TreeError;
use super::node::{Node, NodeKind};
use super::rows;
use super::store::{MAX_DEPTH, Tree, Tx};
use crate::base::{BoxId, Ino, Timestamp, shown_name};
use tokio::sync::broadcast;

/// Changes that wait for a slow watcher, some 200 bytes each. What does not fit is counted and told to it.
const MAX_WAITING: usize = 1_024;

/// Where a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeIn {
    /// Told by Box, and shown in the mount now.
    Box,
    /// Made through the mount, and in Box now.
    Mount,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Created,
    Edited,
    /// Renamed, moved to another folder, or both.
    Moved {
        from: String,
    },
    Deleted,
}

/// One change. Paths are as shown, from the root of the mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Timestamp,
    pub what: What,
    pub kind: NodeKind,
    pub path: String,
    pub item: Option<BoxId>,
    pub made_in: MadeIn,
}

/// The way to whoever watches.
pub(super) type Teller = broadcast::Sender<Change>;

pub(super) fn teller() -> Teller {
    broadcast::Sender::new(MAX_WAITING)
}

impl Tree {
    /// Every change from now on, in the order in which they are made.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.teller.subscribe()
    }
}

impl Tx<'_> {
    /// The change is told when the transaction is committed.
    pub(super) fn tell(&mut self, made_in: MadeIn, what: What, node: &Node) -> Result<(), TreeError> {
        let Some(path) = self.told_path(node)? else { return Ok(()) };
        self.tell_at(made_in, what, node, path);
        Ok(())
    }

    /// Like [`Tx::tell`], of something at a path that [`Tx::told_path`] or [`Tx::path_in_box`] gave.
    pub(super) fn tell_at(&mut self, made_in: MadeIn, what: What, node: &Node, path: String) {
        let change = Change { at: Timestamp::now(), what, kind: node.kind, path, item: node.item(), made_in };
        self.changes.push(change);
    }

    /// The path of a node as it stands in this value, or `None` where nobody watches or a folder above it is gone.
    pub(super) fn told_path(&self, node: &Node) -> Result<Option<String>, TreeError> {
        if self.watched { self.path_below(node.parent, &node.name) } else { Ok(None) }
    }

    /// The path of a name in a folder of Box, or `None` where nobody watches or no node stands for the folder.
    pub(super) fn path_in_box(&self, folder_id: &str, name: &str) -> Result<Option<String>, TreeError> {
        if !self.watched {
            return Ok(None);
        }
        let folder = rows::by_item(self, &BoxId::folder(folder_id))?;
        folder.map_or(Ok(None), |folder| self.path_below(folder.ino, name))
    }

    fn path_below(&self, folder: Ino, name: &str) -> Result<Option<String>, TreeError> {
        let mut parts = vec![shown_name(name).into_owned()];
        let mut at = folder;
        while at != Ino::ROOT && parts.len() < MAX_DEPTH {
            // A watcher that hears of one change less is no reason for the change to fail.
            let Some(node) = rows::get(self, at)? else { return Ok(None) };
            parts.push(shown_name(&node.name).into_owned());
            at = node.parent;
        }
        parts.reverse();
        Ok(Some(parts.join("/")))
    }
}

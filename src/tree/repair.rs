//! Local changes that the engine makes when Box and the mount cannot simply be brought together.

use super::contents::{self, ContentState, Place, StoredStamp};
use super::error::TreeError;
use super::news::{self, Learned};
use super::node::{Hold, Node, Presence};
use super::remote;
use super::rows;
use super::store::Tree;
use crate::base::{BoxId, ContentId, Ino, Timestamp};

impl Tree {
    /// Content conflict: the node with the local bytes becomes the conflict copy (same inode and handles, no id), and a new
    /// node shows Box's version under the name, in one transaction.
    pub fn split_conflict(&self, ino: Ino, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            let mut node = tx.node(ino)?;
            let Some(item) = node.item() else { return Ok(learned) };
            let remote = remote::get(tx, &item)?;
            node.box_id = None;
            node.base = None;
            node.time_refused = None;
            news::step_aside(tx, node, now, &mut learned)?;
            tx.execute("DELETE FROM sessions WHERE ino = ?1", [ino.0 as i64])?;
            if let Some(remote) = remote.filter(|r| !r.trashed) {
                news::appear(tx, &remote, now, &mut learned)?;
            }
            Ok(learned)
        })
    }

    /// A deleted folder comes back: somebody put something into it. Whoever took its name here makes room.
    pub fn undelete(&self, ino: Ino, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            let mut node = tx.node(ino)?;
            for holder in rows::folding(tx, node.parent, &node.name)? {
                news::step_aside(tx, holder, now, &mut learned)?;
            }
            node.presence = Presence::Here;
            node.complete = false;
            node.changed_at = now;
            tx.put(&mut node)?;
            learned.invalid.push(news::shown_entry(&node));
            Ok(learned)
        })
    }

    /// A file that was deleted here, and that somebody changed or moved in Box, is shown again as Box has it.
    pub fn come_back(&self, ino: Ino, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let node = tx.node(ino)?;
            let mut learned = Learned::default();
            let remote = node.item().map(|item| remote::get(tx, &item)).transpose()?.flatten();
            learned.dropped.extend(node.content);
            tx.remove(ino)?;
            if let Some(remote) = remote.filter(|r| !r.trashed) {
                news::appear(tx, &remote, now, &mut learned)?;
            }
            Ok(learned)
        })
    }

    /// The sealed bytes turned out to be different from what was sealed: they are sealed again.
    pub fn unseal(&self, ino: Ino, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            if let Some(id) = node.content
                && let Some(mut row) = contents::get(tx, id)?
            {
                row.state = ContentState::Writable;
                contents::put(tx, &row)?;
                node.unsealed = true;
                node.changed_at = now;
                tx.put(&mut node)?;
            }
            tx.settle(ino, now)
        })
    }

    /// The node's bytes cannot be had any more and Box has none: it is kept and told.
    pub fn give_up(&self, ino: Ino, reason: &str) -> Result<Node, TreeError> {
        self.hold(ino, Some(Hold::failed(reason, "EIO")), None)
    }

    /// Notes that a clean content lies in the cache after `relocate` moved it there. A content that a program began to write is
    /// left alone; both happen under the same lock.
    pub fn move_to_cache(
        &self,
        id: ContentId,
        relocate: impl FnOnce() -> Option<StoredStamp>,
    ) -> Result<(), TreeError> {
        self.write(|tx| {
            let Some(mut row) = contents::get(tx, id)? else { return Ok(()) };
            if row.state != ContentState::Clean || row.place == Place::Cache {
                return Ok(());
            }
            if let Some(stamp) = relocate() {
                row.place = Place::Cache;
                row.stamp = Some(stamp);
                contents::put(tx, &row)?;
            }
            Ok(())
        })
    }

    /// The inode that stands for a folder in Box, if it is known here.
    pub fn folder_of(&self, id: &str) -> Result<Option<Ino>, TreeError> {
        Ok(self.by_item(&BoxId::folder(id))?.map(|n| n.ino))
    }
}

//! Local changes that the engine makes when Box and the mount cannot simply be brought together.

use super::attempts;
use super::contents::{self, ContentRow, ContentState, Place, StoredStamp};
use super::error::TreeError;
use super::forget;
use super::local;
use super::news::{self, Learned};
use super::node::{Hold, Node, Presence};
use super::remote::{self, Remote};
use super::rivals;
use super::rows;
use super::store::{Tree, Tx};
use crate::base::{BoxId, ContentId, Ino, Timestamp, unparked};

/// Why bytes cannot be had from Box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MissingSource {
    /// Their file lies in Box's trash, and is brought back for the node that stands for it.
    ComesBack,
    /// Others deleted their file, and nothing was written over them here.
    Deleted,
    /// For all that is known their file is there.
    NotDeleted(BoxId),
    /// A program changed part of them.
    Gone,
}

impl Tree {
    /// Content conflict: the node with the local bytes becomes the conflict copy (same inode and handles, no id), and a new
    /// node shows Box's version under the name, in one transaction.
    pub fn split_conflict(&self, ino: Ino, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            let mut node = tx.node(ino)?;
            let Some(item) = node.item() else { return Ok(learned) };
            let remote = remote::get(tx, &item)?;
            let before = node.clone();
            node.box_id = None;
            node.base = None;
            node.time_refused = None;
            rivals::step_aside(tx, node, now, &mut learned)?;
            if let Some(remote) = remote.filter(|r| !r.trashed) {
                appear_again(tx, &remote, before, now, &mut learned)?;
            }
            Ok(learned)
        })
    }

    /// The version that Box has is what the bytes here are made from, or are: it is base from here on.
    pub fn rebase(&self, ino: Ino) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let Some(remote) = node.item().map(|item| remote::get(tx, &item)).transpose()?.flatten() else {
                return Ok(node);
            };
            if let Some(base) = node.base.as_mut() {
                base.version = remote.version;
                base.sha1 = remote.sha1;
            }
            if let Some(mut row) = node.content.map(|id| contents::get(tx, id)).transpose()?.flatten()
                && let ContentState::Sealed { sha1 } = row.state
                && Some(sha1) == remote.sha1
            {
                local::settle_generation(&mut node, &mut row, sha1);
                contents::put(tx, &row)?;
            }
            tx.put(&mut node)?;
            Ok(node)
        })
    }

    /// A deleted folder comes back: somebody put something into it. A folder made here under its name becomes one with it; whoever
    /// else took the name makes room.
    pub fn undelete(&self, ino: Ino, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            let mut node = tx.node(ino)?;
            for holder in rows::folding(tx, node.parent, &node.name)? {
                if holder.is_folder() && holder.box_id.is_none() && !attempts::any_open(tx, holder.ino)? {
                    merge_folders(tx, node, holder, now)?;
                    return Ok(learned);
                }
                rivals::step_aside(tx, holder, now, &mut learned)?;
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
                appear_again(tx, &remote, node, now, &mut learned)?;
            }
            Ok(learned)
        })
    }

    /// A renamed or moved node whose item others have moved, too: where Box has it now is what its own place differs from, so that the
    /// next call brings it there. `false`: that is known already.
    pub fn rebase_place(&self, ino: Ino) -> Result<bool, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let Some(remote) = node.item().map(|item| remote::get(tx, &item)).transpose()?.flatten() else {
                return Ok(false);
            };
            let (Some(base), Some(parent)) = (node.base.as_mut(), remote.parent) else { return Ok(false) };
            if (&base.parent, &base.name) == (&parent, &remote.name) {
                return Ok(false);
            }
            (base.parent, base.name) = (parent, remote.name);
            tx.put(&mut node)?;
            Ok(true)
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
                if row.ranges.is_none() {
                    // Nothing has to be fetched from there, and it cannot be copied from there either.
                    row.origin = None;
                }
                contents::put(tx, &row)?;
                node.unsealed = true;
                node.changed_at = now;
                tx.put(&mut node)?;
            }
            tx.settle(ino, now)
        })
    }

    /// What it means that Box does not give the bytes which `node` was made from.
    pub fn missing_source(&self, node: &Node) -> Result<MissingSource, TreeError> {
        let inner = self.lock();
        let row = node.content.map(|id| contents::get(inner.db(), id)).transpose()?.flatten();
        let Some(origin) = row.filter(ContentRow::is_of_box).and_then(|row| row.origin) else {
            return Ok(MissingSource::Gone);
        };
        let source = BoxId::file(origin.file_id);
        if remote::get(inner.db(), &source)?.is_some_and(|remote| !remote.trashed) {
            return Ok(MissingSource::NotDeleted(source));
        }
        let wanted = rows::by_item(inner.db(), &source)?.filter(|n| n.presence == Presence::Here);
        Ok(if wanted.is_some() { MissingSource::ComesBack } else { MissingSource::Deleted })
    }

    /// The node's bytes cannot be had any more and Box has none: it is kept and told.
    pub fn give_up(&self, ino: Ino, reason: &str) -> Result<Node, TreeError> {
        self.hold(ino, Some(Hold::failed(reason, "EIO")), None)
    }

    /// Contents whose bytes Box has and that still lie in the spool, at most `limit`.
    pub fn confirmed_in_spool(&self, limit: usize) -> Result<Vec<ContentId>, TreeError> {
        let inner = self.lock();
        let mut statement =
            inner.db().prepare_cached("SELECT id FROM contents WHERE place = 0 AND state = 0 ORDER BY id LIMIT ?1")?;
        let rows = statement.query_map([limit as i64], |r| r.get::<_, i64>(0))?;
        rows.map(|r| Ok(ContentId(r? as u64))).collect()
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

/// The item that `before` stood for is shown by a node of its own. If it had given its name away, for `before` or for a file whose
/// identity that has, it gets that back if nothing has it, else one beside it.
fn appear_again(
    tx: &mut Tx<'_>,
    item: &Remote,
    before: Node,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    news::appear(tx, item, now, learned)?;
    let Some(mut node) = rows::by_item(tx, &item.id)? else { return Ok(()) };
    let known = before.base.is_some_and(|base| base.name == item.name && base.name != before.name);
    if unparked(&item.name).is_none_or(|(_, parked)| parked != before.ino.0 && !known) {
        return Ok(());
    }
    learned.invalid.push(news::shown_entry(&node));
    node.name = before.name;
    if !rows::folding(tx, node.parent, &node.name)?.is_empty() {
        return rivals::step_aside(tx, node, now, learned);
    }
    tx.put(&mut node)?;
    learned.invalid.push(news::shown_entry(&node));
    tx.settle(node.ino, now)
}

/// The folder `holder`, which Box does not have, stands for the item of the deleted `node` from here on.
fn merge_folders(tx: &mut Tx<'_>, mut node: Node, mut holder: Node, now: Timestamp) -> Result<(), TreeError> {
    let (item, base) = (node.box_id.take(), node.base.take());
    loop {
        let children = forget::deleted_below(tx, node.ino, forget::PIECE)?;
        if children.is_empty() {
            break;
        }
        for mut child in children {
            child.parent = holder.ino;
            tx.put(&mut child)?;
        }
    }
    tx.remove(node.ino)?;
    holder.box_id = item;
    holder.base = base;
    holder.complete = false;
    tx.put(&mut holder)?;
    tx.due(holder.ino, Some(now))?;
    tx.wake_children(holder.ino, now)
}

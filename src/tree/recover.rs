//! What a start needs to know of the last run.

use super::contents::{self, ContentRow, ContentState, Place, StoredStamp};
use super::error::TreeError;
use super::node::{Hold, Node, Presence};
use super::store::Tree;
use crate::base::{ContentId, Ino, Timestamp};

impl Tree {
    /// A spool content that was open when the last daemon died, found as its last close left it: closed, to be sealed.
    /// `stamp` is how it was found. `None` for a content that the tree does not know.
    pub fn found_closed(&self, id: ContentId, stamp: StoredStamp, now: Timestamp) -> Result<Option<Node>, TreeError> {
        self.found(id, stamp, false, now)
    }

    /// A spool content that differs from its last close, or was never closed: kept under its name, told, not pushed. `stamp` is
    /// how it was found: from here that counts as its close, and the hold says what it is. `None` also where a program deleted the
    /// file: nobody wants those bytes, and nothing is to hold its deletion up.
    pub fn found_interrupted(
        &self,
        id: ContentId,
        stamp: StoredStamp,
        now: Timestamp,
    ) -> Result<Option<Node>, TreeError> {
        self.found(id, stamp, true, now)
    }

    fn found(
        &self,
        id: ContentId,
        stamp: StoredStamp,
        interrupted: bool,
        now: Timestamp,
    ) -> Result<Option<Node>, TreeError> {
        self.write(|tx| {
            let Some(mut row) = contents::get(tx, id)? else { return Ok(None) };
            let mut node = tx.node(row.ino)?;
            if row.state != ContentState::Clean {
                row.state = ContentState::Writable;
                node.unsealed = true;
            }
            row.size = stamp.size;
            row.stamp = Some(stamp);
            let is_told = interrupted && node.presence != Presence::Deleted;
            if is_told {
                node.attr.size = stamp.size;
                node.attr.mtime = Timestamp::from_nanos(stamp.mtime_ns);
                node.hold = Some(Hold::Interrupted);
            }
            row.place = Place::Spool;
            contents::put(tx, &row)?;
            tx.put(&mut node)?;
            tx.due(node.ino, Some(now))?;
            Ok((is_told || !interrupted).then_some(node))
        })
    }

    /// The content's bytes are gone from this machine: the node is cold again, or empty if Box never had it.
    pub fn drop_content(&self, id: ContentId) -> Result<(), TreeError> {
        self.write(|tx| {
            let Some(ContentRow { ino, .. }) = contents::get(tx, id)? else { return Ok(()) };
            contents::remove(tx, id)?;
            let mut node = tx.node(ino)?;
            if node.content == Some(id) {
                node.content = None;
                tx.put(&mut node)?;
            }
            Ok(())
        })
    }

    /// Deleted nodes that wait for nothing but to be forgotten, at most `limit`.
    pub fn deleted_without_item(&self, limit: usize) -> Result<Vec<Ino>, TreeError> {
        let inner = self.lock();
        let mut statement = inner
            .db()
            .prepare_cached("SELECT ino FROM nodes WHERE deleted = 1 AND box_id IS NULL ORDER BY ino LIMIT ?1")?;
        let rows = statement.query_map([limit as i64], |r| r.get::<_, i64>(0))?;
        rows.map(|r| Ok(Ino(r? as u64))).collect()
    }
}

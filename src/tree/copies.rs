//! Files that are copies of what Box has.

use super::contents::{self, ContentState, Origin};
use super::error::TreeError;
use super::store::{MAX_DEPTH, Tree};
use crate::base::{ContentId, Ino, Timestamp};

impl Tree {
    /// A program is about to copy the version `origin` into `content`. Whether it did is known when the bytes are sealed.
    pub fn expect_copy(&self, content: ContentId, origin: Origin) -> Result<(), TreeError> {
        self.write(|tx| {
            let Some(mut row) = contents::get(tx, content)? else { return Ok(()) };
            row.origin = Some(origin);
            contents::put(tx, &row)
        })
    }

    /// The bytes of a file that was just made are those of `origin`, and none of them is here: Box is to copy them.
    pub fn begin_copy(&self, ino: Ino, content: ContentId, origin: Origin, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let mut row = contents::get(tx, content)?.ok_or(TreeError::NotFound)?;
            row.state = ContentState::Clean;
            row.ranges = Some(Vec::new());
            row.stamp = None;
            row.durable = false;
            (row.size, row.smallest) = (origin.size, origin.size);
            node.attr.size = origin.size;
            row.origin = Some(origin);
            contents::put(tx, &row)?;
            node.unsealed = false;
            node.generation += 1;
            node.hold = None;
            (node.attr.mtime, node.attr.ctime, node.changed_at) = (now, now, now);
            tx.put(&mut node)?;
            tx.due(ino, Some(now))
        })
    }

    /// Box does not make the copy after all: the file is empty, and open for writing. Should Box have made it, what is written
    /// becomes its next version.
    pub fn give_up_copy(&self, ino: Ino, content: ContentId, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let mut row = contents::get(tx, content)?.ok_or(TreeError::NotFound)?;
            row.state = ContentState::Writable;
            (row.origin, row.ranges, row.stamp) = (None, None, None);
            (row.size, row.smallest) = (0, 0);
            contents::put(tx, &row)?;
            node.unsealed = true;
            node.generation += 1;
            node.hold = None;
            node.attr.size = 0;
            (node.attr.mtime, node.attr.ctime, node.changed_at) = (now, now, now);
            tx.put(&mut node)?;
            tx.settle(ino, now)
        })
    }

    /// The folders around `ino` that Box does not have yet are to be made there at once.
    pub fn hurry_above(&self, ino: Ino, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| {
            let mut at = tx.node(ino)?.parent;
            for _ in 0..MAX_DEPTH {
                let folder = tx.node(at)?;
                if at == Ino::ROOT || folder.box_id.is_some() {
                    break;
                }
                tx.due(at, Some(now))?;
                at = folder.parent;
            }
            Ok(())
        })
    }
}

//! Files whose last close could not be noted, because the disk under the database was full: noted once that is possible. Until then
//! they count as being written, so that nothing is sent of them.

use super::error::Result;
use super::inodes::OpenInode;
use super::state::Vfs;
use super::trouble::Trouble;
use crate::base::Ino;
use crate::content::Writer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Each was open when the disk was full, so that they are not more than files can be open.
#[derive(Default)]
pub(super) struct Unrecorded(Mutex<Vec<Closed>>);

struct Closed {
    ino: Ino,
    inode: OpenInode,
    /// Keeps the bytes from being sealed.
    writer: Writer,
}

impl Unrecorded {
    fn lock(&self) -> MutexGuard<'_, Vec<Closed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn keep(&self, ino: Ino, inode: &OpenInode) {
        self.lock().push(Closed { ino, inode: inode.clone(), writer: inode.file.open_writer() });
    }

    /// What went wrong with a file that is opened again before its close is noted.
    pub fn trouble_of(&self, ino: Ino) -> Option<Arc<Trouble>> {
        self.lock().iter().find(|closed| closed.ino == ino).map(|closed| closed.inode.trouble.clone())
    }
}

impl Vfs {
    /// Notes what the bytes of a file at rest look like, and what is wrong with them. The caller holds its shard.
    pub(super) fn record(&self, ino: Ino, inode: &mut OpenInode) -> Result<()> {
        self.look_at_disk(inode)?;
        self.close_copy(ino, inode)?;
        self.note(ino, inode)?;
        self.hold_troubled(ino, inode)
    }

    /// Tries once more to note what could not be noted.
    pub(super) fn record_again(&self) {
        let kept = std::mem::take(&mut *self.unrecorded.lock());
        for mut closed in kept {
            let shard = self.inodes.lock(closed.ino);
            if self.record(closed.ino, &mut closed.inode).is_err() {
                self.unrecorded.lock().push(closed);
                continue;
            }
            drop(shard);
            let Closed { ino, writer, .. } = closed;
            drop(writer);
            self.asks.released(ino);
        }
    }
}

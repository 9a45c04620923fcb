//! Which inodes the kernel reads and writes by itself (passthrough), and through which backing.
//!
//! The kernel's rules (FUSE.md section 3, measured): while a passthrough handle of an inode is open, every further open
//! must be passthrough with the *same* backing id, or it fails with `EIO`; and the id must live until the last
//! RELEASE. So one table row per inode holds the id and who uses it, and whoever opens an inode holds the row's lock
//! from the call of `vfs.open` until the reply is sent.
//!
//! Backings are registered from **read-only** descriptors. The kernel opens the backing's path again with the flags of
//! the program's own open, so writes, O_APPEND, O_TRUNC and writable shared maps all work (measured on Linux 6.18);
//! and then a lease (`F_SETLEASE`, `F_RDLCK`) on the data file is granted while only readers and read-only maps are
//! left, and refused while a writer or a writable shared map lives, also one whose descriptor is closed. A backing
//! registered for writing would itself refuse the lease until its last RELEASE. At RELEASE of a writer the
//! lease is still refused about one time in three: the kernel sends RELEASE before its last `fput` of the data file.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::BackingId;

use crate::base::Ino;
use crate::vfs::Fh;

/// Locks over the table: enough that fuser's few threads rarely meet at one.
const SHARDS: usize = 64;

/// The rows of all inodes that have passthrough handles, or were refused them.
pub(super) struct Backings<B = BackingId> {
    shards: [Mutex<HashMap<Ino, Row<B>>>; SHARDS],
}

/// One inode with open handles, in one of two modes until the last of them is released.
struct Row<B> {
    mode: Mode<B>,
    handles: HashSet<Fh>,
}

enum Mode<B> {
    /// The kernel uses this backing for every handle.
    Backed(Arc<B>),
    /// The kernel refused a backing: no handle is passthrough.
    Refused,
}

/// The lock of one inode (and of its neighbors in the shard), held while it is opened or released.
pub(super) struct Opening<'a, B = BackingId> {
    ino: Ino,
    rows: MutexGuard<'a, HashMap<Ino, Row<B>>>,
}

impl<B> Default for Backings<B> {
    fn default() -> Self {
        Backings { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<B> Backings<B> {
    /// Taken before `vfs.open` and `vfs.release`, kept until the reply is sent. No other lock of this room is taken
    /// while it is held; vfs takes its own below it.
    pub(super) fn lock(&self, ino: Ino) -> Opening<'_, B> {
        let shard = usize::try_from(ino.0 % SHARDS as u64).expect("less than SHARDS");
        // A panic in vfs.open leaves the table as it was: rows change in single steps.
        let rows = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        Opening { ino, rows }
    }
}

impl<B> Opening<'_, B> {
    /// The backing for handle `fh`: the inode's, or else one that `register` makes from `file`. `None`: the kernel
    /// has refused it, now or for another handle that is still open; the handle has to copy.
    pub(super) fn back(
        &mut self,
        fh: Fh,
        file: &File,
        register: impl FnOnce(&File) -> io::Result<B>,
    ) -> Option<Arc<B>> {
        let row = self.rows.entry(self.ino).or_insert_with(|| Row {
            mode: match register(file) {
                Ok(id) => Mode::Backed(Arc::new(id)),
                Err(error) => {
                    log::debug!("inode {}: no passthrough: {error}", self.ino);
                    Mode::Refused
                }
            },
            handles: HashSet::new(),
        });
        row.handles.insert(fh);
        match &row.mode {
            Mode::Backed(id) => Some(Arc::clone(id)),
            Mode::Refused => None,
        }
    }

    /// Handle `fh` is gone. The inode's backing is closed with the last one, so that the data file is free when
    /// `vfs.release` looks at it.
    pub(super) fn release(&mut self, fh: Fh) {
        let Some(row) = self.rows.get_mut(&self.ino) else { return };
        row.handles.remove(&fh);
        if row.handles.is_empty() {
            self.rows.remove(&self.ino);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    #[test]
    fn all_handles_of_an_inode_share_one_backing_until_the_last_release() {
        let backings = Backings::<u32>::default();
        let mut opening = backings.lock(Ino(7));
        let first = opening.back(Fh(1), &file(), |_| Ok(41)).unwrap();
        let second = opening.back(Fh(2), &file(), |_| panic!("registered twice")).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        drop(second);
        opening.release(Fh(1));
        assert_eq!(Arc::strong_count(&first), 2);
        opening.release(Fh(2));
        assert_eq!(Arc::strong_count(&first), 1);
        assert_eq!(*opening.back(Fh(3), &file(), |_| Ok(42)).unwrap(), 42);
    }

    #[test]
    fn a_refused_inode_copies_until_all_its_handles_are_gone() {
        let backings = Backings::<u32>::default();
        let mut opening = backings.lock(Ino(7));
        let refuse = |_: &File| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(opening.back(Fh(1), &file(), refuse).is_none());
        assert!(opening.back(Fh(2), &file(), |_| Ok(1)).is_none());
        opening.release(Fh(1));
        opening.release(Fh(2));
        assert!(opening.back(Fh(3), &file(), |_| Ok(1)).is_some());
    }

    #[test]
    fn the_release_of_a_copying_handle_changes_nothing() {
        let backings = Backings::<u32>::default();
        let mut opening = backings.lock(Ino(7));
        opening.release(Fh(9));
        let id = opening.back(Fh(1), &file(), |_| Ok(1)).unwrap();
        opening.release(Fh(9));
        assert_eq!(Arc::strong_count(&id), 2);
    }
}

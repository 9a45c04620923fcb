//! The table of open inodes: one mode and one data file for each, from its first open to its last release.

use super::copy::CopyInBox;
use super::quiet::Quiet;
use super::trouble::Trouble;
use super::types::Way;
use crate::base::{ContentId, Ino};
use crate::content::{DataFile, Stamp};
use crate::tree::Attr;
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks over the table: enough that the kernel's few threads rarely meet at one.
const SHARDS: usize = 64;

/// Inodes whose pages the kernel may still have from an earlier open, per shard; 64 bytes each.
const SEEN: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

/// How the kernel reads and writes all handles of an inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// By itself.
    Passthrough,
    /// By calls.
    Copying,
}

/// An inode with open handles.
#[derive(Clone)]
pub(super) struct OpenInode {
    pub mode: Mode,
    pub file: Arc<DataFile>,
    pub handles: u32,
    /// INVARIANT: at most `handles`.
    pub writers: u32,
    /// The stamp that the database has of the bytes; `None` once they may differ.
    pub noted: Option<Stamp>,
    /// What the node said when it was last looked at, for the time after Box and the database have forgotten it.
    pub attr: Attr,
    pub trouble: Arc<Trouble>,
    pub copy: Arc<CopyInBox>,
    /// From its first writer on.
    pub quiet: Option<Arc<Quiet>>,
}

/// What the kernel's page cache can hold of an inode: the bytes of this content at this generation.
pub(super) type Pages = (ContentId, u64);

/// One part of the table.
pub(super) struct Shard {
    open: HashMap<Ino, OpenInode>,
    seen: LruCache<Ino, Pages>,
}

pub(super) struct Inodes {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Inodes {
    fn default() -> Inodes {
        let shard = |_| Mutex::new(Shard { open: HashMap::new(), seen: LruCache::new(SEEN) });
        Inodes { shards: std::array::from_fn(shard) }
    }
}

impl Inodes {
    /// The lock of `ino`, and of its neighbors in the shard.
    pub fn lock(&self, ino: Ino) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[(ino.0 % SHARDS as u64) as usize];
        // Entries change in single steps, so that a panic elsewhere leaves them whole.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inodes {
    /// The inodes that are open for writing, with their data files.
    pub fn written(&self) -> Vec<(Ino, Arc<DataFile>, Arc<Quiet>)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let written = shard.open.iter().filter(|(_, i)| i.writers > 0);
            found.extend(written.filter_map(|(ino, i)| Some((*ino, i.file.clone(), i.quiet.clone()?))));
        }
        found
    }

    /// The data files that the kernel writes by itself at present, with what goes wrong with them.
    pub fn written_unseen(&self) -> Vec<(Arc<DataFile>, Arc<Trouble>)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let unseen = shard.open.values().filter(|i| i.writers > 0 && i.mode == Mode::Passthrough);
            found.extend(unseen.map(|i| (i.file.clone(), i.trouble.clone())));
        }
        found
    }
}

impl Shard {
    pub fn get(&mut self, ino: Ino) -> Option<&mut OpenInode> {
        self.open.get_mut(&ino)
    }

    pub fn insert(&mut self, ino: Ino, inode: OpenInode) -> &mut OpenInode {
        self.open.entry(ino).insert_entry(inode).into_mut()
    }

    pub fn remove(&mut self, ino: Ino) -> Option<OpenInode> {
        self.open.remove(&ino)
    }

    /// Whether the pages the kernel may have are those of `pages`, which it will have from now on; `None` where its pages
    /// are of no known bytes, since it wrote behind our back.
    pub fn keeps(&mut self, ino: Ino, pages: Option<Pages>) -> bool {
        match pages {
            Some(pages) => self.seen.put(ino, pages) == Some(pages),
            None => {
                self.seen.pop(&ino);
                false
            }
        }
    }
}

impl OpenInode {
    /// The way of one more handle in copying mode. While somebody writes, nobody uses the page cache.
    pub fn copying_way(&self, keep: bool) -> Way {
        if self.writers > 0 { Way::Direct } else { Way::Cached { keep } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_kept_only_for_the_same_bytes() {
        let inodes = Inodes::default();
        let mut shard = inodes.lock(Ino(5));
        let pages = Some((ContentId(1), 3));
        assert!(!shard.keeps(Ino(5), pages));
        assert!(shard.keeps(Ino(5), pages));
        assert!(!shard.keeps(Ino(5), Some((ContentId(1), 4))));
        assert!(!shard.keeps(Ino(5), None));
        assert!(!shard.keeps(Ino(5), Some((ContentId(1), 4))));
    }
}

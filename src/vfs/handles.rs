//! The table of handles: what each number that the kernel holds stands for.

use super::asks::Source;
use super::error::{Result, VfsError};
use super::inodes::OpenInode;
use super::trouble::Trouble;
use super::types::Fh;
use crate::base::Ino;
use crate::content::{DataFile, Stamp, Writer};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a handle stands for.
#[derive(Clone)]
pub(super) enum Handle {
    File(Arc<FileHandle>),
    Folder(Ino),
    /// Bytes that boxfs makes up, such as a bookmark's.
    Text(Arc<[u8]>),
}

/// An open file.
pub(super) struct FileHandle {
    pub ino: Ino,
    pub file: Arc<DataFile>,
    /// Handles for writing have one; the content is not sealed before it is gone.
    pub writer: Option<Writer>,
    /// Where missing bytes come from; `None` for what was never in Box.
    pub source: Option<Source>,
    /// Whether the rest of a cold content was asked for, which the first write does.
    pub asked_for_all: AtomicBool,
    /// Whether the name of the data file is on the disk.
    pub name_synced: AtomicBool,
    /// The stamp that Box is known to have (durability `box`).
    pub pushed: Arc<Mutex<Option<Stamp>>>,
    pub ahead: ReadAhead,
    pub space: Mutex<Space>,
    pub trouble: Arc<Trouble>,
}

/// How much of the room that was found free is used up.
#[derive(Default)]
pub(super) struct Space {
    pub granted: u64,
    /// Since when there is none.
    pub full_since: Option<Instant>,
}

impl FileHandle {
    pub fn new(ino: Ino, inode: &OpenInode, writer: Option<Writer>, source: Option<Source>) -> FileHandle {
        FileHandle {
            ino,
            file: inode.file.clone(),
            trouble: inode.trouble.clone(),
            writer,
            source,
            asked_for_all: AtomicBool::new(false),
            name_synced: AtomicBool::new(false),
            pushed: Arc::default(),
            ahead: ReadAhead::default(),
            space: Mutex::default(),
        }
    }
}

/// How far a reader is likely to read on: each read where the last one ended doubles what is fetched at once.
#[derive(Default)]
pub(super) struct ReadAhead {
    next: AtomicU64,
    window: AtomicU64,
}

/// The least that is fetched: a request to Box costs about as much time as this many bytes.
const LEAST_FETCH_BYTES: u64 = 256 << 10;
/// The most that is fetched at once for a reader, so that one who stops early does not cost much.
const MOST_FETCH_BYTES: u64 = 16 << 20;

impl ReadAhead {
    /// What to fetch for a reader who misses `wanted` of a file of `size` bytes.
    pub fn plan(&self, wanted: &Range<u64>, size: u64) -> Range<u64> {
        let goes_on = self.next.load(Ordering::Relaxed) == wanted.start;
        let window = if goes_on { self.window.load(Ordering::Relaxed).saturating_mul(2) } else { 0 };
        let window = window.clamp(LEAST_FETCH_BYTES, MOST_FETCH_BYTES);
        let end = wanted.start.saturating_add(window).min(size).max(wanted.end);
        self.window.store(window, Ordering::Relaxed);
        self.next.store(end, Ordering::Relaxed);
        wanted.start..end
    }
}

/// All handles.
#[derive(Default)]
pub(super) struct Handles {
    next: AtomicU64,
    table: Mutex<HashMap<u64, Handle>>,
}

impl Handles {
    pub fn add(&self, handle: Handle) -> Fh {
        let fh = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.lock().insert(fh, handle);
        Fh(fh)
    }

    pub fn get(&self, fh: Fh) -> Result<Handle> {
        self.lock().get(&fh.0).cloned().ok_or(VfsError::BadHandle)
    }

    pub fn file(&self, fh: Fh) -> Result<Arc<FileHandle>> {
        match self.get(fh)? {
            Handle::File(file) => Ok(file),
            Handle::Folder(_) => Err(VfsError::IsDirectory),
            Handle::Text(_) => Err(VfsError::NotSupported),
        }
    }

    pub fn folder(&self, fh: Fh) -> Result<Ino> {
        match self.get(fh)? {
            Handle::Folder(ino) => Ok(ino),
            Handle::File(_) | Handle::Text(_) => Err(VfsError::NotDirectory),
        }
    }

    pub fn remove(&self, fh: Fh) -> Result<Handle> {
        self.lock().remove(&fh.0).ok_or(VfsError::BadHandle)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Handle>> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequential_reader_fetches_more_each_time_and_a_jumping_one_little() {
        let ahead = ReadAhead::default();
        let size = 1 << 30;
        assert_eq!(ahead.plan(&(0..4096), size), 0..LEAST_FETCH_BYTES);
        let at = LEAST_FETCH_BYTES;
        assert_eq!(ahead.plan(&(at..at + 4096), size), at..at + 2 * LEAST_FETCH_BYTES);
        assert_eq!(ahead.plan(&(1 << 29..(1 << 29) + 10), size), 1 << 29..(1 << 29) + LEAST_FETCH_BYTES);
        let mut at = 0;
        for _ in 0..20 {
            at = ahead.plan(&(at..at + 1), size).end;
        }
        assert!(ahead.plan(&(at..at + 1), size).end - at <= MOST_FETCH_BYTES);
    }

    #[test]
    fn a_plan_covers_what_is_wanted_and_ends_with_the_file() {
        let ahead = ReadAhead::default();
        assert_eq!(ahead.plan(&(10..20), 100), 10..100);
        assert_eq!(ahead.plan(&(0..MOST_FETCH_BYTES + 1), u64::MAX), 0..MOST_FETCH_BYTES + 1);
    }
}

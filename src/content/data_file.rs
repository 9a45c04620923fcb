//! One data file while somebody uses it: reads, writes, fills, and who may still write.
//!
//! Locks, in this order: `check`, then `state` (writers, presence, the write descriptor), then `reader`, then `counted`.
//! `saving` is taken before `state`, by what notes the ranges. None is held while waiting for anything but the disk.

use super::check::Check;
use super::copy::{self, Seek};
use super::error::{ContentError, FetchError, Result, meaning};
use super::presence::{Arrived, Presence};
use super::ranges::Ranges;
use super::raw::{self, Allocate};
use super::stamp::Stamp;
use super::usage::{Place, Usage, bytes_on_disk};
use crate::base::{ContentId, Sha1Digest, Timestamp, hash_file};
use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Separate ranges kept of one content that is written while it is fetched: 16 bytes each in memory. Beyond it a write
/// that would add one waits for the fetch.
const MAX_PIECES: usize = 16_384;

/// What [`DataFile::read`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Fewer bytes than asked for only at the end of the file.
    Bytes(Vec<u8>),
    /// These parts of the range have to be fetched first.
    Missing(Vec<Range<u64>>),
}

/// The bytes of one content that is in use. Shared by all who use it, so that there is one truth about it.
pub struct DataFile {
    id: ContentId,
    usage: Arc<Usage>,
    /// Open for reading only, so that it does not keep the lease away.
    pub(super) reader: RwLock<Arc<File>>,
    /// True once everything is present; then it stays so, and `state` need not be asked. Only an empty file can become one of
    /// which all is missing ([`DataFile::start_cold`]).
    pub(super) whole: AtomicBool,
    /// Whether presence changed since [`DataFile::save_ranges`].
    pub(super) unsaved: AtomicBool,
    pub(super) saving: Mutex<()>,
    /// Where it was last read.
    pub(super) near: AtomicU64,
    /// How many want all of it here ([`DataFile::keep`]).
    pub(super) kept: AtomicU32,
    /// How often bytes went ([`DataFile::lose`]).
    pub(super) lost: AtomicU64,
    /// How often bytes turned out not to be Box's after some of them may have been read.
    pub(super) spoiled: AtomicU64,
    pub(super) check: Mutex<Check>,
    pub(super) state: Mutex<State>,
    counted: Mutex<Counted>,
}

/// INVARIANT: `write_file` is `None` while there are no writers and no claims.
pub(super) struct State {
    pub writers: u32,
    write_file: Option<Arc<File>>,
    pub presence: Presence,
    /// The content is whole only after its digest was compared.
    pub compare: bool,
    /// Bytes in the file that count as missing until the digest was compared.
    pub held: Option<Range<u64>>,
    /// Where the first byte lay that went since the digest looked last.
    pub lost_from: u64,
}

/// What this file adds to the usage of its place.
struct Counted {
    place: Place,
    bytes: u64,
    removed: bool,
}

/// Somebody who may write; while one lives the content is not sealed.
pub struct Writer(Arc<DataFile>);

impl Writer {
    pub fn file(&self) -> &Arc<DataFile> {
        &self.0
    }

    /// Writes all of `bytes` at `offset`. While the content is not whole, the caller saves the ranges before it answers.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.0.write(offset, bytes)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.writers -= 1;
        state.shed();
        drop(state);
        // Usage is only an estimate; it is corrected whenever the file is looked at.
        let _ = self.0.stamp();
    }
}

impl State {
    fn of(present: Ranges) -> State {
        State {
            writers: 0,
            write_file: None,
            presence: Presence::new(present),
            compare: false,
            held: None,
            lost_from: u64::MAX,
        }
    }

    /// Closes the write descriptor when nobody needs it.
    pub fn shed(&mut self) {
        if self.writers == 0 && !self.presence.is_claimed() {
            self.write_file = None;
        }
    }

    pub fn write_file(&mut self, reader: &RwLock<Arc<File>>) -> Result<Arc<File>> {
        if let Some(file) = &self.write_file {
            return Ok(file.clone());
        }
        let file =
            Arc::new(raw::reopen_for_writing(&read_lock(reader)).map_err(meaning("opening a data file for writing"))?);
        self.write_file = Some(file.clone());
        Ok(file)
    }
}

impl DataFile {
    pub(super) fn new(
        id: ContentId,
        usage: Arc<Usage>,
        reader: File,
        place: Place,
        present: Ranges,
    ) -> Result<DataFile> {
        let metadata = reader.metadata().map_err(meaning("fstat of a data file"))?;
        Ok(DataFile {
            id,
            usage,
            reader: RwLock::new(Arc::new(reader)),
            whole: AtomicBool::new(present.is_whole()),
            unsaved: AtomicBool::new(false),
            saving: Mutex::new(()),
            near: AtomicU64::new(0),
            kept: AtomicU32::new(0),
            lost: AtomicU64::new(0),
            spoiled: AtomicU64::new(0),
            check: Mutex::default(),
            state: Mutex::new(State::of(present)),
            counted: Mutex::new(Counted { place, bytes: bytes_on_disk(&metadata), removed: false }),
        })
    }

    pub fn id(&self) -> ContentId {
        self.id
    }

    pub fn place(&self) -> Place {
        lock(&self.counted).place
    }

    /// Whether every byte is present.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    pub fn ranges(&self) -> Ranges {
        lock(&self.state).presence.present().clone()
    }

    pub fn size(&self) -> Result<u64> {
        Ok(self.stamp()?.size)
    }

    /// Size and times now; also counts the file's blocks.
    pub fn stamp(&self) -> Result<Stamp> {
        let metadata = self.reader().metadata().map_err(meaning("fstat of a data file"))?;
        let mut counted = lock(&self.counted);
        let bytes = bytes_on_disk(&metadata);
        if !counted.removed && bytes != counted.bytes {
            self.usage.sub(counted.place, counted.bytes);
            self.usage.add(counted.place, bytes);
            counted.bytes = bytes;
        }
        Ok(Stamp::of_metadata(&metadata))
    }

    /// Up to `len` bytes from `offset`, ending at the end of the file.
    pub fn read(&self, offset: u64, len: usize) -> Result<Read> {
        let reader = self.reader();
        let size = reader.metadata().map_err(meaning("fstat of a data file"))?.len();
        let end = offset.saturating_add(len as u64).min(size);
        if offset >= end {
            return Ok(Read::Bytes(Vec::new()));
        }
        self.near.store(offset, Ordering::Relaxed);
        loop {
            let lost = self.lost();
            if !self.is_whole() {
                let missing = lock(&self.state).presence.present().missing(&(offset..end));
                if !missing.is_empty() {
                    return Ok(Read::Missing(missing));
                }
            }
            let bytes =
                raw::read_at(&reader, offset, (end - offset) as usize).map_err(meaning("reading a data file"))?;
            if self.lost() == lost {
                return Ok(Read::Bytes(bytes));
            }
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut state = lock(&self.state);
        let file = state.write_file(&self.reader)?;
        if self.is_whole() {
            drop(state);
            return file.write_all_at(bytes, offset).map_err(meaning("writing a data file"));
        }
        let range = offset..offset.checked_add(bytes.len() as u64).ok_or(ContentError::TooBig)?;
        let pieces = state.presence.present().count();
        let joined = range.start.saturating_sub(1)..range.end.saturating_add(1);
        if pieces >= MAX_PIECES && !state.presence.present().touches(&joined) {
            return Err(ContentError::Scattered);
        }
        file.write_all_at(bytes, offset).map_err(meaning("writing a data file"))?;
        self.arrive(&mut state, range);
        Ok(())
    }

    /// Sets the size. What lies beyond the smallest size a content ever had is zero and present.
    pub fn truncate(&self, size: u64) -> Result<()> {
        let mut state = lock(&self.state);
        let file = state.write_file(&self.reader)?;
        let cut = file.set_len(size).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput => ContentError::TooBig,
            _ => meaning("truncating a data file")(e),
        });
        if cut.is_ok() && !self.is_whole() {
            self.arrive(&mut state, size..u64::MAX);
        }
        state.shed();
        cut
    }

    /// raw::fallocate(2) on the data file.
    pub fn allocate(&self, offset: u64, len: u64, how: Allocate) -> Result<()> {
        let mut state = lock(&self.state);
        let file = state.write_file(&self.reader)?;
        let done = raw::fallocate(&file, offset, len, how).map_err(meaning("fallocate of a data file"));
        let zeroed = !matches!(how, Allocate::Reserve | Allocate::ReserveKeepSize);
        if done.is_ok() && zeroed && !self.is_whole() {
            self.arrive(&mut state, offset..offset.saturating_add(len));
        }
        state.shed();
        done
    }

    /// The next data or hole at or after `offset`; `None` at or beyond the end. What is still missing counts as data.
    pub fn seek(&self, offset: u64, what: Seek) -> Result<Option<u64>> {
        if self.is_whole() {
            return copy::seek(&self.reader(), offset, what).map_err(meaning("lseek of a data file"));
        }
        let size = self.size()?;
        Ok((offset < size).then_some(match what {
            Seek::Data => offset,
            Seek::Hole => size,
        }))
    }

    /// Puts fetched bytes where they are still missing: what a program wrote meanwhile stays. Keeps the mtime. The last piece of a
    /// content with an expected digest counts only after [`DataFile::check`].
    pub fn fill(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.fill_with(offset, &[bytes])
    }

    /// The same with bytes that lie in several places.
    pub fn fill_with(&self, offset: u64, chunks: &[impl AsRef<[u8]>]) -> Result<()> {
        let mut state = lock(&self.state);
        let bytes: u64 = chunks.iter().map(|chunk| chunk.as_ref().len() as u64).sum();
        let range = offset..offset.saturating_add(bytes);
        let gaps = state.presence.present().missing(&range);
        if !gaps.is_empty() {
            let file = state.write_file(&self.reader)?;
            let filled = raw::fill_gaps(&file, offset, chunks, &gaps).map_err(meaning("filling a data file"));
            if filled.is_ok() && !state.holds_back(&range) {
                self.arrive(&mut state, range);
            }
            state.shed();
            filled?;
        }
        drop(state);
        self.stamp().map(drop)
    }

    /// What is missing in `range` and fetched by nobody; from now on the caller fetches it, until [`DataFile::release_claim`].
    pub fn claim(&self, range: Range<u64>) -> Vec<Range<u64>> {
        lock(&self.state).presence.claim(&range)
    }

    /// Ends the claim on `range`, filled or not; those who wait for it are told.
    pub fn release_claim(&self, range: Range<u64>, outcome: std::result::Result<(), FetchError>) {
        let mut state = lock(&self.state);
        state.presence.release(&range, &outcome);
        state.shed();
    }

    /// Resolves when every byte of `range` is present, or it is clear that they do not come by themselves.
    pub fn wait_for(&self, range: Range<u64>) -> impl Future<Output = Arrived> + Send + 'static {
        let answer = lock(&self.state).presence.wait(range);
        async move { answer.await.unwrap_or(Arrived::Failed(FetchError::Abandoned)) }
    }

    /// Hands the ranges present to `save` if they changed since the last time; two savers never overtake each other.
    pub fn save_ranges<E>(
        &self,
        save: impl FnOnce(&Ranges) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if !self.unsaved.load(Ordering::Acquire) {
            return Ok(());
        }
        let _saving = lock(&self.saving);
        let ranges = {
            let state = lock(&self.state);
            self.unsaved.store(false, Ordering::Release);
            state.presence.present().clone()
        };
        save(&ranges).inspect_err(|_| self.unsaved.store(true, Ordering::Release))
    }

    /// Counts one more who may write.
    pub fn open_writer(self: &Arc<Self>) -> Writer {
        let mut state = lock(&self.state);
        state.writers += 1;
        self.uncompared(&mut state);
        drop(state);
        Writer(self.clone())
    }

    pub fn writers(&self) -> u32 {
        lock(&self.state).writers
    }

    pub fn set_mtime(&self, mtime: Timestamp) -> Result<()> {
        self.reader().set_modified(mtime.into()).map_err(meaning("setting the time of a data file"))
    }

    /// fsync(2), or fdatasync(2) with `data_only`. Blocks.
    pub fn sync(&self, data_only: bool) -> Result<()> {
        let reader = self.reader();
        let synced = if data_only { reader.sync_data() } else { reader.sync_all() };
        synced.map_err(meaning("syncing a data file"))
    }

    /// The SHA-1 of all bytes. Blocks, about a second for each gigabyte.
    pub fn hash(&self) -> Result<Sha1Digest> {
        let reader = self.reader();
        let size = reader.metadata().map_err(meaning("fstat of a data file"))?.len();
        hash_file(&reader, size).map_err(meaning("hashing a data file"))
    }

    /// The read-only descriptor of the data file as it is now.
    pub fn reader(&self) -> Arc<File> {
        read_lock(&self.reader)
    }

    /// What this file adds to the usage of its place.
    pub(super) fn counted_bytes(&self) -> u64 {
        lock(&self.counted).bytes
    }

    /// Runs `probe` while nobody can become a writer; `None` if somebody is one.
    pub(super) fn without_writers<T>(&self, probe: impl FnOnce(&File) -> T) -> Option<T> {
        let state = lock(&self.state);
        (state.writers == 0 && state.write_file.is_none()).then(|| probe(&self.reader()))
    }

    /// Moves the file to `to` while nobody writes. `make` is told where it is; it returns nothing if the file keeps its inode,
    /// else the copy that is the content from now on.
    pub(super) fn relocate(&self, to: Place, make: impl FnOnce(Place) -> Result<Option<File>>) -> Result<()> {
        let mut state = lock(&self.state);
        let from = self.place();
        if from == to {
            return Ok(());
        }
        if let Some(copy) = make(from)? {
            *self.reader.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(copy);
            if state.write_file.take().is_some() {
                state.write_file(&self.reader)?;
            }
        }
        let mut counted = lock(&self.counted);
        if !counted.removed {
            self.usage.sub(from, counted.bytes);
            self.usage.add(to, counted.bytes);
        }
        counted.place = to;
        drop(counted);
        if to == Place::Spool {
            self.uncompared(&mut state);
        }
        Ok(())
    }

    /// The file has no name any more; its bytes stay for those who have it open, and no longer count.
    pub(super) fn removed(&self) {
        let mut counted = lock(&self.counted);
        if !counted.removed {
            self.usage.sub(counted.place, counted.bytes);
            counted.removed = true;
        }
    }

    /// The bytes are about to be a program's own, which no digest is known of.
    fn uncompared(&self, state: &mut State) {
        if let Some(held) = state.stop_comparing() {
            self.arrive(state, held);
        }
    }

    pub(super) fn arrive(&self, state: &mut State, range: Range<u64>) {
        state.presence.arrive(range);
        self.unsaved.store(true, Ordering::Release);
        if state.presence.present().is_whole() {
            self.whole.store(true, Ordering::Release);
        }
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        // The last look; failing only leaves the estimate as it was.
        let _ = self.stamp();
    }
}

fn read_lock(reader: &RwLock<Arc<File>>) -> Arc<File> {
    reader.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A panic elsewhere leaves these states as they were before its last whole step, so that they stay usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

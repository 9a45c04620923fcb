//! The table of handles: what each number that the kernel holds stands for.

use super::ahead::Streams;
use super::asks::Source;
use super::copy::CopyInBox;
use super::error::{Result, VfsError};
use super::readers::Program;
use super::trouble::Trouble;
use super::types::Fh;
use crate::base::Ino;
use crate::content::{DataFile, Stamp, Writer};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Processes whose threads are looked at, when a thread makes a file, for one that reads what is not here: each costs a look at /proc.
const MAX_PROCESSES_ASKED: usize = 16;

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
    /// Where missing bytes came from when it was opened; `None` for what was never in Box.
    source: Option<Source>,
    /// What Box copies into it.
    pub copy: Arc<CopyInBox>,
    /// The process that opened it to read what is not here.
    pub cold_reader: Option<u32>,
    /// Its program gets no bytes that are not here.
    pub refused: bool,
    /// What [`DataFile::spoiled`] said when it was opened.
    pub spoiled: u64,
    /// Whether the rest of a cold content was asked for, which the first write does.
    pub asked_for_all: AtomicBool,
    /// Whether the name of the data file is on the disk.
    pub name_synced: AtomicBool,
    /// The stamp that Box is known to have (durability `box`).
    pub pushed: Arc<Mutex<Option<Stamp>>>,
    /// What its readers will want next.
    streams: Mutex<Streams>,
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
    /// `cache_bytes` is the limit of the cache.
    pub fn new(
        ino: Ino,
        file: Arc<DataFile>,
        (trouble, copy): (Arc<Trouble>, Arc<CopyInBox>),
        writer: Option<Writer>,
        source: Option<Source>,
        cache_bytes: u64,
    ) -> FileHandle {
        FileHandle {
            ino,
            spoiled: file.spoiled(),
            file,
            trouble,
            copy,
            cold_reader: None,
            refused: false,
            writer,
            source,
            asked_for_all: AtomicBool::new(false),
            name_synced: AtomicBool::new(false),
            pushed: Arc::default(),
            streams: Mutex::new(Streams::new(cache_bytes)),
            space: Mutex::default(),
        }
    }

    /// A reader of missing bytes, by its program.
    pub fn of(self, program: Option<Program>) -> FileHandle {
        let Some(program) = program else { return self };
        let source = self.source.map(|source| Source { tally: Some(program.tally), ..source });
        FileHandle { source, refused: program.refused, ..self }
    }

    /// Where missing bytes come from; `None` for what was never in Box.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref().or_else(|| self.copy.source())
    }

    pub fn streams(&self) -> MutexGuard<'_, Streams> {
        // Changed in single steps, so that a panic elsewhere leaves them whole.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All handles.
#[derive(Default)]
pub(super) struct Handles {
    next: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Handle>,
    /// How many files each process has open to read what is not here.
    cold_readers: HashMap<u32, usize>,
}

impl Handles {
    pub fn add(&self, handle: Handle) -> Fh {
        let fh = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut table = self.lock();
        if let Some(pid) = cold_reader(&handle) {
            *table.cold_readers.entry(pid).or_default() += 1;
        }
        table.open.insert(fh, handle);
        Fh(fh)
    }

    /// Whether the process, by the number of any of its threads, has a file open to read what is not here.
    pub fn reads_cold(&self, pid: u32) -> bool {
        let readers: Vec<u32> = {
            let table = self.lock();
            if table.cold_readers.is_empty() || table.cold_readers.contains_key(&pid) {
                return !table.cold_readers.is_empty();
            }
            table.cold_readers.keys().copied().take(MAX_PROCESSES_ASKED).collect()
        };
        readers.iter().any(|reader| Path::new(&format!("/proc/{reader}/task/{pid}")).exists())
    }

    pub fn get(&self, fh: Fh) -> Result<Handle> {
        self.lock().open.get(&fh.0).cloned().ok_or(VfsError::BadHandle)
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
        let mut table = self.lock();
        let handle = table.open.remove(&fh.0).ok_or(VfsError::BadHandle)?;
        if let Some(pid) = cold_reader(&handle)
            && let Some(count) = table.cold_readers.get_mut(&pid)
        {
            *count -= 1;
            if *count == 0 {
                table.cold_readers.remove(&pid);
            }
        }
        Ok(handle)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cold_reader(handle: &Handle) -> Option<u32> {
    match handle {
        Handle::File(file) => file.cold_reader,
        Handle::Folder(_) | Handle::Text(_) => None,
    }
}

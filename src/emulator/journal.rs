//! The account on disk: a file of JSON lines, each one a transaction. A line that a crash cut short was never answered
//! and is dropped. At start the file is read, and written anew where most of it is outdated.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::private::open_private;
use super::store::{Batch, Store};

/// Journals below this size are not worth writing anew.
const REWRITE_FROM_BYTES: u64 = 1024 * 1024;
/// A journal that is this many times larger than what it says is written anew.
const REWRITE_FACTOR: u64 = 4;

/// The open end of the journal.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
}

impl Journal {
    /// Reads what is there into the store and opens the journal for more.
    pub(super) fn open(path: &Path, store: &mut Store) -> io::Result<Journal> {
        let mut file = open_private(path, File::options().read(true).append(true).create(true))?;
        lock(&file)?;
        let whole = replay(&mut file, store)?;
        file.set_len(whole)?;
        store.rebuild();
        let rows_bytes = measure(store)?;
        if whole > REWRITE_FROM_BYTES && whole > rows_bytes * REWRITE_FACTOR {
            file = rewrite(path, store)?;
        }
        Ok(Journal { file })
    }

    /// Replaces the journal by one that says what the store has.
    pub(super) fn write_anew(&mut self, path: &Path, store: &mut Store) -> io::Result<()> {
        self.file = rewrite(path, store)?;
        Ok(())
    }

    /// Writes one transaction; once this returns, a killed process does not lose it.
    pub(super) fn append(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|_| {
        io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another emulator uses this data directory; stop it or choose another",
        )
    })
}

/// Applies all complete lines; answers how many bytes they are.
fn replay(file: &mut File, store: &mut Store) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(1024 * 1024, file);
    let (mut line, mut whole) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = reader.by_ref().read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        let batch: Batch = serde_json::from_slice(&line)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("journal, byte {whole}: {error}")))?;
        store.replay(batch);
        whole += read as u64;
    }
}

/// Counts what goes by.
struct Meter(u64);

impl Write for Meter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn measure(store: &mut Store) -> io::Result<u64> {
    let mut meter = Meter(0);
    store.write_all(&mut meter)?;
    Ok(meter.0)
}

fn rewrite(path: &Path, store: &mut Store) -> io::Result<File> {
    let fresh: PathBuf = path.with_extension("fresh");
    let created = open_private(&fresh, File::options().write(true).create(true).truncate(true))?;
    let mut writer = BufWriter::new(created);
    store.write_all(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    let file = File::options().append(true).open(path)?;
    lock(&file)?;
    Ok(file)
}

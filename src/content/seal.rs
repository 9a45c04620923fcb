//! Sealing: proof that nobody can still change the bytes of a content, and what the bytes are.
//!
//! Under passthrough a shared mapping outlives close, RELEASE and the daemon, and its stores reach the file unseen. The kernel
//! grants a read lease only while nobody has the file open for writing, mappings included.

use super::data_file::DataFile;
use super::error::{Result, meaning};
use super::stamp::{Stamp, proving_stamp};
use super::store::Content;
use super::usage::Place;
use crate::base::{ContentId, Sha1Digest, hash_file};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// What [`DataFile::seal`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// Nobody can write, the bytes are on the disk, and this is what they are.
    Sealed { stamp: Stamp, sha1: Sha1Digest, size: u64 },
    /// Nobody can write, and the file is as the expected stamp says.
    Unchanged(Stamp),
    /// Somebody still writes, or can.
    Busy,
    /// Not every byte is present.
    Incomplete,
}

impl DataFile {
    /// Seals the content as it is now. The proof holds until somebody opens it for writing; [`DataFile::still`] tells.
    ///
    /// Blocks: syncs the file and reads it whole, unless it is as `expected`.
    pub fn seal(&self, expected: Option<Stamp>) -> Result<Sealing> {
        if !self.is_whole() {
            return Ok(Sealing::Incomplete);
        }
        if !self.is_at_rest()? {
            return Ok(Sealing::Busy);
        }
        // Before the stamp: a store to a page that is already dirty moves the times only after a sync has cleaned it.
        self.sync(false)?;
        let file = self.reader();
        let Some(stamp) = proving_stamp(&file)? else { return Ok(Sealing::Busy) };
        if expected == Some(stamp) {
            return Ok(Sealing::Unchanged(stamp));
        }
        let sha1 = match hash_file(&file, stamp.size) {
            Ok(sha1) => sha1,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Sealing::Busy),
            Err(e) => return Err(meaning("hashing a data file")(e)),
        };
        if !self.is_at_rest()? || Stamp::of(&file)? != stamp {
            return Ok(Sealing::Busy);
        }
        Ok(Sealing::Sealed { stamp, sha1, size: stamp.size })
    }

    /// The bytes as they are at this moment, although somebody may still write: only the stamps before and after tell that they
    /// are of one instant, and before a commit they have to be compared again.
    ///
    /// Blocks like [`DataFile::seal`].
    pub fn seal_open(&self) -> Result<Sealing> {
        if !self.is_whole() {
            return Ok(Sealing::Incomplete);
        }
        self.sync(false)?;
        let file = self.reader();
        let Some(stamp) = proving_stamp(&file)? else { return Ok(Sealing::Busy) };
        let sha1 = match hash_file(&file, stamp.size) {
            Ok(sha1) => sha1,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Sealing::Busy),
            Err(e) => return Err(meaning("hashing a data file")(e)),
        };
        self.sync(false)?;
        if Stamp::of(&file)? != stamp {
            return Ok(Sealing::Busy);
        }
        Ok(Sealing::Sealed { stamp, sha1, size: stamp.size })
    }

    /// Whether the bytes are still those of `stamp`, which was taken by [`DataFile::seal`]. Syncs first, so it blocks.
    pub fn still(&self, stamp: &Stamp) -> Result<bool> {
        self.sync(false)?;
        Ok(Stamp::of(&self.reader())? == *stamp)
    }

    /// Whether nobody, in this process or another, has the file open or mapped for writing.
    pub fn is_at_rest(&self) -> Result<bool> {
        self.without_writers(has_no_writer).unwrap_or(Ok(false))
    }
}

impl Content {
    /// Whether nobody has the data file of a content in the cache open or mapped for writing, or there is none.
    pub fn is_unwritten(&self, id: ContentId) -> Result<bool> {
        match File::open(self.path(Place::Cache, id)) {
            Ok(file) => has_no_writer(&file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(e) => Err(meaning("opening a data file")(e)),
        }
    }
}

/// Which signal tells of a broken lease; `asm-generic/fcntl.h`, not in the libc crate.
const F_SETSIG: libc::c_int = 10;

/// Takes a read lease and gives it back. A file system without leases says yes: there stamps alone decide.
fn has_no_writer(file: &File) -> Result<bool> {
    // An opener between the two calls makes the kernel signal us, by default with SIGIO, which kills. SIGURG is ignored.
    let quiet = fcntl(file, F_SETSIG, libc::SIGURG);
    match quiet.and_then(|()| fcntl(file, libc::F_SETLEASE, libc::F_RDLCK)) {
        Ok(()) => fcntl(file, libc::F_SETLEASE, libc::F_UNLCK).map(|()| true),
        Err(e) => match e.raw_os_error() {
            Some(libc::EAGAIN) => Ok(false),
            Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS) => Ok(true),
            _ => Err(e),
        },
    }
    .map_err(meaning("a lease on a data file"))
}

fn fcntl(file: &File, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
    // SAFETY: these commands take a number and touch no memory.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

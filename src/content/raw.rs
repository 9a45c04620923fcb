//! System calls on a data file's descriptor, by offset; no state.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// What fallocate(2) is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allocate {
    /// Blocks for the range; the file grows if it ends inside.
    Reserve,
    /// Blocks for the range; the size stays.
    ReserveKeepSize,
    /// The range becomes a hole that reads as zeros; the size stays.
    PunchHole,
    /// The range reads as zeros; the file grows if it ends inside.
    Zero,
    /// The range reads as zeros; the size stays.
    ZeroKeepSize,
}

pub(super) fn fill_gaps(file: &File, offset: u64, bytes: &[u8], gaps: &[Range<u64>]) -> io::Result<()> {
    let mtime = file.metadata()?.modified()?;
    for gap in gaps {
        let part = (gap.start - offset) as usize..(gap.end - offset) as usize;
        file.write_all_at(&bytes[part], gap.start)?;
    }
    file.set_modified(mtime)
}

pub(super) fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            // Truncated since its size was asked for.
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

pub(super) fn fallocate(file: &File, offset: u64, len: u64, how: Allocate) -> io::Result<()> {
    let mode = match how {
        Allocate::Reserve => 0,
        Allocate::ReserveKeepSize => libc::FALLOC_FL_KEEP_SIZE,
        Allocate::PunchHole => libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
        Allocate::Zero => libc::FALLOC_FL_ZERO_RANGE,
        Allocate::ZeroKeepSize => libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE,
    };
    let span = |n: u64| i64::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    // SAFETY: fallocate touches no memory.
    match unsafe { libc::fallocate(file.as_raw_fd(), mode, span(offset)?, span(len)?) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// By descriptor, not by name: the file may move between the directories, or have no name any more.
pub(super) fn reopen_for_writing(file: &File) -> io::Result<File> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    OpenOptions::new().read(true).write(true).open(path)
}

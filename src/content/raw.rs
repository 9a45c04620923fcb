//! System calls on a data file's descriptor, by offset; no state.

use nix::errno::Errno;
use nix::sys::uio::pwritev;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// The most that one call takes: IOV_MAX of Linux (readv(2)).
const MOST_PARTS: usize = 1024;

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

/// Writes of `chunks`, which follow each other from `offset` on, what lies in `gaps`. Keeps the mtime.
pub(super) fn fill_gaps(file: &File, offset: u64, chunks: &[impl AsRef<[u8]>], gaps: &[Range<u64>]) -> io::Result<()> {
    let mtime = file.metadata()?.modified()?;
    for gap in gaps {
        write_all_at(file, &mut parts_of(gap, offset, chunks), gap.start)?;
    }
    file.set_modified(mtime)
}

/// What of `chunks`, which follow each other from `offset` on, lies in `gap`.
fn parts_of<'c>(gap: &Range<u64>, offset: u64, chunks: &'c [impl AsRef<[u8]>]) -> Vec<IoSlice<'c>> {
    let mut at = offset;
    let mut parts = Vec::with_capacity(chunks.len());
    for chunk in chunks.iter().map(AsRef::as_ref) {
        let len = chunk.len() as u64;
        let within = |edge: u64| edge.saturating_sub(at).min(len) as usize;
        let part = &chunk[within(gap.start)..within(gap.end)];
        if !part.is_empty() {
            parts.push(IoSlice::new(part));
        }
        at += len;
    }
    parts
}

fn write_all_at(file: &File, mut parts: &mut [IoSlice], mut offset: u64) -> io::Result<()> {
    while !parts.is_empty() {
        let at = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        match pwritev(file, &parts[..parts.len().min(MOST_PARTS)], at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut parts, written);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

pub(super) fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = libc::off_t::try_from(offset + bytes.len() as u64).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let missing = len - bytes.len();
        let room = &mut bytes.spare_capacity_mut()[..missing];
        // SAFETY: `room` is memory of `bytes` that nobody else uses meanwhile.
        let read = unsafe { libc::pread(file.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), at) };
        match usize::try_from(read) {
            // Truncated since its size was asked for.
            Ok(0) => break,
            // SAFETY: pread(2) has set so many bytes behind those that were there, and they fit.
            Ok(read) => unsafe { bytes.set_len(bytes.len() + read) },
            Err(_) => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => {}
                e => return Err(e),
            },
        }
    }
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

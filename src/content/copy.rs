//! Copies of data files: shared blocks where the disk can, else the bytes, with holes kept.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::fd::AsRawFd;

/// Makes `to`, which is empty, equal to `from` in bytes and size. Both must have file offsets of their own.
///
/// Blocks for as long as the copy takes. The result is consistent only if nobody writes `from` meanwhile.
pub(super) fn copy_data(from: &File, to: &File) -> io::Result<()> {
    let size = from.metadata()?.len();
    // SAFETY: FICLONE takes the descriptor of the source as its argument and touches no memory of ours.
    let cloned = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    if cloned == 0 {
        return Ok(());
    }
    to.set_len(size)?;
    let mut at = 0;
    while let Some(data) = seek(from, at, Seek::Data)? {
        let end = seek(from, data, Seek::Hole)?.unwrap_or(size);
        copy_span(from, to, data, end - data)?;
        at = end;
    }
    Ok(())
}

/// What to look for in a sparse file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seek {
    Data,
    Hole,
}

/// The next data or hole at or after `offset`; `None` beyond the end.
pub(super) fn seek(file: &File, offset: u64, what: Seek) -> io::Result<Option<u64>> {
    let whence = match what {
        Seek::Data => libc::SEEK_DATA,
        Seek::Hole => libc::SEEK_HOLE,
    };
    let Ok(offset) = i64::try_from(offset) else { return Ok(None) };
    // SAFETY: lseek touches no memory.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match io::Error::last_os_error() {
            e if e.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            e => Err(e),
        },
    }
}

/// The standard library's copy between files is copy_file_range(2), with reads and writes where the kernel refuses it.
fn copy_span(mut from: &File, mut to: &File, offset: u64, len: u64) -> io::Result<()> {
    from.seek(SeekFrom::Start(offset))?;
    to.seek(SeekFrom::Start(offset))?;
    let copied = io::copy(&mut from.take(len), &mut to)?;
    if copied < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_has_the_bytes_and_the_holes() {
        let from = tempfile::tempfile().unwrap();
        let to = tempfile::tempfile().unwrap();
        from.write_all_at(b"start", 0).unwrap();
        from.write_all_at(b"middle", 5_000_000).unwrap();
        from.set_len(10_000_000).unwrap();
        copy_data(&from, &to).unwrap();
        let metadata = to.metadata().unwrap();
        assert_eq!(metadata.len(), 10_000_000);
        assert!(metadata.blocks() * 512 < 1_000_000);
        let mut bytes = [0; 6];
        to.read_exact_at(&mut bytes, 5_000_000).unwrap();
        assert_eq!(&bytes, b"middle");
        to.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"start\0");
    }
}

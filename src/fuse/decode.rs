//! Between fuser's types and vfs's: flags, times, attributes. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, FopenFlags, Generation, INodeNo, RenameFlags, Request, TimeOrNow};

use crate::base::{Ino, Timestamp};
use crate::vfs::{Attr, Caller, FileKind, OpenHow, RenameHow, SetTime, Way};

/// Inode numbers are never reused, so one generation is enough.
pub(super) const GENERATION: Generation = Generation(0);
/// What `stat` says about the best size of a read or write; one page, as the kernel's cache has it.
const BLOCK_SIZE: u32 = 4096;
/// The unit of `st_blocks`.
const STAT_BLOCK: u64 = 512;
/// Permission bits, with setuid, setgid and sticky.
const PERMISSIONS: u32 = 0o7777;

pub(super) fn ino(number: INodeNo) -> Ino {
    Ino(number.0)
}

pub(super) fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

/// The permission bits of a mode; the kernel has applied the umask.
pub(super) fn permissions(mode: u32) -> u32 {
    mode & PERMISSIONS
}

/// How a file is opened, from the flags of open(2).
pub(super) fn open_how(flags: i32) -> OpenHow {
    let access = flags & libc::O_ACCMODE;
    OpenHow {
        // Access mode 3 (ioctl only) may do neither; reading is checked by the kernel then.
        read: access != libc::O_WRONLY,
        write: access == libc::O_WRONLY || access == libc::O_RDWR,
        truncate: flags & libc::O_TRUNC != 0,
        append: flags & libc::O_APPEND != 0,
        exclusive: flags & libc::O_EXCL != 0,
    }
}

/// What rename is asked to do; `None` for flags that mean nothing here (`RENAME_WHITEOUT`, contradictions).
pub(super) fn rename_how(flags: RenameFlags) -> Option<RenameHow> {
    if flags.is_empty() {
        Some(RenameHow::Replace)
    } else if flags == RenameFlags::RENAME_NOREPLACE {
        Some(RenameHow::NoReplace)
    } else if flags == RenameFlags::RENAME_EXCHANGE {
        Some(RenameHow::Exchange)
    } else {
        None
    }
}

pub(super) fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::Now => SetTime::Now,
        TimeOrNow::SpecificTime(time) => SetTime::At(timestamp(time)),
    }
}

/// The time the kernel sent. fuser turns (-2 s, +0.3 s) into 2.3 s before 1970 instead of 1.7 s; this undoes it, which
/// is possible because it keeps both numbers.
fn timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let secs = i64::try_from(before.as_secs()).map_or(i64::MIN, |secs| -secs);
            Timestamp::new(secs, before.subsec_nanos())
        }
    }
}

fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::File => FileType::RegularFile,
        FileKind::Folder => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
    }
}

pub(super) fn file_attr(attr: &Attr) -> FileAttr {
    let permissions = u16::try_from(attr.mode & PERMISSIONS).expect("twelve bits fit");
    FileAttr {
        ino: INodeNo(attr.ino.0),
        size: attr.size,
        blocks: attr.size.div_ceil(STAT_BLOCK),
        atime: attr.atime.into(),
        mtime: attr.mtime.into(),
        ctime: attr.ctime.into(),
        crtime: attr.btime.into(),
        kind: file_type(attr.kind),
        perm: permissions,
        nlink: attr.nlink,
        uid: attr.uid,
        gid: attr.gid,
        rdev: 0,
        blksize: BLOCK_SIZE,
        flags: 0,
    }
}

/// The attributes of an entry of which only number and kind are known: `.` and `..`, whose attributes the kernel
/// ignores, and a name that is not there (number 0).
pub(super) fn bare_attr(ino: Ino, kind: FileKind) -> FileAttr {
    FileAttr {
        ino: INodeNo(ino.0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: file_type(kind),
        perm: 0,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK_SIZE,
        flags: 0,
    }
}

/// The kernel's flags for a handle that copies through the daemon. A passthrough way has none of its own.
pub(super) fn open_flags(way: &Way) -> FopenFlags {
    match way {
        Way::Cached { keep: true } => FopenFlags::FOPEN_KEEP_CACHE,
        Way::Cached { keep: false } | Way::Passthrough(_) => FopenFlags::empty(),
        Way::Direct => FopenFlags::FOPEN_DIRECT_IO,
    }
}

/// How long the kernel may keep what a reply says that has no lifetime of its own: not at all.
pub(super) const NOT_AT_ALL: Duration = Duration::ZERO;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_open_are_understood() {
        let how = open_how(libc::O_WRONLY | libc::O_APPEND | libc::O_TRUNC);
        assert!(!how.read && how.write && how.append && how.truncate && !how.exclusive);
        let how = open_how(libc::O_RDWR | libc::O_EXCL);
        assert!(how.read && how.write && how.exclusive && !how.truncate);
        let how = open_how(libc::O_RDONLY);
        assert!(how.read && !how.write);
    }

    #[test]
    fn contradicting_rename_flags_mean_nothing() {
        assert!(rename_how(RenameFlags::RENAME_NOREPLACE | RenameFlags::RENAME_EXCHANGE).is_none());
        assert!(rename_how(RenameFlags::RENAME_WHITEOUT).is_none());
        assert!(matches!(rename_how(RenameFlags::empty()), Some(RenameHow::Replace)));
    }

    #[test]
    fn times_before_1970_are_what_the_program_said() {
        // What fuser makes of the kernel's (-2, 300_000_000).
        let mangled = UNIX_EPOCH - Duration::new(2, 300_000_000);
        assert_eq!(timestamp(mangled), Timestamp::new(-2, 300_000_000));
        assert_eq!(timestamp(UNIX_EPOCH + Duration::new(5, 7)), Timestamp::new(5, 7));
    }
}

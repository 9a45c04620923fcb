//! The one table from meanings to the errnos that programs see.
//!
//! No other file of boxfs names an errno for a program. An error with a cause that nobody expected is logged here,
//! once, on its way out.

use std::io;

use fuser::Errno;

use crate::vfs::VfsError;

/// A name longer than what the reply can say, an offset the file cannot have, a flag that means nothing here.
pub(super) const MEANINGLESS: Errno = Errno::EINVAL;
/// A call that the kernel then never sends again and does without (`poll`, `bmap`, `copy_file_range`).
pub(super) const NOT_IMPLEMENTED: Errno = Errno::ENOSYS;
/// Any ioctl: what a file answers that is no device.
pub(super) const NO_IOCTL: Errno = Errno::ENOTTY;
/// Box has no hard links.
pub(super) const NO_HARD_LINKS: Errno = Errno::EPERM;
/// The answer to an extended attribute is larger than the program's buffer.
pub(super) const BUFFER_TOO_SMALL: Errno = Errno::ERANGE;
/// Too many requests wait already.
pub(super) const CROWDED: Errno = Errno::ENOMEM;
/// The wait was longer than a request may take.
pub(super) const WAITED_TOO_LONG: Errno = Errno::ETIMEDOUT;
/// The daemon stops and answers all who wait. Never `EINTR`: cp, Python and Go repeat a call after that, and would
/// spin until the mount is gone.
pub(super) const STOPPING: Errno = Errno::EIO;

/// The number of an errno that another room names, such as `EDQUOT`.
pub fn errno_number(name: &str) -> Option<i32> {
    let numbers = [
        ("EACCES", libc::EACCES),
        ("EPERM", libc::EPERM),
        ("EDQUOT", libc::EDQUOT),
        ("ENOSPC", libc::ENOSPC),
        ("EFBIG", libc::EFBIG),
        ("EINVAL", libc::EINVAL),
        ("ENAMETOOLONG", libc::ENAMETOOLONG),
        ("EIO", libc::EIO),
    ];
    numbers.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// Whether opening the device, or mounting with it, says that this kernel has no FUSE.
pub(super) fn is_no_device(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::ENXIO))
}

/// What a program sees for `error`.
pub(super) fn errno(error: &VfsError) -> Errno {
    match error {
        // A wait is awaited, not shown; whoever asks for its errno nevertheless is out of time.
        VfsError::Wait(_) => WAITED_TOO_LONG,
        VfsError::NotFound => Errno::ENOENT,
        VfsError::Exists => Errno::EEXIST,
        VfsError::NotDirectory => Errno::ENOTDIR,
        VfsError::IsDirectory => Errno::EISDIR,
        VfsError::NotEmpty => Errno::ENOTEMPTY,
        VfsError::Invalid => Errno::EINVAL,
        VfsError::NameTooLong => Errno::ENAMETOOLONG,
        VfsError::Denied => Errno::EACCES,
        VfsError::NotPermitted => Errno::EPERM,
        VfsError::ReadOnly => Errno::EROFS,
        VfsError::NoSpace => Errno::ENOSPC,
        VfsError::OverQuota => Errno::EDQUOT,
        VfsError::TooBig => Errno::EFBIG,
        VfsError::Busy => Errno::EBUSY,
        VfsError::NoAttribute => Errno::ENODATA,
        VfsError::RangeTooSmall => BUFFER_TOO_SMALL,
        VfsError::BeyondEnd => Errno::ENXIO,
        VfsError::Unreachable | VfsError::Refused => Errno::EIO,
        VfsError::TimedOut => WAITED_TOO_LONG,
        VfsError::NotSupported => Errno::EOPNOTSUPP,
        VfsError::CrossDevice => Errno::EXDEV,
        VfsError::TooManyLinks => Errno::EMLINK,
        VfsError::BadHandle => Errno::EBADF,
        VfsError::Stale => Errno::ESTALE,
        VfsError::Io(source) => {
            log::error!("a request failed: {source}");
            Errno::EIO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_meaning_has_the_errno_that_programs_know() {
        let table = [
            (VfsError::NotFound, libc::ENOENT),
            (VfsError::Exists, libc::EEXIST),
            (VfsError::NotEmpty, libc::ENOTEMPTY),
            (VfsError::Denied, libc::EACCES),
            (VfsError::NotPermitted, libc::EPERM),
            (VfsError::NoSpace, libc::ENOSPC),
            (VfsError::OverQuota, libc::EDQUOT),
            (VfsError::NoAttribute, libc::ENODATA),
            (VfsError::BeyondEnd, libc::ENXIO),
            (VfsError::NotSupported, libc::EOPNOTSUPP),
            (VfsError::Stale, libc::ESTALE),
        ];
        for (error, expected) in table {
            assert_eq!(errno(&error).code(), expected, "{error:?}");
        }
    }

    #[test]
    fn stopping_is_never_an_interrupt() {
        assert_ne!(STOPPING.code(), libc::EINTR);
    }
}

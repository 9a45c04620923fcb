//! What can go wrong with the bytes of a file, as meanings.

use crate::base::ContentId;
use std::io;

/// A call on a content that did not work.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Neither spool nor cache holds a data file for this content.
    #[error("the data file of content {id} is gone")]
    Lost { id: ContentId },
    /// A data file for this content is there already.
    #[error("content {id} exists already")]
    Exists { id: ContentId },
    /// Somebody uses the content in a way that keeps it where it is.
    #[error("content {id} is in use")]
    InUse { id: ContentId },
    /// The disk under spool or cache is full, or its quota is used up.
    #[error("no space left on the disk of spool and cache")]
    OutOfSpace,
    /// Larger than the disk's file system can hold.
    #[error("the file is too large for the disk of spool and cache")]
    TooBig,
    /// The write would tear a content that is being fetched into more pieces than are kept in memory.
    #[error("too many separate pieces written before the rest has arrived")]
    Scattered,
    /// The disk's file system cannot do this.
    #[error("not supported by the disk of spool and cache")]
    Unsupported,
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
}

pub type Result<T> = std::result::Result<T, ContentError>;

/// Gives an `io::Error` its meaning; `what` says what was tried.
pub(super) fn meaning(what: &'static str) -> impl FnOnce(io::Error) -> ContentError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ContentError::OutOfSpace,
        io::ErrorKind::FileTooLarge => ContentError::TooBig,
        io::ErrorKind::Unsupported => ContentError::Unsupported,
        _ => ContentError::Io { what, source },
    }
}

/// Why bytes that were asked for did not come; shared by all who wait for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("Box cannot be reached")]
    Unreachable,
    #[error("Box no longer has this version")]
    VersionGone,
    #[error("Box does not allow this download")]
    Denied,
    #[error("the bytes are not those Box has a SHA-1 of")]
    Corrupt,
    #[error("no space left for the bytes")]
    OutOfSpace,
    #[error("the request was given up")]
    Abandoned,
    #[error("{0}")]
    Other(String),
}

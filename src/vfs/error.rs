//! What an operation answers when it does not succeed: meanings, which the kernel's side turns into errnos.

use crate::content::{ContentError, FetchError};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why an operation has no answer, or a refusal for one.
#[derive(Debug, thiserror::Error)]
pub enum VfsError {
    /// Not yet: await this, then make the same call again.
    #[error("Box has to be asked first")]
    Wait(Need),
    #[error("it does not exist")]
    NotFound,
    #[error("the name, or one that Box does not tell apart from it, is taken")]
    Exists,
    #[error("it is not a folder")]
    NotDirectory,
    #[error("it is a folder")]
    IsDirectory,
    #[error("the folder is not empty")]
    NotEmpty,
    #[error("that makes no sense here")]
    Invalid,
    #[error("the name is too long for Box")]
    NameTooLong,
    /// Box does not let this user do it.
    #[error("Box does not allow it")]
    Denied,
    /// Nobody can do it here.
    #[error("that cannot be done in this file system")]
    NotPermitted,
    #[error("the mount is read-only")]
    ReadOnly,
    #[error("no space left on the disk of spool and cache")]
    NoSpace,
    #[error("the account's quota is used up")]
    OverQuota,
    #[error("the file would be larger than Box takes")]
    TooBig,
    #[error("it is in use")]
    Busy,
    #[error("there is no such attribute")]
    NoAttribute,
    #[error("the answer does not fit")]
    RangeTooSmall,
    /// Nothing is at or beyond this offset.
    #[error("the offset is beyond the end")]
    BeyondEnd,
    #[error("Box cannot be reached, and what is asked for is not on this machine")]
    Unreachable,
    /// Box refuses what was written, for a reason that no other meaning has.
    #[error("Box refuses it")]
    Refused,
    #[error("Box took too long")]
    TimedOut,
    #[error("not supported")]
    NotSupported,
    #[error("it is in another file system")]
    CrossDevice,
    #[error("too many links")]
    TooManyLinks,
    #[error("no such handle, or not one for this")]
    BadHandle,
    #[error("it is gone")]
    Stale,
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub type Result<T> = std::result::Result<T, VfsError>;

/// What has to happen before an operation can be answered. `Err` is the operation's answer: it is not to be repeated.
pub struct Need(Pin<Box<dyn Future<Output = Result<()>> + Send>>);

impl Need {
    pub(super) fn new(future: impl Future<Output = Result<()>> + Send + 'static) -> Need {
        Need(Box::pin(future))
    }
}

impl Future for Need {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Need")
    }
}

impl From<ContentError> for VfsError {
    fn from(error: ContentError) -> VfsError {
        match error {
            ContentError::OutOfSpace => VfsError::NoSpace,
            ContentError::TooBig => VfsError::TooBig,
            ContentError::InUse { .. } => VfsError::Busy,
            ContentError::Unsupported => VfsError::NotSupported,
            ContentError::Io { .. }
            | ContentError::Lost { .. }
            | ContentError::Exists { .. }
            | ContentError::Scattered => VfsError::Io(io::Error::other(error)),
        }
    }
}

impl From<FetchError> for VfsError {
    fn from(error: FetchError) -> VfsError {
        match error {
            FetchError::Unreachable | FetchError::Abandoned => VfsError::Unreachable,
            FetchError::VersionGone => VfsError::Stale,
            FetchError::Denied => VfsError::Denied,
            FetchError::OutOfSpace => VfsError::NoSpace,
            FetchError::Corrupt | FetchError::Other(_) => VfsError::Io(io::Error::other(error)),
        }
    }
}

//! What a failed call means, in the words the rest of boxfs uses. Names no HTTP status: `error.rs` does.

use super::sessions::Session;
use crate::base::{BoxId, Sha1Digest};
use std::fmt;
use std::time::Duration;

/// Why a call did not give what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// No such item, or it was never visible to this account: Box does not tell the two apart.
    NotFound,
    /// The item exists, in the trash.
    Trashed,
    /// The account may not do this with this item.
    NoAccess,
    /// Somebody else's lock forbids it.
    Locked,
    /// A rule of the enterprise forbids it (Shield, location, malware, terms of service).
    ForbiddenByPolicy,
    /// An item with this name (case aside) is already in the folder. Box does not always say which.
    NameTaken {
        existing: Option<Box<ExistingItem>>,
    },
    /// Another request in flight holds the name; heals within seconds.
    NameReserved,
    /// A long operation on this folder tree holds it.
    Blocked,
    /// `If-Match` did not match: the item is another than the one that was known.
    Changed,
    FolderNotEmpty,
    /// A folder would come to lie below itself.
    Cyclical,
    BadName,
    NameTooLong,
    /// Chunked upload is not for files this small: the simple upload takes it.
    TooSmallForSession,
    /// The upload session is over: expired, committed, aborted, failed or never there.
    SessionGone,
    /// A live session for this target exists already.
    SessionConflict {
        session: Option<Box<Session>>,
    },
    /// The part, or one that overlaps it, is stored already: the part list says which.
    PartAlreadyThere,
    /// Box has not registered every part yet, or one is missing.
    PartsMismatch,
    /// The whole file's SHA-1 is not the announced one.
    DigestMismatch,
    /// The SHA-1 of the bytes of this one request is not the announced one.
    BadDigest,
    OutOfQuota,
    FileTooLarge,
    /// Too many calls; the client holds back this class of calls for as long as Box said.
    Throttled {
        retry_after: Option<Duration>,
    },
    /// No valid token, and none to be had without the user.
    SignInNeeded,
    /// The application or the token lacks a scope.
    InsufficientScope,
    /// Nothing reached Box: connection refused, no name, no route, no TLS.
    NotSent,
    /// Something on the way answers in Box's place: a captive portal, a filter, a proxy's own page.
    Intercepted,
    /// The request left (or may have), and no usable answer came: reset, stall, 5xx.
    OutcomeUnknown,
    /// The range lies outside the content.
    RangeNotSatisfiable,
    /// The content is being prepared at Box and did not become ready within the patience of the call.
    NotReady,
    /// An answer that is none of Box's.
    BadAnswer,
    /// The bytes to be sent could not be read in full from the local file.
    LocalFile,
    /// The client's options are wrong; nothing was sent.
    BadOptions,
    /// Box refuses, for a reason that only the message tells.
    Refused,
}

/// The item that holds a wanted name.
#[derive(Debug, Clone, PartialEq)]
pub struct ExistingItem {
    pub id: BoxId,
    pub name: String,
    pub sha1: Option<Sha1Digest>,
    pub version_id: Option<String>,
    pub etag: Option<String>,
}

/// Whether a failed call may have changed something in Box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    No,
    Unknown,
}

/// What can make the same call succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heals {
    /// Time alone; `after` is Box's own word on how much.
    Waiting { after: Option<Duration> },
    /// The user signs in again.
    SignIn,
    /// Nothing, unless the call or the item changes.
    Never,
}

/// A failed call. Never carries a token or a download URL.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct ApiError {
    pub meaning: Meaning,
    /// HTTP status, where an answer came.
    pub status: Option<u16>,
    /// Box's `code`.
    pub code: Option<Box<str>>,
    /// One line, at most [`MAX_MESSAGE_CHARS`] characters.
    pub message: String,
    /// Box's id of the request, for a talk with its support.
    pub request_id: Option<Box<str>>,
    /// The call's name, such as `upload_part`.
    pub call: &'static str,
    /// `Retry-After`, on whatever answer it came.
    pub retry_after: Option<Duration>,
}

/// Longest text of an error that is kept: a status line shows it, and a proxy may answer with a whole page.
const MAX_MESSAGE_CHARS: usize = 300;

impl ApiError {
    pub(super) fn new(call: &'static str, meaning: Meaning, message: impl AsRef<str>) -> ApiError {
        ApiError {
            meaning,
            status: None,
            code: None,
            message: one_line(message.as_ref()),
            request_id: None,
            call,
            retry_after: None,
        }
    }

    /// Whether Box may have carried the call out in spite of the error.
    pub fn applied(&self) -> Applied {
        match self.meaning {
            Meaning::OutcomeUnknown | Meaning::BadAnswer => Applied::Unknown,
            _ => Applied::No,
        }
    }

    pub fn heals(&self) -> Heals {
        use Meaning::*;
        match &self.meaning {
            Throttled { retry_after } => Heals::Waiting { after: *retry_after },
            NameReserved
            | Blocked
            | PartsMismatch
            | NotSent
            | Intercepted
            | OutcomeUnknown
            | NotReady
            | BadAnswer
            | SessionGone
            | SessionConflict { .. } => Heals::Waiting { after: self.retry_after },
            SignInNeeded => Heals::SignIn,
            NotFound
            | Trashed
            | NoAccess
            | Locked
            | ForbiddenByPolicy
            | NameTaken { .. }
            | Changed
            | FolderNotEmpty
            | Cyclical
            | BadName
            | NameTooLong
            | TooSmallForSession
            | PartAlreadyThere
            | DigestMismatch
            | BadDigest
            | OutOfQuota
            | FileTooLarge
            | InsufficientScope
            | RangeNotSatisfiable
            | LocalFile
            | BadOptions
            | Refused => Heals::Never,
        }
    }
}

pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.meaning)?;
        let mut facts = Vec::new();
        match (self.status, &self.code) {
            (Some(status), Some(code)) => facts.push(format!("{status} {code}")),
            (Some(status), None) => facts.push(status.to_string()),
            (None, Some(code)) => facts.push(code.to_string()),
            (None, None) => {}
        }
        facts.extend(self.request_id.as_ref().map(|id| format!("request {id}")));
        if !facts.is_empty() {
            write!(f, " ({})", facts.join(", "))?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Meaning::NotFound => "not in Box, or not visible to this account",
            Meaning::Trashed => "in Box's trash",
            Meaning::NoAccess => "not permitted",
            Meaning::Locked => "locked by somebody else",
            Meaning::ForbiddenByPolicy => "forbidden by a policy of the enterprise",
            Meaning::NameTaken { .. } => "the name is taken",
            Meaning::NameReserved => "the name is held by another request",
            Meaning::Blocked => "a long operation holds the folder",
            Meaning::Changed => "changed in Box meanwhile",
            Meaning::FolderNotEmpty => "the folder is not empty",
            Meaning::Cyclical => "a folder cannot lie below itself",
            Meaning::BadName => "Box does not take this name",
            Meaning::NameTooLong => "the name is too long",
            Meaning::TooSmallForSession => "too small for a chunked upload",
            Meaning::SessionGone => "the upload session is gone",
            Meaning::SessionConflict { .. } => "another upload session holds the target",
            Meaning::PartAlreadyThere => "the part is there already",
            Meaning::PartsMismatch => "Box does not have all parts yet",
            Meaning::DigestMismatch => "the bytes in Box do not have the file's SHA-1",
            Meaning::BadDigest => "the bytes changed on their way",
            Meaning::OutOfQuota => "the account has no space left",
            Meaning::FileTooLarge => "larger than the account's plan permits",
            Meaning::Throttled { .. } => "too many calls",
            Meaning::SignInNeeded => "sign-in needed",
            Meaning::InsufficientScope => "the application lacks a scope",
            Meaning::NotSent => "Box cannot be reached",
            Meaning::Intercepted => "something else answers in Box's place",
            Meaning::OutcomeUnknown => "no usable answer",
            Meaning::RangeNotSatisfiable => "the range lies outside the content",
            Meaning::NotReady => "Box is still preparing the content",
            Meaning::BadAnswer => "not an answer of Box's",
            Meaning::LocalFile => "the local file cannot be read in full",
            Meaning::BadOptions => "the options are wrong",
            Meaning::Refused => "refused",
        })
    }
}

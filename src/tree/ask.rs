//! Values that travel between the file system, the engine and the kernel's side, so that none of them calls the other.

use super::discard::{Discarded, NotDiscarded};
use crate::base::{BoxId, ContentId, Ino, Sha1Digest, Timestamp};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex, MutexGuard, oneshot};

/// What the file system asks of the engine, on one bounded channel.
#[derive(Debug)]
pub enum Ask {
    /// A committed transaction left `ino` different from Box, or closed, or deleted: plan it again.
    Changed(Ino),
    /// The last writing handle of `ino` is released.
    Released(Ino),
    /// List the folder `ino` until it is complete.
    List { ino: Ino, reply: oneshot::Sender<Result<Listed, AskError>> },
    /// Fetch cold bytes into a data file.
    Fetch(FetchAsk),
    /// Fetch bytes that nobody waits for yet.
    Ahead(AheadAsk),
    /// Fetch all that is missing of a content, which whoever asks has open.
    Whole { from: FetchFrom, reply: oneshot::Sender<Result<(), AskError>> },
    /// Fetch small files together.
    Archive(ArchiveAsk),
    /// Look at everything that is not in Box at once, without settling (`wait`, unmount).
    Hurry,
    /// Ask Box about the past of items.
    Past(PastAsk),
    /// Ask Box how much the account may hold, and note it.
    Quota(oneshot::Sender<()>),
    /// Throw away what Box does not have of an item.
    Discard(DiscardAsk),
    /// Send nothing more, or go on.
    Pause(PauseAsk),
    /// The user's word on deletions that are held.
    Deletions(DeletionsAsk),
    /// Bring the present bytes of `ino` to Box without settling (durability `box`, `wait`).
    Push(PushAsk),
}

/// The folder is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed;

/// Where missing bytes come from, and into which data file.
#[derive(Debug, Clone)]
pub struct FetchFrom {
    pub ino: Ino,
    pub content: ContentId,
    pub file_id: String,
    /// `None`: the current one.
    pub version: Option<String>,
    /// For whom; `None`: for nobody in particular.
    pub tally: Option<Arc<Tally>>,
}

/// What was fetched for one program, counted as it comes.
#[derive(Debug, Default)]
pub struct Tally {
    calls: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    /// A request for bytes leaves.
    pub fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub fn came(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A range that somebody waits for, claimed on the data file. Whoever performs it releases the claim with the outcome.
#[derive(Debug)]
pub struct FetchAsk {
    pub from: FetchFrom,
    pub range: Range<u64>,
}

/// A range that somebody will probably want. Not claimed: whoever performs it claims each piece when its turn comes.
#[derive(Debug)]
pub struct AheadAsk {
    pub from: FetchFrom,
    pub range: Range<u64>,
    /// The size of one request.
    pub piece_bytes: u64,
    /// `None`: it is wanted whatever happens.
    pub run: Option<Run>,
}

/// A stream of reads, as those know it who fetch ahead of it. What was asked for first begins first, so that the reader does not wait
/// for a piece behind others that it wants later.
#[derive(Debug, Clone)]
pub struct Run {
    wanted: Weak<()>,
    turn: Arc<Mutex<()>>,
}

impl Run {
    /// One that ends with `stream`.
    pub fn of(stream: &Arc<()>) -> Run {
        Run { wanted: Arc::downgrade(stream), turn: Arc::default() }
    }

    /// Whether somebody still reads on.
    pub fn is_wanted(&self) -> bool {
        self.wanted.strong_count() > 0
    }

    /// Waits until all that was asked for before has begun; to be kept while pieces begin.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

/// Small files of which nothing is here, each of which whoever asks has open. Answered when what comes of them together is here; the rest
/// is to be asked for one by one.
#[derive(Debug)]
pub struct ArchiveAsk {
    pub files: Vec<FetchFrom>,
    pub reply: oneshot::Sender<Result<(), AskError>>,
}

/// The user's word on one item; without `act` it is only asked what that would do.
#[derive(Debug)]
pub struct DiscardAsk {
    pub ino: Ino,
    pub act: bool,
    pub reply: oneshot::Sender<Result<Discarded, NotDiscarded>>,
}

/// Nothing more leaves (`pause`), or everything may again; answered when that is noted.
#[derive(Debug)]
pub struct PauseAsk {
    pub pause: bool,
    pub reply: oneshot::Sender<()>,
}

/// Held deletions are carried out, or taken back (`undo`); answered by how many they were.
#[derive(Debug)]
pub struct DeletionsAsk {
    pub undo: bool,
    pub reply: oneshot::Sender<u64>,
}

/// A question about the past, or the wish to have a part of it back.
#[derive(Debug)]
pub enum PastAsk {
    /// All versions of a file, the oldest first and the current one last.
    Versions { file_id: String, reply: oneshot::Sender<Result<Vec<PastVersion>, AskError>> },
    /// The versions of a file before the current one, the oldest first.
    Before { file_id: String, reply: oneshot::Sender<Result<Vec<PastVersion>, AskError>> },
    /// Make an old version the current one, as a version of its own.
    Promote { file_id: String, version: String, reply: oneshot::Sender<Result<(), AskError>> },
    /// What lies in the trash.
    Trash(oneshot::Sender<Result<Vec<Trashed>, AskError>>),
    /// Take an item out of the trash; answered with its name.
    Restore { item: BoxId, reply: oneshot::Sender<Result<String, AskError>> },
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastVersion {
    pub id: String,
    pub size: u64,
    pub sha1: Option<Sha1Digest>,
    pub at: Option<Timestamp>,
    /// Login of whoever made it, where Box says so.
    pub by: Option<String>,
}

/// An item in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    pub item: BoxId,
    pub name: String,
    pub size: u64,
}

/// Wait until Box has the generation that `ino` has now.
#[derive(Debug)]
pub struct PushAsk {
    pub ino: Ino,
    pub reply: oneshot::Sender<Result<(), AskError>>,
}

/// Why the engine could not do what was asked. "Not there" and "could not ask" are different.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("it is no longer in Box")]
    Gone,
    #[error("Box cannot be reached: {0}")]
    Unreachable(String),
    #[error("Box refuses: {0}")]
    Refused(String),
    /// It stays on this machine until the user, or a change, says otherwise; `errno` is the name of the program's error.
    #[error("{reason}")]
    Held { errno: String, reason: String },
    #[error("the sign-in is no longer valid")]
    SignInNeeded,
    #[error("this machine's disk is full")]
    DiskFull,
    #[error("the bytes Box sent are not the version's: {0}")]
    WrongBytes(String),
    #[error("boxfs is stopping")]
    Stopping,
}

/// What the kernel has to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidation {
    /// The name `name` in the folder `parent` changed its meaning. `name` is as shown.
    Entry { parent: Ino, name: String },
    /// Attributes of `ino` changed.
    Inode { ino: Ino },
    /// Attributes and bytes of `ino` changed.
    Data { ino: Ino },
}

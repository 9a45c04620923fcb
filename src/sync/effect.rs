//! What goes into the core and what comes out of it.

use super::call::Call;
use crate::base::Sha1Digest;
use crate::base::{AttemptId, BoxId, ContentId, Ino};
use crate::box_api::{ApiError, Event as BoxEvent, Item};
use crate::content::Stamp;
use crate::tree::{AheadAsk, ArchiveAsk, Ask, AskError, FetchAsk, FetchFrom, Invalidation, PastAsk, SessionRow};
use tokio::sync::oneshot;

/// Something that happened.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are moved once, through a bounded channel; boxes would cost more"
)]
pub enum Event {
    /// The engine begins: follow Box's events.
    Started,
    /// Time passed: look at what is due.
    Tick,
    Asked(Ask),
    /// A call that [`Effect::Call`] sent is over.
    Answered {
        attempt: AttemptId,
        ino: Ino,
        call: Box<Call>,
        result: Result<Answer, ApiError>,
    },
    /// Box was asked for one item.
    Looked {
        id: BoxId,
        result: Result<Item, ApiError>,
    },
    /// A page of a listing.
    Page {
        folder: Ino,
        listing: i64,
        items: Vec<Item>,
    },
    /// A listing is over.
    Listed {
        folder: Ino,
        listing: i64,
        result: Result<(), ApiError>,
    },
    /// A seal was tried.
    Sealed {
        ino: Ino,
        content: ContentId,
        open: bool,
        result: SealResult,
    },
    /// The rest of a changed file is here, or cannot be had.
    Completed {
        ino: Ino,
        result: Result<(), AskError>,
    },
    /// A page of Box's events; `next` is the place in the stream after it.
    News {
        entries: Vec<BoxEvent>,
        next: String,
    },
    /// Box does not know our place in its stream any more.
    NewsLost,
    /// Box could not be asked for news.
    NoNews(ApiError),
    /// Box does not have the session any more (`ended`), or could not be asked to end it.
    SessionEnded {
        id: String,
        ended: bool,
    },
    /// Bytes of a fetch arrived (`ok`), or did not.
    Fetched {
        ok: bool,
    },
}

/// What Box said to a mutating call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Item(Box<Item>),
    Deleted,
    /// The data file was not any more what had been sealed; nothing was committed.
    BytesChanged,
    /// The user wants nothing to be sent: what Box has of the upload stays there, nothing was committed.
    Paused,
}

/// What became of a seal.
#[derive(Debug, Clone, PartialEq)]
pub enum SealResult {
    Sealed {
        stamp: Stamp,
        sha1: Sha1Digest,
    },
    /// Somebody can still change the bytes.
    Busy,
    /// The data file cannot be read.
    Unreadable(String),
}

/// Something to be done. Executors do it and nothing else.
#[derive(Debug)]
pub enum Effect {
    Call {
        attempt: AttemptId,
        ino: Ino,
        call: Call,
    },
    /// `open`: although somebody can still write, as the bytes are at this moment.
    Seal {
        ino: Ino,
        content: ContentId,
        open: bool,
    },
    /// Fetch what is missing of a changed file.
    Complete {
        ino: Ino,
        content: ContentId,
    },
    List {
        folder: Ino,
        id: String,
        listing: i64,
    },
    Look(BoxId),
    Fetch(FetchAsk),
    Ahead(AheadAsk),
    Whole {
        from: FetchFrom,
        reply: oneshot::Sender<Result<(), AskError>>,
    },
    Archive(ArchiveAsk),
    /// Ask about versions or the trash, or have something back.
    Past(PastAsk),
    /// Ask what the account may hold; answered when that is noted, or cannot be known.
    Quota(oneshot::Sender<()>),
    /// Follow Box's events from a place in the stream; `None`: from now on.
    Follow(Option<String>),
    /// Tell the kernel.
    Tell(Invalidation),
    /// End an upload session that nobody needs.
    EndSession(Box<SessionRow>),
    /// Remove a data file nobody needs.
    Drop(ContentId),
    /// Move a data file that no node has any more to where a person finds it.
    Rescue(ContentId),
    /// Box has the bytes: the data file may move to the cache.
    ToCache(ContentId),
}

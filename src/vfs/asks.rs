//! What the file system asks of the engine: hints that are not waited for, and needs that a request waits for.

use super::ahead::Ahead;
use super::error::{Need, Result, VfsError};
use super::trouble::meaning_of;
use crate::base::Ino;
use crate::content::{Arrived, DataFile};
use crate::tree::{
    AheadAsk, ArchiveAsk, Ask, AskError, FetchAsk, FetchFrom, Origin, PastAsk, PastVersion, PushAsk, Tally,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often one request claims again what others gave up before it gives up itself.
const FETCH_ROUNDS: u32 = 8;

/// The engine's end of the channel is gone only when the daemon stops.
const STOPPED: VfsError = VfsError::Unreachable;

/// The way to the engine.
pub(super) struct Asks(mpsc::Sender<Ask>);

/// Where a content's missing bytes come from.
#[derive(Clone)]
pub(super) struct Source {
    pub ino: Ino,
    pub file: Arc<DataFile>,
    pub origin: Origin,
    pub tally: Option<Arc<Tally>>,
}

/// One request of those that fetch the rest of a changed file.
const WHOLE_PIECE_BYTES: u64 = 4 << 20;

impl Source {
    fn from(&self) -> FetchFrom {
        FetchFrom {
            ino: self.ino,
            content: self.file.id(),
            file_id: self.origin.file_id.clone(),
            version: Some(self.origin.version.clone()).filter(|v| !v.is_empty()),
            tally: self.tally.clone(),
        }
    }
}

impl Asks {
    pub fn new(sender: mpsc::Sender<Ask>) -> Asks {
        Asks(sender)
    }

    /// The engine plans `ino` again. It reads from the database what is due, so a hint that does not fit into the channel
    /// costs time and nothing else.
    pub fn changed(&self, ino: Ino) {
        let _ = self.0.try_send(Ask::Changed(ino));
    }

    /// The last writer of `ino`, or the last handle of one without a name, is gone. A hint like [`Asks::changed`].
    pub fn released(&self, ino: Ino) {
        let _ = self.0.try_send(Ask::Released(ino));
    }

    /// The engine sends what is due or settling, at once. A hint like [`Asks::changed`].
    pub fn hurry(&self) {
        let _ = self.0.try_send(Ask::Hurry);
    }

    /// Met when the folder is complete.
    pub fn list(&self, ino: Ino) -> Need {
        let asks = self.0.clone();
        Need::new(async move {
            let (reply, answer) = oneshot::channel();
            asks.send(Ask::List { ino, reply }).await.map_err(|_| STOPPED)?;
            answer.await.map_err(|_| STOPPED)?.map(drop).map_err(refusal)
        })
    }

    /// Met when Box was asked for the quota, whatever it said.
    pub fn quota(&self) -> Need {
        let asks = self.0.clone();
        Need::new(async move {
            let (reply, answer) = oneshot::channel();
            asks.send(Ask::Quota(reply)).await.map_err(|_| STOPPED)?;
            // Without an answer, what was known stays.
            let _unknown = answer.await;
            Ok(())
        })
    }

    /// Met when Box has the bytes that `ino` has now; `done` runs then.
    pub fn push(&self, ino: Ino, done: impl FnOnce() + Send + 'static) -> Need {
        let asks = self.0.clone();
        Need::new(async move {
            let (reply, answer) = oneshot::channel();
            asks.send(Ask::Push(PushAsk { ino, reply })).await.map_err(|_| STOPPED)?;
            answer.await.map_err(|_| STOPPED)?.map_err(refusal)?;
            done();
            Ok(())
        })
    }

    /// Asks for the bytes of `ino` to go as they are now; `None` where the channel is full.
    pub fn push_soon(&self, ino: Ino) -> Option<oneshot::Receiver<std::result::Result<(), AskError>>> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Ask::Push(PushAsk { ino, reply })).ok().map(|()| answer)
    }

    /// Met when `wanted` is present. What is missing of `fetch`, which contains it, is asked for unless somebody has already.
    pub fn fetch(&self, source: Source, wanted: Range<u64>, fetch: Range<u64>) -> Need {
        let asks = self.0.clone();
        Need::new(async move {
            for _ in 0..FETCH_ROUNDS {
                for gap in Claim::all(&source.file, &fetch) {
                    // A full channel makes this request wait; given up meanwhile, the guards release what was not sent.
                    let permit = asks.reserve().await.map_err(|_| STOPPED)?;
                    permit.send(gap.into_ask(&source));
                }
                match source.file.wait_for(wanted.clone()).await {
                    Arrived::Present => return Ok(()),
                    Arrived::Failed(error) => return Err(error.into()),
                    Arrived::Unclaimed => {}
                }
            }
            Err(VfsError::Unreachable)
        })
    }

    /// Met when all that is missing of a content is here.
    pub fn whole(&self, source: &Source) -> Need {
        let (asks, from) = (self.0.clone(), source.from());
        Need::new(async move {
            let (reply, answer) = oneshot::channel();
            asks.send(Ask::Whole { from, reply }).await.map_err(|_| STOPPED)?;
            answer.await.map_err(|_| STOPPED)?.map_err(refusal)
        })
    }

    /// Met when what comes of these together is here.
    pub fn together(&self, sources: &[Source]) -> impl Future<Output = Result<()>> + Send + use<> {
        let (asks, files) = (self.0.clone(), sources.iter().map(Source::from).collect());
        async move {
            let (reply, answer) = oneshot::channel();
            asks.send(Ask::Archive(ArchiveAsk { files, reply })).await.map_err(|_| STOPPED)?;
            answer.await.map_err(|_| STOPPED)?.map_err(refusal)
        }
    }

    /// The versions of a file before the current one, the oldest first.
    pub fn versions_before(&self, file_id: String) -> impl Future<Output = Result<Vec<PastVersion>>> + Send + use<> {
        let asks = self.0.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            asks.send(Ask::Past(PastAsk::Before { file_id, reply })).await.map_err(|_| STOPPED)?;
            answer.await.map_err(|_| STOPPED)?.map_err(refusal)
        }
    }

    /// Has `ahead` fetched, without anybody waiting. What does not fit into the channel is fetched when it is read.
    pub fn ahead(&self, source: &Source, ahead: Ahead) {
        let Ahead { range, piece_bytes, run } = ahead;
        let ask = AheadAsk { from: source.from(), range, piece_bytes, run: Some(run) };
        let _ = self.0.try_send(Ask::Ahead(ask));
    }

    /// Starts fetching everything that is missing, without anybody waiting. What does not fit into the channel is left to
    /// the engine, which fetches what a changed content misses before it sends it.
    pub fn start_fetch(&self, source: &Source) {
        let Ok(size) = source.file.size() else { return };
        let ask = AheadAsk { from: source.from(), range: 0..size, piece_bytes: WHOLE_PIECE_BYTES, run: None };
        let _ = self.0.try_send(Ask::Ahead(ask));
    }

    /// Met after `span`.
    pub fn pause(span: Duration) -> Need {
        Need::new(async move {
            tokio::time::sleep(span).await;
            Ok(())
        })
    }
}

/// A claimed range that the engine does not know of yet; released when dropped.
struct Claim {
    file: Arc<DataFile>,
    range: Range<u64>,
    sent: bool,
}

impl Claim {
    fn all(file: &Arc<DataFile>, range: &Range<u64>) -> Vec<Claim> {
        let gaps = file.claim(range.clone());
        gaps.into_iter().map(|range| Claim { file: file.clone(), range, sent: false }).collect()
    }

    /// From here the engine releases the claim.
    fn into_ask(mut self, source: &Source) -> Ask {
        self.sent = true;
        Ask::Fetch(FetchAsk { from: source.from(), range: self.range.clone() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.sent {
            self.file.release_claim(self.range.clone(), Ok(()));
        }
    }
}

/// What a program hears when the engine could not do it.
fn refusal(error: AskError) -> VfsError {
    match error {
        AskError::Gone => VfsError::NotFound,
        AskError::Unreachable(_) | AskError::Stopping => VfsError::Unreachable,
        AskError::Refused(_) | AskError::SignInNeeded => VfsError::Denied,
        AskError::Held { errno, .. } => meaning_of(&errno),
        AskError::DiskFull => VfsError::NoSpace,
        AskError::WrongBytes(_) => VfsError::Io(std::io::Error::other(error)),
    }
}

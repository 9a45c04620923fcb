//! Fetching: one range for a reader who waits, pieces over several connections for what will be wanted, and healing of what breaks
//! on the way. A claim that was begun is always released.

use super::eviction;
use super::executor::Executor;
use super::executor_bytes::blocking;
use super::lanes::{Lane, Urgency};
use crate::base::{ContentId, Ino};
use crate::box_api::{ApiError, Download, Meaning};
use crate::content::{Arrived, Checked, ContentError, DataFile, FetchError, Place, Reservation};
use crate::tree::{AheadAsk, AskError, FetchAsk, FetchFrom, Invalidation, Origin, Run};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// One request of those that fetch a file whole.
pub const WHOLE_PIECE_BYTES: u64 = 4 << 20;
/// How often a transfer that broke begins again where it broke without having brought a byte; the client has its own tries for
/// each request. Together below the 30 s that a reader waits at most.
const MAX_BARREN_TRIES: u32 = 4;
/// The pause before the second of them; doubled each time. The first is at once: a connection that broke is no sign of a crowd.
const HEAL_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are written to the disk at a time: the first few at once, since somebody waits for them, then more at a time.
const STEP_BYTES: Range<usize> = 16 << 10..512 << 10;

/// Fetches a range that was claimed into the data file and ends the claim on it. Returns whether Box answered.
pub async fn fetch(executor: &Executor, ask: FetchAsk) -> bool {
    let Some(file) = executor.content.get(ask.from.content) else {
        return true;
    };
    let claim = Claimed { file, range: ask.range };
    let lane = executor.lanes.enter(Urgency::Reader).await;
    let outcome = claimed(executor, &ask.from, claim, None, lane).await;
    report(&ask.from, &outcome)
}

/// Fetches what is still missing of a range, as long as it is wanted, over several connections. Returns whether Box answered.
pub async fn ahead(executor: &Executor, ask: AheadAsk) -> bool {
    let Some(file) = executor.content.get(ask.from.content) else {
        return true;
    };
    let urgency = if ask.run.is_some() { Urgency::Ahead } else { Urgency::Keep };
    let outcome = pieces(executor, &ask, &file, urgency).await;
    report(&ask.from, &outcome)
}

/// Fetches all that is missing of a content that somebody has open, and says how that ended. Returns whether Box answered.
pub async fn kept(executor: &Executor, from: FetchFrom, reply: oneshot::Sender<Result<(), AskError>>) -> bool {
    let outcome = match executor.content.get(from.content) {
        Some(file) => whole(executor, from.clone(), &file).await,
        None => Ok(()),
    };
    // Whoever asked may be gone.
    let _ = reply.send(outcome.as_ref().map_err(ask_error).copied());
    report(&from, &outcome)
}

/// Fetches all that is missing of a content, and waits for what others fetch of it.
pub async fn whole(executor: &Executor, from: FetchFrom, file: &Arc<DataFile>) -> Result<(), FetchError> {
    let mut ask = AheadAsk { from, range: 0..0, piece_bytes: WHOLE_PIECE_BYTES, run: None };
    // Without it a file larger than the room would give back at one end what comes at the other, for ever.
    let _kept = file.keep();
    while !file.is_whole() {
        ask.range = 0..file.size().map_err(|e| FetchError::Other(e.to_string()))?;
        pieces(executor, &ask, file, Urgency::Keep).await?;
        if let Arrived::Failed(error) = file.wait_for(ask.range.clone()).await {
            return Err(error);
        }
    }
    Ok(())
}

/// Puts bytes that came another way into a content, as far as nobody else fetches them. They were compared before.
pub async fn put(executor: &Executor, from: &FetchFrom, bytes: &[u8]) -> Result<(), FetchError> {
    let Some(file) = executor.content.get(from.content) else { return Ok(()) };
    let mut room = eviction::room_now(executor, bytes.len() as u64).await?;
    let claim = |range| Claimed { file: file.clone(), range };
    let claims: Vec<Claimed> = file.claim(0..bytes.len() as u64).into_iter().map(claim).collect();
    let filled = claims.iter().try_for_each(|claim| {
        // Within the bytes, since it was claimed there.
        let piece = &bytes[claim.range.start as usize..claim.range.end as usize];
        room.filled(piece.len() as u64);
        if let Some(tally) = &from.tally {
            tally.came(piece.len() as u64);
        }
        file.fill(claim.range.start, piece).map_err(|e| here(&e))
    });
    let outcome = match filled {
        Ok(()) => compare(&file).await,
        Err(error) => Err(error),
    };
    claims.into_iter().for_each(|claim| claim.end(outcome.clone()));
    outcome
}

fn report(from: &FetchFrom, outcome: &Result<(), FetchError>) -> bool {
    if let Err(error) = outcome {
        log::warn!("cannot fetch bytes of file {}: {error}", from.file_id);
    }
    !matches!(outcome, Err(FetchError::Unreachable))
}

async fn pieces(executor: &Executor, ask: &AheadAsk, file: &Arc<DataFile>, urgency: Urgency) -> Result<(), FetchError> {
    let mut under_way = JoinSet::new();
    let turn = match &ask.run {
        Some(run) => Some(run.turn().await),
        None => None,
    };
    let mut start = ask.range.start;
    while start < ask.range.end {
        let end = start.saturating_add(ask.piece_bytes).min(ask.range.end);
        let lane = executor.lanes.enter(urgency).await;
        if !is_wanted(ask.run.as_ref()) {
            break;
        }
        let (executor, file) = (executor.clone(), file.clone());
        let (from, run) = (ask.from.clone(), ask.run.clone());
        under_way.spawn(async move { piece(&executor, &from, &file, start..end, run, lane).await });
        while let Some(done) = under_way.try_join_next() {
            done.unwrap_or(Err(FetchError::Abandoned))?;
        }
        start = end;
    }
    drop(turn);
    while let Some(done) = under_way.join_next().await {
        done.unwrap_or(Err(FetchError::Abandoned))?;
    }
    Ok(())
}

/// What is missing of `range` and fetched by nobody.
async fn piece(
    executor: &Executor,
    from: &FetchFrom,
    file: &Arc<DataFile>,
    range: Range<u64>,
    run: Option<Run>,
    lane: Lane,
) -> Result<(), FetchError> {
    let claims = file.claim(range).into_iter().map(|range| Claimed { file: file.clone(), range });
    let mut lane = Some(lane);
    for claim in claims.collect::<Vec<_>>() {
        let lane = match lane.take() {
            Some(lane) => lane,
            None => executor.lanes.enter(Urgency::Ahead).await,
        };
        claimed(executor, from, claim, run.clone(), lane).await?;
    }
    Ok(())
}

/// A claim on a range; given up when dropped.
struct Claimed {
    file: Arc<DataFile>,
    range: Range<u64>,
}

impl Claimed {
    fn end(mut self, outcome: Result<(), FetchError>) {
        self.file.release_claim(std::mem::take(&mut self.range), outcome);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if !self.range.is_empty() {
            // That another piece failed says nothing of these bytes: whoever waits for them claims them anew.
            self.file.release_claim(self.range.clone(), Ok(()));
        }
    }
}

/// Fetches a claimed range and compares the content if that was its last piece. The lane is free before that.
async fn claimed(
    executor: &Executor,
    from: &FetchFrom,
    claim: Claimed,
    run: Option<Run>,
    lane: Lane,
) -> Result<(), FetchError> {
    let received = receive(executor, from, &claim, run.as_ref()).await;
    drop(lane);
    let outcome = match received {
        Ok(Received::All) => compare(&claim.file).await,
        // Whoever waits for a part of it claims it anew.
        Ok(Received::NotWanted) => Ok(()),
        Err(error) => Err(error),
    };
    claim.end(outcome.clone());
    if outcome == Err(FetchError::Corrupt) {
        // The kernel may have wrong bytes too.
        let _nobody_mounted = executor.tell.send(Invalidation::Data { ino: from.ino }).await;
    }
    outcome
}

/// How a transfer ended that met no error.
enum Received {
    All,
    NotWanted,
}

fn is_wanted(run: Option<&Run>) -> bool {
    run.is_none_or(Run::is_wanted)
}

async fn receive(
    executor: &Executor,
    from: &FetchFrom,
    claim: &Claimed,
    run: Option<&Run>,
) -> Result<Received, FetchError> {
    let bytes = claim.range.end - claim.range.start;
    let mut room = match (claim.file.place(), run) {
        (Place::Spool, _) => None,
        // Nobody waits for it: what does not fit is left out.
        (Place::Cache, Some(_)) => match eviction::room_now(executor, bytes).await {
            Err(FetchError::OutOfSpace) => return Ok(Received::NotWanted),
            room => Some(room?),
        },
        (Place::Cache, None) => Some(eviction::room(executor, bytes).await?),
    };
    let mut offset = claim.range.start;
    let mut barren = 0;
    while is_wanted(run) {
        let before = offset;
        match transfer(executor, from, claim, run, &mut offset, room.as_mut()).await {
            Ok(()) if offset == claim.range.end => return Ok(Received::All),
            Ok(()) => {}
            Err(Broken::Here(error)) => return Err(error),
            Err(Broken::There(error)) => {
                barren = if offset > before { 0 } else { barren + 1 };
                if barren >= MAX_BARREN_TRIES || !heals(&error) {
                    return Err(fetch_error(&error));
                }
                log::debug!("file {}: goes on at byte {offset}: {error}", from.file_id);
                if barren > 0 {
                    tokio::time::sleep(HEAL_PAUSE * 2_u32.pow(barren)).await;
                }
            }
        }
    }
    Ok(Received::NotWanted)
}

/// Where a transfer broke.
enum Broken {
    There(ApiError),
    Here(FetchError),
}

/// One request for what is left from `offset`, which moves as bytes are written. Ends early when they are not wanted any more.
async fn transfer(
    executor: &Executor,
    from: &FetchFrom,
    claim: &Claimed,
    run: Option<&Run>,
    offset: &mut u64,
    mut room: Option<&mut Reservation>,
) -> Result<(), Broken> {
    let range = *offset..claim.range.end;
    if let Some(tally) = &from.tally {
        tally.call();
    }
    let download = executor.client.download(&from.file_id, from.version.as_deref(), Some(range)).await;
    let mut download = download.map_err(Broken::There)?;
    let mut step = Step::first();
    while is_wanted(run) {
        let more = step.fill(&mut download).await;
        let (chunks, bytes) = step.take();
        claim.file.fill_with(*offset, &chunks).map_err(|e| Broken::Here(here(&e)))?;
        *offset += bytes;
        if let Some(tally) = &from.tally {
            tally.came(bytes);
        }
        if let Some(room) = &mut room {
            room.filled(bytes);
        }
        if !more.map_err(Broken::There)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Bytes collected before they are written, as they came: putting them together would cost another copy of each.
struct Step {
    chunks: Vec<Bytes>,
    bytes: usize,
    at_least: usize,
}

impl Step {
    fn first() -> Step {
        Step { chunks: Vec::new(), bytes: 0, at_least: STEP_BYTES.start }
    }

    /// Reads on until there is enough for a write. Returns whether there may be more; what came before an error is kept.
    async fn fill(&mut self, download: &mut Download) -> Result<bool, ApiError> {
        while self.bytes < self.at_least {
            match download.chunk().await? {
                Some(chunk) => {
                    self.bytes += chunk.len();
                    self.chunks.push(chunk);
                }
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// What was collected, and how many bytes it is.
    fn take(&mut self) -> (Vec<Bytes>, u64) {
        self.at_least = (self.at_least * 2).min(STEP_BYTES.end);
        (std::mem::take(&mut self.chunks), std::mem::take(&mut self.bytes) as u64)
    }
}

fn here(error: &ContentError) -> FetchError {
    match error {
        ContentError::OutOfSpace => FetchError::OutOfSpace,
        other => FetchError::Other(other.to_string()),
    }
}

/// A clean content of which the last piece has come is compared with Box's SHA-1; of others what is here is digested ahead.
async fn compare(file: &Arc<DataFile>) -> Result<(), FetchError> {
    let file = file.clone();
    let checked = blocking(move || {
        file.digest_ahead().map_err(|e| e.to_string())?;
        file.check().map_err(|e| e.to_string())
    });
    match checked.await.map_err(FetchError::Other)? {
        Checked::NotDue | Checked::Right => Ok(()),
        Checked::Wrong => Err(FetchError::Corrupt),
    }
}

/// Whether the rest may come when it is asked for again.
fn heals(error: &ApiError) -> bool {
    matches!(error.meaning, Meaning::OutcomeUnknown | Meaning::BadAnswer | Meaning::NotReady)
}

fn fetch_error(error: &ApiError) -> FetchError {
    match error.meaning {
        Meaning::NotFound | Meaning::Trashed | Meaning::RangeNotSatisfiable => FetchError::VersionGone,
        Meaning::NoAccess | Meaning::Locked | Meaning::ForbiddenByPolicy | Meaning::InsufficientScope => {
            FetchError::Denied
        }
        Meaning::NotSent
        | Meaning::Intercepted
        | Meaning::OutcomeUnknown
        | Meaning::SignInNeeded
        | Meaning::Throttled { .. } => FetchError::Unreachable,
        _ => FetchError::Other(error.to_string()),
    }
}

/// What the engine hears.
pub fn ask_error(error: &FetchError) -> AskError {
    match error {
        FetchError::Unreachable => AskError::Unreachable(error.to_string()),
        FetchError::VersionGone => AskError::Gone,
        FetchError::OutOfSpace => AskError::DiskFull,
        FetchError::Corrupt => AskError::WrongBytes(error.to_string()),
        FetchError::Denied | FetchError::Abandoned | FetchError::Other(_) => AskError::Refused(error.to_string()),
    }
}

/// Where the bytes of a content come from.
pub fn from(ino: Ino, content: ContentId, origin: &Origin) -> FetchFrom {
    let version = Some(origin.version.clone()).filter(|v| !v.is_empty());
    FetchFrom { ino, content, file_id: origin.file_id.clone(), version, tally: None }
}

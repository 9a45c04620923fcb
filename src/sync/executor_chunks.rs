//! The chunker: an upload session, its parts in parallel straight from the data file, and the commit (API.md 5).
//!
//! The session is in the database from the moment Box opened it, so that a later try, or a later run, asks for the part list
//! and sends only what is missing.

use super::call::{Target, Upload};
use super::effect::{Answer, Event};
use super::executor::{Executor, local_error};
use super::executor_upload::Job;
use super::parts::{PartSpan, missing, spans};
use crate::base::{Timestamp, failpoint, pause};
use crate::box_api::{
    ApiError, Applied, CommitAnswer, CommitAttributes, Heals, Item, Meaning, Part, PartSlice, SessionEndpoints,
    SessionTarget,
};
use crate::tree::SessionRow;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Parts of one file on their way at once. Box advises 3 to 5 (API.md 5.3); one more covers the latency of the last.
const PARTS_PER_FILE: usize = 6;

/// Rounds in which parts that failed are sent again before the call is given up for a while; the session stays.
const PART_ROUNDS: u32 = 5;

/// Commits that are answered "not yet" before the outcome counts as unknown: Box needs minutes for large files (API.md 9).
const COMMIT_TRIES: u32 = 120;

/// Commits that are answered `parts_mismatch`, though every part is listed, before the session is given up.
const MISMATCH_TRIES: u32 = 10;

/// The wait between two commits when Box names none.
const COMMIT_WAIT: Duration = Duration::from_secs(2);

/// Parts asked for in one call (API.md 5.4).
const PARTS_PAGE: u32 = 1000;

/// A session in use.
struct Open {
    endpoints: SessionEndpoints,
    part_size: u64,
    /// Box was asked for its parts before any was sent: it is not of this run.
    resumed: bool,
}

pub async fn upload(job: &Job<'_>) -> Result<Answer, ApiError> {
    let session = open(job).await?;
    let mut outcome = send_and_commit(job, &session).await;
    if let Err(error) = &outcome
        && ends_session(error)
    {
        log::debug!("upload session is given up: {error}");
        let gone = session.resumed && error.meaning == Meaning::SessionGone;
        end(job, &session.endpoints).await?;
        if gone {
            // It expired, or was committed and the answer lost: a session for a name that is taken is refused.
            outcome = send_and_commit(job, &create(job).await?).await;
        }
    }
    outcome.inspect(|answer| {
        if matches!(answer, Answer::Item(_)) {
            forget(job);
        }
    })
}

/// The stored session if it is for these bytes and that place, else a new one.
async fn open(job: &Job<'_>) -> Result<Open, ApiError> {
    let stored = job.executor.tree.session(job.upload.ino).ok().flatten();
    if let Some(row) = stored {
        if fits(&row, job.upload)
            && let Ok(endpoints) = serde_json::from_str::<SessionEndpoints>(&row.endpoints)
        {
            return Ok(Open { endpoints, part_size: row.part_size, resumed: true });
        }
        // Other bytes were meant: Box would keep the parts for seven days.
        match serde_json::from_str::<SessionEndpoints>(&row.endpoints) {
            Ok(endpoints) => end(job, &endpoints).await?,
            Err(_) => forget(job),
        }
    }
    create(job).await
}

async fn create(job: &Job<'_>) -> Result<Open, ApiError> {
    let upload = job.upload;
    let (target, file_id, parent, name) = match &upload.target {
        Target::New { parent, name } => {
            (SessionTarget::New { parent, name }, None, Some(parent.clone()), Some(name.clone()))
        }
        Target::Version { file_id, rename, .. } => {
            (SessionTarget::Version { file_id, name: rename.as_deref() }, Some(file_id.clone()), None, rename.clone())
        }
    };
    let session = job.executor.client.create_session(&target, upload.size).await?;
    failpoint("session.created");
    let endpoints = serde_json::to_string(&session.endpoints)
        .map_err(|e| local_error("create_session", Meaning::BadAnswer, &e.to_string()))?;
    let row = SessionRow {
        ino: upload.ino,
        content: upload.content,
        generation: upload.generation,
        id: session.id.clone(),
        endpoints,
        part_size: session.part_size,
        size: upload.size,
        file_id,
        parent,
        name,
        expires: session.expires_at,
    };
    if let Err(error) = job.executor.tree.put_session(&row) {
        log::warn!("upload session {} cannot be remembered: {error}", session.id);
    }
    failpoint("session.recorded");
    Ok(Open { endpoints: session.endpoints, part_size: session.part_size, resumed: false })
}

/// Whether the stored session is for the same bytes and the same place.
fn fits(row: &SessionRow, upload: &Upload) -> bool {
    let place = match &upload.target {
        Target::New { parent, name } => {
            row.file_id.is_none() && row.parent.as_ref() == Some(parent) && row.name.as_ref() == Some(name)
        }
        Target::Version { file_id, rename, .. } => {
            row.file_id.as_ref() == Some(file_id) && row.name.as_ref() == rename.as_ref()
        }
    };
    let alive = row.expires.is_none_or(|at| at > Timestamp::now());
    place
        && alive
        && row.part_size > 0
        && (row.content, row.generation, row.size) == (upload.content, upload.generation, upload.size)
}

async fn send_and_commit(job: &Job<'_>, session: &Open) -> Result<Answer, ApiError> {
    if session.part_size == 0 {
        return Err(local_error("create_session", Meaning::BadAnswer, "Box named a part size of 0"));
    }
    let spans = spans(job.upload.size, session.part_size);
    let mut have = if session.resumed { stored_parts(job, session).await? } else { Vec::new() };
    let mut mismatches = 0;
    loop {
        let Some(sent) = send_parts(job, session, &spans, have).await? else { return Ok(Answer::Paused) };
        have = sent;
        failpoint("parts.complete");
        if !job.unchanged().await? {
            end(job, &session.endpoints).await?;
            return Ok(Answer::BytesChanged);
        }
        match commit(job, session, &have).await {
            Ok(item) => return Ok(Answer::Item(Box::new(item))),
            Err(error) if error.meaning == Meaning::PartsMismatch && mismatches < MISMATCH_TRIES => {
                mismatches += 1;
                pause(error.retry_after.unwrap_or(COMMIT_WAIT)).await;
                have = stored_parts(job, session).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// What Box has of this session.
async fn stored_parts(job: &Job<'_>, session: &Open) -> Result<Vec<Part>, ApiError> {
    let expected = job.upload.size.div_ceil(session.part_size);
    let mut parts: Vec<Part> = Vec::new();
    for first in (0..expected).step_by(PARTS_PAGE as usize) {
        parts.extend(job.executor.client.list_parts(&session.endpoints, first, PARTS_PAGE).await?);
    }
    Ok(parts)
}

/// Sends what is missing, several parts at a time in ascending order; a part that failed is first looked for in Box's list.
/// `None`: a pause came first.
async fn send_parts(
    job: &Job<'_>,
    session: &Open,
    spans: &[PartSpan],
    have: Vec<Part>,
) -> Result<Option<Vec<Part>>, ApiError> {
    let mut have = have;
    for round in 1.. {
        let missing = missing(spans, &have);
        let done = job.upload.size - missing.iter().map(|s| s.len).sum::<u64>();
        job.sent.store(done, Ordering::Relaxed);
        let failure = send_round(job, session, &missing, &mut have).await;
        let Some(error) = failure else { break };
        let hopeless = error.applied() == Applied::No && matches!(error.heals(), Heals::Never | Heals::SignIn);
        if round >= PART_ROUNDS || (hopeless && error.meaning != Meaning::PartAlreadyThere) {
            // No part decides anything: whatever happened to it, nothing is committed.
            return Err(not_committed(error));
        }
        pause(error.retry_after.unwrap_or(Duration::from_millis(200) * round)).await;
        have = stored_parts(job, session).await.map_err(not_committed)?;
    }
    have.sort_by_key(|p| p.offset);
    Ok(missing(spans, &have).is_empty().then_some(have))
}

/// One round over the missing parts. The first failure stops new parts; those on their way are awaited.
async fn send_round(job: &Job<'_>, session: &Open, missing: &[PartSpan], have: &mut Vec<Part>) -> Option<ApiError> {
    let mut failure = None;
    let mut waiting = missing.iter();
    let mut flying = FuturesUnordered::new();
    loop {
        while failure.is_none() && flying.len() < PARTS_PER_FILE && !job.executor.board.is_paused() {
            let Some(span) = waiting.next() else { break };
            flying.push(send_part(job, session, *span));
        }
        match flying.next().await {
            None => return failure,
            Some(Ok(part)) => have.push(part),
            Some(Err(error)) => failure = failure.or(Some(error)),
        }
    }
}

async fn send_part(job: &Job<'_>, session: &Open, span: PartSpan) -> Result<Part, ApiError> {
    let _place = job.executor.parts.acquire().await;
    let slice = PartSlice {
        file: job.reader(),
        offset: span.offset,
        len: span.len,
        total_size: job.upload.size,
        progress: Some(job.sent.clone()),
    };
    failpoint("part.leaving");
    let part = job.executor.client.upload_part(&session.endpoints, &slice).await;
    failpoint("part.answered");
    part
}

/// Commits until Box has a version, refuses, or the answer is lost.
async fn commit(job: &Job<'_>, session: &Open, parts: &[Part]) -> Result<Item, ApiError> {
    let upload = job.upload;
    let (created, if_match) = match &upload.target {
        Target::New { .. } => (Some(upload.created.as_box_holds()), None),
        Target::Version { if_match, .. } => (None, if_match.as_deref()),
    };
    let attributes =
        CommitAttributes { content_created_at: created, content_modified_at: Some(upload.modified.as_box_holds()) };
    failpoint("commit.leaving");
    for _ in 0..COMMIT_TRIES {
        let client = &job.executor.client;
        match client.commit(&session.endpoints, parts, &attributes, upload.sha1, if_match).await {
            Ok(CommitAnswer::Done(item)) => {
                failpoint("commit.answered");
                return Ok(item);
            }
            Ok(CommitAnswer::NotYet { retry_after }) => pause(retry_after).await,
            // The session may be gone because an earlier commit, whose answer was lost, went through.
            Err(error) if error.meaning == Meaning::SessionGone => {
                forget(job);
                return Err(ApiError { meaning: Meaning::OutcomeUnknown, ..error });
            }
            Err(error) => return Err(error),
        }
    }
    Err(local_error("commit", Meaning::OutcomeUnknown, "Box is still processing the parts"))
}

/// A failure before the commit leaves nothing behind but parts.
fn not_committed(error: ApiError) -> ApiError {
    match error.meaning {
        Meaning::OutcomeUnknown | Meaning::BadAnswer => ApiError { meaning: Meaning::NotReady, ..error },
        _ => error,
    }
}

/// Whether the session is of no use after this refusal. Not where the outcome of a commit is unknown (API.md 5.8).
fn ends_session(error: &ApiError) -> bool {
    matches!(
        error.meaning,
        Meaning::SessionGone
            | Meaning::PartsMismatch
            | Meaning::DigestMismatch
            | Meaning::NameTaken { .. }
            | Meaning::Changed
            | Meaning::NotFound
            | Meaning::Trashed
    )
}

/// Ends the session, and forgets it once Box has: a session that could not be ended is tried again before anything is sent.
async fn end(job: &Job<'_>, endpoints: &SessionEndpoints) -> Result<(), ApiError> {
    job.executor.client.abort(endpoints).await.map_err(not_committed)?;
    forget(job);
    Ok(())
}

/// Ends a session whose upload is over, and reports whether Box knows.
pub async fn end_session(executor: &Executor, row: &SessionRow) {
    let ended = match serde_json::from_str::<SessionEndpoints>(&row.endpoints) {
        Ok(endpoints) => executor.client.abort(&endpoints).await.map_err(|e| e.to_string()),
        Err(error) => {
            log::warn!("upload session {} cannot be ended: {error}", row.id);
            Ok(())
        }
    };
    if let Err(error) = &ended {
        log::debug!("upload session {} is not ended yet: {error}", row.id);
    }
    executor.report(Event::SessionEnded { id: row.id.clone(), ended: ended.is_ok() }).await;
}

fn forget(job: &Job<'_>) {
    if let Err(error) = job.executor.tree.drop_session(job.upload.ino) {
        log::warn!("an upload session stays in the database: {error}");
    }
}

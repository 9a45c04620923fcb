//! Data files: sealing, fetching cold ranges, moving to the cache, removing.

use super::effect::SealResult;
use super::eviction::{self, evict_one};
use super::executor::Executor;
use crate::base::{ContentId, failpoint};
use crate::box_api::{ApiError, Meaning};
use crate::content::{
    Arrived, Checked, Content, ContentError, DataFile, FetchError, Identity, Place, Ranges, Saved, Sealing,
};
use crate::tree::{self, AskError, ContentRow, ContentState, FetchAsk, Pins, Tree};
use std::sync::Arc;
use std::time::Duration;

/// Waits between probes of a file whose last writer is only just leaving (the kernel sends RELEASE before its last `fput`).
const PROBE_WAITS: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(50)];

/// The data file of a content, as the database knows it.
pub async fn data_file(executor: &Executor, id: ContentId) -> Result<(Arc<DataFile>, ContentRow), String> {
    let (tree, content) = (executor.tree.clone(), executor.content.clone());
    blocking(move || {
        let row = tree.content(id).map_err(|e| e.to_string())?.ok_or("the content is gone")?;
        let file = match content.load(id, saved(&row)) {
            // Clean bytes can be had again: a cold file has no data file before it is first used.
            Err(ContentError::Lost { .. }) if row.state == ContentState::Clean && row.origin.is_some() => {
                cold_again(&tree, &content, &row)?
            }
            loaded => loaded.map_err(|e| e.to_string())?,
        };
        Ok((file, row))
    })
    .await
}

fn cold_again(tree: &Tree, content: &Content, row: &ContentRow) -> Result<Arc<DataFile>, String> {
    let cold = ContentRow { ranges: Some(Vec::new()), place: tree::Place::Cache, ..row.clone() };
    if !tree.cold_again(&cold).map_err(|e| e.to_string())? {
        return Err("the file has other bytes by now".to_owned());
    }
    let file = content.create_cold(row.id, row.size).map_err(|e| e.to_string())?;
    if let Some(sha1) = row.origin.as_ref().and_then(|o| o.sha1) {
        file.expect(sha1);
    }
    Ok(file)
}

/// Clean bytes that are to be sent, since an id has passed to their file, lie in the cache, which may be lost: they move to the spool.
async fn to_spool(executor: &Executor, file: &Arc<DataFile>, row: &ContentRow) -> Result<(), String> {
    if file.place() == Place::Spool {
        return Ok(());
    }
    let (tree, content, file, ino) = (executor.tree.clone(), executor.content.clone(), file.clone(), row.ino);
    blocking(move || {
        let node = tree.node(ino).map_err(|e| e.to_string())?;
        let folder = tree.node(node.parent).map_err(|e| e.to_string())?;
        let (parent, parent_box_id) = (node.parent, folder.box_id);
        let identity = Identity { ino, parent, parent_box_id, name: node.name, box_id: node.box_id };
        content.to_spool(&file, &identity).map(drop).map_err(|e| e.to_string())
    })
    .await
}

fn saved(row: &ContentRow) -> Saved {
    let place = match row.place {
        tree::Place::Spool => Place::Spool,
        tree::Place::Cache => Place::Cache,
    };
    // Ranges that cannot be read count as nothing present: they are fetched again.
    let ranges = row.ranges.as_ref().map(|bytes| Ranges::from_bytes(bytes).unwrap_or_default());
    Saved { place, ranges }
}

/// Runs `work` where it may block.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(format!("an internal error: {e}")))
}

/// Finds out whether the bytes can still change, and what they are.
pub async fn seal(executor: &Executor, id: ContentId, open: bool) -> SealResult {
    let file = match data_file(executor, id).await {
        Ok((file, row)) => match to_spool(executor, &file, &row).await {
            Ok(()) => file,
            Err(reason) => return SealResult::Unreadable(reason),
        },
        // A name exists before its data file: whoever makes it is at work, or died, and the next open makes it.
        Err(_) if never_closed(executor, id) => return SealResult::Busy,
        Err(reason) => return SealResult::Unreadable(reason),
    };
    for wait in PROBE_WAITS {
        let (probed, content) = (file.clone(), executor.content.clone());
        let sealing = blocking(move || {
            let sealing = if open { probed.seal_open() } else { probed.seal(None) }.map_err(|e| e.to_string())?;
            // Sealed means on the disk, the name included.
            content.sync_spool().map_err(|e| e.to_string())?;
            failpoint("seal.synced");
            Ok(sealing)
        })
        .await;
        match sealing {
            Ok(Sealing::Sealed { stamp, sha1, .. }) => return SealResult::Sealed { stamp, sha1 },
            Ok(Sealing::Busy | Sealing::Unchanged(_)) => tokio::time::sleep(wait).await,
            Ok(Sealing::Incomplete) => return SealResult::Busy,
            Err(reason) => return SealResult::Unreadable(reason),
        }
    }
    SealResult::Busy
}

/// No close of the content was ever noted.
fn never_closed(executor: &Executor, id: ContentId) -> bool {
    executor
        .tree
        .content(id)
        .ok()
        .flatten()
        .is_some_and(|row| row.stamp.is_none() && row.state == ContentState::Writable)
}

/// Fetches whatever is missing of a changed file, and notes that it is whole.
pub async fn complete(executor: &Executor, id: ContentId) -> Result<(), AskError> {
    let (file, row) = data_file(executor, id).await.map_err(AskError::Refused)?;
    let origin = row.origin.ok_or(AskError::Gone)?;
    while !file.is_whole() {
        let size = file.size().map_err(|e| AskError::Refused(e.to_string()))?;
        for range in file.claim(0..size) {
            let ask = FetchAsk {
                ino: row.ino,
                content: id,
                file_id: origin.file_id.clone(),
                version: Some(origin.version.clone()),
                range,
                reply: None,
            };
            let outcome = receive(executor, &ask, &file).await;
            file.release_claim(ask.range.clone(), outcome.clone());
            outcome.map_err(|e| ask_error(&e))?;
        }
        // What others were fetching already.
        if let Arrived::Failed(error) = file.wait_for(0..size).await {
            return Err(ask_error(&error));
        }
    }
    let tree = executor.tree.clone();
    blocking(move || {
        file.save_ranges(|ranges| {
            let present = (!ranges.is_whole()).then(|| ranges.to_bytes());
            tree.save_ranges(id, present).map_err(|e| e.to_string())
        })
    })
    .await
    .map_err(AskError::Refused)
}

/// Fetches a range into the data file and ends the claim on it. Returns whether Box answered.
pub async fn fetch(executor: &Executor, ask: FetchAsk) -> bool {
    let Some(file) = executor.content.get(ask.content) else {
        return true;
    };
    let outcome = receive(executor, &ask, &file).await;
    let outcome = match outcome {
        Ok(()) => compare(&file).await,
        Err(error) => Err(error),
    };
    file.release_claim(ask.range.clone(), outcome.clone());
    let ok = !matches!(outcome, Err(FetchError::Unreachable));
    if let Err(error) = &outcome {
        log::warn!("cannot fetch bytes {}..{} of file {}: {error}", ask.range.start, ask.range.end, ask.file_id);
    }
    if let Some(reply) = ask.reply {
        let _nobody_waits = reply.send(outcome.map_err(|e| ask_error(&e)));
    }
    ok
}

async fn receive(executor: &Executor, ask: &FetchAsk, file: &DataFile) -> Result<(), FetchError> {
    let mut room = match file.place() {
        Place::Cache => Some(eviction::room(executor, ask.range.end - ask.range.start).await?),
        Place::Spool => None,
    };
    let mut download = executor
        .client
        .download(&ask.file_id, ask.version.as_deref(), Some(ask.range.clone()))
        .await
        .map_err(|e| fetch_error(&e))?;
    let mut offset = ask.range.start;
    while let Some(chunk) = download.chunk().await.map_err(|e| fetch_error(&e))? {
        file.fill(offset, &chunk).map_err(|e| match e {
            ContentError::OutOfSpace => FetchError::OutOfSpace,
            other => FetchError::Other(other.to_string()),
        })?;
        offset += chunk.len() as u64;
        if let Some(room) = &mut room {
            room.filled(chunk.len() as u64);
        }
    }
    if offset == ask.range.end { Ok(()) } else { Err(FetchError::Other("the content ended early".to_owned())) }
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

fn ask_error(error: &FetchError) -> AskError {
    match error {
        FetchError::Unreachable => AskError::Unreachable(error.to_string()),
        FetchError::VersionGone => AskError::Gone,
        FetchError::OutOfSpace => AskError::DiskFull,
        FetchError::Corrupt => AskError::WrongBytes(error.to_string()),
        FetchError::Denied | FetchError::Abandoned | FetchError::Other(_) => AskError::Refused(error.to_string()),
    }
}

/// Box has the bytes: the data file moves to the cache, unless a program began to write into it meanwhile. One that the cache has
/// no room for is given up, or stays in the spool as long as it is in use.
pub async fn to_cache(executor: &Executor, id: ContentId) {
    let (tree, content) = (executor.tree.clone(), executor.content.clone());
    let Ok(room) = eviction::room_now(executor, content.bytes_taken(id)).await else {
        let evicted = blocking(move || evict_one(&tree, &content, id, Pins::Keep)).await;
        return evicted.map_or_else(|reason| log::warn!("content {id} stays in the spool: {reason}"), drop);
    };
    let moved = blocking(move || {
        let Some(row) = tree.content(id).map_err(|e| e.to_string())? else { return Ok(()) };
        let file = content.load(id, saved(&row)).map_err(|e| e.to_string())?;
        let moved = tree.move_to_cache(id, || {
            let stamp = content.to_cache(&file).ok()?;
            failpoint("cache.moved");
            Some(crate::tree::StoredStamp { size: stamp.size, mtime_ns: stamp.mtime_ns, ctime_ns: stamp.ctime_ns })
        });
        failpoint("cache.recorded");
        moved.map_err(|e| e.to_string())
    });
    if let Err(reason) = moved.await {
        log::warn!("content {id} stays in the spool: {reason}");
    }
    drop(room);
}

/// Removes a data file that nobody needs.
pub async fn drop_data(executor: &Executor, id: ContentId) {
    let content = executor.content.clone();
    failpoint("drop.leaving");
    if let Err(reason) = blocking(move || content.remove(id).map_err(|e| e.to_string())).await {
        log::warn!("data file {id} cannot be removed: {reason}");
    }
}

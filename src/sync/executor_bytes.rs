//! Data files: sealing, completing, moving to the cache, removing.

use super::effect::SealResult;
use super::eviction::{self, evict_one};
use super::executor::Executor;
use super::executor_fetch as fetching;
use super::rebuild::identity;
use crate::base::{ContentId, failpoint};
use crate::content::{Content, ContentError, DataFile, Place, Ranges, Saved, Sealing};
use crate::tree::{self, AskError, ContentRow, ContentState, Pins, Tree};
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
            // A cold file has no data file before it is first used.
            Err(ContentError::Lost { .. }) if row.is_of_box() => cold_again(&tree, &content, &row)?,
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
        let identity = identity(&tree, ino, file.is_whole()).map_err(|e| e.to_string())?;
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
    fetching::whole(executor, fetching::from(row.ino, id, &origin), &file)
        .await
        .map_err(|e| fetching::ask_error(&e))?;
    let (tree, content) = (executor.tree.clone(), executor.content.clone());
    blocking(move || {
        file.save_ranges(|ranges| {
            let present = (!ranges.is_whole()).then(|| ranges.to_bytes());
            tree.save_ranges(id, present).map_err(|e| e.to_string())
        })?;
        let now_whole = file.is_whole() && content.identity_of(id).is_some_and(|identity| !identity.whole);
        match identity(&tree, row.ino, true) {
            Ok(identity) if now_whole => content.identify(id, &identity).map_err(|e| e.to_string()),
            _ => Ok(()),
        }
    })
    .await
    .map_err(AskError::Refused)
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

/// Moves a data file that belongs to nothing to the rescue directory; an empty one goes.
pub async fn rescue(executor: &Executor, id: ContentId) {
    let content = executor.content.clone();
    let moved = blocking(move || content.to_rescue(id).map_err(|e| e.to_string())).await;
    match moved {
        Ok(path) => log::warn!("the folder of a file that is kept here alone is gone; the file is {}", path.display()),
        // The next start finds it.
        Err(reason) => log::error!("data file {id} cannot be moved to the rescue directory: {reason}"),
    }
}

/// Removes a data file that nobody needs.
pub async fn drop_data(executor: &Executor, id: ContentId) {
    let content = executor.content.clone();
    failpoint("drop.leaving");
    if let Err(reason) = blocking(move || content.remove(id).map_err(|e| e.to_string())).await {
        log::warn!("data file {id} cannot be removed: {reason}");
    }
}

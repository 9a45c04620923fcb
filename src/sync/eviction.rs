//! Room in the cache: made before bytes are fetched, kept while others fill the disk. What was not used for the longest time goes
//! first; what is open, pinned, changed or not in Box never goes.

use super::executor::Executor;
use super::executor_bytes::blocking;
use crate::base::{ContentId, Ino};
use crate::content::{Content, FetchError, Ranges, Reservation, Room};
use crate::tree::{Pins, Tree};
use std::io;
use std::time::Duration;

/// Contents looked at in one transaction.
const PAGE: usize = 256;
/// Freed beyond what is wanted, so that the next few fetches find room without a search: a few read-ahead windows.
const SPARE_BYTES: u64 = 32 << 20;
/// How often room is looked for before the disk counts as full, and the pause in between: fetches under way set room aside, and
/// end. Together below the 30 s that any request may take.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(200);
/// What a file that is read keeps around its last read when there is nothing else to evict, and when that is not enough either.
const KEPT_BYTES: [(u64, u64); 2] = [(4 << 20, 64 << 20), (1 << 20, 4 << 20)];
/// How often last uses are written down and the free space is looked at unasked.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The least between two looks, however often room is asked for.
const REST: Duration = Duration::from_millis(200);

/// Sets room for `bytes` in the cache aside; evicts what has to go for that.
///
/// # Errors
/// `OutOfSpace` if limit or disk leave no room although everything that may go is gone.
pub async fn room(executor: &Executor, bytes: u64) -> Result<Reservation, FetchError> {
    room_within(executor, bytes, ROUNDS).await
}

/// Like [`room`], without waiting for what others have set aside.
pub async fn room_now(executor: &Executor, bytes: u64) -> Result<Reservation, FetchError> {
    room_within(executor, bytes, 2).await
}

async fn room_within(executor: &Executor, bytes: u64, rounds: u32) -> Result<Reservation, FetchError> {
    for round in 0..rounds {
        if let Ok(room) = reserve(&executor.content, bytes)? {
            return Ok(room);
        }
        let _one_at_a_time = executor.evicting.lock().await;
        let wanted = match reserve(&executor.content, bytes)? {
            Ok(room) => return Ok(room),
            Err(Room::EvictFirst { bytes }) => bytes.saturating_add(SPARE_BYTES),
            Err(Room::Full | Room::Fits) => bytes,
        };
        let freed = evict(executor, wanted).await?;
        if freed < wanted.min(bytes) {
            let (behind, ahead) = KEPT_BYTES[usize::from(round > 0)];
            let (tree, content) = (executor.tree.clone(), executor.content.clone());
            let note = move |id, left: &Ranges| tree.save_ranges(id, Some(left.to_bytes())).map_err(io::Error::other);
            blocking(move || content.give_back(behind, ahead, note).map_err(|e| e.to_string()))
                .await
                .map_err(FetchError::Other)?;
        }
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(FetchError::OutOfSpace)
}

fn reserve(content: &Content, bytes: u64) -> Result<Result<Reservation, Room>, FetchError> {
    content.reserve(bytes).map_err(|e| FetchError::Other(e.to_string()))
}

async fn evict(executor: &Executor, wanted: u64) -> Result<u64, FetchError> {
    let (tree, content) = (executor.tree.clone(), executor.content.clone());
    blocking(move || evict_least_used(&tree, &content, wanted)).await.map_err(FetchError::Other)
}

/// Evicts until `wanted` bytes are free, or nothing more may go. Returns how many bytes that freed.
fn evict_least_used(tree: &Tree, content: &Content, wanted: u64) -> Result<u64, String> {
    tree.note_uses(&content.take_uses()).map_err(|e| e.to_string())?;
    let (mut freed, mut after) = (0, None);
    while freed < wanted {
        let page = tree.least_used(after, PAGE).map_err(|e| e.to_string())?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for cached in &page {
            if freed < wanted {
                freed += evict_one(tree, content, cached.id, Pins::Keep)?;
            }
        }
    }
    log::debug!("evicted {freed} bytes, {wanted} were wanted");
    Ok(freed)
}

/// Evicts all below `top` that may go. How many contents and bytes that were.
pub fn evict_below(tree: &Tree, content: &Content, top: Ino) -> Result<(u64, u64), String> {
    let (mut evicted, mut after) = ((0, 0), None);
    tree.note_uses(&content.take_uses()).map_err(|e| e.to_string())?;
    loop {
        let page = tree.least_used(after, PAGE).map_err(|e| e.to_string())?;
        let Some(last) = page.last() else { return Ok(evicted) };
        after = Some(*last);
        for cached in &page {
            let Some(row) = tree.content(cached.id).map_err(|e| e.to_string())? else { continue };
            // A node that is gone is below nothing.
            if top == Ino::ROOT || tree.is_below(row.ino, top).unwrap_or(false) {
                let bytes = evict_one(tree, content, cached.id, Pins::Keep)?;
                evicted = (evicted.0 + u64::from(bytes > 0), evicted.1 + bytes);
            }
        }
    }
}

/// Evicts one content if it may go. Returns how many bytes that freed.
pub fn evict_one(tree: &Tree, content: &Content, id: ContentId, pins: Pins) -> Result<u64, String> {
    let bytes = content.bytes_taken(id);
    if !content.is_unwritten(id).map_err(|e| e.to_string())? {
        return Ok(0);
    }
    if !tree.evict(id, pins, || content.get(id).is_some()).map_err(|e| e.to_string())? {
        return Ok(0);
    }
    crate::base::failpoint("evict.recorded");
    content.remove(id).map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// Writes last uses down and keeps the cache below its limit and the disk above its floor, until the engine stops.
pub async fn keep(executor: Executor) {
    loop {
        if let Err(error) = look(&executor).await {
            log::warn!("the cache cannot be looked after: {error}");
        }
        tokio::time::sleep(REST).await;
        // Either way it is time for a look.
        let _ = tokio::time::timeout(LOOK_EVERY, executor.content.pressed()).await;
    }
}

async fn look(executor: &Executor) -> Result<(), String> {
    let (tree, content) = (executor.tree.clone(), executor.content.clone());
    let excess = blocking(move || {
        tree.note_uses(&content.take_uses()).map_err(|e| e.to_string())?;
        content.excess().map_err(|e| e.to_string())
    })
    .await?;
    if excess > 0 {
        let _one_at_a_time = executor.evicting.lock().await;
        evict(executor, excess).await.map_err(|e| e.to_string())?;
    }
    let tree = executor.tree.clone();
    let left = blocking(move || tree.clean_in_spool(ContentId(0), PAGE).map_err(|e| e.to_string())).await?;
    for id in left {
        super::executor_bytes::to_cache(executor, id).await;
    }
    Ok(())
}

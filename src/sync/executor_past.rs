//! The past of items: versions and the trash, asked for by a person, and the way back.

use super::executor::Executor;
use crate::base::BoxId;
use crate::box_api::{ApiError, Item, Meaning};
use crate::tree::{AskError, PastAsk, PastVersion, Trashed};

/// Pages of the trash that are read at most, a thousand items each: more than a person looks through.
const MAX_TRASH_PAGES: usize = 10;
/// The folder id under which Box lists the trash.
const TRASH: &str = "trash";

/// Asks Box, and answers whoever asked. What came back is looked at, so that the mount shows it without waiting for news.
pub async fn past(executor: &Executor, ask: PastAsk) {
    // Whoever asked may be gone.
    match ask {
        PastAsk::Versions { file_id, reply } => {
            let _ = reply.send(versions(executor, &file_id).await.map_err(refusal));
        }
        PastAsk::Before { file_id, reply } => {
            let _ = reply.send(before(executor, &file_id).await.map_err(refusal));
        }
        PastAsk::Promote { file_id, version, reply } => {
            let promoted = executor.client.promote_version(&file_id, &version).await;
            executor.look(BoxId::file(file_id)).await;
            let _ = reply.send(promoted.map(drop).map_err(refusal));
        }
        PastAsk::Trash(reply) => {
            let _ = reply.send(trash(executor).await.map_err(refusal));
        }
        PastAsk::Restore { item, reply } => {
            let restored = executor.client.restore(&item, None, None).await;
            executor.look(item).await;
            let _ = reply.send(restored.map(|item| item.name).map_err(refusal));
        }
    }
}

/// All versions, the oldest first and the current one last.
async fn versions(executor: &Executor, file_id: &str) -> Result<Vec<PastVersion>, ApiError> {
    let current = executor.client.item(&BoxId::file(file_id)).await?;
    let mut versions = before(executor, file_id).await?;
    versions.push(PastVersion {
        id: current.version_id.unwrap_or_default(),
        size: current.size,
        sha1: current.sha1,
        at: current.modified_at,
        by: None,
    });
    Ok(versions)
}

/// The versions before the current one that are not in the trash, the oldest first.
async fn before(executor: &Executor, file_id: &str) -> Result<Vec<PastVersion>, ApiError> {
    let found = executor.client.versions(file_id).await?;
    // Box gives the newest first.
    let living = found.into_iter().rev().filter(|version| !version.trashed);
    let past = living.map(|version| PastVersion {
        id: version.id,
        size: version.size,
        sha1: version.sha1,
        at: version.modified_at.or(version.created_at),
        by: version.modified_by,
    });
    Ok(past.collect())
}

async fn trash(executor: &Executor) -> Result<Vec<Trashed>, ApiError> {
    let (mut found, mut marker) = (Vec::new(), None::<String>);
    for _ in 0..MAX_TRASH_PAGES {
        let page = executor.client.list_page(TRASH, marker.as_deref()).await?;
        found.extend(page.entries.into_iter().map(trashed));
        marker = page.next;
        if marker.is_none() {
            break;
        }
    }
    Ok(found)
}

fn trashed(item: Item) -> Trashed {
    Trashed { item: item.id, name: item.name, size: item.size }
}

fn refusal(error: ApiError) -> AskError {
    match error.meaning {
        Meaning::NotFound | Meaning::Trashed => AskError::Gone,
        Meaning::NotSent | Meaning::Intercepted | Meaning::OutcomeUnknown | Meaning::Throttled { .. } => {
            AskError::Unreachable(error.to_string())
        }
        Meaning::SignInNeeded => AskError::SignInNeeded,
        _ => AskError::Refused(error.to_string()),
    }
}

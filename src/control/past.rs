//! Versions and the trash, as the engine gives them and as they travel.

use super::protocol::{Refusal, Reply, TrashedItem, Version};
use crate::base::{BoxId, Ino, ItemKind};
use crate::sync::{AskError, Engine};

pub(super) async fn versions(engine: &Engine, ino: Ino) -> Reply {
    let found = match engine.versions(ino).await {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    let last = found.len();
    let numbered = found.into_iter().zip(1..).map(|(version, number)| Version {
        number: number as u64,
        id: version.id,
        size: version.size,
        sha1: version.sha1.map(|sha1| sha1.to_hex()),
        at: version.at.map(|at| at.to_rfc3339()),
        by: version.by,
        current: number == last,
    });
    Reply::Versions { versions: numbered.collect() }
}

pub(super) async fn restore_version(engine: &Engine, ino: Ino, number: u64) -> Reply {
    engine.restore_version(ino, number).await.map_or_else(|e| refused(&e), |()| Reply::Done)
}

pub(super) async fn trash(engine: &Engine) -> Reply {
    let found = match engine.trash().await {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    let items = found.into_iter().map(|trashed| TrashedItem {
        kind: trashed.item.kind.as_str().to_owned(),
        id: trashed.item.id,
        name: trashed.name,
        size: trashed.size,
    });
    Reply::Trash { items: items.collect() }
}

pub(super) async fn restore_trashed(engine: &Engine, kind: &str, id: String) -> Reply {
    let kinds = [ItemKind::File, ItemKind::Folder, ItemKind::WebLink];
    let Some(kind) = kinds.into_iter().find(|known| known.as_str() == kind) else {
        let message = format!("'{kind}' is no kind of item");
        return Reply::Error { refusal: Refusal::BadRequest, message };
    };
    let restored = engine.restore_item(BoxId { kind, id }).await;
    restored.map_or_else(|e| refused(&e), |name| Reply::Restored { name })
}

pub(super) fn refused(error: &AskError) -> Reply {
    let refusal = match error {
        AskError::SignInNeeded => Refusal::SignInNeeded,
        _ => Refusal::Failed,
    };
    Reply::Error { refusal, message: error.to_string() }
}

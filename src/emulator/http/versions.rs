//! The versions of a file: list, get, promote, delete, restore.

use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::store::{Act, Key, Kind, Store, Who};
use super::answer::Answer;
use super::call::{Call, item_key};

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1000;
const MAX_OFFSET: u64 = 10_000;

pub(super) async fn route(call: &mut Call, id: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let file = item_key(Kind::File, id, &who)?.id;
    let method = call.method.clone();
    match (method.as_str(), rest) {
        ("GET", []) => list(call, &who, file),
        ("POST", ["current"]) => promote(call, &who, file).await,
        ("GET", [version]) => {
            let version = version_id(version)?;
            call.desk.read(|store| {
                store.version_of(&who, file, version)?;
                Ok(Answer::ok(&version_json(store, version)))
            })
        }
        ("DELETE", [version]) => {
            let version = version_id(version)?;
            call.desk.write(|store| store.trash_version(&who, file, version, &call.if_match()))?;
            Ok(Answer::empty(204))
        }
        ("PUT", [version]) => {
            let version = version_id(version)?;
            let body = call.json().await?;
            call.desk.write(|store| {
                if body.get("trashed_at").is_some_and(Value::is_null) {
                    store.restore_version(&who, file, version)?;
                }
                store.version_of(&who, file, version)?;
                Ok(Answer::ok(&version_json(store, version)))
            })
        }
        (_, [] | [_]) => Err(Refusal::method_not_allowed()),
        _ => Err(Refusal::not_found()),
    }
}

fn version_id(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::method_not_allowed())
}

/// Past versions only, newest first (API.md 8.4).
fn list(call: &Call, who: &Who, file: u64) -> Result<Answer, Refusal> {
    let limit = call.number("limit", "invalid_limit", DEFAULT_LIMIT)?.min(MAX_LIMIT);
    let offset = call.number("offset", "invalid_offset", 0)?;
    if offset > MAX_OFFSET {
        return Err(Refusal::new(400, "invalid_offset", "Offset is above the maximum of 10000"));
    }
    call.desk.read(|store| {
        let item = store.allow(who, Key::file(file), Act::See)?;
        let past: Vec<u64> = item.versions.iter().rev().skip(1).copied().collect();
        let some = past.iter().skip(offset as usize).take(limit as usize);
        let entries: Vec<Value> = some.map(|id| version_json(store, *id)).collect();
        Ok(Answer::ok(&json!({
            "total_count": past.len(),
            "limit": limit,
            "offset": offset,
            "order": [{"by": "version_number", "direction": "DESC"}],
            "entries": entries,
        })))
    })
}

async fn promote(call: &mut Call, who: &Who, file: u64) -> Result<Answer, Refusal> {
    let body = call.json().await?;
    let id = body["id"].as_str().and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| Refusal::bad("id", "not a version id"))?;
    call.desk.write(|store| {
        let promoted = store.promote(who, file, id)?;
        Ok(Answer::json(201, &version_json(store, promoted)))
    })
}

fn version_json(store: &Store, id: u64) -> Value {
    let Some(version) = store.versions.get(&id) else { return Value::Null };
    let uploader = store.users.get(&version.by).map_or("", |user| user.name.as_str());
    let mut object = json!({
        "type": "file_version",
        "id": id.to_string(),
        "sha1": version.content.sha1,
        "name": version.name,
        "size": version.content.size,
        "created_at": store.time(version.created_at),
        "modified_at": store.time(version.modified_at),
        "modified_by": store.user_mini(version.by),
        "trashed_at": null,
        "restored_at": null,
        "purged_at": null,
        "uploader_display_name": uploader,
        "version_number": version.number.to_string(),
    });
    if let Some(trashed) = &version.trashed {
        object["trashed_at"] = json!(store.time(trashed.at));
        object["trashed_by"] = store.user_mini(trashed.by);
    }
    if let Some(restored) = &version.restored {
        object["restored_at"] = json!(store.time(restored.at));
        object["restored_by"] = store.user_mini(restored.by);
    }
    object
}

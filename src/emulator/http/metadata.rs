//! Metadata instances and folder locks over HTTP (API.md 8.5 and 8.2).

use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::store::{Act, Detail, FolderLock, Key, Kind, Store, View, Who};
use super::answer::Answer;
use super::call::{Call, item_key};

/// `/files|folders/:id/metadata/...`.
pub(super) async fn route(call: &mut Call, who: &Who, key: Key, rest: &[&str]) -> Result<Answer, Refusal> {
    let method = call.method.clone();
    let path = match rest {
        [] => return list(call, who, key),
        [scope, template] => format!("{scope}.{template}"),
        _ => return Err(Refusal::not_found()),
    };
    match method.as_str() {
        "GET" => call.desk.read(|store| {
            let instance = store.instance(who, key, &path)?;
            Ok(Answer::ok(&store.instance_json(key, &path, instance)))
        }),
        "POST" => {
            let Value::Object(values) = call.json().await? else {
                return Err(Refusal::bad("entity-body", "not an object"));
            };
            call.desk.write(|store| {
                store.create_instance(who, key, &path, values.into_iter().collect())?;
                shown(store, who, key, &path, 201)
            })
        }
        "PUT" => {
            if call.header("content-type").is_none_or(|sent| !sent.starts_with("application/json-patch+json")) {
                return Err(Refusal::new(415, "unsupported_media_type", "Unsupported Media Type"));
            }
            let bytes = call.inbox.small().await?;
            let patch: Vec<Value> =
                serde_json::from_slice(&bytes).map_err(|_| Refusal::bad("entity-body", "not a JSON patch"))?;
            call.desk.write(|store| {
                store.patch_instance(who, key, &path, &patch)?;
                shown(store, who, key, &path, 200)
            })
        }
        "DELETE" => {
            call.desk.write(|store| store.delete_instance(who, key, &path))?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed()),
    }
}

fn shown(store: &Store, who: &Who, key: Key, path: &str, status: u16) -> Result<Answer, Refusal> {
    let instance = store.instance(who, key, path)?;
    Ok(Answer::json(status, &store.instance_json(key, path, instance)))
}

fn list(call: &Call, who: &Who, key: Key) -> Result<Answer, Refusal> {
    super::only(call, hyper::Method::GET)?;
    call.desk.read(|store| {
        let item = store.allow(who, key, Act::See)?;
        let all = item.extra.iter().flat_map(|extra| &extra.metadata);
        let entries: Vec<Value> = all.map(|(path, instance)| store.instance_json(key, path, instance)).collect();
        Ok(Answer::ok(&json!({"entries": entries, "limit": 100})))
    })
}

/// `/folder_locks...`.
pub(super) async fn route_folder_locks(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let method = call.method.clone();
    match (method.as_str(), rest) {
        ("GET", []) => {
            let folder = call.param("folder_id").ok_or_else(|| Refusal::bad("folder_id", "'folder_id' is required"))?;
            let key = item_key(Kind::Folder, folder, &who)?;
            call.desk.read(|store| {
                store.allow(&who, key, Act::See)?;
                let entries: Vec<Value> = folder_lock(store, &who, key.id).into_iter().collect();
                Ok(Answer::ok(&json!({"entries": entries, "limit": "1000", "next_marker": null})))
            })
        }
        ("POST", []) => {
            let body = call.json().await?;
            let id = body["folder"]["id"].as_str().ok_or_else(|| Refusal::bad("folder", "'folder' is required"))?;
            let folder = item_key(Kind::Folder, id, &who)?.id;
            call.desk.write(|store| {
                let lock = FolderLock { id: store.next_other(), by: who.user, created_at: store.now };
                store.set_folder_lock(&who, folder, Some(lock))?;
                Ok(Answer::ok(&json!(folder_lock(store, &who, folder))))
            })
        }
        ("DELETE", [id]) => {
            let id: u64 = id.parse().map_err(|_| Refusal::method_not_allowed())?;
            call.desk.write(|store| {
                let folder = store.folder_of_lock(id).ok_or_else(Refusal::not_found)?;
                store.set_folder_lock(&who, folder, None)
            })?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed()),
    }
}

fn folder_lock(store: &Store, who: &Who, folder: u64) -> Option<Value> {
    let key = Key::folder(folder);
    let lock = store.items.get(&key)?.extra.as_ref()?.folder_lock.as_ref()?;
    Some(json!({
        "type": "folder_lock",
        "id": lock.id.to_string(),
        "folder": store.render(&View { who, detail: Detail::Mini, fields: None }, key),
        "created_by": {"type": "user", "id": lock.by.to_string()},
        "created_at": store.time(lock.created_at),
        "locked_operations": {"move": true, "delete": true},
        "lock_type": "freeze",
    }))
}

//! What files, folders and web links have in common: get, update, delete, copy, trash.

use hyper::Method;
use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::store::{Act, Change, Detail, Key, Kind, Lock, SharedLink, Store, View, Who, slug};
use super::answer::{Answer, Payload};
use super::call::{Call, folder_in, item_key, text, time};
use super::{downloads, uploads, versions};

/// The picture of every file: 32 by 32 points in Box's blue.
const THUMBNAIL_PNG: &[u8] = include_bytes!("thumbnail.png");
const THUMBNAIL_JPEG: &[u8] = include_bytes!("thumbnail.jpg");
/// Shortest last part of a shared link's URL that a person may choose (API.md 8.3).
const MIN_VANITY_NAME_BYTES: usize = 12;
/// Longest description that Box takes, characters.
const MAX_DESCRIPTION_CHARS: usize = 256;

/// `/files/...` below the API.
pub(super) async fn route_files(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    match rest {
        ["content"] => uploads::preflight(call, None).await,
        [id, "content"] if call.method == Method::OPTIONS => uploads::preflight(call, Some(id)).await,
        [id, "content"] => downloads::redirect(call, id).await,
        [id, "versions", rest @ ..] => versions::route(call, id, rest).await,
        [id, rest @ ..] => route(call, Kind::File, id, rest).await,
        [] => Err(Refusal::method_not_allowed()),
    }
}

/// `/web_links/...`.
pub(super) async fn route_web_links(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    match rest {
        [] if call.method == Method::POST => create_web_link(call).await,
        [] => Err(Refusal::method_not_allowed()),
        [id, rest @ ..] => route(call, Kind::WebLink, id, rest).await,
    }
}

/// Calls on one item, whatever its type.
pub(super) async fn route(call: &mut Call, kind: Kind, id: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let key = item_key(kind, id, &who)?;
    match (call.method.as_str(), rest) {
        ("GET", []) => get(call, &who, key),
        ("PUT", []) => update(call, &who, key).await,
        ("DELETE", []) => delete(call, &who, key).await,
        ("POST", []) => restore(call, &who, key).await,
        ("POST", ["copy"]) => copy(call, &who, key).await,
        (_, ["metadata", rest @ ..]) if kind != Kind::WebLink => super::metadata::route(call, &who, key, rest).await,
        ("GET", ["thumbnail.png"]) if kind == Kind::File => thumbnail(call, &who, key, "image/png", THUMBNAIL_PNG),
        ("GET", ["thumbnail.jpg"]) if kind == Kind::File => thumbnail(call, &who, key, "image/jpg", THUMBNAIL_JPEG),
        ("GET", ["collaborations"]) if kind != Kind::WebLink => super::collaborations::list(call, &who, key),
        ("GET", ["trash"]) => get_trashed(call, &who, key),
        ("DELETE", ["trash"]) => {
            call.desk.write(|store| store.purge(&who, key))?;
            Ok(Answer::empty(204))
        }
        (_, [] | ["copy" | "trash"]) => Err(Refusal::method_not_allowed()),
        _ => Err(Refusal::not_found()),
    }
}

/// `GET /shared_items`: the item behind the shared link in the request.
pub(super) fn shared(call: &Call) -> Result<Answer, Refusal> {
    super::only(call, Method::GET)?;
    let who = call.who()?;
    let (key, _) = who.link.ok_or_else(Refusal::not_found)?;
    get(call, &who, key)
}

/// An item as one call answers it: all of it, or the fields asked for.
pub(super) fn show(store: &Store, who: &Who, key: Key, fields: &Option<Vec<String>>) -> Value {
    let detail = match key.kind {
        Kind::Folder => Detail::Full,
        _ => Detail::Standard,
    };
    store.render(&View { who, detail, fields: fields.as_deref() }, key)
}

fn get(call: &Call, who: &Who, key: Key) -> Result<Answer, Refusal> {
    let fields = call.fields();
    call.desk.read(|store| {
        let item = store.allow(who, key, Act::See)?;
        if !key.is_root() && call.has_already(item.etag) {
            return Ok(Answer::empty(304).header("etag", item.etag.to_string()));
        }
        let detail = View { who, detail: Detail::Standard, fields: fields.as_deref() };
        Ok(Answer::ok(&store.render(&detail, key)))
    })
}

async fn update(call: &mut Call, who: &Who, key: Key) -> Result<Answer, Refusal> {
    let body = call.json().await?;
    let (fields, precondition) = (call.fields(), call.if_match());
    let mut change = change_in(&body, who, key)?;
    if change.parent.is_some() {
        call.desk.dwell(who, key).await?;
    }
    call.desk.write(|store| {
        fill_in(store, who, key, &body, &mut change)?;
        store.update(who, key, change, &precondition)?;
        let detail = View { who, detail: Detail::Standard, fields: fields.as_deref() };
        Ok(Answer::ok(&store.render(&detail, key)))
    })
}

/// The plain properties of an update.
fn change_in(body: &Value, who: &Who, key: Key) -> Result<Change, Refusal> {
    let description = text(body, "description")?.map(str::to_owned);
    if description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_CHARS) {
        return Err(Refusal::bad("description", "longer than 256 characters"));
    }
    let tags = match &body["tags"] {
        Value::Null => None,
        Value::Array(tags) => Some(tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()),
        _ => return Err(Refusal::bad("tags", "not a list")),
    };
    let file = key.kind == Kind::File;
    Ok(Change {
        name: text(body, "name")?.map(str::to_owned),
        parent: folder_in(&body["parent"]["id"], "parent", who)?,
        description,
        content_created_at: if file { time(body, "content_created_at")? } else { None },
        content_modified_at: if file { time(body, "content_modified_at")? } else { None },
        tags,
        url: text(body, "url")?.filter(|_| key.kind == Kind::WebLink).map(str::to_owned),
        lock: None,
        shared_link: None,
    })
}

/// The properties that need what is there already: locks and shared links.
fn fill_in(store: &mut Store, who: &Who, key: Key, body: &Value, change: &mut Change) -> Result<(), Refusal> {
    change.lock = match body.get("lock") {
        Some(Value::Null) => Some(None),
        Some(lock @ Value::Object(_)) if key.kind == Kind::File => Some(Some(Lock {
            id: store.next_other(),
            by: who.user,
            created_at: store.now,
            expires_at: time(lock, "expires_at")?,
            no_download: lock["is_download_prevented"].as_bool().unwrap_or(false),
        })),
        Some(_) => return Err(Refusal::bad("lock", "not a lock")),
        None => None,
    };
    change.shared_link = match body.get("shared_link") {
        Some(Value::Null) => Some(None),
        Some(link @ Value::Object(_)) => Some(Some(link_in(store, key, link)?)),
        Some(_) => return Err(Refusal::bad("shared_link", "not a shared link")),
        None => None,
    };
    Ok(())
}

/// A shared link as asked for, over the one that is there.
fn link_in(store: &Store, key: Key, wanted: &Value) -> Result<SharedLink, Refusal> {
    let old = store.items.get(&key).and_then(|item| item.extra.as_ref()).and_then(|extra| extra.shared_link.clone());
    let mut link = old.unwrap_or_else(|| SharedLink {
        slug: slug(),
        access: "open".to_owned(),
        password: None,
        unshared_at: None,
        vanity_name: None,
        can_download: true,
        can_edit: false,
    });
    // A null is Box's own choice.
    match text(wanted, "access")? {
        None if wanted.get("access").is_some() => link.access = "open".to_owned(),
        None => {}
        Some(access @ ("open" | "company" | "collaborators")) => link.access = access.to_owned(),
        Some(_) => return Err(Refusal::bad("shared_link.access", "not an access level")),
    }
    // Here it takes away what was there.
    if wanted.get("password").is_some() {
        link.password = text(wanted, "password")?.map(str::to_owned);
    }
    if wanted.get("unshared_at").is_some() {
        link.unshared_at = time(wanted, "unshared_at")?;
    }
    if wanted.get("vanity_name").is_some() {
        link.vanity_name = text(wanted, "vanity_name")?.map(str::to_owned);
        if link.vanity_name.as_ref().is_some_and(|name| name.len() < MIN_VANITY_NAME_BYTES) {
            return Err(Refusal::bad("shared_link.vanity_name", "shorter than 12 characters"));
        }
    }
    let permissions = &wanted["permissions"];
    link.can_download = permissions["can_download"].as_bool().unwrap_or(link.can_download);
    link.can_edit = permissions["can_edit"].as_bool().unwrap_or(link.can_edit);
    Ok(link)
}

async fn delete(call: &Call, who: &Who, key: Key) -> Result<Answer, Refusal> {
    let recursive = call.flag("recursive");
    call.desk.dwell(who, key).await?;
    call.desk.write(|store| store.delete(who, key, recursive, &call.if_match()))?;
    Ok(Answer::empty(204))
}

async fn restore(call: &mut Call, who: &Who, key: Key) -> Result<Answer, Refusal> {
    let body = call.json().await?;
    let fields = call.fields();
    let name = text(&body, "name")?;
    let parent = folder_in(&body["parent"]["id"], "parent", who)?;
    call.desk.write(|store| {
        store.restore(who, key, name, parent)?;
        let view = View { who, detail: Detail::Standard, fields: fields.as_deref() };
        let mut restored = store.render(&view, key);
        // What is in a restored folder is not told.
        if let Some(properties) = restored.as_object_mut().filter(|_| fields.is_none()) {
            properties.remove("item_collection");
        }
        Ok(Answer::json(201, &restored))
    })
}

async fn copy(call: &mut Call, who: &Who, key: Key) -> Result<Answer, Refusal> {
    let body = call.json().await?;
    let fields = call.fields();
    let name = text(&body, "name")?;
    let folder = folder_in(&body["parent"]["id"], "parent", who)?;
    let folder = folder.ok_or_else(|| Refusal::bad("parent", "'parent' is required"))?;
    let version = match text(&body, "version")? {
        Some(version) => Some(version.parse().map_err(|_| Refusal::bad("version", "not a version id"))?),
        None => None,
    };
    call.desk.dwell(who, key).await?;
    call.desk.write(|store| {
        let copy = store.copy(who, key, folder, name, version)?;
        Ok(Answer::json(201, &show(store, who, copy, &fields)))
    })
}

fn get_trashed(call: &Call, who: &Who, key: Key) -> Result<Answer, Refusal> {
    let fields = call.fields();
    call.desk.read(|store| {
        store.trashed(who, key)?;
        let detail = View { who, detail: Detail::Standard, fields: fields.as_deref() };
        Ok(Answer::ok(&store.render(&detail, key)))
    })
}

fn thumbnail(call: &Call, who: &Who, key: Key, kind: &str, picture: &'static [u8]) -> Result<Answer, Refusal> {
    call.desk.read(|store| store.allow(who, key, Act::See).map(drop))?;
    let mut answer = Answer::empty(200).header("content-type", kind);
    answer.payload = Payload::Bytes(picture.into());
    Ok(answer)
}

async fn create_web_link(call: &mut Call) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let body = call.json().await?;
    let url = text(&body, "url")?.ok_or_else(|| Refusal::bad("url", "'url' is required"))?;
    let folder = folder_in(&body["parent"]["id"], "parent", &who)?;
    let folder = folder.ok_or_else(|| Refusal::bad("parent", "'parent' is required"))?;
    let host = url.split("//").nth(1).unwrap_or(url).split('/').next().unwrap_or(url);
    let name = json!(text(&body, "name")?.unwrap_or(host));
    let fields = call.fields();
    call.desk.write(|store| {
        let key = store.create(&who, folder, name.as_str().unwrap_or(host), Some(url))?;
        Ok(Answer::json(200, &show(store, &who, key, &fields)))
    })
}

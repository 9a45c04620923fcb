//! Items: what files, folders and web links have in common, and the calls that take any of them.

use super::call::{Call, FOLDER_PATIENCE, Request};
use super::client::BoxClient;
use super::meaning::{ApiError, Meaning};
use super::wire::{self, IdOf, WireItem};
use crate::base::{BoxId, ItemKind, Sha1Digest, Timestamp};
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// A file, folder or web link as Box last described it. What a call did not return is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub id: BoxId,
    pub name: String,
    /// Folder id; the root, and an item whose parent is not visible, have none.
    pub parent: Option<String>,
    /// Precondition for changes. The root has none.
    pub etag: Option<String>,
    /// Newest event in this description: what is not newer is no news.
    pub sequence_id: Option<u64>,
    /// Bytes; of a folder: everything below it.
    pub size: u64,
    pub sha1: Option<Sha1Digest>,
    /// Changes with the content only: the key for cached bytes.
    pub version_id: Option<String>,
    pub content_created_at: Option<Timestamp>,
    pub content_modified_at: Option<Timestamp>,
    pub created_at: Option<Timestamp>,
    pub modified_at: Option<Timestamp>,
    pub trashed: bool,
    pub permissions: Option<Permissions>,
    pub lock: Option<Lock>,
    /// Where a web link points.
    pub url: Option<String>,
    pub shared_link: Option<SharedLink>,
}

/// What this account may do with an item (API.md 8.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    pub can_download: bool,
    /// Into the folder, or a version of the file.
    pub can_upload: bool,
    pub can_delete: bool,
    pub can_rename: bool,
}

/// A lock on a file (API.md 8.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub by_login: Option<String>,
    pub by_id: Option<String>,
    pub expires: Option<Timestamp>,
    pub prevents_download: bool,
}

/// A link that opens an item to others (API.md 8.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SharedLink {
    pub url: String,
    #[serde(default, deserialize_with = "wire::text")]
    pub access: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub effective_access: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub unshared_at: Option<Timestamp>,
}

/// What is to change about an item; all in one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemChange {
    pub name: Option<String>,
    /// Id of the folder to move to.
    pub parent: Option<String>,
    /// Files only; not documented, so look at the answer (API.md 3.4).
    pub content_modified_at: Option<Timestamp>,
}

/// Each field that [`Item`] holds, asked for by name: with `fields`, Box returns little else (API.md 3.3).
pub(super) const FIELDS: &str = "type,id,sequence_id,etag,name,size,sha1,file_version,parent,item_status,created_at,modified_at,\
    content_created_at,content_modified_at,permissions,lock,url,shared_link";

const GET: Call = Call::read("get_item", "/TYPE/:id");
const UPDATE: Call = Call::change("update_item", "/TYPE/:id");
const DELETE: Call = Call::change("delete_item", "/TYPE/:id");
const GET_TRASHED: Call = Call::read("get_trashed", "/TYPE/:id/trash");
const RESTORE: Call = Call::change("restore_item", "/TYPE/:id");
const SHARED_LINK: Call = Call::change("shared_link", "/TYPE/:id?fields=shared_link");

/// The path segment of a kind of item.
fn collection(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::File => "files",
        ItemKind::Folder => "folders",
        ItemKind::WebLink => "web_links",
    }
}

/// Moves and deletes of folders take as long as their trees are large.
fn patient(call: Call, id: &BoxId) -> Call {
    if id.is_folder() { call.patience(FOLDER_PATIENCE) } else { call }
}

#[derive(Serialize)]
struct ChangeBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<IdOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_modified_at: Option<String>,
}

impl BoxClient {
    /// An item that is not in the trash.
    pub async fn item(&self, id: &BoxId) -> Result<Item, ApiError> {
        self.item_call(&GET, &self.item_request(Method::GET, id, &[])).await
    }

    /// Renames, moves or dates an item in one call. Moves ignore `if_match` (API.md 3.6).
    pub async fn update(&self, id: &BoxId, change: &ItemChange, if_match: Option<&str>) -> Result<Item, ApiError> {
        let body = ChangeBody {
            name: change.name.as_deref(),
            parent: change.parent.as_deref().map(|id| IdOf { id }),
            content_modified_at: change.content_modified_at.map(Timestamp::to_rfc3339),
        };
        let request = self.item_request(Method::PUT, id, &[]).if_match(if_match).json(&body);
        self.item_call(&patient(UPDATE, id), &request).await
    }

    /// Puts an item into the trash (or, in some enterprises, deletes it for good). `recursive` is for folders only.
    pub async fn delete(&self, id: &BoxId, recursive: bool, if_match: Option<&str>) -> Result<(), ApiError> {
        let api = &self.hosts().api;
        let mut request = Request::below(Method::DELETE, api, &[collection(id.kind), &id.id]).if_match(if_match);
        if id.is_folder() {
            request = request.query("recursive", if recursive { "true" } else { "false" });
        }
        self.send(&patient(DELETE, id), &request).await?;
        Ok(())
    }

    /// An item that lies in the trash itself; what lies in a trashed folder is `NotFound` (API.md 3.9).
    pub async fn trashed_item(&self, id: &BoxId) -> Result<Item, ApiError> {
        self.item_call(&GET_TRASHED, &self.item_request(Method::GET, id, &["trash"])).await
    }

    /// Takes an item out of the trash. Box uses `parent` only where the old folder is gone: the answer says where it lies.
    pub async fn restore(&self, id: &BoxId, name: Option<&str>, parent: Option<&str>) -> Result<Item, ApiError> {
        let body = ChangeBody { name, parent: parent.map(|id| IdOf { id }), content_modified_at: None };
        let request = self.item_request(Method::POST, id, &[]).json(&body);
        self.item_call(&patient(RESTORE, id), &request).await
    }

    /// Sets the access of an item's shared link: `open`, `company`, `collaborators`, or `""` for the enterprise's default.
    /// `None` removes the link.
    pub async fn set_shared_link(&self, id: &BoxId, access: Option<&str>) -> Result<Option<SharedLink>, ApiError> {
        let link = match access {
            None => serde_json::Value::Null,
            Some("") => serde_json::json!({}),
            Some(access) => serde_json::json!({ "access": access }),
        };
        let body = serde_json::json!({ "shared_link": link });
        let item = self.item_call(&SHARED_LINK, &self.item_request(Method::PUT, id, &[]).json(&body)).await?;
        Ok(item.shared_link)
    }

    /// A request about one item that answers with the item.
    pub(super) fn item_request(&self, method: Method, id: &BoxId, below: &[&str]) -> Request {
        let mut segments = vec![collection(id.kind), id.id.as_str()];
        segments.extend(below);
        Request::below(method, &self.hosts().api, &segments).query("fields", FIELDS)
    }

    /// Makes a call that answers with one item.
    pub(super) async fn item_call(&self, call: &Call, request: &Request) -> Result<Item, ApiError> {
        let answer = self.send(call, request).await?;
        one_item(call, answer.json()?)
    }
}

pub(super) fn one_item(call: &Call, item: WireItem) -> Result<Item, ApiError> {
    item.into_item().ok_or_else(|| ApiError::new(call.name, Meaning::BadAnswer, "the answer is no item"))
}

//! Simple upload: a whole small file in one multipart call (API.md 4).

use super::call::{Call, Request, UPLOAD_PATIENCE};
use super::client::BoxClient;
use super::items::{FIELDS, Item};
use super::limits::Class;
use super::meaning::{ApiError, Meaning};
use super::payload::{FileBody, Payload};
use super::wire::{IdOf, WireEntries};
use crate::base::Timestamp;
use bytes::Bytes;
use reqwest::Method;
use serde::Serialize;
use std::sync::Arc;

/// A file to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewFile<'a> {
    /// Folder id.
    pub parent: &'a str,
    pub name: &'a str,
    pub content_created_at: Option<Timestamp>,
    pub content_modified_at: Option<Timestamp>,
}

/// A version to be put on top of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewVersion<'a> {
    /// A new name that travels along.
    pub name: Option<&'a str>,
    pub content_modified_at: Option<Timestamp>,
}

const NEW: Call = Call::change("upload_file", "/files/content").class(Class::Upload).patience(UPLOAD_PATIENCE);
const VERSION: Call =
    Call::change("upload_version", "/files/:id/content").class(Class::Upload).patience(UPLOAD_PATIENCE);

#[derive(Serialize)]
struct Attributes<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<IdOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_modified_at: Option<String>,
}

impl BoxClient {
    /// Uploads a file that is not in Box.
    ///
    /// # Errors
    /// `NameTaken` with what is there; `BadDigest` if the bytes in `payload` are not the announced ones; `LocalFile` if the
    /// file is shorter than announced.
    pub async fn upload_new(&self, file: &NewFile<'_>, payload: &Payload) -> Result<Item, ApiError> {
        let attributes = Attributes {
            name: Some(file.name),
            parent: Some(IdOf { id: file.parent }),
            content_created_at: file.content_created_at.map(Timestamp::to_rfc3339),
            content_modified_at: file.content_modified_at.map(Timestamp::to_rfc3339),
        };
        let request = Request::below(Method::POST, &self.hosts().upload, &["files", "content"]);
        self.upload(&NEW, request, &attributes, payload).await
    }

    /// Uploads a version of a file.
    ///
    /// # Errors
    /// `Changed` if the file's etag is not `if_match`; else as [`BoxClient::upload_new`].
    pub async fn upload_version(
        &self,
        file_id: &str,
        version: &NewVersion<'_>,
        if_match: Option<&str>,
        payload: &Payload,
    ) -> Result<Item, ApiError> {
        let attributes = Attributes {
            name: version.name,
            parent: None,
            content_created_at: None,
            content_modified_at: version.content_modified_at.map(Timestamp::to_rfc3339),
        };
        let segments = ["files", file_id, "content"];
        let request = Request::below(Method::POST, &self.hosts().upload, &segments).if_match(if_match);
        self.upload(&VERSION, request, &attributes, payload).await
    }

    async fn upload(
        &self,
        call: &Call,
        request: Request,
        attributes: &Attributes<'_>,
        payload: &Payload,
    ) -> Result<Item, ApiError> {
        let boundary: String = std::iter::repeat_with(fastrand::alphanumeric).take(BOUNDARY_CHARS).collect();
        let request = request
            .query("fields", FIELDS)
            // The name is Box's; the value is a SHA-1 (API.md 9, row 7).
            .header("content-md5", payload.sha1.to_hex())
            .file(format!("multipart/form-data; boundary={boundary}"), multipart(&boundary, attributes, payload));
        let entries: WireEntries = self.send(call, &request).await?.json()?;
        first_item(call, entries)
    }
}

/// Long enough that no file holds it by chance.
const BOUNDARY_CHARS: usize = 32;

/// Attributes first, as Box demands. The name in the second part is not used by Box, but its presence marks the file.
fn multipart(boundary: &str, attributes: &Attributes<'_>, payload: &Payload) -> FileBody {
    let json = serde_json::to_string(attributes).expect("texts and options always serialize");
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"attributes\"\r\ncontent-type: application/json\r\n\r\n{json}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    FileBody {
        head: Bytes::from(head),
        file: Arc::clone(&payload.file),
        offset: 0,
        len: payload.len,
        tail: Bytes::from(format!("\r\n--{boundary}--\r\n")),
        progress: payload.progress.clone(),
    }
}

/// The one file in the list that uploads and commits answer with.
pub(super) fn first_item(call: &Call, entries: WireEntries) -> Result<Item, ApiError> {
    let first = entries.into_items().into_iter().next();
    first.ok_or_else(|| ApiError::new(call.name, Meaning::BadAnswer, "the answer names no file"))
}

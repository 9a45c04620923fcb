//! Files beyond what all items have: copies and versions.

use super::call::{Call, Request};
use super::client::BoxClient;
use super::items::Item;
use super::meaning::{ApiError, Meaning};
use super::wire::{self, IdOf, WireRef};
use crate::base::{BoxId, Sha1Digest, Timestamp};
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    pub id: String,
    pub name: Option<String>,
    pub size: u64,
    pub sha1: Option<Sha1Digest>,
    pub created_at: Option<Timestamp>,
    pub modified_at: Option<Timestamp>,
    /// Login of whoever uploaded it.
    pub modified_by: Option<String>,
    pub trashed: bool,
}

/// Most versions that are fetched of one file: Box's own limit of the offset (API.md 8.4).
const MAX_VERSIONS: usize = 10_000;
/// The most that Box gives in one page (API.md 8.4).
const PAGE_VERSIONS: usize = 1000;
const VERSION_FIELDS: &str = "id,type,sha1,name,size,created_at,modified_at,modified_by,trashed_at";

const COPY: Call = Call::change("copy_file", "/files/:id/copy");
const VERSIONS: Call = Call::read("list_versions", "/files/:id/versions");
const PROMOTE: Call = Call::change("promote_version", "/files/:id/versions/current");

#[derive(Serialize)]
struct CopyBody<'a> {
    parent: IdOf<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireVersion {
    #[serde(deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(deserialize_with = "wire::count")]
    size: Option<u64>,
    #[serde(deserialize_with = "wire::sha1")]
    sha1: Option<Sha1Digest>,
    #[serde(deserialize_with = "wire::time")]
    created_at: Option<Timestamp>,
    #[serde(deserialize_with = "wire::time")]
    modified_at: Option<Timestamp>,
    #[serde(deserialize_with = "wire::maybe")]
    modified_by: Option<WireRef>,
    #[serde(deserialize_with = "wire::time")]
    trashed_at: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireVersions {
    entries: Vec<WireVersion>,
}

impl WireVersion {
    fn read(self) -> Option<FileVersion> {
        Some(FileVersion {
            id: self.id?,
            name: self.name,
            size: self.size.unwrap_or(0),
            sha1: self.sha1,
            created_at: self.created_at,
            modified_at: self.modified_at,
            modified_by: self.modified_by.and_then(|by| by.login),
            trashed: self.trashed_at.is_some(),
        })
    }
}

impl BoxClient {
    /// Copies a file, or one version of it, inside Box.
    pub async fn copy_file(
        &self,
        file_id: &str,
        parent: &str,
        name: Option<&str>,
        version: Option<&str>,
    ) -> Result<Item, ApiError> {
        let body = CopyBody { parent: IdOf { id: parent }, name, version };
        let request = self.item_request(Method::POST, &BoxId::file(file_id), &["copy"]).json(&body);
        self.item_call(&COPY, &request).await
    }

    /// The past versions of a file; the current one is not among them.
    pub async fn versions(&self, file_id: &str) -> Result<Vec<FileVersion>, ApiError> {
        let mut versions = Vec::new();
        while versions.len() < MAX_VERSIONS {
            let request = Request::below(Method::GET, &self.hosts().api, &["files", file_id, "versions"])
                .query("fields", VERSION_FIELDS)
                .query("limit", &PAGE_VERSIONS.to_string())
                .query("offset", &versions.len().to_string());
            let page: WireVersions = self.send(&VERSIONS, &request).await?.json()?;
            let count = page.entries.len();
            versions.extend(page.entries.into_iter().filter_map(WireVersion::read));
            if count < PAGE_VERSIONS {
                break;
            }
        }
        Ok(versions)
    }

    /// Makes an old version the current one again, as a version of its own.
    pub async fn promote_version(&self, file_id: &str, version_id: &str) -> Result<FileVersion, ApiError> {
        let body = serde_json::json!({ "type": "file_version", "id": version_id });
        let request = Request::below(Method::POST, &self.hosts().api, &["files", file_id, "versions", "current"])
            .query("fields", VERSION_FIELDS)
            .json(&body);
        let version: WireVersion = self.send(&PROMOTE, &request).await?.json()?;
        let none = || ApiError::new(PROMOTE.name, Meaning::BadAnswer, "the answer is no version");
        version.read().ok_or_else(none)
    }
}

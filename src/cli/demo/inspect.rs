//! What arrived, asked of the emulator itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::base::Secret;
use crate::cli::exit::Failure;

/// A file as the emulator holds it.
#[derive(Deserialize)]
struct Item {
    /// `/a/b.txt`.
    path: String,
    kind: String,
    size: u64,
    sha1: String,
    trashed: bool,
}

#[derive(Deserialize)]
struct Call {
    /// `api` or `download`.
    door: String,
    method: String,
    path: String,
}

/// Size and SHA-1 of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Print {
    pub size: u64,
    pub sha1: String,
}

/// The emulator's own pages.
pub(super) struct Inspector {
    server: String,
    token: Secret,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
}

impl Inspector {
    pub(super) fn new(server: &str, token: &str) -> Result<Inspector, Failure> {
        let failed = |what: &str| Failure::new(format!("cannot ask the emulator: {what}"));
        // Another part of this process may have chosen the same one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().map_err(|e| failed(&e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| failed(&e.to_string()))?;
        Ok(Inspector { server: server.to_owned(), token: Secret::new(token), runtime, http })
    }

    /// Every file that is not in the trash, by its path without the first slash.
    pub(super) fn files(&self) -> Result<BTreeMap<String, Print>, Failure> {
        let items: Vec<Item> = self.get("items")?;
        let files = items.into_iter().filter(|item| item.kind == "file" && !item.trashed);
        Ok(files
            .map(|item| {
                let path = item.path.trim_start_matches('/').to_owned();
                (path, Print { size: item.size, sha1: item.sha1 })
            })
            .collect())
    }

    /// How many calls of each kind came in so far, our own questions left out.
    pub(super) fn calls(&self) -> Result<BTreeMap<&'static str, u64>, Failure> {
        let calls: Vec<Call> = self.get("requests")?;
        let mut counts = BTreeMap::new();
        for call in calls.iter().filter(|call| !call.path.starts_with("/_emulator")) {
            *counts.entry(kind(call)).or_insert(0) += 1;
        }
        Ok(counts)
    }

    fn get<T: DeserializeOwned>(&self, page: &str) -> Result<T, Failure> {
        let url = format!("{}/_emulator/{page}", self.server);
        let request = self.http.get(url).bearer_auth(self.token.reveal());
        self.runtime
            .block_on(async { request.send().await?.error_for_status()?.json().await })
            .map_err(|e| Failure::new(format!("cannot ask the emulator: {e}")))
    }
}

fn kind(call: &Call) -> &'static str {
    let path = call.path.split('?').next().unwrap_or_default();
    match (call.door.as_str(), call.method.as_str()) {
        ("download", _) => "download",
        (_, "POST") if path.ends_with("/commit") => "commit",
        (_, "POST") if path.ends_with("/upload_sessions") => "session",
        (_, "PUT") if path.contains("/upload_sessions/") => "part",
        (_, "POST") if path.ends_with("/content") => "upload",
        (_, "POST") if path.ends_with("/folders") => "folder",
        (_, "GET") if path.ends_with("/items") => "listing",
        _ => "other",
    }
}

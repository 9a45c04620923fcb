//! Many files in one download: an archive that Box makes while it is fetched (API.md 8.7).

use super::call::{Call, Request};
use super::client::BoxClient;
use super::downloads::Download;
use super::error::{Outcome, Target};
use super::hosts::content_url;
use super::limits::Class;
use super::meaning::{ApiError, Meaning};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const MAKE: Call = Call::read("make_archive", "/zip_downloads");
const ARCHIVE: Call = Call::read("download_archive", "(archive)").class(Class::Free).target(Target::Content);

/// An archive that Box is ready to send, once and within seconds.
pub struct Archive {
    /// Opens the files to whoever has it.
    url: Url,
    /// By file id: what a file is called in the archive whose name it does not have alone.
    renamed: HashMap<String, String>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    items: Vec<WantedItem<'a>>,
}

#[derive(Serialize)]
struct WantedItem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
}

#[derive(Deserialize)]
struct WireArchive {
    download_url: String,
    #[serde(default)]
    name_conflicts: Vec<Vec<WireRenamed>>,
}

#[derive(Deserialize)]
struct WireRenamed {
    id: String,
    download_name: String,
}

impl Archive {
    /// What the file is called in the archive, if it is not its own name.
    pub fn name_of(&self, file_id: &str) -> Option<&str> {
        self.renamed.get(file_id).map(String::as_str)
    }
}

impl BoxClient {
    /// Has Box make an archive of the current versions of these files. Changes nothing: an archive that nobody fetches is forgotten.
    pub async fn make_archive<'a>(&self, file_ids: impl Iterator<Item = &'a str>) -> Result<Archive, ApiError> {
        let items = file_ids.map(|id| WantedItem { kind: "file", id }).collect();
        let request = Request::below(Method::POST, &self.hosts().api, &["zip_downloads"]).json(&Wanted { items });
        let made: WireArchive = self.send(&MAKE, &request).await?.json()?;
        let renamed = made.name_conflicts.into_iter().flatten();
        Ok(Archive {
            url: content_url(MAKE.name, &made.download_url)?,
            renamed: renamed.map(|file| (file.id, file.download_name)).collect(),
        })
    }

    /// Opens the archive; it can be opened once.
    pub async fn fetch_archive(&self, archive: &Archive) -> Result<Download, ApiError> {
        let request =
            Request::new(Method::GET, archive.url.clone()).without_token().header("accept-encoding", "identity");
        let (outcome, response) = self.open(&ARCHIVE, &request).await?;
        match outcome {
            Outcome::Done => self.begin(response, outcome, None),
            Outcome::Partial | Outcome::Elsewhere | Outcome::NotYet | Outcome::Failed => {
                Err(ApiError::new(ARCHIVE.name, Meaning::BadAnswer, "neither an archive nor a refusal"))
            }
        }
    }
}

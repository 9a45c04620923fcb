//! Folders: listing and creating.

use super::call::{Call, Request};
use super::client::BoxClient;
use super::items::{FIELDS, Item};
use super::meaning::ApiError;
use super::wire::{IdOf, WireEntries};
use reqwest::Method;
use serde::Serialize;

/// A part of a folder's listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// May repeat entries of an earlier page: key them by id.
    pub entries: Vec<Item>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<String>,
}

/// The most that Box gives in one page (API.md 3.2).
const PAGE_ITEMS: &str = "1000";

const LIST: Call = Call::read("list_folder", "/folders/:id/items");
const CREATE: Call = Call::change("create_folder", "/folders");

#[derive(Serialize)]
struct NewFolder<'a> {
    name: &'a str,
    parent: IdOf<'a>,
}

impl BoxClient {
    /// One page of a folder's items, web links included.
    pub async fn list_page(&self, folder_id: &str, marker: Option<&str>) -> Result<Page, ApiError> {
        let mut request = Request::below(Method::GET, &self.hosts().api, &["folders", folder_id, "items"])
            .query("usemarker", "true")
            .query("limit", PAGE_ITEMS)
            .query("fields", FIELDS);
        if let Some(marker) = marker {
            request = request.query("marker", marker);
        }
        let mut page: WireEntries = self.send(&LIST, &request).await?.json()?;
        let next = page.next_marker.take().filter(|marker| !marker.is_empty());
        let mut entries = page.into_items();
        // Listings do not always say what was asked.
        for item in &mut entries {
            item.parent.get_or_insert_with(|| folder_id.to_owned());
        }
        Ok(Page { entries, next })
    }

    /// # Errors
    /// `NameTaken` names what is there.
    pub async fn create_folder(&self, parent: &str, name: &str) -> Result<Item, ApiError> {
        let request = Request::below(Method::POST, &self.hosts().api, &["folders"])
            .query("fields", FIELDS)
            .json(&NewFolder { name, parent: IdOf { id: parent } });
        self.item_call(&CREATE, &request).await
    }
}

//! JSON as Box writes it, read leniently: numbers as strings, floats for large integers, missing fields, objects where a list
//! was promised. Nothing here decides what an answer means.

use super::items::{Item, Lock, Permissions, SharedLink};
use super::meaning::ExistingItem;
use super::sessions::Session;
use crate::base::{BoxId, ItemKind, Sha1Digest, Timestamp};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON value that is a text, or a number to be kept as one: ids, positions, etags.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A count: an integer, a float such as `1e15`, or either as a text (API.md 3.3).
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(saturate)),
        Value::String(text) => text.parse().ok().or_else(|| text.parse().ok().map(saturate)),
        _ => None,
    })
}

fn saturate(number: f64) -> u64 {
    // A float beyond the range becomes the nearest end of it, NaN becomes 0.
    number as u64
}

/// A time; one that cannot be read counts as absent.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(|text| Timestamp::parse_rfc3339(text).ok()))
}

/// A digest; one that cannot be read counts as absent.
pub(super) fn sha1<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sha1Digest>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(|text| Sha1Digest::from_hex(text).ok()))
}

/// Anything of a known shape; another shape counts as absent.
pub(super) fn maybe<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// An item as Box writes it, in any of its representations.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireItem {
    #[serde(rename = "type", deserialize_with = "text")]
    kind: Option<String>,
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    /// The events of enterprises call the three above so.
    #[serde(deserialize_with = "text")]
    item_type: Option<String>,
    #[serde(deserialize_with = "text")]
    item_id: Option<String>,
    #[serde(deserialize_with = "text")]
    item_name: Option<String>,
    #[serde(deserialize_with = "maybe")]
    parent: Option<WireRef>,
    #[serde(deserialize_with = "text")]
    etag: Option<String>,
    #[serde(deserialize_with = "count")]
    sequence_id: Option<u64>,
    #[serde(deserialize_with = "count")]
    size: Option<u64>,
    #[serde(deserialize_with = "sha1")]
    sha1: Option<Sha1Digest>,
    #[serde(deserialize_with = "maybe")]
    file_version: Option<WireRef>,
    #[serde(deserialize_with = "time")]
    content_created_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    content_modified_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    created_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    modified_at: Option<Timestamp>,
    #[serde(deserialize_with = "text")]
    item_status: Option<String>,
    #[serde(deserialize_with = "maybe")]
    permissions: Option<WirePermissions>,
    #[serde(deserialize_with = "maybe")]
    lock: Option<WireLock>,
    #[serde(deserialize_with = "text")]
    url: Option<String>,
    #[serde(deserialize_with = "maybe")]
    shared_link: Option<SharedLink>,
}

/// Something of which the id is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireRef {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub login: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct WirePermissions {
    can_download: Option<bool>,
    can_upload: Option<bool>,
    can_delete: Option<bool>,
    can_rename: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct WireLock {
    #[serde(deserialize_with = "maybe")]
    created_by: Option<WireRef>,
    /// In Box's SDKs; its spec calls it `expired_at` (API.md 8.2).
    #[serde(deserialize_with = "time")]
    expires_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    expired_at: Option<Timestamp>,
    is_download_prevented: Option<bool>,
}

impl WireItem {
    /// The item; `None` for what is no file, folder or web link, or has no id.
    pub(super) fn into_item(self) -> Option<Item> {
        let kind = ItemKind::parse(&self.item_type.or(self.kind)?)?;
        Some(Item {
            id: BoxId { kind, id: self.item_id.or(self.id)? },
            name: self.item_name.or(self.name).unwrap_or_default(),
            parent: self.parent.and_then(|parent| parent.id),
            etag: self.etag,
            sequence_id: self.sequence_id,
            size: self.size.unwrap_or(0),
            sha1: self.sha1,
            version_id: self.file_version.and_then(|version| version.id),
            content_created_at: self.content_created_at,
            content_modified_at: self.content_modified_at,
            created_at: self.created_at,
            modified_at: self.modified_at,
            trashed: self.item_status.is_some_and(|status| status != "active"),
            permissions: self.permissions.map(WirePermissions::read),
            lock: self.lock.map(WireLock::read),
            url: self.url,
            shared_link: self.shared_link,
        })
    }
}

impl WirePermissions {
    /// What Box does not mention it does not forbid.
    fn read(self) -> Permissions {
        Permissions {
            can_download: self.can_download.unwrap_or(true),
            can_upload: self.can_upload.unwrap_or(true),
            can_delete: self.can_delete.unwrap_or(true),
            can_rename: self.can_rename.unwrap_or(true),
        }
    }
}

impl WireLock {
    fn read(self) -> Lock {
        let by = self.created_by.unwrap_or_default();
        Lock {
            by_login: by.login,
            by_id: by.id,
            expires: self.expires_at.or(self.expired_at),
            prevents_download: self.is_download_prevented.unwrap_or(false),
        }
    }
}

/// The list form of answers with items; unknown kinds of entries are left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireEntries {
    entries: Vec<WireItem>,
    #[serde(deserialize_with = "text")]
    pub next_marker: Option<String>,
}

impl WireEntries {
    pub(super) fn into_items(self) -> Vec<Item> {
        self.entries.into_iter().filter_map(WireItem::into_item).collect()
    }
}

/// Box's error object and OAuth's, in one (API.md 1.3).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireError {
    #[serde(deserialize_with = "text")]
    pub code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub message: Option<String>,
    #[serde(deserialize_with = "text")]
    pub request_id: Option<String>,
    #[serde(rename = "error", deserialize_with = "text")]
    pub oauth_error: Option<String>,
    #[serde(rename = "error_description", deserialize_with = "text")]
    pub oauth_description: Option<String>,
    context_info: Value,
}

impl WireError {
    /// The item in `context_info.conflicts`, which is an object or an array (API.md 1.5).
    pub(super) fn conflict(&self) -> Option<ExistingItem> {
        let conflicts = self.context_info.get("conflicts")?;
        let conflict = conflicts.get(0).unwrap_or(conflicts);
        let item = WireItem::deserialize(conflict).ok()?.into_item()?;
        Some(ExistingItem {
            id: item.id,
            name: item.name,
            sha1: item.sha1,
            version_id: item.version_id,
            etag: item.etag,
        })
    }

    /// The session in `context_info.session` (API.md 1.4, `session_conflict`).
    pub(super) fn session(&self) -> Option<Session> {
        let session = self.context_info.get("session")?;
        Some(super::sessions::WireSession::deserialize(session).ok()?.into())
    }
}

/// A reference to a folder in a request.
#[derive(Serialize)]
pub(super) struct IdOf<'a> {
    pub id: &'a str,
}

/// What is wrong with a body, without quoting it: it may hold anything.
pub(super) fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field is missing or of another type",
        serde_json::error::Category::Eof => "the answer ends too early",
        _ => "the answer is not JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(json: &str) -> Item {
        serde_json::from_str::<WireItem>(json).unwrap().into_item().unwrap()
    }

    #[test]
    fn a_file_is_read_whatever_forms_its_numbers_take() {
        let a = item(
            r#"{"type":"file","id":"12","etag":"3","sequence_id":"1152922976252290886","name":"a.txt","size":1.5e15,
            "sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","file_version":{"type":"file_version","id":"77"},
            "parent":{"type":"folder","id":"0"},"content_modified_at":"2012-12-12T10:53:43-08:00","item_status":"active",
            "permissions":{"can_upload":false},"lock":null,"version_number":"2"}"#,
        );
        assert_eq!(a.sequence_id, Some(1_152_922_976_252_290_886));
        assert_eq!(a.size, 1_500_000_000_000_000);
        assert_eq!(a.parent.as_deref(), Some("0"));
        assert_eq!(a.version_id.as_deref(), Some("77"));
        assert_eq!(a.content_modified_at, Some(Timestamp::new(1_355_338_423, 0)));
        assert!(!a.permissions.unwrap().can_upload);
        assert!(a.permissions.unwrap().can_delete && !a.trashed && a.lock.is_none());
        let b = item(r#"{"type":"file","id":12,"etag":3,"sequence_id":7,"size":"9"}"#);
        assert_eq!((b.id, b.etag.as_deref(), b.sequence_id, b.size), (BoxId::file("12"), Some("3"), Some(7), 9));
    }

    #[test]
    fn the_root_has_nulls() {
        let root = item(
            r#"{"type":"folder","id":"0","name":"All Files","etag":null,"sequence_id":null,"created_at":null,"parent":null}"#,
        );
        assert_eq!((root.parent, root.etag, root.sequence_id), (None, None, None));
    }

    #[test]
    fn items_of_enterprise_events_are_read_too() {
        let a = item(r#"{"item_type":"folder","item_id":"5","item_name":"x","parent":{"type":"folder","id":"1"}}"#);
        assert_eq!((a.id, a.name.as_str()), (BoxId::folder("5"), "x"));
    }

    #[test]
    fn listings_skip_what_is_unknown_and_forgive_odd_extras() {
        let page: WireEntries = serde_json::from_str(
            r#"{"order":{"by":"x"},"next_marker":"","entries":[{"type":"app_item","id":"1"},
            {"type":"web_link","id":"2","url":"https://example.org","name":"l"},{"type":"file","id":"3","sha1":"zz","lock":[]}]}"#,
        )
        .unwrap();
        let items = page.into_items();
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].url.as_deref(), Some("https://example.org"));
        assert_eq!(items[1].sha1, None);
    }

    #[test]
    fn a_lock_names_its_owner_under_either_spelling() {
        for field in ["expires_at", "expired_at"] {
            let json = format!(
                r#"{{"type":"file","id":"1","lock":{{"type":"lock","id":"9","created_by":{{"id":"4","login":"a@b"}},
                "{field}":"2030-01-01T00:00:00Z","is_download_prevented":true}}}}"#
            );
            let lock = item(&json).lock.unwrap();
            assert_eq!((lock.by_id.as_deref(), lock.by_login.as_deref()), (Some("4"), Some("a@b")));
            assert!(lock.expires.is_some() && lock.prevents_download);
        }
    }
}

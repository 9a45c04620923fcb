//! The records of which an account is made. Data only; what may happen to them is in the files beside this one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of an item, in the order of Box's listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::emulator) enum Kind {
    #[serde(rename = "d")]
    Folder,
    #[serde(rename = "f")]
    File,
    #[serde(rename = "w")]
    WebLink,
}

impl Kind {
    /// Box's word for it.
    pub(in crate::emulator) fn word(self) -> &'static str {
        match self {
            Kind::Folder => "folder",
            Kind::File => "file",
            Kind::WebLink => "web_link",
        }
    }
}

/// An item: ids are unique within a type only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::emulator) struct Key {
    pub(in crate::emulator) kind: Kind,
    pub(in crate::emulator) id: u64,
}

impl Key {
    pub(in crate::emulator) fn folder(id: u64) -> Key {
        Key { kind: Kind::Folder, id }
    }

    pub(in crate::emulator) fn file(id: u64) -> Key {
        Key { kind: Kind::File, id }
    }

    pub(in crate::emulator) fn is_root(self) -> bool {
        self.kind == Kind::Folder && is_root(self.id)
    }
}

/// Set in the id of a user's root folder; the rest is the user. To the user it is folder "0".
pub(in crate::emulator) const ROOT_BIT: u64 = 1 << 63;

pub(in crate::emulator) fn root_of(user: u64) -> u64 {
    ROOT_BIT | user
}

pub(in crate::emulator) fn is_root(folder: u64) -> bool {
    folder & ROOT_BIT != 0
}

/// A file, folder or web link. Times are seconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Item {
    pub(in crate::emulator) name: String,
    /// The folder; for a trashed item the one it was in.
    pub(in crate::emulator) parent: u64,
    pub(in crate::emulator) etag: u64,
    pub(in crate::emulator) sequence: u64,
    pub(in crate::emulator) created_at: i64,
    pub(in crate::emulator) modified_at: i64,
    pub(in crate::emulator) content_created_at: i64,
    pub(in crate::emulator) content_modified_at: i64,
    pub(in crate::emulator) created_by: u64,
    pub(in crate::emulator) modified_by: u64,
    /// Oldest first, the last is current; empty for anything but a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::emulator) versions: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::emulator) trashed: Option<Trashed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::emulator) extra: Option<Box<Extra>>,
}

impl Item {
    /// The rare properties, for changing.
    pub(in crate::emulator) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Trashed {
    pub(in crate::emulator) at: i64,
    pub(in crate::emulator) by: u64,
}

/// What few items have, kept apart so that a million items stay small.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::emulator) struct Extra {
    pub(in crate::emulator) description: String,
    pub(in crate::emulator) tags: Vec<String>,
    pub(in crate::emulator) url: String,
    pub(in crate::emulator) lock: Option<Lock>,
    pub(in crate::emulator) shared_link: Option<SharedLink>,
    pub(in crate::emulator) folder_lock: Option<FolderLock>,
    /// By `scope.template`.
    pub(in crate::emulator) metadata: BTreeMap<String, Instance>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Lock {
    pub(in crate::emulator) id: u64,
    pub(in crate::emulator) by: u64,
    pub(in crate::emulator) created_at: i64,
    pub(in crate::emulator) expires_at: Option<i64>,
    pub(in crate::emulator) no_download: bool,
}

/// Forbids to move or delete a folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct FolderLock {
    pub(in crate::emulator) id: u64,
    pub(in crate::emulator) by: u64,
    pub(in crate::emulator) created_at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct SharedLink {
    /// The last part of its URL.
    pub(in crate::emulator) slug: String,
    pub(in crate::emulator) access: String,
    pub(in crate::emulator) password: Option<String>,
    pub(in crate::emulator) unshared_at: Option<i64>,
    pub(in crate::emulator) vanity_name: Option<String>,
    pub(in crate::emulator) can_download: bool,
    pub(in crate::emulator) can_edit: bool,
}

/// One metadata instance: its values and its own counters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Instance {
    pub(in crate::emulator) id: String,
    pub(in crate::emulator) version: u64,
    pub(in crate::emulator) values: BTreeMap<String, Value>,
}

/// One version of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Version {
    pub(in crate::emulator) file: u64,
    pub(in crate::emulator) number: u64,
    pub(in crate::emulator) name: String,
    pub(in crate::emulator) content: Content,
    pub(in crate::emulator) created_at: i64,
    pub(in crate::emulator) modified_at: i64,
    pub(in crate::emulator) by: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::emulator) trashed: Option<Trashed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::emulator) restored: Option<Trashed>,
}

/// Bytes on disk: one blob after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Content {
    pub(in crate::emulator) size: u64,
    /// 40 lower-case hex characters.
    pub(in crate::emulator) sha1: String,
    pub(in crate::emulator) extents: Vec<Extent>,
}

impl Content {
    /// The extents of a range within the content.
    pub(in crate::emulator) fn slice(&self, offset: u64, len: u64) -> Vec<Extent> {
        let (mut start, end) = (0, offset + len);
        let mut slice = Vec::new();
        for extent in &self.extents {
            let (from, to) = (offset.max(start), end.min(start + extent.len));
            if from < to {
                slice.push(Extent { blob: extent.blob, start: extent.start + from - start, len: to - from });
            }
            start += extent.len;
        }
        slice
    }
}

/// A range of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct Extent {
    pub(in crate::emulator) blob: u64,
    pub(in crate::emulator) start: u64,
    pub(in crate::emulator) len: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct User {
    pub(in crate::emulator) name: String,
    pub(in crate::emulator) login: String,
    pub(in crate::emulator) created_at: i64,
    pub(in crate::emulator) role: UserRole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) enum UserRole {
    Admin,
    Managed,
    /// The user that an application itself is.
    Service,
}

/// What an access token stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Access {
    pub(in crate::emulator) user: u64,
    /// `None` never expires.
    pub(in crate::emulator) expires_at: Option<i64>,
    /// The refresh token that was issued with it.
    pub(in crate::emulator) refresh: Option<String>,
    /// Downscoped: the scopes, and the item that they are for.
    #[serde(default)]
    pub(in crate::emulator) scopes: Option<Vec<String>>,
    #[serde(default)]
    pub(in crate::emulator) only: Option<Key>,
    /// A refresh token that lives until this access token is used for the first time.
    #[serde(default)]
    pub(in crate::emulator) ends: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Refresh {
    pub(in crate::emulator) user: u64,
    pub(in crate::emulator) expires_at: i64,
    pub(in crate::emulator) client_id: String,
}

/// An upload session; its parts are records of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Session {
    pub(in crate::emulator) user: u64,
    pub(in crate::emulator) target: Target,
    pub(in crate::emulator) size: u64,
    pub(in crate::emulator) part_size: u64,
    pub(in crate::emulator) expires_at: i64,
    /// Commits answered so far with 202 or `parts_mismatch` on purpose.
    pub(in crate::emulator) put_off: u32,
    /// The file that a successful commit made or changed.
    pub(in crate::emulator) committed: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) enum Target {
    NewFile { folder: u64, name: String },
    Version { file: u64, name: Option<String> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Part {
    pub(in crate::emulator) id: String,
    pub(in crate::emulator) size: u64,
    pub(in crate::emulator) sha1: String,
    pub(in crate::emulator) extents: Vec<Extent>,
    /// Milliseconds since 1970; processed a while later.
    pub(in crate::emulator) stored_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::emulator) sha512: Option<String>,
}

/// A user's access to an item of somebody else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Collaboration {
    pub(in crate::emulator) item: Key,
    pub(in crate::emulator) user: u64,
    pub(in crate::emulator) role: String,
    pub(in crate::emulator) status: String,
    pub(in crate::emulator) created_by: u64,
    pub(in crate::emulator) created_at: i64,
}

/// Something that happened, as told to those who could see the item then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::emulator) struct Event {
    pub(in crate::emulator) id: String,
    pub(in crate::emulator) kind: String,
    pub(in crate::emulator) at: i64,
    pub(in crate::emulator) by: u64,
    pub(in crate::emulator) seen_by: Vec<u64>,
    /// As it was when it happened.
    pub(in crate::emulator) source: Value,
}

/// Next numbers to give away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::emulator) struct Counters {
    pub(in crate::emulator) file: u64,
    pub(in crate::emulator) folder: u64,
    pub(in crate::emulator) web_link: u64,
    pub(in crate::emulator) version: u64,
    pub(in crate::emulator) user: u64,
    pub(in crate::emulator) other: u64,
    /// `sequence_id` and `stream_position`: beyond what a double holds exactly.
    pub(in crate::emulator) sequence: u64,
}

impl Default for Counters {
    /// Files and folders start at the same number on purpose: an id alone does not name an item.
    fn default() -> Counters {
        Counters {
            file: 1_400_000_000_001,
            folder: 1_400_000_000_001,
            web_link: 1_400_000_000_001,
            version: 1_600_000_000_001,
            user: 20_000_000_001,
            other: 30_000_000_001,
            sequence: 1_152_922_976_252_290_886,
        }
    }
}

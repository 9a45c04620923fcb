//! What an account holds, told plainly: for tests that check what arrived, and for people.

use serde::Serialize;

use super::desk::Desk;
use super::store::{Key, Kind, Store, Target, id_text};

/// One item, as the emulator has it. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemReport {
    /// `/a/b.txt` below the root of its owner; for an item in the trash its path before.
    pub path: String,
    /// `file`, `folder` or `web_link`.
    pub kind: String,
    pub id: String,
    pub parent_id: String,
    /// The user id of the owner.
    pub owner: String,
    pub name: String,
    pub etag: String,
    pub sequence_id: u64,
    pub size: u64,
    /// Lower-case hex; empty for anything but a file.
    pub sha1: String,
    /// Oldest first, the last is current; empty for anything but a file.
    pub version_ids: Vec<String>,
    /// The SHA-1 of each of them, lower-case hex.
    pub version_sha1s: Vec<String>,
    pub content_created_at: i64,
    pub content_modified_at: i64,
    /// The item itself or a folder above it is in the trash.
    pub trashed: bool,
}

/// One upload session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionReport {
    pub id: String,
    /// The folder's id and the name, or the id of the file that gets a version.
    pub folder_id: Option<String>,
    pub file_name: Option<String>,
    pub file_id: Option<String>,
    pub size: u64,
    pub part_size: u64,
    pub total_parts: u64,
    pub parts_stored: u64,
    /// Parts that came in at the same time, at most, since the start.
    pub most_parts_in_flight: usize,
    /// The file that a successful commit made or changed.
    pub committed: Option<String>,
}

pub(super) fn items(desk: &Desk) -> Vec<ItemReport> {
    desk.read(|store| store.items.rows().keys().filter(|key| !key.is_root()).map(|key| item(store, *key)).collect())
}

/// The item at a path below the root of `user`, exact in case.
pub(super) fn find(store: &Store, user: u64, path: &str) -> Option<Key> {
    let mut at = Key::folder(super::store::root_of(user));
    for name in path.split('/').filter(|name| !name.is_empty()) {
        if at.kind != Kind::Folder {
            return None;
        }
        at = store.holder(at.id, name)?;
        if store.items.get(&at).is_none_or(|item| item.name != name) {
            return None;
        }
    }
    Some(at)
}

pub(super) fn item(store: &Store, key: Key) -> ItemReport {
    let Some(item) = store.items.get(&key) else {
        unreachable!("only items of the table are reported");
    };
    let names: Vec<&str> = store.line_of(key).filter(|(key, _)| !key.is_root()).map(|(_, i)| i.name.as_str()).collect();
    let path: String = names.iter().rev().map(|name| format!("/{name}")).collect();
    let current = store.current(key.id).filter(|_| key.kind == Kind::File);
    ItemReport {
        path,
        kind: key.kind.word().to_owned(),
        id: id_text(key),
        parent_id: id_text(Key::folder(item.parent)),
        owner: store.owner_of(key).to_string(),
        name: item.name.clone(),
        etag: item.etag.to_string(),
        sequence_id: item.sequence,
        size: store.size_of(key),
        sha1: current.map(|(_, version)| version.content.sha1.clone()).unwrap_or_default(),
        version_ids: item.versions.iter().map(u64::to_string).collect(),
        version_sha1s: item.versions.iter().filter_map(|id| sha1_of(store, *id)).collect(),
        content_created_at: item.content_created_at,
        content_modified_at: item.content_modified_at,
        trashed: store.in_trash(key),
    }
}

fn sha1_of(store: &Store, version: u64) -> Option<String> {
    Some(store.versions.get(&version)?.content.sha1.clone())
}

pub(super) fn sessions(desk: &Desk) -> Vec<SessionReport> {
    let works = desk.works();
    desk.read(|store| {
        let report = |(id, session): (&String, &super::store::Session)| {
            let (folder_id, file_name, file_id) = match &session.target {
                Target::NewFile { folder, name } => (Some(id_text(Key::folder(*folder))), Some(name.clone()), None),
                Target::Version { file, name } => (None, name.clone(), Some(file.to_string())),
            };
            SessionReport {
                id: id.clone(),
                folder_id,
                file_name,
                file_id,
                size: session.size,
                part_size: session.part_size,
                total_parts: session.total_parts(),
                parts_stored: store.parts_of(id).count() as u64,
                most_parts_in_flight: works.get(id).map_or(0, |work| work.parts_now.most()),
                committed: session.committed.map(|file| file.to_string()),
            }
        };
        store.sessions.rows().iter().map(report).collect()
    })
}

//! What Box last said of an item: one row per id, changed only on Box's word, only forward.

use super::error::TreeError;
use crate::base::{BoxId, ItemKind, Sha1Digest, Timestamp, fold};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What the signed-in user may do with an item (`permissions`, API.md 3.3). Unknown is allowed: Box decides then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights {
    pub download: bool,
    pub upload: bool,
    pub delete: bool,
    pub rename: bool,
}

impl Default for Rights {
    fn default() -> Rights {
        Rights { download: true, upload: true, delete: true, rename: true }
    }
}

/// An item as Box last described it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    pub id: BoxId,
    /// Folder id; `None` for the root and for items whose parent is not ours to see.
    pub parent: Option<String>,
    pub name: String,
    pub version: Option<String>,
    pub etag: Option<String>,
    pub sequence: Option<u64>,
    pub sha1: Option<Sha1Digest>,
    pub size: u64,
    pub created: Option<Timestamp>,
    pub modified: Option<Timestamp>,
    pub trashed: bool,
    pub rights: Rights,
    /// Who locked it, if it is not us.
    pub lock: Option<String>,
    /// Bookmarks: where they lead.
    pub url: Option<String>,
    /// Anybody who has its shared link can read it.
    pub public: bool,
}

const COLUMNS: &str = "kind, id, parent, name, version, etag, sequence, sha1, size, created, modified, trashed, \
                       rights, lock, url";

fn kind_to_sql(kind: ItemKind) -> i64 {
    match kind {
        ItemKind::File => 0,
        ItemKind::Folder => 1,
        ItemKind::WebLink => 3,
    }
}

/// What may be done with the item by us, and by everybody.
fn rights_to_sql(r: Rights, public: bool) -> i64 {
    let ours = [r.download, r.upload, r.delete, r.rename, public];
    ours.into_iter().enumerate().map(|(bit, may)| i64::from(may) << bit).sum()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Remote> {
    let kind = match row.get::<_, i64>(0)? {
        1 => ItemKind::Folder,
        3 => ItemKind::WebLink,
        _ => ItemKind::File,
    };
    let rights: i64 = row.get(12)?;
    Ok(Remote {
        id: BoxId { kind, id: row.get(1)? },
        parent: row.get(2)?,
        name: row.get(3)?,
        version: row.get(4)?,
        etag: row.get(5)?,
        sequence: row.get::<_, Option<i64>>(6)?.map(|s| s as u64),
        sha1: row.get::<_, Option<String>>(7)?.and_then(|h| Sha1Digest::from_hex(&h).ok()),
        size: row.get::<_, i64>(8)?.max(0) as u64,
        created: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_nanos),
        modified: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_nanos),
        trashed: row.get(11)?,
        rights: Rights {
            download: rights & 1 != 0,
            upload: rights & 2 != 0,
            delete: rights & 4 != 0,
            rename: rights & 8 != 0,
        },
        lock: row.get(13)?,
        url: row.get(14)?,
        public: rights & 16 != 0,
    })
}

pub(super) fn get(db: &Connection, id: &BoxId) -> Result<Option<Remote>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM remote WHERE kind = ?1 AND id = ?2");
    Ok(db.prepare_cached(&sql)?.query_row(params![kind_to_sql(id.kind), id.id], from_row).optional()?)
}

/// The live items that hold the folded name in the folder `parent`, as far as Box told us.
pub(super) fn holding(db: &Connection, parent: &str, folded: &str) -> Result<Vec<Remote>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM remote WHERE parent = ?1 AND fold = ?2 AND trashed = 0");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![parent, folded], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The live items directly in the folder `parent`, at most `limit`.
pub(super) fn inside(db: &Connection, parent: &str, limit: usize) -> Result<Vec<Remote>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM remote WHERE parent = ?1 AND trashed = 0 LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![parent, limit as i64], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Stores `new` unless a newer row is there. Returns whether it was stored. Box was asked at `asked`: what it said of an item
/// before that was found to be gone is no news.
pub(super) fn put(db: &Connection, new: &Remote, asked: Timestamp) -> Result<bool, TreeError> {
    if let Some(old) = get(db, &new.id)?
        && let (Some(had), Some(has)) = (old.sequence, new.sequence)
        && (has < had || (has == had && old.trashed && !new.trashed && buried_at(db, &new.id)? >= Some(asked)))
    {
        return Ok(false);
    }
    let sql = format!(
        "INSERT OR REPLACE INTO remote ({COLUMNS}, fold) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    );
    db.prepare_cached(&sql)?.execute(params![
        kind_to_sql(new.id.kind),
        new.id.id,
        new.parent,
        new.name,
        new.version,
        new.etag,
        new.sequence.map(|s| s as i64),
        new.sha1.map(Sha1Digest::to_hex),
        new.size as i64,
        new.created.map(Timestamp::to_nanos),
        new.modified.map(Timestamp::to_nanos),
        new.trashed,
        rights_to_sql(new.rights, new.public),
        new.lock,
        new.url,
        fold(&new.name),
    ])?;
    Ok(true)
}

/// When the item was found to be gone, if it was.
fn buried_at(db: &Connection, id: &BoxId) -> Result<Option<Timestamp>, TreeError> {
    let mut statement = db.prepare_cached("SELECT buried FROM remote WHERE kind = ?1 AND id = ?2")?;
    let at: Option<Option<i64>> = statement.query_row(params![kind_to_sql(id.kind), id.id], |r| r.get(0)).optional()?;
    Ok(at.flatten().map(Timestamp::from_nanos))
}

/// Box no longer has the item, or it is in the trash: the row stays as a tombstone, so that late news is recognized.
pub(super) fn bury(db: &Connection, id: &BoxId, now: Timestamp) -> Result<(), TreeError> {
    db.prepare_cached("UPDATE remote SET trashed = 1, buried = ?3 WHERE kind = ?1 AND id = ?2")?.execute(params![
        kind_to_sql(id.kind),
        id.id,
        now.to_nanos()
    ])?;
    Ok(())
}

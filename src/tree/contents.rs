//! What is known of the bytes on this machine: where they lie, what they came from, whether they can still change.

use super::error::TreeError;
use super::node::Node;
use super::store::Tree;
use crate::base::{ContentId, Ino, Sha1Digest};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Where the data file lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Must not be lost.
    Spool,
    /// May be fetched again.
    Cache,
}

/// The version in Box that cold ranges are fetched from; independent of the node's id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    pub file_id: String,
    pub version: String,
    pub sha1: Option<Sha1Digest>,
    pub size: u64,
}

/// Size and times of a data file at one moment, as `fstat` gave them (nanoseconds since 1970).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoredStamp {
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
}

/// Whether the bytes can still change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentState {
    /// The bytes of the origin, unchanged.
    Clean,
    /// A program has, or had, it open for writing.
    Writable,
    /// Nobody can change it; `sha1` is of the whole.
    Sealed { sha1: Sha1Digest },
}

/// One content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentRow {
    pub id: ContentId,
    pub ino: Ino,
    pub place: Place,
    pub state: ContentState,
    pub origin: Option<Origin>,
    /// `None`: every byte is present. `Some`: the compact form of the ranges that are.
    pub ranges: Option<Vec<u8>>,
    /// Bytes of the file as it stands on this machine.
    pub size: u64,
    /// The smallest size since the origin: what lies beyond is zero and present.
    pub smallest: u64,
    /// The stamp of the last close or seal; `None` since a writer opened it.
    pub stamp: Option<StoredStamp>,
    /// The bytes with this stamp are known to be on the disk.
    pub durable: bool,
    /// Boot on which it was last written, as `boot_id` gives it.
    pub boot: String,
}

impl ContentRow {
    /// The digest of the whole, where the bytes cannot change.
    pub fn sha1(&self) -> Option<Sha1Digest> {
        match self.state {
            ContentState::Sealed { sha1 } => Some(sha1),
            ContentState::Clean => self.origin.as_ref().and_then(|o| o.sha1),
            ContentState::Writable => None,
        }
    }

    /// Whether every byte is one of the origin: no program has written into it, so that a data file which is gone can be begun again.
    pub fn is_of_box(&self) -> bool {
        let untouched = match self.state {
            ContentState::Clean => true,
            // What Box did not copy, and is to go up from here.
            ContentState::Writable => self.place == Place::Cache,
            ContentState::Sealed { .. } => false,
        };
        untouched && self.origin.is_some()
    }
}

const COLUMNS: &str = "id, ino, place, state, sha1, origin_file, origin_version, origin_sha1, origin_size, ranges, \
                       size, smallest, stamp_size, stamp_mtime, stamp_ctime, durable, boot";

fn from_row(row: &Row<'_>) -> rusqlite::Result<ContentRow> {
    let sha1 = row.get::<_, Option<String>>(4)?.and_then(|h| Sha1Digest::from_hex(&h).ok());
    let state = match (row.get::<_, i64>(3)?, sha1) {
        (0, _) => ContentState::Clean,
        (2, Some(sha1)) => ContentState::Sealed { sha1 },
        _ => ContentState::Writable,
    };
    let origin = match (row.get::<_, Option<String>>(5)?, row.get::<_, Option<String>>(6)?) {
        (Some(file_id), Some(version)) => Some(Origin {
            file_id,
            version,
            sha1: row.get::<_, Option<String>>(7)?.and_then(|h| Sha1Digest::from_hex(&h).ok()),
            size: row.get::<_, Option<i64>>(8)?.unwrap_or(0).max(0) as u64,
        }),
        _ => None,
    };
    let stamp = match row.get::<_, Option<i64>>(12)? {
        Some(size) => Some(StoredStamp {
            size: size.max(0) as u64,
            mtime_ns: row.get::<_, Option<i64>>(13)?.unwrap_or(0),
            ctime_ns: row.get::<_, Option<i64>>(14)?.unwrap_or(0),
        }),
        None => None,
    };
    Ok(ContentRow {
        id: ContentId(row.get::<_, i64>(0)? as u64),
        ino: Ino(row.get::<_, i64>(1)? as u64),
        place: if row.get::<_, i64>(2)? == 0 { Place::Spool } else { Place::Cache },
        state,
        origin,
        ranges: row.get(9)?,
        size: row.get::<_, i64>(10)?.max(0) as u64,
        smallest: row.get::<_, i64>(11)?.max(0) as u64,
        stamp,
        durable: row.get(15)?,
        boot: row.get(16)?,
    })
}

pub(super) fn get(db: &Connection, id: ContentId) -> Result<Option<ContentRow>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM contents WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id.0 as i64], from_row).optional()?)
}

/// All contents in `place`, in the order of their ids, after `after`.
pub(super) fn page(
    db: &Connection,
    place: Place,
    after: ContentId,
    limit: usize,
) -> Result<Vec<ContentRow>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM contents WHERE place = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![place_to_sql(place), after.0 as i64, limit as i64], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn place_to_sql(place: Place) -> i64 {
    match place {
        Place::Spool => 0,
        Place::Cache => 1,
    }
}

/// A content that no data file stands for yet; its id is never given again.
pub(super) fn insert(db: &Connection, ino: Ino, place: Place) -> Result<ContentId, TreeError> {
    db.prepare_cached(
        "INSERT INTO contents (ino, place, state, size, smallest, durable, boot) VALUES (?1, ?2, 1, 0, 0, 0, '')",
    )?
    .execute(params![ino.0 as i64, place_to_sql(place)])?;
    Ok(ContentId(db.last_insert_rowid() as u64))
}

/// A content for a file whose bytes are in Box only: nothing present, origin as the node's base says.
pub(super) fn insert_cold(db: &Connection, node: &Node, place: Place) -> Result<ContentRow, TreeError> {
    let base = node.base.as_ref().ok_or(TreeError::NotFound)?;
    let file_id = node.box_id.clone().ok_or(TreeError::NotFound)?;
    let id = insert(db, node.ino, place)?;
    let mut row = get(db, id)?.ok_or(TreeError::NotFound)?;
    let version = base.version.clone().unwrap_or_default();
    row.origin = Some(Origin { file_id, version, sha1: base.sha1, size: node.attr.size });
    row.state = ContentState::Clean;
    row.ranges = Some(Vec::new());
    row.size = node.attr.size;
    row.smallest = node.attr.size;
    put(db, &row)?;
    Ok(row)
}

pub(super) fn put(db: &Connection, row: &ContentRow) -> Result<(), TreeError> {
    let (state, sha1) = match row.state {
        ContentState::Clean => (0, None),
        ContentState::Writable => (1, None),
        ContentState::Sealed { sha1 } => (2, Some(sha1.to_hex())),
    };
    let origin = row.origin.as_ref();
    // Not replaced as a whole: when it was last used stays.
    let sql = format!(
        "INSERT INTO contents ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
         ON CONFLICT (id) DO UPDATE SET ino = ?2, place = ?3, state = ?4, sha1 = ?5, origin_file = ?6, origin_version = ?7, \
         origin_sha1 = ?8, origin_size = ?9, ranges = ?10, size = ?11, smallest = ?12, stamp_size = ?13, stamp_mtime = ?14, \
         stamp_ctime = ?15, durable = ?16, boot = ?17"
    );
    db.prepare_cached(&sql)?.execute(params![
        row.id.0 as i64,
        row.ino.0 as i64,
        place_to_sql(row.place),
        state,
        sha1,
        origin.map(|o| &o.file_id),
        origin.map(|o| &o.version),
        origin.and_then(|o| o.sha1).map(Sha1Digest::to_hex),
        origin.map(|o| o.size as i64),
        row.ranges,
        row.size as i64,
        row.smallest as i64,
        row.stamp.map(|s| s.size as i64),
        row.stamp.map(|s| s.mtime_ns),
        row.stamp.map(|s| s.ctime_ns),
        row.durable,
        row.boot,
    ])?;
    Ok(())
}

pub(super) fn remove(db: &Connection, id: ContentId) -> Result<(), TreeError> {
    db.prepare_cached("DELETE FROM contents WHERE id = ?1")?.execute([id.0 as i64])?;
    Ok(())
}

/// A content in the cache with the bytes of a past version, which no node has: found, or made with nothing present.
fn past(db: &Connection, file: Ino, origin: &Origin) -> Result<ContentRow, TreeError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM contents WHERE origin_file = ?1 AND origin_version = ?2 AND place = 1 AND state = 0 \
         AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.ino = contents.ino AND nodes.content = contents.id) LIMIT 1"
    );
    let found = db.prepare_cached(&sql)?.query_row(params![origin.file_id, origin.version], from_row).optional()?;
    if let Some(row) = found {
        return Ok(row);
    }
    let id = insert(db, file, Place::Cache)?;
    let mut row = get(db, id)?.ok_or(TreeError::NotFound)?;
    row.origin = Some(origin.clone());
    row.state = ContentState::Clean;
    row.ranges = Some(Vec::new());
    row.size = origin.size;
    row.smallest = origin.size;
    put(db, &row)?;
    Ok(row)
}

impl Tree {
    /// The content that holds a past version of the file `file`, one and the same as long as the cache keeps it. No node has it, so
    /// that nothing is ever written into it.
    pub fn past_content(&self, file: Ino, origin: &Origin) -> Result<ContentRow, TreeError> {
        self.write(|tx| past(tx, file, origin))
    }
}

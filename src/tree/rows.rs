//! Nodes as rows: the one place that knows the columns of `nodes`.

use super::attempts;
use super::error::TreeError;
use super::node::{Attr, Base, Hold, Node, NodeKind, Presence};
use crate::base::{BootClock, BoxId, ContentId, Ino, LocalOnlyNames, Sha1Digest, Timestamp, fold};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) const COLUMNS: &str = "ino, kind, parent, name, deleted, size, mtime, ctime, atime, btime, mode, uid, gid, \
    content, generation, unsealed, box_id, base_parent, base_name, base_version, base_sha1, base_generation, \
    base_mtime, complete, changed_at, dirty_since, hold, failures, time_refused, identity, born_at";

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Node> {
    let time = |i: usize| -> rusqlite::Result<Timestamp> { Ok(Timestamp::from_nanos(row.get(i)?)) };
    let small = |i: usize| -> rusqlite::Result<u32> { Ok(row.get::<_, i64>(i)? as u32) };
    let base = match row.get::<_, Option<String>>(17)? {
        None => None,
        Some(parent) => Some(Base {
            parent,
            name: row.get::<_, Option<String>>(18)?.unwrap_or_default(),
            version: row.get(19)?,
            sha1: row.get::<_, Option<String>>(20)?.and_then(|h| Sha1Digest::from_hex(&h).ok()),
            generation: row.get::<_, Option<i64>>(21)?.map(|g| g as u64),
            mtime_secs: row.get::<_, Option<i64>>(22)?.unwrap_or(0),
        }),
    };
    Ok(Node {
        ino: Ino(row.get::<_, i64>(0)? as u64),
        kind: NodeKind::from_sql(row.get(1)?).unwrap_or(NodeKind::File),
        parent: Ino(row.get::<_, i64>(2)? as u64),
        name: row.get(3)?,
        presence: if row.get(4)? { Presence::Deleted } else { Presence::Here },
        attr: Attr {
            size: row.get::<_, i64>(5)?.max(0) as u64,
            mtime: time(6)?,
            ctime: time(7)?,
            atime: time(8)?,
            btime: time(9)?,
            mode: small(10)?,
            uid: small(11)?,
            gid: small(12)?,
        },
        content: row.get::<_, Option<i64>>(13)?.map(|c| ContentId(c as u64)),
        generation: row.get::<_, i64>(14)? as u64,
        unsealed: row.get(15)?,
        box_id: row.get(16)?,
        base,
        complete: row.get(23)?,
        changed_at: time(24)?,
        dirty_since: row.get::<_, Option<i64>>(25)?.map(Timestamp::from_nanos),
        hold: row.get::<_, Option<String>>(26)?.and_then(|text| serde_json::from_str(&text).ok()),
        failures: small(27)?,
        time_refused: row.get(28)?,
        identity: row.get(29)?,
        born_at: row.get::<_, Option<i64>>(30)?.map(|at| BootClock(at.max(0) as u64)),
    })
}

pub(super) fn get(db: &Connection, ino: Ino) -> Result<Option<Node>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM nodes WHERE ino = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([ino.0 as i64], from_row).optional()?)
}

pub(super) fn by_item(db: &Connection, id: &BoxId) -> Result<Option<Node>, TreeError> {
    let kind = match id.kind {
        crate::base::ItemKind::File => NodeKind::File,
        crate::base::ItemKind::Folder => NodeKind::Folder,
        crate::base::ItemKind::WebLink => NodeKind::WebLink,
    };
    let sql = format!("SELECT {COLUMNS} FROM nodes WHERE kind = ?1 AND box_id = ?2");
    Ok(db.prepare_cached(&sql)?.query_row(params![kind.to_sql(), id.id], from_row).optional()?)
}

pub(super) fn child(db: &Connection, parent: Ino, name: &str) -> Result<Option<Node>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM nodes WHERE parent = ?1 AND name = ?2 AND deleted = 0");
    Ok(db.prepare_cached(&sql)?.query_row(params![parent.0 as i64, name], from_row).optional()?)
}

/// The children that Box would not tell apart from `name`.
pub(super) fn folding(db: &Connection, parent: Ino, name: &str) -> Result<Vec<Node>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM nodes WHERE parent = ?1 AND fold = ?2 AND deleted = 0");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![parent.0 as i64, fold(name)], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Files and symlinks that programs made and Box does not have.
pub(super) fn not_in_box(db: &Connection) -> Result<Vec<Node>, TreeError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM nodes WHERE dirty_since IS NOT NULL AND box_id IS NULL AND deleted = 0 AND kind IN (?1, ?2)"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([NodeKind::File.to_sql(), NodeKind::Symlink.to_sql()], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes the node; `ino` 0 gives it a fresh number. Dirtiness, and whether the node is local-only, are computed here and
/// nowhere else, so that the flags cannot differ from the fields. A node that becomes clean has nothing due.
pub(super) fn put(db: &Connection, node: &mut Node, local_only: &LocalOnlyNames) -> Result<(), TreeError> {
    match (node.stays_here(local_only), &node.hold) {
        // What a full disk cut short says so under any name.
        (true, Some(Hold::Suspect { .. })) => {}
        (true, _) => node.hold = Some(Hold::LocalOnly),
        (false, Some(Hold::LocalOnly)) => node.hold = None,
        (false, _) => {}
    }
    let dirty = node.is_dirty(parent_id(db, node)?.as_deref()) || attempts::any_unknown(db, node.ino)?;
    node.dirty_since = match (dirty, node.dirty_since) {
        (false, _) => None,
        (true, Some(since)) => Some(since),
        (true, None) => Some(node.changed_at),
    };
    if !dirty {
        node.hold = None;
        node.failures = 0;
    }
    if node.ino.0 == 0 { insert(db, node) } else { update(db, node) }
}

/// The id in Box of the node's parent folder.
pub(super) fn parent_id(db: &Connection, node: &Node) -> Result<Option<String>, TreeError> {
    if node.ino == Ino::ROOT {
        return Ok(None);
    }
    let id = db
        .prepare_cached("SELECT box_id FROM nodes WHERE ino = ?1")?
        .query_row([node.parent.0 as i64], |r| r.get(0))
        .optional()?;
    Ok(id.flatten())
}

fn insert(db: &Connection, node: &mut Node) -> Result<(), TreeError> {
    db.prepare_cached(
        "INSERT INTO nodes (kind, parent, name, fold, deleted, size, mtime, ctime, atime, btime, mode, uid, gid, \
         generation, unsealed, complete, changed_at, failures) \
         VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
    )?
    .execute(params![node.kind.to_sql(), node.parent.0 as i64, node.name, fold(&node.name)])?;
    node.ino = Ino(db.last_insert_rowid() as u64);
    update(db, node)
}

fn update(db: &Connection, node: &Node) -> Result<(), TreeError> {
    let base = node.base.as_ref();
    let hold = node.hold.as_ref().and_then(|h| serde_json::to_string(h).ok());
    db.prepare_cached(
        "UPDATE nodes SET parent = ?2, name = ?3, fold = ?4, deleted = ?5, size = ?6, mtime = ?7, ctime = ?8, \
         atime = ?9, btime = ?10, mode = ?11, uid = ?12, gid = ?13, content = ?14, generation = ?15, unsealed = ?16, \
         box_id = ?17, base_parent = ?18, base_name = ?19, base_version = ?20, base_sha1 = ?21, base_generation = ?22, \
         base_mtime = ?23, complete = ?24, changed_at = ?25, dirty_since = ?26, hold = ?27, failures = ?28, \
         time_refused = ?29, identity = ?30, born_at = ?31, due = CASE WHEN ?26 IS NULL THEN NULL ELSE due END WHERE ino = ?1",
    )?
    .execute(params![
        node.ino.0 as i64,
        node.parent.0 as i64,
        node.name,
        fold(&node.name),
        node.presence == Presence::Deleted,
        node.attr.size as i64,
        node.attr.mtime.to_nanos(),
        node.attr.ctime.to_nanos(),
        node.attr.atime.to_nanos(),
        node.attr.btime.to_nanos(),
        i64::from(node.attr.mode),
        i64::from(node.attr.uid),
        i64::from(node.attr.gid),
        node.content.map(|c| c.0 as i64),
        node.generation as i64,
        node.unsealed,
        node.box_id,
        base.map(|b| &b.parent),
        base.map(|b| &b.name),
        base.and_then(|b| b.version.as_ref()),
        base.and_then(|b| b.sha1).map(Sha1Digest::to_hex),
        base.and_then(|b| b.generation).map(|g| g as i64),
        base.map(|b| b.mtime_secs),
        node.complete,
        node.changed_at.to_nanos(),
        node.dirty_since.map(Timestamp::to_nanos),
        hold,
        i64::from(node.failures),
        node.time_refused,
        node.identity,
        node.born_at.map(|at| at.0 as i64),
    ])?;
    Ok(())
}

/// Removes the node's row with what hangs on it; its number is never given again.
pub(super) fn remove(db: &Connection, ino: Ino) -> Result<(), TreeError> {
    for sql in [
        "DELETE FROM nodes WHERE ino = ?1",
        "DELETE FROM xattrs WHERE ino = ?1",
        "DELETE FROM contents WHERE ino = ?1",
        "DELETE FROM attempts WHERE ino = ?1 AND settled_at IS NULL",
    ] {
        db.prepare_cached(sql)?.execute([ino.0 as i64])?;
    }
    Ok(())
}

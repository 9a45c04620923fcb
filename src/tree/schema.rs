//! The tables, their version, and what is done to a database when it is opened.

use super::error::TreeError;
use rusqlite::Connection;

/// The schema that this program writes. A later one is refused, an earlier one is upgraded step by step.
const SCHEMA: i64 = 5;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE nodes (
  ino INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  name TEXT NOT NULL,
  fold TEXT NOT NULL,
  deleted INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, atime INTEGER NOT NULL, btime INTEGER NOT NULL,
  mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
  content INTEGER,
  generation INTEGER NOT NULL,
  unsealed INTEGER NOT NULL,
  box_id TEXT,
  base_parent TEXT, base_name TEXT, base_version TEXT, base_sha1 TEXT, base_generation INTEGER, base_mtime INTEGER,
  complete INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  dirty_since INTEGER,
  due INTEGER,
  hold TEXT,
  failures INTEGER NOT NULL,
  time_refused TEXT,
  target BLOB
);
CREATE UNIQUE INDEX nodes_name ON nodes (parent, name) WHERE deleted = 0;
CREATE INDEX nodes_fold ON nodes (parent, fold) WHERE deleted = 0;
CREATE INDEX nodes_order ON nodes (parent, ino) WHERE deleted = 0;
CREATE UNIQUE INDEX nodes_item ON nodes (kind, box_id) WHERE box_id IS NOT NULL;
CREATE INDEX nodes_due ON nodes (due) WHERE due IS NOT NULL;
CREATE INDEX nodes_dirty ON nodes (parent) WHERE dirty_since IS NOT NULL;

CREATE TABLE remote (
  kind INTEGER NOT NULL, id TEXT NOT NULL,
  parent TEXT, name TEXT NOT NULL, fold TEXT NOT NULL,
  version TEXT, etag TEXT, sequence INTEGER, sha1 TEXT, size INTEGER NOT NULL,
  created INTEGER, modified INTEGER, trashed INTEGER NOT NULL, rights INTEGER NOT NULL,
  lock TEXT, url TEXT, listing INTEGER, buried INTEGER,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX remote_fold ON remote (parent, fold) WHERE trashed = 0;

CREATE TABLE attempts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ino INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  target_kind INTEGER, target_id TEXT,
  parent TEXT, name TEXT, fold TEXT,
  base_version TEXT, sha1 TEXT, generation INTEGER, mtime INTEGER,
  sent_at INTEGER NOT NULL, settled_at INTEGER,
  result_id TEXT
);
CREATE INDEX attempts_ino ON attempts (ino) WHERE settled_at IS NULL;
CREATE INDEX attempts_slot ON attempts (parent, fold) WHERE settled_at IS NULL;
CREATE INDEX attempts_target ON attempts (target_kind, target_id) WHERE settled_at IS NULL;
CREATE INDEX attempts_settled ON attempts (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE sessions (
  ino INTEGER PRIMARY KEY,
  content INTEGER NOT NULL, generation INTEGER NOT NULL,
  id TEXT NOT NULL, endpoints TEXT NOT NULL, part_size INTEGER NOT NULL, size INTEGER NOT NULL,
  file_id TEXT, parent TEXT, name TEXT,
  expires INTEGER
);

CREATE TABLE contents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ino INTEGER NOT NULL,
  place INTEGER NOT NULL,
  state INTEGER NOT NULL,
  sha1 TEXT,
  origin_file TEXT, origin_version TEXT, origin_sha1 TEXT, origin_size INTEGER,
  ranges BLOB,
  size INTEGER NOT NULL, smallest INTEGER NOT NULL,
  stamp_size INTEGER, stamp_mtime INTEGER, stamp_ctime INTEGER,
  durable INTEGER NOT NULL,
  boot TEXT NOT NULL
);
CREATE INDEX contents_place ON contents (place, id);

CREATE TABLE xattrs (ino INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (ino, name)) WITHOUT ROWID;
";

/// What each schema adds to the one before: the first makes the second. A fresh database takes the same steps.
const UPGRADES: [&str; SCHEMA as usize - 1] = [
"
ALTER TABLE contents ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX contents_used ON contents (used_at, id) WHERE place = 1 AND state = 0;
CREATE INDEX contents_ino ON contents (ino);
CREATE TABLE pins (ino INTEGER PRIMARY KEY);
",
"
CREATE TABLE notices (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, path TEXT NOT NULL, what TEXT NOT NULL);
CREATE INDEX nodes_conflict ON nodes (ino) WHERE deleted = 0 AND instr(name, ' (conflict ') > 0;
",
"
CREATE INDEX nodes_deleted ON nodes (changed_at) WHERE deleted = 1 AND box_id IS NOT NULL;
",
"
ALTER TABLE nodes ADD COLUMN identity INTEGER;
ALTER TABLE nodes ADD COLUMN born_at INTEGER;
CREATE UNIQUE INDEX nodes_identity ON nodes (identity) WHERE identity IS NOT NULL;
CREATE INDEX contents_origin ON contents (origin_file) WHERE origin_file IS NOT NULL;
CREATE TABLE names_left (
  parent INTEGER NOT NULL, name TEXT NOT NULL,
  holder INTEGER NOT NULL, identity INTEGER NOT NULL, born_at INTEGER,
  left_at INTEGER NOT NULL,
  trashed TEXT,
  taken INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE INDEX names_left_at ON names_left (left_at);
"];

/// Milliseconds that a second connection waits for the lock; only a stray tool would hold one.
const BUSY_MS: u64 = 5_000;

/// Pages kept in SQLite's own cache, in KiB (negative by its convention).
const CACHE_KIB: i64 = -16_384;

/// Prepared statements kept: more than this room has.
const STATEMENTS: usize = 128;

/// Makes the connection ready: durability settings, tables, version check.
pub(super) fn prepare(db: &mut Connection) -> Result<(), TreeError> {
    db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.pragma_update(None, "journal_mode", "WAL").map_err(damaged)?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "cache_size", CACHE_KIB)?;
    db.pragma_update(None, "foreign_keys", false)?;
    let found: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(damaged)?;
    match found {
        SCHEMA => Ok(()),
        0 => create(db),
        earlier @ 1..SCHEMA => upgrade(db, earlier),
        newer if newer > SCHEMA => Err(TreeError::TooNew { found: newer, known: SCHEMA }),
        other => Err(TreeError::Damaged(format!("its schema {other} never existed"))),
    }
}

/// Refuses a database of another schema.
pub(super) fn require(db: &Connection) -> Result<(), TreeError> {
    match db.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(damaged)? {
        SCHEMA => Ok(()),
        newer if newer > SCHEMA => Err(TreeError::TooNew { found: newer, known: SCHEMA }),
        earlier => Err(TreeError::Damaged(format!("its schema is {earlier}, not {SCHEMA}: mount once to upgrade it"))),
    }
}

fn create(db: &mut Connection) -> Result<(), TreeError> {
    let tx = db.transaction()?;
    tx.execute_batch(TABLES)?;
    tx.pragma_update(None, "user_version", 1)?;
    tx.commit()?;
    upgrade(db, 1)
}

/// Takes every step from the schema `from`, in one transaction.
fn upgrade(db: &mut Connection, from: i64) -> Result<(), TreeError> {
    let tx = db.transaction()?;
    for step in UPGRADES.iter().skip(from as usize - 1) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", SCHEMA)?;
    tx.commit()?;
    Ok(())
}

/// Reads the whole database and says whether it is sound.
pub(super) fn check(db: &Connection) -> Result<(), TreeError> {
    let answer: String = db.pragma_query_value(None, "quick_check", |r| r.get(0)).map_err(damaged)?;
    if answer == "ok" { Ok(()) } else { Err(TreeError::Damaged(answer)) }
}

fn damaged(e: rusqlite::Error) -> TreeError {
    match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            TreeError::Damaged(e.to_string())
        }
        _ => TreeError::Sql(e),
    }
}

//! Mutating calls that may be on their way: a call leaves only after its row is committed (DESIGN.md section 2).

use super::error::TreeError;
use super::remote::{self, Remote};
use super::store::{Tree, Tx};
use crate::base::{AttemptId, BoxId, Ino, ItemKind, Sha1Digest, Timestamp, fold};
use rusqlite::{Connection, Row, params};
use std::time::Duration;

/// What was asked of Box.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptKind {
    CreateFolder,
    UploadNew,
    UploadVersion,
    /// A server-side copy of a version.
    Copy,
    Update,
    Delete,
    /// Out of Box's trash.
    Restore,
}

impl AttemptKind {
    pub(super) fn to_sql(self) -> i64 {
        match self {
            AttemptKind::CreateFolder => 0,
            AttemptKind::UploadNew => 1,
            AttemptKind::UploadVersion => 2,
            AttemptKind::Update => 3,
            AttemptKind::Delete => 4,
            AttemptKind::Copy => 5,
            AttemptKind::Restore => 6,
        }
    }

    fn from_sql(value: i64) -> AttemptKind {
        use AttemptKind::{Copy, CreateFolder, Delete, Restore, Update, UploadNew, UploadVersion};
        [CreateFolder, UploadNew, UploadVersion, Update, Copy, Restore]
            .into_iter()
            .find(|k| k.to_sql() == value)
            .unwrap_or(Delete)
    }
}

/// Whether an answer is awaited or the outcome has to be found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptState {
    Sent,
    Unknown,
}

/// What is written down before a call leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAttempt {
    pub ino: Ino,
    pub kind: AttemptKind,
    /// The item the call acts on, if it exists.
    pub target: Option<BoxId>,
    /// The name slot the call fills: folder id and name as sent.
    pub parent: Option<String>,
    pub name: Option<String>,
    pub base_version: Option<String>,
    pub sha1: Option<Sha1Digest>,
    pub generation: Option<u64>,
    /// `content_modified_at` as sent.
    pub mtime_secs: Option<i64>,
}

/// A call that left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    pub id: AttemptId,
    pub state: AttemptState,
    pub sent_at: Timestamp,
    pub call: NewAttempt,
}

/// How long a settled attempt is remembered: an item that appears late and matches is ours.
const REMEMBERED: Duration = Duration::from_secs(3600);

const COLUMNS: &str = "id, ino, kind, state, target_kind, target_id, parent, name, base_version, sha1, generation, \
                       mtime, sent_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let kind = match row.get::<_, Option<i64>>(4)? {
        Some(1) => ItemKind::Folder,
        Some(3) => ItemKind::WebLink,
        _ => ItemKind::File,
    };
    Ok(Attempt {
        id: AttemptId(row.get::<_, i64>(0)? as u64),
        state: if row.get::<_, i64>(3)? == 0 { AttemptState::Sent } else { AttemptState::Unknown },
        sent_at: Timestamp::from_nanos(row.get(12)?),
        call: NewAttempt {
            ino: Ino(row.get::<_, i64>(1)? as u64),
            kind: AttemptKind::from_sql(row.get(2)?),
            target: row.get::<_, Option<String>>(5)?.map(|id| BoxId { kind, id }),
            parent: row.get(6)?,
            name: row.get(7)?,
            base_version: row.get(8)?,
            sha1: row.get::<_, Option<String>>(9)?.and_then(|h| Sha1Digest::from_hex(&h).ok()),
            generation: row.get::<_, Option<i64>>(10)?.map(|g| g as u64),
            mtime_secs: row.get(11)?,
        },
    })
}

fn target_kind(id: &BoxId) -> i64 {
    match id.kind {
        ItemKind::File => 0,
        ItemKind::Folder => 1,
        ItemKind::WebLink => 3,
    }
}

fn select(db: &Connection, condition: &str, values: impl rusqlite::Params) -> Result<Vec<Attempt>, TreeError> {
    let sql = format!("SELECT {COLUMNS} FROM attempts WHERE {condition}");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(values, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn get(db: &Connection, id: AttemptId) -> Result<Option<Attempt>, TreeError> {
    Ok(select(db, "id = ?1 AND settled_at IS NULL", [id.0 as i64])?.pop())
}

/// Whether a call for the node is on its way.
pub(super) fn any_open(db: &Connection, ino: Ino) -> Result<bool, TreeError> {
    Ok(!select(db, "ino = ?1 AND settled_at IS NULL LIMIT 1", [ino.0 as i64])?.is_empty())
}

/// Whether it has to be found out what became of a call for the node.
pub(super) fn any_unknown(db: &Connection, ino: Ino) -> Result<bool, TreeError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM attempts WHERE ino = ?1 AND state = 1 AND settled_at IS NULL)";
    Ok(db.prepare_cached(sql)?.query_row([ino.0 as i64], |r| r.get(0))?)
}

/// Open attempts of the node to make something in Box, by their numbers.
pub(super) fn creations(db: &Connection, ino: Ino) -> Result<Vec<i64>, TreeError> {
    let mut statement =
        db.prepare_cached("SELECT id FROM attempts WHERE ino = ?1 AND target_id IS NULL AND settled_at IS NULL")?;
    let rows = statement.query_map([ino.0 as i64], |r| r.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What these attempts make is the node's from now on; their generation was another node's.
pub(super) fn hand_over(db: &Connection, attempts: &[i64], to: Ino) -> Result<(), TreeError> {
    let mut statement = db.prepare_cached("UPDATE attempts SET ino = ?2, generation = NULL WHERE id = ?1")?;
    for id in attempts {
        statement.execute(params![id, to.0 as i64])?;
    }
    Ok(())
}

/// Open attempts of the node.
pub(super) fn of_node(db: &Connection, ino: Ino) -> Result<Vec<Attempt>, TreeError> {
    select(db, "ino = ?1 AND settled_at IS NULL", [ino.0 as i64])
}

/// Open attempts that fill the name slot.
pub(super) fn filling(db: &Connection, parent: &str, folded: &str) -> Result<Vec<Attempt>, TreeError> {
    select(db, "parent = ?1 AND fold = ?2 AND settled_at IS NULL", params![parent, folded])
}

/// Open attempts on the item.
pub(super) fn on_item(db: &Connection, id: &BoxId) -> Result<Vec<Attempt>, TreeError> {
    select(db, "target_kind = ?1 AND target_id = ?2 AND settled_at IS NULL", params![target_kind(id), id.id])
}

/// Whether an attempt that settled at `since` or later made or changed this item.
pub(super) fn made_since(db: &Connection, id: &BoxId, since: Timestamp) -> Result<bool, TreeError> {
    let id = format!("{} {}", target_kind(id), id.id);
    Ok(!select(db, "result_id = ?1 AND settled_at >= ?2 LIMIT 1", params![id, since.to_nanos()])?.is_empty())
}

/// Settles the attempt: it stays as a memory for an hour.
pub(super) fn settle(db: &Connection, id: AttemptId, made: Option<&BoxId>, now: Timestamp) -> Result<(), TreeError> {
    let made = made.map(|id| format!("{} {}", target_kind(id), id.id));
    db.prepare_cached("UPDATE attempts SET settled_at = ?2, result_id = ?3 WHERE id = ?1")?.execute(params![
        id.0 as i64,
        now.to_nanos(),
        made
    ])?;
    Ok(())
}

impl Tree {
    /// Writes down that a call is about to leave. `None`: the node stands for another item since the call was planned.
    pub fn begin_attempt(&self, call: &NewAttempt, now: Timestamp) -> Result<Option<Attempt>, TreeError> {
        self.write(|tx| {
            if tx.node(call.ino)?.item() != call.target {
                return Ok(None);
            }
            tx.prepare_cached(
                "INSERT INTO attempts (ino, kind, state, target_kind, target_id, parent, name, fold, base_version, \
                 sha1, generation, mtime, sent_at) VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                call.ino.0 as i64,
                call.kind.to_sql(),
                call.target.as_ref().map(target_kind),
                call.target.as_ref().map(|t| &t.id),
                call.parent,
                call.name,
                call.name.as_deref().map(fold),
                call.base_version,
                call.sha1.map(Sha1Digest::to_hex),
                call.generation.map(|g| g as i64),
                call.mtime_secs,
                now.to_nanos(),
            ])?;
            let id = AttemptId(tx.last_insert_rowid() as u64);
            Ok(Some(Attempt { id, state: AttemptState::Sent, sent_at: now, call: call.clone() }))
        })
    }

    /// An attempt of unknown outcome is sent once more, perhaps with other bytes for the same name. `false`: it is another node's by now.
    pub fn resend_attempt(&self, id: AttemptId, call: &NewAttempt, now: Timestamp) -> Result<bool, TreeError> {
        self.write(|tx| {
            let sent = tx.prepare_cached(
                "UPDATE attempts SET state = 0, sha1 = ?2, generation = ?3, mtime = ?4, sent_at = ?5 WHERE id = ?1 AND ino = ?6",
            )?
            .execute(params![
                id.0 as i64,
                call.sha1.map(Sha1Digest::to_hex),
                call.generation.map(|g| g as i64),
                call.mtime_secs,
                now.to_nanos(),
                call.ino.0 as i64,
            ])?;
            Ok(sent == 1)
        })
    }

    /// Attempts on the item whose outcome has to be found out.
    pub fn unknown_attempts_on(&self, id: &BoxId) -> Result<Vec<Attempt>, TreeError> {
        let mut found = on_item(self.lock().db(), id)?;
        found.retain(|a| a.state == AttemptState::Unknown);
        Ok(found)
    }

    /// Attempts to make something in the folder whose outcome has to be found out, each with the live item that has the name.
    pub fn unknown_attempts_in(&self, parent: &str) -> Result<Vec<(Attempt, Option<Remote>)>, TreeError> {
        let inner = self.lock();
        let db = inner.db();
        let lost = select(db, "parent = ?1 AND target_id IS NULL AND state = 1 AND settled_at IS NULL", [parent])?;
        let mut found = Vec::new();
        for attempt in lost {
            let name = attempt.call.name.clone().unwrap_or_default();
            let holder = remote::holding(db, parent, &fold(&name))?.into_iter().next();
            found.push((attempt, holder));
        }
        Ok(found)
    }

    /// Whether a call of ours is on its way that changes the item or fills the name.
    pub fn is_in_flight(&self, id: &BoxId, parent: Option<&str>, name: &str) -> Result<bool, TreeError> {
        let inner = self.lock();
        let db = inner.db();
        if !on_item(db, id)?.is_empty() {
            return Ok(true);
        }
        Ok(match parent {
            Some(parent) => !filling(db, parent, &fold(name))?.is_empty(),
            None => false,
        })
    }

    pub fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>, TreeError> {
        get(self.lock().db(), id)
    }

    /// No usable answer came: the outcome has to be found out before anything else is sent. Until then the node is dirty, whatever a
    /// program has made of it meanwhile.
    pub fn attempt_unknown(&self, id: AttemptId) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached("UPDATE attempts SET state = 1 WHERE id = ?1")?.execute([id.0 as i64])?;
            let of = get(tx, id)?.map(|attempt| attempt.call.ino);
            of.map_or(Ok(()), |ino| put_again(tx, ino))
        })
    }

    /// After a start every open attempt is of unknown outcome. Old memories are dropped.
    pub fn attempts_after_start(&self, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.execute("UPDATE attempts SET state = 1 WHERE settled_at IS NULL", [])?;
            for attempt in select(tx, "settled_at IS NULL", [])? {
                put_again(tx, attempt.call.ino)?;
            }
            forget_old(tx, now)
        })
    }

    /// Drops the memories of attempts that settled more than an hour ago.
    pub fn forget_old_attempts(&self, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| forget_old(tx, now))
    }
}

/// What follows from the node's attempts is noted in its row.
fn put_again(tx: &mut Tx<'_>, ino: Ino) -> Result<(), TreeError> {
    match tx.node(ino) {
        Ok(mut node) => tx.put(&mut node),
        Err(TreeError::NoNode(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn forget_old(db: &Connection, now: Timestamp) -> Result<(), TreeError> {
    let limit = now.to_nanos().saturating_sub(REMEMBERED.as_nanos() as i64);
    db.prepare_cached("DELETE FROM attempts WHERE settled_at < ?1")?.execute([limit])?;
    Ok(())
}

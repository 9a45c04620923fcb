//! The guard against deleting many items at once: such deletions are held here, told, and wait for the user's word.
//!
//! The guard is off unless configured: Box has a trash, and `rm -r` is ordinary.

use super::error::TreeError;
use super::news::Learned;
use super::node::{Hold, NodeKind};
use super::store::{Tree, Tx};
use super::undo;
use crate::base::{Ino, Timestamp};
use crate::config::DeleteGuard;
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Deletions so close together count as one.
const WINDOW: Duration = Duration::from_secs(60);
/// A guarded deletion leaves only when no other followed it for this long: the rest of an `rm -r` is waited for.
const QUIET: Duration = Duration::from_secs(5);
/// Fewer than these are never a share that anybody has to confirm.
const LEAST_FOR_SHARE: u64 = 10;
/// Held deletions taken back in one go.
const PAGE: i64 = 500;

const GUARD_KEY: &str = "delete_guard";
const HELD_KEY: &str = "deletes_held_since";
const CONFIRMED_KEY: &str = "deletes_confirmed_at";
/// What the hold of such a deletion says.
const HELD: &str = "one of many deletions at once: 'boxfs confirm' lets them go, 'boxfs undo' brings the items back";

/// Whether a deletion may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// To be asked again then.
    Later(Timestamp),
    /// It is held with all the others, so many, until the user decides; `first`: this deletion was the one too many.
    Held {
        count: u64,
        first: bool,
    },
}

impl Tree {
    /// How many deletions at once are held.
    pub fn set_delete_guard(&self, guard: DeleteGuard) -> Result<(), TreeError> {
        self.set_meta(GUARD_KEY, &guard.to_string())
    }

    /// Whether the deletion of `ino` may leave. One that may not gets its hold here, and so do all others of the moment.
    pub fn deletion_gate(&self, ino: Ino, now: Timestamp) -> Result<Gate, TreeError> {
        let gate = self.write(|tx| {
            let guard = meta(tx, GUARD_KEY)?.and_then(|text| text.parse().ok()).unwrap_or(DeleteGuard::Off);
            let deleted_at = tx.node(ino)?.changed_at;
            let confirmed = nanos(tx, CONFIRMED_KEY)?;
            if guard == DeleteGuard::Off || deleted_at.to_nanos() <= confirmed {
                return Ok(Gate::Open);
            }
            let held = meta(tx, HELD_KEY)?.is_some();
            let (waiting, newest) = waiting(tx, confirmed)?;
            if !held && within(tx, guard, waiting, newest, now)? {
                let at = Timestamp::from_nanos(newest).after(QUIET);
                return Ok(if at > now { Gate::Later(at) } else { Gate::Open });
            }
            put_meta(tx, HELD_KEY, &now.to_nanos().to_string())?;
            hold_all(tx, confirmed)?;
            Ok(Gate::Held { count: waiting, first: !held })
        })?;
        if matches!(gate, Gate::Held { .. }) {
            self.forget_hot();
        }
        Ok(gate)
    }

    /// Deletions that wait for the user's word.
    pub fn held_deletions(&self) -> Result<u64, TreeError> {
        let inner = self.lock();
        let mut statement = inner
            .db()
            .prepare_cached("SELECT COUNT(*) FROM nodes WHERE deleted = 1 AND box_id IS NOT NULL AND hold = ?1")?;
        Ok(statement.query_row([hold_text()], |r| r.get::<_, i64>(0))?.max(0) as u64)
    }

    /// The user wants the held deletions, and those of before: they go. How many they are.
    pub fn confirm_deletions(&self, now: Timestamp) -> Result<u64, TreeError> {
        let freed = self.write(|tx| {
            put_meta(tx, CONFIRMED_KEY, &now.to_nanos().to_string())?;
            tx.execute("DELETE FROM meta WHERE key = ?1", [HELD_KEY])?;
            Ok(tx.execute(
                "UPDATE nodes SET hold = NULL, due = ?2 WHERE deleted = 1 AND box_id IS NOT NULL AND hold = ?1",
                params![hold_text(), now.to_nanos()],
            )? as u64)
        })?;
        self.forget_hot();
        Ok(freed)
    }

    /// The user does not want the held deletions: the items are here again. How many they are, some at a time; 0 at the end.
    pub fn undo_deletions(&self, now: Timestamp) -> Result<(u64, Learned), TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            let held: Vec<Ino> = tx
                .prepare_cached(
                    "SELECT ino FROM nodes WHERE deleted = 1 AND box_id IS NOT NULL AND hold = ?1 ORDER BY kind <> ?2, ino \
                     LIMIT ?3",
                )?
                .query_map(params![hold_text(), NodeKind::Folder.to_sql(), PAGE], |r| r.get::<_, i64>(0))?
                .map(|ino| Ok(Ino(ino? as u64)))
                .collect::<Result<_, TreeError>>()?;
            for ino in &held {
                undo::bring_back(tx, *ino, now, &mut learned)?;
                // What Box does not have any more cannot come back; its deletion is nothing that waits.
                tx.execute(
                    "UPDATE nodes SET hold = NULL, due = ?2 WHERE ino = ?1 AND deleted = 1",
                    params![ino.0 as i64, now.to_nanos()],
                )?;
            }
            if held.is_empty() {
                tx.execute("DELETE FROM meta WHERE key = ?1", [HELD_KEY])?;
            }
            Ok((held.len() as u64, learned))
        })
    }
}

/// The hold as its column has it.
fn hold_text() -> String {
    let hold = Hold::NeedsUser { reason: HELD.to_owned() };
    serde_json::to_string(&hold).expect("a text always serializes")
}

/// Deletions that Box has not heard of and the user has not confirmed, and when the newest was made.
fn waiting(tx: &Tx<'_>, confirmed: i64) -> Result<(u64, i64), TreeError> {
    Ok(tx
        .prepare_cached(
            "SELECT COUNT(*), COALESCE(MAX(changed_at), 0) FROM nodes WHERE deleted = 1 AND box_id IS NOT NULL AND changed_at > ?1",
        )?
        .query_row([confirmed], |r| Ok((r.get::<_, i64>(0)?.max(0) as u64, r.get(1)?)))?)
}

/// Whether so many deletions, and those sent a moment ago, are no more than the guard allows.
fn within(tx: &Tx<'_>, guard: DeleteGuard, waiting: u64, newest: i64, now: Timestamp) -> Result<bool, TreeError> {
    let since = newest.min(now.to_nanos()).saturating_sub(WINDOW.as_nanos() as i64);
    let sent: i64 = tx
        .prepare_cached("SELECT COUNT(*) FROM attempts WHERE kind = ?1 AND sent_at > MAX(?2, ?3)")?
        .query_row(params![super::attempts::AttemptKind::Delete.to_sql(), since, nanos(tx, CONFIRMED_KEY)?], |r| {
            r.get(0)
        })?;
    let count = waiting.saturating_add(sent.max(0) as u64);
    Ok(match guard {
        DeleteGuard::Off => true,
        DeleteGuard::Items(most) => count <= most,
        DeleteGuard::Percent(_) if count < LEAST_FOR_SHARE => true,
        DeleteGuard::Percent(share) => {
            let all: i64 = tx
                .prepare_cached("SELECT COUNT(*) FROM nodes WHERE box_id IS NOT NULL")?
                .query_row([], |r| r.get(0))?;
            let all = (all.max(0) as u64).saturating_add(sent.max(0) as u64);
            u128::from(count) * 100 <= u128::from(all) * u128::from(share)
        }
    })
}

fn hold_all(tx: &Tx<'_>, confirmed: i64) -> Result<(), TreeError> {
    tx.execute(
        "UPDATE nodes SET hold = ?1, due = NULL WHERE deleted = 1 AND box_id IS NOT NULL AND changed_at > ?2 AND hold IS NOT ?1 \
         AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.ino = nodes.ino AND a.settled_at IS NULL)",
        params![hold_text(), confirmed],
    )?;
    Ok(())
}

fn meta(db: &Connection, key: &str) -> Result<Option<String>, TreeError> {
    let mut statement = db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |r| r.get(0)).optional()?)
}

fn nanos(db: &Connection, key: &str) -> Result<i64, TreeError> {
    Ok(meta(db, key)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn put_meta(db: &Connection, key: &str, value: &str) -> Result<(), TreeError> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?.execute(params![key, value])?;
    Ok(())
}

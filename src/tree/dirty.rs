//! What differs from Box and when it is looked at next.

use super::error::TreeError;
use super::memory::REMEMBERED;
use super::node::{Hold, Node};
use super::rows;
use super::store::{Tree, Tx};
use crate::base::{Ino, Timestamp};
use rusqlite::{OptionalExtension, named_params, params};
use std::time::Duration;

/// How much is not in Box yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pending {
    pub count: u64,
    pub bytes: u64,
}

/// Quiet time after the last change before a node is looked at, until configuration says otherwise.
const DEFAULT_SETTLE: Duration = Duration::from_secs(1);

/// A busy node is looked at this long after it became dirty, quiet or not.
const LONGEST_SETTLE: Duration = Duration::from_secs(30);

const SETTLE_KEY: &str = "settle_ms";

impl Tx<'_> {
    /// Makes a dirty node due once it was quiet for the settle time.
    pub(super) fn settle(&mut self, ino: Ino, now: Timestamp) -> Result<(), TreeError> {
        let settle = settle_time(self)?;
        self.prepare_cached(
            "UPDATE nodes SET due = MIN(?2, MAX(dirty_since + ?3, ?4)) WHERE ino = ?1 AND dirty_since IS NOT NULL",
        )?
        .execute(params![
            ino.0 as i64,
            now.after(settle).to_nanos(),
            LONGEST_SETTLE.as_nanos() as i64,
            now.to_nanos()
        ])?;
        Ok(())
    }

    pub(super) fn due(&mut self, ino: Ino, at: Option<Timestamp>) -> Result<(), TreeError> {
        self.prepare_cached("UPDATE nodes SET due = ?2 WHERE ino = ?1 AND dirty_since IS NOT NULL")?
            .execute(params![ino.0 as i64, at.map(Timestamp::to_nanos)])?;
        Ok(())
    }

    /// The dirty children of `folder` may have waited for it; files that are kept for name memory have not.
    pub(super) fn wake_children(&mut self, folder: Ino, now: Timestamp) -> Result<(), TreeError> {
        self.wake(folder, true, now)
    }

    fn wake(&self, folder: Ino, keep: bool, now: Timestamp) -> Result<(), TreeError> {
        let sql = format!("{ALL_DUE} AND parent = :parent");
        self.prepare_cached(&sql)?.execute(named_params! {
            ":parent": folder.0 as i64, ":now": now.to_nanos(), ":keep": keep, ":since": kept_since(now),
        })?;
        Ok(())
    }
}

/// Makes dirty nodes due, except what only the user can free and, with `keep`, files that were deleted so recently that a save may
/// take their ids up again. Those wait for their time; one that waits for nothing had its call on its way when the last run ended.
const ALL_DUE: &str = "UPDATE nodes SET due = :now WHERE dirty_since IS NOT NULL AND (due IS NULL OR due > :now) \
    AND (hold IS NULL OR hold LIKE '%Retrying%') \
    AND NOT (:keep AND due IS NOT NULL AND deleted = 1 AND kind = 0 AND box_id IS NOT NULL AND changed_at > :since)";

fn kept_since(now: Timestamp) -> i64 {
    now.to_nanos().saturating_sub(REMEMBERED.as_nanos() as i64)
}

fn settle_time(db: &rusqlite::Connection) -> Result<Duration, TreeError> {
    let text: Option<String> =
        db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([SETTLE_KEY], |r| r.get(0)).optional()?;
    Ok(text.and_then(|t| t.parse().ok()).map_or(DEFAULT_SETTLE, Duration::from_millis))
}

impl Tree {
    /// Sets the quiet time after which a changed node is sent.
    pub fn set_settle(&self, settle: Duration) -> Result<(), TreeError> {
        self.set_meta(SETTLE_KEY, &settle.as_millis().to_string())
    }

    /// Looks at `ino` again at `at`; `None`: only when something wakes it.
    pub fn set_due(&self, ino: Ino, at: Option<Timestamp>) -> Result<(), TreeError> {
        self.write(|tx| tx.due(ino, at))
    }

    /// When `ino` is looked at next.
    pub fn due_of(&self, ino: Ino) -> Result<Option<Timestamp>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached("SELECT due FROM nodes WHERE ino = ?1")?;
        let due: Option<Option<i64>> = statement.query_row([ino.0 as i64], |r| r.get(0)).optional()?;
        Ok(due.flatten().map(Timestamp::from_nanos))
    }

    /// The dirty nodes due at `now`, longest due first, at most `limit`.
    pub fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Ino>, TreeError> {
        let inner = self.lock();
        let mut statement =
            inner.db().prepare_cached("SELECT ino FROM nodes WHERE due <= ?1 ORDER BY due, ino LIMIT ?2")?;
        let rows = statement.query_map(params![now.to_nanos(), limit as i64], |r| r.get::<_, i64>(0))?;
        rows.map(|r| Ok(Ino(r? as u64))).collect()
    }

    /// When the next node is due.
    pub fn next_due(&self) -> Result<Option<Timestamp>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached("SELECT MIN(due) FROM nodes WHERE due IS NOT NULL")?;
        let due: Option<i64> = statement.query_row([], |r| r.get(0))?;
        Ok(due.map(Timestamp::from_nanos))
    }

    /// Everything dirty is due at once, except what only the user can free (`wait`, unmount).
    pub fn hurry(&self, now: Timestamp) -> Result<(), TreeError> {
        self.all_due(false, now)
    }

    /// Everything dirty is due at once, except what only the user can free, and deleted files that a save may take up again
    /// (start-up, network back).
    pub fn resume(&self, now: Timestamp) -> Result<(), TreeError> {
        self.all_due(true, now)
    }

    fn all_due(&self, keep: bool, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached(ALL_DUE)?.execute(named_params! {
                ":now": now.to_nanos(), ":keep": keep, ":since": kept_since(now),
            })?;
            Ok(())
        })
    }

    /// Puts a hold on a node, or takes it off; `due` as for [`Tree::set_due`].
    pub fn hold(&self, ino: Ino, hold: Option<Hold>, due: Option<Timestamp>) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            node.failures = match &hold {
                None => 0,
                Some(Hold::Retrying { .. }) => node.failures.saturating_add(1),
                Some(_) => node.failures,
            };
            node.hold = hold;
            tx.put(&mut node)?;
            tx.due(ino, due)?;
            Ok(node)
        })
    }

    /// A program has heard what the node's hold says.
    pub fn told(&self, ino: Ino) -> Result<(), TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            node.hold = node.hold.map(Hold::now_told);
            tx.put(&mut node)
        })
    }

    /// Bytes that are on their way to Box: neither there nor held.
    pub fn unsent_bytes(&self) -> Result<u64, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached(
            "SELECT COALESCE(SUM(size), 0) FROM nodes WHERE dirty_since IS NOT NULL AND deleted = 0 AND kind = 0 \
             AND (unsealed = 1 OR base_generation IS NULL OR base_generation <> generation) \
             AND (hold IS NULL OR hold LIKE '%Retrying%')",
        )?;
        Ok(statement.query_row([], |r| r.get::<_, i64>(0))?.max(0) as u64)
    }

    /// Whether anything is to go to Box by itself.
    pub fn any_on_its_way(&self) -> Result<bool, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM nodes WHERE dirty_since IS NOT NULL AND (deleted = 0 OR box_id IS NOT NULL) \
             AND (hold IS NULL OR hold LIKE '%Retrying%'))",
        )?;
        Ok(statement.query_row([], |r| r.get(0))?)
    }

    /// Nothing is left to do for the node: its flag is computed anew, and nothing is due.
    pub fn clean(&self, ino: Ino) -> Result<(), TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            tx.put(&mut node)?;
            tx.due(ino, None)
        })
    }

    /// All dirty children of `folder` are due.
    pub fn wake_below(&self, folder: Ino, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| tx.wake(folder, false, now))
    }

    /// Box did not take the time of this version; it stays a local matter.
    pub fn refuse_time(&self, ino: Ino, version: &str) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            node.time_refused = Some(version.to_owned());
            tx.put(&mut node)?;
            Ok(node)
        })
    }

    /// Dirty nodes that Box has to hear of, after `after` in the order of their inode numbers; with `held` only those that have a hold.
    pub fn dirty(&self, after: Ino, held: bool, limit: usize) -> Result<Vec<Node>, TreeError> {
        let inner = self.lock();
        let held = if held { "AND hold IS NOT NULL" } else { "" };
        // A deleted node that Box does not have is nobody's business but its last reader's.
        let sql = format!(
            "SELECT {} FROM nodes WHERE dirty_since IS NOT NULL AND ino > ?1 {held} \
             AND (deleted = 0 OR box_id IS NOT NULL OR EXISTS \
             (SELECT 1 FROM attempts a WHERE a.ino = nodes.ino AND a.settled_at IS NULL)) ORDER BY ino LIMIT ?2",
            rows::COLUMNS
        );
        let mut statement = inner.db().prepare_cached(&sql)?;
        let rows = statement.query_map(params![after.0 as i64, limit as i64], rows::from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What is not in Box yet, local-only nodes left out.
    pub fn pending(&self) -> Result<Pending, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN deleted = 0 AND kind = 0 AND \
             (unsealed = 1 OR base_generation IS NULL OR base_generation <> generation) THEN size ELSE 0 END), 0) \
             FROM nodes WHERE dirty_since IS NOT NULL AND (hold IS NULL OR hold <> '\"LocalOnly\"') \
             AND (deleted = 0 OR box_id IS NOT NULL OR EXISTS \
             (SELECT 1 FROM attempts a WHERE a.ino = nodes.ino AND a.settled_at IS NULL))",
        )?;
        Ok(statement.query_row([], |r| {
            Ok(Pending { count: r.get::<_, i64>(0)? as u64, bytes: r.get::<_, i64>(1)?.max(0) as u64 })
        })?)
    }
}

//! The cache as the database sees it: when contents were last used, which of them may go, and what keeps them.

use super::contents::{self, ContentState, Place};
use super::error::TreeError;
use super::store::{MAX_DEPTH, Tree, Tx};
use crate::base::{ContentId, Ino, Timestamp};
use rusqlite::{OptionalExtension, params};

/// A clean content in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cached {
    pub id: ContentId,
    /// When it was last opened or closed, as far as was written down.
    pub used: Timestamp,
}

impl Tree {
    /// Writes down when contents were last used.
    pub fn note_uses(&self, uses: &[(ContentId, Timestamp)]) -> Result<(), TreeError> {
        if uses.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            let mut statement = tx.prepare_cached("UPDATE contents SET used_at = ?2 WHERE id = ?1")?;
            for (id, at) in uses {
                statement.execute(params![id.0 as i64, at.to_nanos()])?;
            }
            Ok(())
        })
    }

    /// Clean contents in the cache after `after`, those that were not used for the longest time first.
    pub fn least_used(&self, after: Option<Cached>, limit: usize) -> Result<Vec<Cached>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached(
            "SELECT id, used_at FROM contents WHERE place = 1 AND state = 0 AND (used_at, id) > (?1, ?2) \
             ORDER BY used_at, id LIMIT ?3",
        )?;
        let (used, id) = after.map_or((i64::MIN, 0), |last| (last.used.to_nanos(), last.id.0 as i64));
        let rows = statement.query_map(params![used, id, limit as i64], |r| {
            Ok(Cached { id: ContentId(r.get::<_, i64>(0)? as u64), used: Timestamp::from_nanos(r.get(1)?) })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Forgets the bytes of a clean content, wherever they lie, unless it is pinned or `in_use`: its node is cold afterwards and
    /// the data file can be removed. `pins` says whether a pin keeps it.
    pub fn evict(&self, id: ContentId, pins: Pins, in_use: impl FnOnce() -> bool) -> Result<bool, TreeError> {
        self.write(|tx| {
            let Some(row) = contents::get(tx, id)? else { return Ok(false) };
            if row.state != ContentState::Clean || row.origin.is_none() || in_use() {
                return Ok(false);
            }
            let node = super::rows::get(tx, row.ino)?;
            if let Some(mut node) = node.filter(|node| node.content == Some(id)) {
                // Without a version in Box these are the only bytes; a dirty node may still need them.
                let needed = node.content_dirty() || node.box_id.is_none();
                if needed || (pins == Pins::Keep && is_pinned(tx, node.ino)?) {
                    return Ok(false);
                }
                node.content = None;
                tx.put(&mut node)?;
            }
            contents::remove(tx, id)?;
            Ok(true)
        })
    }

    /// Clean contents that still lie in the spool, after `after`, in the order of their ids.
    pub fn clean_in_spool(&self, after: ContentId, limit: usize) -> Result<Vec<ContentId>, TreeError> {
        let rows = contents::page(self.lock().db(), Place::Spool, after, limit)?;
        Ok(rows.into_iter().filter(|row| row.state == ContentState::Clean).map(|row| row.id).collect())
    }
}

/// Whether pins keep a content from being evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pins {
    Keep,
    /// A person asked for exactly this.
    Ignore,
}

/// Whether the node or a folder above it is pinned.
pub(super) fn is_pinned(tx: &Tx<'_>, ino: Ino) -> Result<bool, TreeError> {
    let mut at = ino;
    let mut step = tx.prepare_cached(
        "SELECT parent, EXISTS (SELECT 1 FROM pins WHERE pins.ino = nodes.ino) FROM nodes WHERE ino = ?1",
    )?;
    for _ in 0..MAX_DEPTH {
        let found = step.query_row([at.0 as i64], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, bool>(1)?))).optional()?;
        match found {
            Some((_, true)) => return Ok(true),
            Some((parent, false)) if at != Ino::ROOT => at = Ino(parent as u64),
            _ => return Ok(false),
        }
    }
    Ok(false)
}

//! Throwing away what Box does not have of one item, because the user says so: it shows again what Box has, or goes away if Box
//! never had it.

use super::attempts;
use super::contents;
use super::error::TreeError;
use super::local;
use super::news::{self, Learned};
use super::node::{Hold, Node, Presence};
use super::remote::{self, Remote};
use super::rows;
use super::store::{Tree, Tx};
use super::undo;
use crate::base::{ContentId, Ino, Timestamp};
use rusqlite::params;

/// What discarding an item does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discarded {
    /// Nothing: Box has all of it.
    Nothing,
    /// So many bytes go; Box's version shows again.
    Reverted { bytes: u64 },
    /// So many bytes go, and the name with them: Box does not have it.
    Removed { bytes: u64 },
    /// The item has its old name, folder or time again.
    MovedBack,
    /// The deleted item is here again.
    Undeleted,
}

/// Why it cannot be discarded at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotDiscarded {
    #[error("a program has it open for writing: close it there first")]
    BeingWritten,
    #[error("it is on its way to Box at this moment: wait until that is over; 'boxfs pause' stops it")]
    OnItsWay,
    #[error("Box does not have this folder, and it is not empty: discard what is inside, or remove it with 'rm -r'")]
    NotEmpty,
    #[error("its old folder is not shown in this mount, so that it cannot go back there: move it where you want it")]
    NoWayBack,
    #[error("it is gone")]
    Gone,
}

/// Whether programs have bytes open.
#[derive(Clone, Copy, Debug, Default)]
pub struct InUse {
    pub handles: bool,
    pub writers: bool,
}

/// The outcome, and what follows from it.
pub type Discard = Result<(Discarded, Learned), NotDiscarded>;

impl Tree {
    /// Throws away what Box does not have of `ino`; only says what that would be unless `act`.
    pub fn discard(
        &self,
        ino: Ino,
        act: bool,
        in_use: impl Fn(Option<ContentId>) -> InUse,
        now: Timestamp,
    ) -> Result<Discard, TreeError> {
        self.write(|tx| {
            let Some(node) = rows::get(tx, ino)? else { return Ok(Err(NotDiscarded::Gone)) };
            let used = in_use(node.content);
            let what = match judge(tx, &node, used)? {
                Ok(what) if act => what,
                judged => return Ok(judged.map(|what| (what, Learned::default()))),
            };
            let mut learned = Learned::default();
            carry_out(tx, node, what, used, now, &mut learned).map(|done| done.map(|()| (what, learned)))
        })
    }

    /// The item that was called `name` in `parent` until it was deleted here, and that Box still has.
    pub fn deleted_child(&self, parent: Ino, name: &str) -> Result<Option<Ino>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached(
            "SELECT ino FROM nodes WHERE parent = ?1 AND name = ?2 AND deleted = 1 AND box_id IS NOT NULL ORDER BY changed_at DESC LIMIT 1",
        )?;
        let mut rows = statement.query_map(params![parent.0 as i64, name], |r| r.get::<_, i64>(0))?;
        Ok(rows.next().transpose()?.map(|ino| Ino(ino as u64)))
    }
}

fn judge(tx: &Tx<'_>, node: &Node, used: InUse) -> Result<Result<Discarded, NotDiscarded>, TreeError> {
    let bytes = if node.is_file() { node.attr.size } else { 0 };
    let parent = rows::parent_id(tx, node)?;
    let local_only = node.hold == Some(Hold::LocalOnly);
    if !node.is_dirty(parent.as_deref()) || (local_only && node.box_id.is_none()) {
        return Ok(Ok(Discarded::Nothing));
    }
    let item = node.item();
    let on_item = item.as_ref().map(|item| attempts::on_item(tx, item)).transpose()?.unwrap_or_default();
    if attempts::any_open(tx, node.ino)? || !on_item.is_empty() {
        return Ok(Err(NotDiscarded::OnItsWay));
    }
    if used.writers {
        return Ok(Err(NotDiscarded::BeingWritten));
    }
    Ok(match (node.presence, &item) {
        (Presence::Deleted, Some(_)) => Ok(Discarded::Undeleted),
        (Presence::Deleted, None) => Err(NotDiscarded::Gone),
        (Presence::Here, None) if node.is_folder() => {
            let empty = local::require_empty(tx, node).is_ok();
            if empty { Ok(Discarded::Removed { bytes }) } else { Err(NotDiscarded::NotEmpty) }
        }
        (Presence::Here, None) => Ok(Discarded::Removed { bytes }),
        (Presence::Here, Some(_)) if node.content_dirty() => match in_box(tx, node)? {
            Some(_) => Ok(Discarded::Reverted { bytes }),
            None => Ok(Discarded::Removed { bytes }),
        },
        (Presence::Here, Some(_)) => Ok(Discarded::MovedBack),
    })
}

fn in_box(tx: &Tx<'_>, node: &Node) -> Result<Option<Remote>, TreeError> {
    let Some(item) = node.item() else { return Ok(None) };
    Ok(remote::get(tx, &item)?.filter(|remote| !remote.trashed))
}

fn carry_out(
    tx: &mut Tx<'_>,
    mut node: Node,
    what: Discarded,
    used: InUse,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<Result<(), NotDiscarded>, TreeError> {
    match what {
        Discarded::Nothing => {}
        Discarded::Undeleted => undo::bring_back(tx, node.ino, now, learned)?,
        Discarded::Removed { .. } => {
            learned.invalid.push(news::shown_entry(&node));
            let mut folder = tx.folder(node.parent)?;
            node.box_id = None;
            node.base = None;
            local::delete(tx, &mut folder, node.clone(), now)?;
            tx.due(node.ino, Some(now))?;
        }
        Discarded::MovedBack | Discarded::Reverted { .. } => {
            let parent = rows::parent_id(tx, &node)?;
            if node.place_dirty(parent.as_deref()) && !undo::move_back(tx, node.clone(), now, learned)? {
                return Ok(Err(NotDiscarded::NoWayBack));
            }
            let node = tx.node(node.ino)?;
            if let Some(remote) = in_box(tx, &node)? {
                revert(tx, node, &remote, used, now, learned)?;
            }
        }
    }
    Ok(Ok(()))
}

/// Bytes and time as Box has them. Bytes are not swapped under a reader: then the name gets another inode.
fn revert(
    tx: &mut Tx<'_>,
    mut node: Node,
    remote: &Remote,
    used: InUse,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    if node.content_dirty() && used.handles {
        let old = node.ino;
        news::succeed(tx, node, remote, now, learned)?;
        return tx.due(old, Some(now));
    }
    if node.content_dirty()
        && let Some(content) = node.content.take()
    {
        contents::remove(tx, content)?;
        learned.dropped.push(content);
    }
    if node.content_dirty() {
        node.attr.size = remote.size;
        node.unsealed = false;
    }
    node.attr.mtime = remote.modified.unwrap_or(node.attr.mtime);
    node.attr.ctime = now;
    node.base = Some(news::base_of(remote, &node));
    node.hold = None;
    node.failures = 0;
    tx.put(&mut node)?;
    learned.invalid.push(crate::tree::Invalidation::Data { ino: node.ino });
    Ok(())
}

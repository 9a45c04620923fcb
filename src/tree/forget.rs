//! Forgetting deleted nodes that Box does not have, with what is below them: a bounded piece at a time, the deepest first.

use super::attempts;
use super::error::TreeError;
use super::node::{Node, Presence};
use super::remote;
use super::rows;
use super::store::{Tree, Tx};
use crate::base::{BoxId, ContentId, Ino, Timestamp};

/// Nodes removed in one transaction, and children read at once: some milliseconds under the lock.
pub(super) const PIECE: usize = 256;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Contents whose data files are to be removed.
    pub contents: Vec<ContentId>,
    pub rest: Rest,
}

/// What is left of what was to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    Nothing,
    /// Another piece: ask again.
    More,
    /// Something below, moved here from elsewhere, is still in Box and goes first.
    Waits,
}

/// A folder under way, with the deleted children that are still to be looked at.
struct Level {
    ino: Ino,
    children: std::vec::IntoIter<Node>,
    /// There may be more children than were read.
    full: bool,
    /// It, or something below it, stays.
    kept: bool,
}

impl Level {
    fn read(tx: &Tx<'_>, ino: Ino, kept: bool) -> Result<Level, TreeError> {
        let children = deleted_below(tx, ino, PIECE)?;
        Ok(Level { ino, full: children.len() == PIECE, children: children.into_iter(), kept })
    }
}

impl Tree {
    /// Removes a deleted node that Box does not have, and the deleted nodes below it, as far as one piece goes.
    pub fn forget(&self, ino: Ino, now: Timestamp) -> Result<Forgotten, TreeError> {
        self.write(|tx| {
            let mut contents = Vec::new();
            let top = tx.node(ino)?;
            if top.presence == Presence::Here || top.box_id.is_some() {
                // It came back, or got an id, since that was planned.
                return Ok(Forgotten { contents, rest: Rest::Waits });
            }
            let mut removed = 0;
            let mut path = vec![Level::read(tx, ino, false)?];
            while let Some(mut level) = path.pop() {
                if removed == PIECE {
                    return Ok(Forgotten { contents, rest: Rest::More });
                }
                if let Some(child) = level.children.next() {
                    let kept = is_in_box(tx, &child)? || attempts::any_open(tx, child.ino)?;
                    if kept {
                        tx.due(child.ino, Some(now))?;
                    }
                    path.push(level);
                    path.push(Level::read(tx, child.ino, kept)?);
                } else if level.kept {
                    let Some(above) = path.last_mut() else { return Ok(Forgotten { contents, rest: Rest::Waits }) };
                    above.kept = true;
                } else if level.full {
                    path.push(Level::read(tx, level.ino, false)?);
                } else {
                    forget_one(tx, level.ino, &mut contents)?;
                    removed += 1;
                }
            }
            Ok(Forgotten { contents, rest: Rest::Nothing })
        })
    }
}

/// Deleted nodes in a folder, at most `limit`.
pub(super) fn deleted_below(tx: &Tx<'_>, folder: Ino, limit: usize) -> Result<Vec<Node>, TreeError> {
    let sql = format!("SELECT {} FROM nodes WHERE parent = ?1 AND deleted = 1 LIMIT ?2", rows::COLUMNS);
    let values = [folder.0 as i64, i64::try_from(limit).unwrap_or(i64::MAX)];
    Ok(tx.prepare_cached(&sql)?.query_map(values, rows::from_row)?.collect::<Result<_, _>>()?)
}

/// Whether Box has the node's item, as far as it told: neither the item nor the folder that it is in went to the trash.
fn is_in_box(tx: &Tx<'_>, node: &Node) -> Result<bool, TreeError> {
    let Some(item) = node.item() else { return Ok(false) };
    let Some(remote) = remote::get(tx, &item)?.filter(|remote| !remote.trashed) else { return Ok(false) };
    let folder = remote.parent.map(|id| remote::get(tx, &BoxId::folder(id))).transpose()?.flatten();
    Ok(folder.is_none_or(|folder| !folder.trashed))
}

fn forget_one(tx: &mut Tx<'_>, ino: Ino, contents: &mut Vec<ContentId>) -> Result<(), TreeError> {
    let mut held = tx
        .prepare_cached("SELECT id FROM contents WHERE ino = ?1")?
        .query_map([ino.0 as i64], |r| Ok(ContentId(r.get::<_, i64>(0)? as u64)))?
        .collect::<Result<Vec<_>, _>>()?;
    contents.append(&mut held);
    tx.remove(ino)
}

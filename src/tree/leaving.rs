//! What Box no longer has leaves the tree, a folder with all that is clean below it; unsent work stays where it is.

use super::changes::{MadeIn, What};
use super::error::TreeError;
use super::forget;
use super::news::{Learned, shown_entry};
use super::node::{Node, Presence};
use super::rivals::{give_way, step_aside};
use super::rows;
use super::store::{Tree, Tx};
use crate::base::{Ino, Timestamp, unparked};

/// A node whose item went to Box's trash by itself: a file with unsent bytes keeps its id, and is restored for them.
pub(super) fn to_trash(tx: &mut Tx<'_>, node: Node, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    if node.presence == Presence::Here && node.content_dirty() {
        return stay(tx, node, now, learned);
    }
    leave(tx, node, now, learned)
}

impl Tree {
    /// A file that lost its id to another one while it had the name that another mount gave its item for a moment: the name from before,
    /// or one beside what has that by now.
    pub fn unpark(&self, ino: Ino, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let (node, mut learned) = (tx.node(ino)?, Learned::default());
            stay(tx, node, now, &mut learned)?;
            Ok(learned)
        })
    }
}

/// Unsent work stays where it is. A name that another mount gave its item only until it was deleted there is not kept: the work goes
/// up under the one from before, or beside what has that by now.
fn stay(tx: &mut Tx<'_>, mut node: Node, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    if let Some((name, _)) = unparked(&node.name) {
        if !rows::folding(tx, node.parent, name)?.is_empty() {
            return step_aside(tx, node, now, learned);
        }
        learned.invalid.push(shown_entry(&node));
        node.name = name.to_owned();
        learned.invalid.push(shown_entry(&node));
    }
    tx.put(&mut node)?;
    tx.settle(node.ino, now)
}

/// A node whose item is gone from Box, or from this tree.
pub(super) fn leave(tx: &mut Tx<'_>, node: Node, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    if node.ino == Ino::ROOT {
        return Ok(());
    }
    let (path, told) = (tx.told_path(&node)?.filter(|_| node.presence == Presence::Here), node.clone());
    take_away(tx, node, now, learned)?;
    match path {
        Some(path) if rows::get(tx, told.ino)?.is_none() => tx.tell_at(MadeIn::Box, What::Deleted, &told, path),
        _ => {}
    }
    Ok(())
}

/// With all below it.
fn take_away(tx: &mut Tx<'_>, node: Node, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    let told = learned.invalid.len();
    if node.is_folder() {
        take_away_below(tx, node.ino, now, learned)?;
    }
    if node.is_local_only() {
        return give_way(tx, &node, learned);
    }
    let unsent = node.presence == Presence::Here && (node.content_dirty() || node.box_id.is_none());
    let any_below: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM nodes WHERE parent = ?1 AND deleted = 0)")?
        .query_row([node.ino.0 as i64], |r| r.get(0))?;
    if unsent || any_below {
        // Unsent work stays under its name and counts as not in Box.
        let mut node = node;
        node.box_id = None;
        node.base = None;
        return stay(tx, node, now, learned);
    }
    // The kernel forgets what is below a name with the name.
    learned.invalid.truncate(told);
    learned.invalid.push(shown_entry(&node));
    learned.dropped.extend(node.content);
    tx.remove(node.ino)
}

/// The same for all that is in a folder, a piece at a time.
fn take_away_below(tx: &mut Tx<'_>, folder: Ino, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    let sql = format!(
        "SELECT {} FROM nodes WHERE parent = ?1 AND deleted = 0 AND ino > ?2 ORDER BY ino LIMIT {}",
        rows::COLUMNS,
        forget::PIECE
    );
    let mut after = Ino(0);
    loop {
        let values = [folder.0 as i64, after.0 as i64];
        let below: Vec<Node> = tx.prepare_cached(&sql)?.query_map(values, rows::from_row)?.collect::<Result<_, _>>()?;
        let Some(last) = below.last() else { return Ok(()) };
        after = last.ino;
        for child in below {
            take_away(tx, child, now, learned)?;
        }
    }
}

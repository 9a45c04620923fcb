//! Taking back what a program did to names, where Box refuses it or the user says so: an item that was deleted here comes back, a
//! renamed one has the place again that Box knows.
//!
//! Bytes that Box does not have are kept in both cases.

use super::error::TreeError;
use super::news::{self, Learned};
use super::node::{Node, NodeKind, Presence};
use super::remote;
use super::rivals;
use super::rows;
use super::store::{MAX_DEPTH, Tree, Tx};
use crate::base::{BoxId, Ino, Timestamp};

impl Tree {
    /// A deleted item that Box still has is shown again, with the deleted folders above it; whoever took the name meanwhile makes room.
    pub fn bring_back(&self, ino: Ino, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            bring_back(tx, ino, now, &mut learned)?;
            Ok(learned)
        })
    }

    /// A renamed or moved item has the name and folder again that Box knows; `None` where that folder is not shown here, or is
    /// below the item by now.
    pub fn move_back(&self, ino: Ino, now: Timestamp) -> Result<Option<Learned>, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            let node = tx.node(ino)?;
            Ok(move_back(tx, node, now, &mut learned)?.then_some(learned))
        })
    }
}

/// Brings back the node and, first, the deleted folders above it.
pub(super) fn bring_back(tx: &mut Tx<'_>, ino: Ino, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    let mut chain = Vec::new();
    let mut at = tx.node(ino)?;
    while at.presence == Presence::Deleted && chain.len() < MAX_DEPTH {
        let above = home(tx, &at)?.map(|(folder, _)| folder);
        chain.push(at);
        match above {
            Some(folder) => at = folder,
            None => break,
        }
    }
    for node in chain.into_iter().rev() {
        revive(tx, node, now, learned)?;
    }
    Ok(())
}

fn revive(tx: &mut Tx<'_>, mut node: Node, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    let remote = node.item().map(|item| remote::get(tx, &item)).transpose()?.flatten().filter(|r| !r.trashed);
    let (Some(remote), Some(base)) = (remote, node.base.as_mut()) else { return Ok(()) };
    let changed_there = node.kind == NodeKind::File && remote.version != base.version;
    let Some((folder, name)) = home(tx, &node)?.filter(|_| !changed_there) else {
        // Somebody changed it, or moved it out of what is shown here: Box's word decides.
        learned.dropped.extend(node.content);
        tx.remove(node.ino)?;
        return news::appear(tx, &remote, now, learned);
    };
    take_place(tx, &mut node, &folder, name, now, learned)?;
    node.presence = Presence::Here;
    node.hold = None;
    node.changed_at = now;
    tx.put(&mut node)?;
    tx.due(node.ino, Some(now))?;
    learned.invalid.push(news::shown_entry(&node));
    Ok(())
}

/// Whether that could be done.
pub(super) fn move_back(
    tx: &mut Tx<'_>,
    mut node: Node,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<bool, TreeError> {
    let Some((folder, name)) = home(tx, &node)? else { return Ok(false) };
    if news::is_inside(tx, folder.ino, node.ino)? {
        return Ok(false);
    }
    bring_back(tx, folder.ino, now, learned)?;
    learned.invalid.push(news::shown_entry(&node));
    take_place(tx, &mut node, &folder, name, now, learned)?;
    node.hold = None;
    node.failures = 0;
    node.attr.ctime = now;
    tx.put(&mut node)?;
    tx.due(node.ino, Some(now))?;
    learned.invalid.push(news::shown_entry(&node));
    Ok(true)
}

/// The folder and name that Box last said the item has, if the folder is known here.
fn home(tx: &Tx<'_>, node: &Node) -> Result<Option<(Node, String)>, TreeError> {
    let (Some(item), Some(base)) = (node.item(), &node.base) else { return Ok(None) };
    let remote = remote::get(tx, &item)?;
    let parent = remote.as_ref().and_then(|r| r.parent.clone()).unwrap_or_else(|| base.parent.clone());
    let name = remote.map_or_else(|| base.name.clone(), |r| r.name);
    Ok(rows::by_item(tx, &BoxId::folder(parent))?.map(|folder| (folder, name)))
}

/// Puts the node where Box has it, locally and as its base.
fn take_place(
    tx: &mut Tx<'_>,
    node: &mut Node,
    folder: &Node,
    name: String,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    for holder in rows::folding(tx, folder.ino, &name)?.into_iter().filter(|holder| holder.ino != node.ino) {
        rivals::step_aside(tx, holder, now, learned)?;
    }
    if let (Some(base), Some(id)) = (node.base.as_mut(), &folder.box_id) {
        base.parent.clone_from(id);
        base.name.clone_from(&name);
    }
    node.parent = folder.ino;
    if node.kind != NodeKind::WebLink {
        node.name = name;
    }
    Ok(())
}

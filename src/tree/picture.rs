//! Everything that decides what happens to one dirty node next, read in one go.

use super::attempts::{self, Attempt};
use super::contents::{self, ContentRow, ContentState};
use super::error::TreeError;
use super::node::{Hold, Node, NodeKind, Presence};
use super::remote::{self, Remote};
use super::rows;
use super::store::Tree;
use crate::base::{BoxId, Ino, fold};
use rusqlite::Connection;

/// A node with its neighborhood.
#[derive(Debug, Clone)]
pub struct Picture {
    pub node: Node,
    pub parent: ParentView,
    /// What Box last said of the node's item.
    pub remote: Option<Remote>,
    pub content: Option<ContentRow>,
    /// Open attempts of the node, on its item, or filling the name slot it wants.
    pub attempts: Vec<Attempt>,
    /// The item that has, in Box, the name this node wants.
    pub slot: Option<SlotHolder>,
    /// Deleted folders: what is left inside, as far as Box told us.
    pub inside: Inside,
    /// Deleted nodes: a live node that Box has wants the name that this one still has in Box.
    pub name_wanted: bool,
    /// Files: what takes a deleted one's place is not in Box yet, be it the bytes or the name; or the version of a live one is to be
    /// copied first.
    pub needed: bool,
}

/// The parent folder as it matters to a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentView {
    pub ino: Ino,
    pub id: Option<String>,
    pub deleted: bool,
}

/// Who has the name in Box that a node wants.
#[derive(Debug, Clone)]
pub struct SlotHolder {
    pub item: BoxId,
    pub node: Option<Node>,
    /// The holder waits, through others or directly, for this node to move.
    pub in_cycle: bool,
}

/// What a deleted folder still has in Box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inside {
    /// Nothing that we know of.
    #[default]
    Nothing,
    /// Deleted folders, which go first.
    Folders,
    /// Only files, each deleted here at the version Box has.
    DeletedFiles,
    /// Something that is not deleted here, or has a version that we have not seen.
    Strangers,
    /// Something that moves elsewhere, or of which a call of ours decides first.
    Leaving,
}

/// Holders followed before a chain counts as no cycle: longer ones resolve one by one.
const LONGEST_CYCLE: usize = 16;

/// Items of a deleted folder that are compared at most; a folder with more is emptied one by one.
const MOST_INSIDE: usize = 10_000;

impl Tree {
    /// The node with all that the planner looks at; `None` if it does not exist any more.
    pub fn picture(&self, ino: Ino) -> Result<Option<Picture>, TreeError> {
        let inner = self.lock();
        let db = inner.db();
        let Some(node) = rows::get(db, ino)? else { return Ok(None) };
        let parent = parent_view(db, &node)?;
        let item = node.item();
        let remote = item.as_ref().map(|id| remote::get(db, id)).transpose()?.flatten();
        let content = node.content.map(|id| contents::get(db, id)).transpose()?.flatten();
        let slot = match (&parent.id, node.presence) {
            (Some(parent), Presence::Here) => slot_holder(db, &node, parent)?,
            _ => None,
        };
        let inside = match (&node.box_id, node.presence, node.kind) {
            (Some(id), Presence::Deleted, NodeKind::Folder) => inside(db, id)?,
            _ => Inside::Nothing,
        };
        let deleted_file = node.presence == Presence::Deleted && node.is_file();
        let needed = node.is_file() && is_needed(db, &node, remote.as_ref())?;
        let name_wanted = match &remote {
            Some(remote) if inside == Inside::Leaving || deleted_file => is_name_wanted(db, remote, needed)?,
            _ => false,
        };
        let attempts = open_attempts(db, &node, parent.id.as_deref())?;
        Ok(Some(Picture { node, parent, remote, content, attempts, slot, inside, name_wanted, needed }))
    }
}

fn parent_view(db: &Connection, node: &Node) -> Result<ParentView, TreeError> {
    let parent = rows::get(db, node.parent)?;
    Ok(ParentView {
        ino: node.parent,
        id: parent.as_ref().and_then(|p| p.box_id.clone()),
        deleted: parent.is_some_and(|p| p.presence == Presence::Deleted),
    })
}

fn open_attempts(db: &Connection, node: &Node, parent: Option<&str>) -> Result<Vec<Attempt>, TreeError> {
    let mut found = attempts::of_node(db, node.ino)?;
    if let Some(item) = node.item() {
        found.extend(attempts::on_item(db, &item)?);
    }
    if let (Some(parent), Presence::Here) = (parent, node.presence) {
        found.extend(attempts::filling(db, parent, &fold(&node.name))?);
    }
    found.sort_by_key(|a| a.id);
    found.dedup_by_key(|a| a.id);
    Ok(found)
}

/// The live item other than the node's own that has the wanted name.
fn holder_of(db: &Connection, node: &Node, parent: &str) -> Result<Option<Remote>, TreeError> {
    let own = node.item();
    Ok(remote::holding(db, parent, &fold(&node.name))?.into_iter().find(|r| Some(&r.id) != own.as_ref()))
}

fn slot_holder(db: &Connection, node: &Node, parent: &str) -> Result<Option<SlotHolder>, TreeError> {
    let Some(held) = holder_of(db, node, parent)? else { return Ok(None) };
    let holder = rows::by_item(db, &held.id)?;
    let mut in_cycle = false;
    let mut next = holder.clone();
    for _ in 0..LONGEST_CYCLE {
        let Some(at) = next.filter(|n| n.presence == Presence::Here) else { break };
        if at.ino == node.ino {
            in_cycle = true;
            break;
        }
        let Some(parent) = rows::parent_id(db, &at)? else { break };
        next = match holder_of(db, &at, &parent)? {
            Some(held) => rows::by_item(db, &held.id)?,
            None => None,
        };
    }
    Ok(Some(SlotHolder { item: held.id, node: holder, in_cycle }))
}

fn inside(db: &Connection, folder: &str) -> Result<Inside, TreeError> {
    let items = remote::inside(db, folder, MOST_INSIDE)?;
    if items.len() == MOST_INSIDE {
        return Ok(Inside::Strangers);
    }
    let mut found = Inside::Nothing;
    for item in items {
        found = match (what_is(db, &item, folder)?, found) {
            (Inside::Leaving, _) => return Ok(Inside::Leaving),
            (Inside::Strangers, _) | (_, Inside::Strangers) => Inside::Strangers,
            (Inside::Folders, _) | (_, Inside::Folders) => Inside::Folders,
            (other, _) => other,
        };
    }
    Ok(found)
}

/// What one item in a deleted folder is to its deletion.
fn what_is(db: &Connection, item: &Remote, folder: &str) -> Result<Inside, TreeError> {
    let undecided =
        !attempts::on_item(db, &item.id)?.is_empty() || !attempts::filling(db, folder, &fold(&item.name))?.is_empty();
    let node = rows::by_item(db, &item.id)?;
    let node = match node {
        _ if undecided => return Ok(Inside::Leaving),
        None => return Ok(Inside::Strangers),
        Some(node) => node,
    };
    Ok(match node.presence {
        Presence::Here if rows::parent_id(db, &node)?.as_deref() != Some(folder) => Inside::Leaving,
        Presence::Here => Inside::Strangers,
        Presence::Deleted if node.is_folder() => Inside::Folders,
        Presence::Deleted if node.base.as_ref().is_none_or(|b| b.version != item.version) => Inside::Strangers,
        Presence::Deleted => Inside::DeletedFiles,
    })
}

/// Whether a live node is to have the name of `item` there: for a file one that Box has, or one whose bytes the item has; where the item
/// itself waits for another file (`needed`), which may wait for a copy, any copy.
fn is_name_wanted(db: &Connection, item: &Remote, needed: bool) -> Result<bool, TreeError> {
    let folder = item.parent.clone().map(|id| rows::by_item(db, &BoxId::folder(id))).transpose()?.flatten();
    let Some(folder) = folder else { return Ok(false) };
    for node in rows::folding(db, folder.ino, &item.name)? {
        let content = node.content.map(|id| contents::get(db, id)).transpose()?.flatten();
        let is_copy = needed && content.as_ref().is_some_and(|c| c.state == ContentState::Clean);
        let copies = is_copy || content.and_then(|c| c.origin).is_some_and(|origin| origin.file_id == item.id.id);
        if item.id.is_folder() || node.box_id.is_some() || copies {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether something else goes first. Of a deleted file: bytes here that are made from its version, or the file that took its name and has
/// not arrived under it. Of a live one: copies of its version, except one that waits for its name.
fn is_needed(db: &Connection, node: &Node, remote: Option<&Remote>) -> Result<bool, TreeError> {
    let Some(id) = &node.box_id else { return Ok(false) };
    if node.presence == Presence::Here {
        return copies_wait(db, id, remote);
    }
    let bytes: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM contents c JOIN nodes n ON n.content = c.id WHERE c.origin_file = ?1 \
             AND n.deleted = 0 AND n.box_id IS NOT ?1 \
             AND (n.unsealed = 1 OR n.base_generation IS NULL OR n.base_generation <> n.generation))",
        )?
        .query_row([id], |r| r.get(0))?;
    if bytes {
        return Ok(true);
    }
    let successor = rows::child(db, node.parent, &node.name)?.filter(|n| n.is_file() && n.box_id.is_some());
    let moving = successor.filter(|n| !n.hold.as_ref().is_some_and(Hold::is_terminal));
    let Some(successor) = moving else { return Ok(false) };
    Ok(successor.place_dirty(rows::parent_id(db, &successor)?.as_deref()))
}

/// Whether a file without an id is to be copied from the item's version, and can be.
fn copies_wait(db: &Connection, id: &str, remote: Option<&Remote>) -> Result<bool, TreeError> {
    let place = remote.map(|r| (r.parent.clone(), fold(&r.name)));
    let (parent, folded) = place.unwrap_or_default();
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM contents c JOIN nodes n ON n.content = c.id JOIN nodes p ON p.ino = n.parent \
             WHERE c.origin_file = ?1 AND c.state = 0 AND n.deleted = 0 AND n.box_id IS NULL AND n.unsealed = 0 \
             AND p.box_id IS NOT NULL AND (n.hold IS NULL OR n.hold LIKE '%Retrying%') \
             AND NOT (p.box_id IS ?2 AND n.fold = ?3))",
        )?
        .query_row(rusqlite::params![id, parent, folded], |r| r.get(0))?)
}

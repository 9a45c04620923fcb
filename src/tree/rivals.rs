//! One name, of a node here and of an item that Box tells of: who keeps it (DESIGN.md section 4, name collision on news).

use super::ask::Invalidation;
use super::changes::{MadeIn, What};
use super::error::TreeError;
use super::news::{Learned, base_of, insert, node_name, shown_entry};
use super::node::{Base, Node};
use super::remote::{self, Remote};
use super::rows;
use super::store::Tx;
use crate::base::{BoxId, ItemKind, Timestamp, conflict_name, host_name};

/// The node that has the item's name here: exactly, or in a form that Box does not tell apart while it is not in Box under it.
pub(super) fn rival(tx: &Tx<'_>, folder: &Node, item: &Remote) -> Result<Option<Node>, TreeError> {
    if let Some(holder) = rows::child(tx, folder.ino, &node_name(item))? {
        return Ok(Some(holder));
    }
    Ok(rows::folding(tx, folder.ino, &item.name)?.into_iter().find(|n| !is_there(n, item)))
}

/// Whether Box has the node's item, as far as the node knows, under the name and in the folder of `item`.
pub(super) fn is_there(node: &Node, item: &Remote) -> bool {
    let fold = crate::base::fold;
    let base = node.base.as_ref().filter(|_| node.box_id.is_some());
    base.is_some_and(|b| Some(&b.parent) == item.parent.as_ref() && fold(&b.name) == fold(&item.name))
}

/// News meets a node of that name (DESIGN.md section 4, name collision on news).
pub(super) fn collide(
    tx: &mut Tx<'_>,
    mut holder: Node,
    folder: Node,
    item: &Remote,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    if let Some(id) = holder.item().filter(|_| is_there(&holder, item)) {
        // Another item had this name when Box was last asked: ask again, then list again.
        learned.look_at.push(id);
        let mut folder = folder;
        folder.complete = false;
        learned.invalid.push(Invalidation::Data { ino: folder.ino });
        return tx.put(&mut folder);
    }
    if holder.is_local_only() {
        give_way(tx, &holder, learned)?;
        return insert(tx, &folder, item, now, learned);
    }
    let is_new = holder.box_id.is_none();
    if is_new && holder.is_folder() && item.id.is_folder() {
        holder.box_id = Some(item.id.id.clone());
        holder.base = Some(base_of(item, &holder));
        holder.complete = false;
        learned.invalid.push(Invalidation::Data { ino: holder.ino });
        tx.put(&mut holder)?;
        return tx.wake_children(holder.ino, now);
    }
    if is_new && holder.is_file() && item.id.kind == ItemKind::File && holder.unsealed {
        // Whether these are the same bytes is known when they are sealed: the planner finds the name taken then, and looks.
        return Ok(());
    }
    if is_new && holder.is_file() && item.id.kind == ItemKind::File && same_bytes(tx, &holder, item)? {
        let generation = holder.generation;
        holder.box_id = Some(item.id.id.clone());
        holder.base = Some(Base { generation: Some(generation), ..base_of(item, &holder) });
        tx.put(&mut holder)?;
        return tx.due(holder.ino, Some(now));
    }
    step_aside(tx, holder, now, learned)?;
    insert(tx, &folder, item, now, learned)
}

/// Whether the sealed bytes of a node without id are those of the item.
fn same_bytes(tx: &Tx<'_>, node: &Node, item: &Remote) -> Result<bool, TreeError> {
    let (Some(content), false) = (node.content, node.unsealed) else { return Ok(false) };
    let row = super::contents::get(tx, content)?;
    Ok(row.is_some_and(|r| match r.state {
        super::contents::ContentState::Sealed { sha1 } => Some(sha1) == item.sha1,
        _ => false,
    }))
}

/// A node that Box does not have makes room for one that Box has.
pub(super) fn step_aside(
    tx: &mut Tx<'_>,
    mut holder: Node,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    learned.invalid.push(shown_entry(&holder));
    let old_path = tx.told_path(&holder)?;
    let date = now.to_rfc3339().chars().take(10).collect::<String>();
    let parent = holder.parent;
    let mut failure = None;
    holder.name = conflict_name(&holder.name, &host_name(), &date, |candidate| {
        rows::folding(tx, parent, candidate).map(|found| !found.is_empty()).unwrap_or_else(|e| {
            failure = Some(e);
            false
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    tx.put(&mut holder)?;
    learned.invalid.push(shown_entry(&holder));
    if let Some(from) = old_path {
        tx.tell(MadeIn::Mount, What::Moved { from }, &holder)?;
    }
    tx.settle(holder.ino, now)
}

/// A local-only node whose place is gone: nothing in Box has to make room for it.
pub(super) fn give_way(tx: &mut Tx<'_>, node: &Node, learned: &mut Learned) -> Result<(), TreeError> {
    learned.invalid.push(shown_entry(node));
    learned.rescued.extend(node.content);
    tx.remove(node.ino)
}

/// A node that Box told us is elsewhere by now, and that could not follow since its new name was taken here as well: it lets go of the
/// name. Its item is returned, for it to follow when the name has gone to whom it belongs. So names that go round in a circle all
/// arrive.
pub(super) fn vacate(tx: &mut Tx<'_>, holder: &mut Node, learned: &mut Learned) -> Result<Option<BoxId>, TreeError> {
    let Some(id) = holder.item() else { return Ok(None) };
    let (Some(row), Some(base)) = (remote::get(tx, &id)?, holder.base.as_mut()) else { return Ok(None) };
    let stays = row.trashed || (row.parent.as_deref() == Some(base.parent.as_str()) && row.name == base.name);
    if stays || holder.name != node_name(&Remote { name: base.name.clone(), ..row.clone() }) {
        return Ok(None);
    }
    learned.invalid.push(shown_entry(holder));
    // Seen only if somebody else has its new name, too, until Box was asked about both.
    let passing = format!("{} (item {})", row.name, row.id.id);
    if let Some(base) = holder.base.as_mut() {
        base.name.clone_from(&passing);
    }
    holder.name = passing;
    tx.put(holder)?;
    Ok(Some(id))
}

//! Rename in one transaction: plain, over an existing item, exchange; and which id the name carries afterwards.

use super::error::TreeError;
use super::local::{delete_covered, named, require_empty, touch_folder, uncover};
use super::memory;
use super::node::Node;
use super::rows;
use super::store::{MAX_DEPTH, Tree, Tx};
use crate::base::{Ino, Timestamp};

/// What a taken name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameHow {
    Replace,
    NoReplace,
    Exchange,
}

/// What a rename did.
#[derive(Debug, Clone)]
pub struct Renamed {
    pub moved: Node,
    /// The node that had the name before and has none now.
    pub replaced: Option<Node>,
    /// The node that has the old name now (exchange).
    pub exchanged: Option<Node>,
}

impl Tree {
    /// Renames the child `name` of `parent` to `new_name` in `new_parent`; both are box names, already checked.
    pub fn rename(
        &self,
        parent: Ino,
        name: &str,
        new_parent: Ino,
        new_name: &str,
        how: RenameHow,
        now: Timestamp,
    ) -> Result<Renamed, TreeError> {
        self.write(|tx| {
            let from = tx.folder(parent)?;
            let mut to = tx.folder(new_parent)?;
            let mut node = named(tx, &from, name)?;
            if node.is_folder() {
                refuse_into_itself(tx, node.ino, new_parent)?;
            }
            let siblings = rows::folding(tx, new_parent, new_name)?;
            let holder = siblings.iter().find(|n| n.name == new_name).cloned();
            if holder.as_ref().is_some_and(|h| h.ino == node.ino) {
                return Ok(Renamed { moved: node, replaced: None, exchanged: None });
            }
            if let Some(other) = siblings.iter().find(|n| n.name != new_name && n.ino != node.ino) {
                return Err(TreeError::Exists { existing: other.name.clone() });
            }
            if holder.is_none() && !to.complete {
                return Err(TreeError::Unlisted(new_parent));
            }
            if how == RenameHow::Exchange {
                let other = holder.ok_or(TreeError::NotFound)?;
                return exchange(tx, node, other, now);
            }
            let taken_from = memory::taken_from(tx, &node)?;
            memory::leaves(tx, &node)?;
            let before = node.clone();
            let was_free = holder.is_none();
            let replaced = match holder {
                None => None,
                Some(h) if how == RenameHow::NoReplace => return Err(TreeError::Exists { existing: h.name }),
                Some(h) => Some(replace(tx, &mut node, h, &mut to, taken_from, now)?),
            };
            let mut from = tx.node(parent)?;
            place(&mut node, new_parent, new_name, now);
            tx.put(&mut node)?;
            uncover(tx, &mut from, &before, now)?;
            if was_free {
                memory::comes(tx, &mut node, &before, now)?;
            }
            tx.settle(node.ino, now)?;
            touch_folder(tx, &mut from, now)?;
            if from.ino != to.ino {
                let mut to = tx.node(new_parent)?;
                touch_folder(tx, &mut to, now)?;
            }
            Ok(Renamed { moved: node, replaced, exchanged: None })
        })
    }
}

fn place(node: &mut Node, parent: Ino, name: &str, now: Timestamp) {
    node.parent = parent;
    node.name = name.to_owned();
    node.attr.ctime = now;
    node.changed_at = now;
    node.hold = None;
}

/// A folder cannot become its own descendant.
fn refuse_into_itself(tx: &Tx<'_>, folder: Ino, new_parent: Ino) -> Result<(), TreeError> {
    let mut at = new_parent;
    for _ in 0..MAX_DEPTH {
        if at == folder {
            return Err(TreeError::IntoItself);
        }
        if at == Ino::ROOT {
            return Ok(());
        }
        at = tx.node(at)?.parent;
    }
    Err(TreeError::Damaged("a folder lies below itself".to_owned()))
}

/// Makes way for `node` where `holder` is, and settles which of the two has the name's id afterwards.
fn replace(
    tx: &mut Tx<'_>,
    node: &mut Node,
    mut holder: Node,
    to: &mut Node,
    taken_from: Option<Ino>,
    now: Timestamp,
) -> Result<Node, TreeError> {
    match (node.is_folder(), holder.is_folder()) {
        (true, false) => return Err(TreeError::NotFolder),
        (false, true) => return Err(TreeError::IsFolder),
        (true, true) => require_empty(tx, &holder)?,
        (false, false) => {}
    }
    memory::replaces(tx, node, &mut holder, taken_from)?;
    delete_covered(tx, to, holder, now)
}

fn exchange(tx: &mut Tx<'_>, mut a: Node, mut b: Node, now: Timestamp) -> Result<Renamed, TreeError> {
    if b.is_folder() {
        refuse_into_itself(tx, b.ino, a.parent)?;
    }
    memory::exchange(tx, &mut a, &mut b)?;
    let (a_place, b_place) = ((a.parent, a.name.clone()), (b.parent, b.name.clone()));
    // The name index is unique: `a` steps aside under a name that no program can give.
    a.name = format!("\\exchange {}", a.ino);
    tx.put(&mut a)?;
    place(&mut b, a_place.0, &a_place.1, now);
    tx.put(&mut b)?;
    place(&mut a, b_place.0, &b_place.1, now);
    tx.put(&mut a)?;
    for ino in [a.ino, b.ino] {
        tx.settle(ino, now)?;
    }
    for folder in [a.parent, b.parent] {
        let mut folder = tx.node(folder)?;
        touch_folder(tx, &mut folder, now)?;
    }
    Ok(Renamed { moved: a, replaced: None, exchanged: Some(b) })
}

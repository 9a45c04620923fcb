//! How often the names in a folder changed, so that who keeps a listing of it knows whether that is still right.

use super::error::TreeError;
use super::node::{Node, Presence};
use super::store::Tree;
use crate::base::Ino;
use rusqlite::{Connection, OptionalExtension};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters, 8 bytes each. Folders share them: a change in one makes the listings of a few others look changed, too.
const COUNTERS: usize = 16_384;

/// Counts the changes of each folder's names, never too few.
#[derive(Debug)]
pub(super) struct NameChanges(Box<[AtomicU64]>);

impl Default for NameChanges {
    fn default() -> NameChanges {
        NameChanges((0..COUNTERS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl NameChanges {
    fn counter(&self, folder: Ino) -> &AtomicU64 {
        &self.0[(folder.0 % COUNTERS as u64) as usize]
    }

    /// For after the commit: whoever counts the change already finds the names of it.
    pub fn note(&self, folder: Ino) {
        self.counter(folder).fetch_add(1, Ordering::AcqRel);
    }
}

impl Tree {
    /// Changes whenever a name in `folder` does, or comes to stand for another node. Taken before a listing is read.
    pub fn name_changes(&self, folder: Ino) -> u64 {
        self.name_changes.counter(folder).load(Ordering::Acquire)
    }
}

/// Where the mount shows a node.
#[derive(PartialEq, Eq)]
pub(super) struct Standing {
    parent: Ino,
    name: String,
    shown: bool,
}

impl Standing {
    pub fn of(node: &Node) -> Standing {
        Standing { parent: node.parent, name: node.name.clone(), shown: node.presence == Presence::Here }
    }

    /// Where `ino` stands in the database; none for a node that is not there yet.
    pub fn stored(db: &Connection, ino: Ino) -> Result<Option<Standing>, TreeError> {
        let mut statement = db.prepare_cached("SELECT parent, name, deleted FROM nodes WHERE ino = ?1")?;
        let standing = statement.query_row([ino.0 as i64], |row| {
            Ok(Standing {
                parent: Ino(row.get::<_, i64>(0)? as u64),
                name: row.get(1)?,
                shown: !row.get::<_, bool>(2)?,
            })
        });
        Ok(standing.optional()?)
    }

    /// The folders whose names change when a node goes from one to the other.
    pub fn between(before: Option<Standing>, after: Option<Standing>) -> impl Iterator<Item = Ino> {
        let same = before == after;
        [before, after].into_iter().flatten().filter(move |at| at.shown && !same).map(|at| at.parent)
    }
}

//! From names to inodes.

use super::error::{Result, VfsError};
use super::past::{is_past, is_view};
use super::state::{Vfs, existing_name};
use super::types::Looked;
use crate::base::Ino;
use crate::tree::{Lookup, Node};
use std::ffi::OsStr;

impl Vfs {
    /// What `name` leads to in the folder `parent`. Names are compared exactly.
    pub fn lookup(&self, parent: Ino, name: &OsStr) -> Result<Looked> {
        if is_past(parent) {
            return self.lookup_past(parent, name);
        }
        self.revalidate(parent)?;
        let missing = Looked::Missing { ttl: self.lifetime() };
        let Ok(name) = existing_name(name) else { return Ok(missing) };
        match self.named(parent, &name) {
            Ok(node) => self.entry_of(&node).map(Looked::Found),
            // An item of Box of this name comes first: the view must hide nothing.
            Err(VfsError::NotFound) if is_view(parent, &name) => self.view().map(Looked::Found),
            Err(VfsError::NotFound) => Ok(missing),
            Err(e) => Err(e),
        }
    }

    /// The kernel gives up references. Inode numbers are kept in the database and never reused, so nothing hangs on them.
    pub fn forget(&self, _ino: Ino, _lookups: u64) {}

    /// The child of `parent` with this box name.
    pub(super) fn child(&self, parent: Ino, name: &str) -> Result<Node> {
        match self.tree.child(parent, name).map_err(|e| self.tree_error(e))? {
            Lookup::Found(node) => Ok(*node),
            Lookup::Missing => Err(VfsError::NotFound),
            Lookup::Unlisted => Err(VfsError::Wait(self.asks.list(parent))),
        }
    }
}

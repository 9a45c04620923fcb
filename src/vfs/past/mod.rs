//! The view of old versions: a folder beside the tree that mirrors it, in which each file is a folder of its old versions.
//!
//! Its inodes have numbers of their own, computed from the nodes they mirror or kept in memory, never stored. Nothing in it can be
//! changed, Box never hears its names, and it asks Box for nothing before somebody looks at the versions of a file.

mod files;
mod folders;
mod memory;
mod numbers;

pub(super) use memory::Past;
pub(super) use numbers::is_past;

use super::error::{Result, VfsError};
use super::state::Vfs;
use crate::base::Ino;

/// The view's name in the root. No listing shows it, and no item can be given it.
const NAME: &str = ".boxfs-versions";

/// Whether this is the place of the view, where nothing else can be made.
pub(super) fn is_view(parent: Ino, name: &str) -> bool {
    parent == Ino::ROOT && name == NAME
}

impl Vfs {
    /// Refuses what would change the view itself, or something in it.
    pub(super) fn not_in_past(&self, ino: Ino) -> Result<()> {
        if is_past(ino) { Err(VfsError::ReadOnly) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_hidden_and_has_a_name_that_no_item_loses_to_it_elsewhere() {
        assert!(NAME.starts_with('.') && crate::base::check_name(NAME.as_ref()).is_ok());
        assert!(is_view(Ino::ROOT, NAME) && !is_view(Ino(2), NAME));
    }
}

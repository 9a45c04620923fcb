//! Whole trees, as a directory shows them and as Box has them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::bytes::sha1_hex;
use super::{Mount, World};

/// Path below the root, and the SHA-1 of a file or `folder`.
pub type Tree = BTreeMap<String, String>;

/// Everything below `dir`, symbolic links left out.
#[track_caller]
pub fn tree_at(dir: &Path) -> Tree {
    moving_tree_at(dir).unwrap()
}

/// The same where somebody else may take something away meanwhile.
pub fn moving_tree_at(dir: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    add_below(dir, "", &mut tree)?;
    Ok(tree)
}

fn add_below(dir: &Path, path: &str, tree: &mut Tree) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            add_below(&entry.path(), &path, tree)?;
            tree.insert(path, "folder".to_owned());
        } else if kind.is_file() {
            tree.insert(path, sha1_hex(&std::fs::read(entry.path())?));
        }
    }
    Ok(())
}

/// Everything that Box has and that is not in its trash.
pub fn tree_in_box(world: &World) -> Tree {
    let items = world.emulator.items().into_iter().filter(|item| !item.trashed);
    items.map(|item| (item.path, if item.kind == "folder" { item.kind } else { item.sha1 })).collect()
}

/// Panics unless the mount, Box, and a mount with empty state and cache directories show the same.
#[track_caller]
pub fn assert_same_everywhere(world: &World, mount: &Mount) {
    let here = tree_at(&mount.root);
    assert_eq!(here, tree_in_box(world), "the mount (left) and Box");
    let second = world.second_view();
    assert_eq!(tree_at(&second.root), here, "a second mount (left) and the first");
}

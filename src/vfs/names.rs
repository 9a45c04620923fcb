//! Changing names: mkdir, unlink, rmdir, rename, links.

use super::error::{Result, VfsError};
use super::past::{is_past, is_view};
use super::state::{Vfs, allow, existing_name, fresh_name, now};
use super::types::{Caller, Entry};
use crate::base::{Ino, MAX_TARGET_BYTES, link_name};
use crate::tree::{NewNode, Node, NodeKind, RenameHow};
use std::ffi::OsStr;

/// What desktops make for deleted files; Box has its own trash.
const TRASH_PREFIX: &[u8] = b".Trash";
/// The part of a mode that says what is made.
const KIND_BITS: u32 = libc::S_IFMT;

impl Vfs {
    pub fn mkdir(&self, parent: Ino, name: &OsStr, mode: u32, caller: &Caller) -> Result<Entry> {
        if name.as_encoded_bytes().starts_with(TRASH_PREFIX) {
            return Err(VfsError::NotPermitted);
        }
        let node = self.make(parent, name, NodeKind::Folder, mode, None, caller)?;
        self.entry_of(&node)
    }

    /// A regular file without opening it; nothing else exists in Box.
    pub fn mknod(&self, parent: Ino, name: &OsStr, mode: u32, caller: &Caller) -> Result<Entry> {
        if !matches!(mode & KIND_BITS, 0 | libc::S_IFREG) {
            return Err(VfsError::NotPermitted);
        }
        let node = self.make(parent, name, NodeKind::File, mode & 0o7777, None, caller)?;
        let bytes = self.fresh_bytes(&node)?;
        self.note_closed(&node, &bytes)?;
        self.asks.released(node.ino);
        self.entry_of(&node)
    }

    /// Kept on this machine, or a small file in Box (`links.rs`): Box has no symlinks.
    pub fn symlink(&self, parent: Ino, name: &OsStr, target: &[u8], caller: &Caller) -> Result<Entry> {
        if target.is_empty() || target.len() > MAX_TARGET_BYTES {
            return Err(VfsError::NameTooLong);
        }
        let node = match self.stored_link(fresh_name(name)?, target)? {
            Some(file) => {
                self.changeable()?;
                self.not_in_past(parent)?;
                self.must_be_free(parent, name)?;
                self.leaves_the_view(parent, fresh_name(name)?)?;
                self.await_room()?;
                self.make_link(parent, &file, target, caller)?
            }
            None => self.make(parent, name, NodeKind::Symlink, 0o777, Some(target), caller)?,
        };
        self.asks.changed(node.ino);
        self.entry_of(&node)
    }

    pub fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        if is_past(ino) {
            return Err(VfsError::Invalid);
        }
        let node = self.node(ino)?;
        match node.kind {
            NodeKind::Symlink => self.tree.target(ino).map_err(|e| self.tree_error(e)),
            NodeKind::File => self.target_of(&node),
            NodeKind::Folder | NodeKind::WebLink => Err(VfsError::Invalid),
        }
    }

    /// Takes the name of a file away. Who has the file open keeps it until the last release.
    pub fn unlink(&self, parent: Ino, name: &OsStr) -> Result<()> {
        self.delete(parent, name, |name| self.tree.unlink(parent, name, now()))
    }

    /// Takes the name of an empty folder away; one that was never listed is listed first.
    pub fn rmdir(&self, parent: Ino, name: &OsStr) -> Result<()> {
        self.delete(parent, name, |name| self.tree.rmdir(parent, name, now()))
    }

    /// Renames in one step, over an existing item too: at no moment is there no item of the new name.
    pub fn rename(&self, parent: Ino, name: &OsStr, new_parent: Ino, new_name: &OsStr, how: RenameHow) -> Result<()> {
        self.changeable()?;
        self.not_in_past(parent)?;
        self.not_in_past(new_parent)?;
        let node = self.child_to_change(parent, &existing_name(name)?)?;
        allow(self.rights(&node)?.rename)?;
        if parent != new_parent {
            self.may_add_to(new_parent)?;
        }
        // A name that Box would not take is right where it exists already.
        let to = match how {
            _ if new_name == name => existing_name(name)?,
            RenameHow::Exchange => existing_name(new_name)?,
            RenameHow::Replace | RenameHow::NoReplace => fresh_name(new_name)?.to_owned(),
        };
        self.leaves_the_view(new_parent, &to)?;
        let (to, gone) = self.destination(&node, new_parent, &to, how)?;
        let renamed =
            self.tree.rename(parent, &node.name, new_parent, &to, how, now()).map_err(|e| self.tree_error(e))?;
        let deleted = gone.map(|name| self.tree.unlink(new_parent, &name, now()).map_err(|e| self.tree_error(e)));
        let touched = [Some(renamed.moved), renamed.replaced, renamed.exchanged, deleted.transpose()?];
        touched.iter().flatten().for_each(|node| {
            self.identify_again(node);
            self.asks.changed(node.ino);
        });
        Ok(())
    }

    /// A node under a fresh name; a file's data file is not made yet.
    pub(super) fn make(
        &self,
        parent: Ino,
        name: &OsStr,
        kind: NodeKind,
        mode: u32,
        target: Option<&[u8]>,
        caller: &Caller,
    ) -> Result<Node> {
        self.changeable()?;
        self.not_in_past(parent)?;
        self.must_be_free(parent, name)?;
        let name = fresh_name(name)?;
        if self.settings.links && kind == NodeKind::File && link_name(name).is_some() {
            // Its bytes could make it a link, of another name, while it is open.
            return Err(VfsError::Invalid);
        }
        self.leaves_the_view(parent, name)?;
        self.may_add_to(parent)?;
        if kind == NodeKind::File {
            self.await_room()?;
        }
        let new = NewNode { parent, name, kind, mode, uid: caller.uid, gid: caller.gid, target };
        let node = self.tree.create(&new, now()).map_err(|e| self.tree_error(e))?;
        crate::base::failpoint("create.noted");
        self.asks.changed(node.ino);
        Ok(node)
    }

    fn delete(
        &self,
        parent: Ino,
        name: &OsStr,
        delete: impl FnOnce(&str) -> std::result::Result<Node, crate::tree::TreeError>,
    ) -> Result<()> {
        self.changeable()?;
        self.not_in_past(parent)?;
        let node = self.child_to_change(parent, &existing_name(name)?)?;
        allow(self.rights(&node)?.delete)?;
        let node = delete(&node.name).map_err(|e| self.tree_error(e))?;
        crate::base::failpoint("unlink.noted");
        self.asks.changed(node.ino);
        Ok(())
    }

    /// The child, unless that is the view of old versions.
    fn child_to_change(&self, parent: Ino, name: &str) -> Result<Node> {
        match self.named(parent, name) {
            Err(VfsError::NotFound) if is_view(parent, name) => Err(VfsError::ReadOnly),
            found => found,
        }
    }

    /// Nothing is given the name of the view.
    fn leaves_the_view(&self, parent: Ino, name: &str) -> Result<()> {
        if is_view(parent, name) { Err(VfsError::Exists) } else { Ok(()) }
    }
}

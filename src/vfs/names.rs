//! Changing names: mkdir, unlink, rmdir, rename, links.

use super::error::{Result, VfsError};
use super::state::{Vfs, allow, existing_name, fresh_name, now};
use super::types::{Caller, Entry};
use crate::base::{Ino, MAX_TARGET_BYTES, link_file_name, link_name};
use crate::tree::{Lookup, NewNode, Node, NodeKind, RenameHow};
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
                self.must_be_free(parent, name)?;
                self.await_room()?;
                self.make_link(parent, &file, target, caller)?
            }
            None => self.make(parent, name, NodeKind::Symlink, 0o777, Some(target), caller)?,
        };
        self.asks.changed(node.ino);
        self.entry_of(&node)
    }

    pub fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
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
        let node = self.named(parent, &existing_name(name)?)?;
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

    /// The name in Box that `node` gets when programs see it as `to`, and the name of what is to be deleted then because it was seen
    /// under that name and has another one in Box.
    fn destination(&self, node: &Node, folder: Ino, to: &str, how: RenameHow) -> Result<(String, Option<String>)> {
        if !self.settings.links {
            return Ok((to.to_owned(), None));
        }
        let is_link = self.is_shown_as_link(node)?;
        let holder = match self.named(folder, to) {
            Ok(holder) => Some(holder),
            Err(VfsError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let file = match is_link {
            true => link_file_name(to).ok_or(VfsError::NameTooLong)?,
            false => to.to_owned(),
        };
        let Some(holder) = holder else {
            // What has the link's name in Box and is no link is not to be lost; what is no link does not take a link's name.
            let taken = is_link && matches!(self.tree.child(folder, &file), Ok(Lookup::Found(_)));
            let refused = !is_link && node.is_file() && link_name(to).is_some();
            return match (taken, refused) {
                (true, _) => Err(VfsError::Exists),
                (_, true) => Err(VfsError::Invalid),
                _ => Ok((file, None)),
            };
        };
        if self.is_shown_as_link(&holder)? == is_link {
            return Ok((file, None));
        }
        match how {
            RenameHow::Exchange => Err(VfsError::Invalid),
            RenameHow::NoReplace => Err(VfsError::Exists),
            RenameHow::Replace if holder.is_folder() => Err(VfsError::IsDirectory),
            RenameHow::Replace if node.is_folder() => Err(VfsError::NotDirectory),
            RenameHow::Replace if is_link && matches!(self.tree.child(folder, &file), Ok(Lookup::Found(_))) => {
                Err(VfsError::Exists)
            }
            RenameHow::Replace => {
                allow(self.rights(&holder)?.delete)?;
                Ok((file, Some(holder.name)))
            }
        }
    }

    /// `Exists` if programs see something under the name, which is another one in Box.
    fn must_be_free(&self, parent: Ino, name: &OsStr) -> Result<()> {
        if !self.settings.links {
            return Ok(());
        }
        match self.named(parent, &existing_name(name)?) {
            Ok(_) => Err(VfsError::Exists),
            Err(VfsError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
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
        self.must_be_free(parent, name)?;
        let name = fresh_name(name)?;
        if self.settings.links && kind == NodeKind::File && link_name(name).is_some() {
            // Its bytes could make it a link, of another name, while it is open.
            return Err(VfsError::Invalid);
        }
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
        let node = self.named(parent, &existing_name(name)?)?;
        allow(self.rights(&node)?.delete)?;
        let node = delete(&node.name).map_err(|e| self.tree_error(e))?;
        crate::base::failpoint("unlink.noted");
        self.asks.changed(node.ino);
        Ok(())
    }
}

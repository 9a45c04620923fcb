//! Extended attributes: Box's view of an item under `user.box.`, and what programs keep here.

use super::error::{Result, VfsError};
use super::past::is_past;
use super::state::Vfs;
use crate::base::{Ino, ItemKind, is_conflict_name};
use crate::tree::{Hold, Node};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Attributes that boxfs computes; programs cannot set them.
const OWN_PREFIX: &[u8] = b"user.box.";
/// Set by programs to pin, removed to unpin.
const PIN: &[u8] = b"user.box.pin";
/// Box has no access control lists of this kind, and a program that is told so falls back to the mode.
const SYSTEM_PREFIX: &[u8] = b"system.";
/// Makes a program privileged; the mount is `nosuid`, and the kernel would ask for it before every write.
const CAPABILITY: &[u8] = b"security.capability";
/// Labels are the mount's. `ls -l` asks for it of each file, until it is told that there are none at all.
const SELINUX: &[u8] = b"security.selinux";

/// Most bytes of one value, as in the kernel (`XATTR_SIZE_MAX`).
const MAX_VALUE_BYTES: usize = 65_536;
/// Most bytes of all names of an inode together, as in the kernel (`XATTR_LIST_MAX`).
const MAX_LIST_BYTES: usize = 65_536;

impl Vfs {
    pub fn getxattr(&self, ino: Ino, name: &OsStr) -> Result<Vec<u8>> {
        let name = name.as_bytes();
        if is_past(ino) {
            let own = name.strip_prefix(OWN_PREFIX).and_then(|own| self.xattr_of_version(ino, own));
            return own.ok_or(VfsError::NoAttribute);
        }
        if let Some(own) = name.strip_prefix(OWN_PREFIX) {
            let computed = self.computed(ino)?.into_iter().find(|(key, _)| key.as_bytes() == own);
            return computed.map(|(_, value)| value.into_bytes()).ok_or(VfsError::NoAttribute);
        }
        if name.starts_with(SYSTEM_PREFIX) || name == SELINUX {
            return Err(VfsError::NotSupported);
        }
        self.tree.xattr(ino, name).map_err(|e| self.tree_error(e))?.ok_or(VfsError::NoAttribute)
    }

    /// `flags` as in setxattr(2): only if it is not there, or only if it is.
    pub fn setxattr(&self, ino: Ino, name: &OsStr, value: &[u8], flags: i32) -> Result<()> {
        self.not_in_past(ino)?;
        if name.as_bytes() == PIN {
            return self.pin(ino);
        }
        self.changeable()?;
        let name = settable(name)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(VfsError::NoSpace);
        }
        self.node(ino)?;
        let exists = self.tree.xattr(ino, name).map_err(|e| self.tree_error(e))?.is_some();
        match flags {
            libc::XATTR_CREATE if exists => return Err(VfsError::Exists),
            libc::XATTR_REPLACE if !exists => return Err(VfsError::NoAttribute),
            _ => {}
        }
        if !exists && self.listxattr(ino)?.len() + name.len() + 1 > MAX_LIST_BYTES {
            return Err(VfsError::NoSpace);
        }
        self.tree.set_xattr(ino, name, value).map_err(|e| self.tree_error(e))
    }

    /// The names, each ended by NUL. Those of `user.box.` are told to who asks by name: programs that copy attributes would
    /// take them along, and `rsync -X` would try to remove them here.
    pub fn listxattr(&self, ino: Ino) -> Result<Vec<u8>> {
        if is_past(ino) {
            return Ok(Vec::new());
        }
        self.node(ino)?;
        let mut list = Vec::new();
        for name in self.tree.xattrs(ino).map_err(|e| self.tree_error(e))? {
            list.extend_from_slice(&name);
            list.push(0);
        }
        Ok(list)
    }

    pub fn removexattr(&self, ino: Ino, name: &OsStr) -> Result<()> {
        self.not_in_past(ino)?;
        if name.as_bytes() == PIN {
            return if self.unpin(ino)? { Ok(()) } else { Err(VfsError::NoAttribute) };
        }
        self.changeable()?;
        let name = settable(name)?;
        match self.tree.remove_xattr(ino, name).map_err(|e| self.tree_error(e))? {
            true => Ok(()),
            false => Err(VfsError::NoAttribute),
        }
    }

    /// The word of `user.box.pin`, if anything keeps the bytes here.
    fn pin_word(&self, ino: Ino) -> Result<Option<String>> {
        let word = match self.tree.pin_of(ino).map_err(|e| self.tree_error(e))? {
            (true, _) => Some("pinned"),
            (false, true) => Some("pinned above"),
            (false, false) => None,
        };
        Ok(word.map(str::to_owned))
    }

    /// What there is under `user.box.`, without the prefix.
    fn computed(&self, ino: Ino) -> Result<Vec<(&'static str, String)>> {
        let node = self.node(ino)?;
        let remote = node.item().map(|item| self.remote(&item)).transpose()?.flatten();
        let base = node.base.as_ref().filter(|_| !node.content_dirty());
        let values = [
            ("id", node.box_id.clone()),
            ("sha1", base.and_then(|b| b.sha1).map(|sha1| sha1.to_hex())),
            ("version", base.and_then(|b| b.version.clone())),
            ("state", Some(state(&node))),
            ("url", node.item().map(|item| web_address(item.kind, &item.id))),
            ("lock", remote.and_then(|r| r.lock)),
            ("pin", self.pin_word(ino)?),
        ];
        Ok(values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

fn settable(name: &OsStr) -> Result<&[u8]> {
    let name = name.as_bytes();
    match name {
        n if n.starts_with(OWN_PREFIX) => Err(VfsError::NotPermitted),
        n if n.starts_with(SYSTEM_PREFIX) || n == CAPABILITY || n == SELINUX => Err(VfsError::NotSupported),
        n => Ok(n),
    }
}

/// One of the words of `user.box.state`.
fn state(node: &Node) -> String {
    match &node.hold {
        Some(Hold::LocalOnly) => "local-only".to_owned(),
        Some(Hold::Failed { reason, .. } | Hold::NeedsUser { reason }) => format!("failed: {reason}"),
        Some(Hold::Suspect { reason, .. }) => format!("failed: suspect: {reason}"),
        Some(Hold::Interrupted) => "failed: interrupted while it was written".to_owned(),
        Some(Hold::Retrying { .. }) => "pending".to_owned(),
        None if node.dirty_since.is_some() => "pending".to_owned(),
        None if is_conflict_name(&node.name) => "conflict".to_owned(),
        None => "synced".to_owned(),
    }
}

/// Where a browser shows the item.
fn web_address(kind: ItemKind, id: &str) -> String {
    match kind {
        ItemKind::File => format!("https://app.box.com/file/{id}"),
        ItemKind::Folder => format!("https://app.box.com/folder/{id}"),
        ItemKind::WebLink => format!("https://app.box.com/web_link/{id}"),
    }
}

//! Attributes: what `stat` says, and what may be changed of it.

use super::bytes::Bytes;
use super::error::{Result, VfsError};
use super::inodes::{OpenInode, Shard};
use super::past::is_past;
use super::state::{Vfs, allow, now};
use super::types::{Attr, Caller, Entry, Fh, FileKind, SetAttr, SetTime};
use crate::base::{Ino, Timestamp};
use crate::tree::{self, AttrChange, Node, NodeKind, Presence, TreeError};
use std::time::Duration;

/// Set-user-id and set-group-id.
const PRIVILEGE_BITS: u32 = 0o6000;

/// What every file system says of a symbolic link, and nobody looks at.
const LINK_MODE: u32 = 0o777;

impl Vfs {
    /// The attributes of an inode, and how long the kernel may believe them.
    pub fn getattr(&self, ino: Ino, _fh: Option<Fh>) -> Result<(Attr, Duration)> {
        if is_past(ino) {
            return self.getattr_past(ino).map(|entry| (entry.attr, entry.ttl));
        }
        self.revalidate_around(ino)?;
        let mut shard = self.inodes.lock(ino);
        let attr = match self.tree.node(ino) {
            Ok(node) => self.attr_of(&node, shard.get(ino))?,
            // Box and the database have forgotten it, but a program still has it open.
            Err(TreeError::NoNode(_)) => self.forgotten(ino, shard.get(ino).ok_or(VfsError::Stale)?)?,
            Err(e) => return Err(self.tree_error(e)),
        };
        Ok((attr, self.lifetime()))
    }

    /// Changes attributes. Mode and owner stay on this machine; a size is a write.
    pub fn setattr(&self, ino: Ino, _fh: Option<Fh>, change: &SetAttr, _caller: &Caller) -> Result<Attr> {
        self.changeable()?;
        self.not_in_past(ino)?;
        let mut shard = self.inodes.lock(ino);
        let mut node = self.node(ino)?;
        if let Some(size) = change.size {
            node = self.resize(&mut shard, node, size)?;
        }
        let change = attr_change(&node, change);
        if let (Some(mtime), Some(inode)) = (change.mtime, shard.get(ino))
            && inode.writers > 0
        {
            inode.file.set_mtime(mtime)?;
        }
        if !is_empty(&change) {
            node = self.tree.set_attr(ino, &change, now()).map_err(|e| self.tree_error(e))?;
            if let Some(inode) = shard.get(ino) {
                inode.attr = node.attr;
            }
            self.asks.changed(ino);
        }
        self.attr_of(&node, shard.get(ino))
    }

    /// Asked only without `default_permissions`: whatever Box refuses is told by the operation itself.
    pub fn access(&self, ino: Ino, _mask: i32, _caller: &Caller) -> Result<()> {
        if is_past(ino) {
            return Ok(());
        }
        self.node(ino).map(drop)
    }

    pub(super) fn entry_of(&self, node: &Node) -> Result<Entry> {
        let attr = self.attr_of(node, self.inodes.lock(node.ino).get(node.ino))?;
        Ok(Entry { attr, ttl: self.lifetime() })
    }

    /// What programs see of `node`; while somebody writes, size and times are those of the data file.
    pub(super) fn attr_of(&self, node: &Node, open: Option<&mut OpenInode>) -> Result<Attr> {
        let (kind, nlink) = match node.kind {
            NodeKind::Folder => (FileKind::Folder, 2),
            NodeKind::Symlink => (FileKind::Symlink, 1),
            NodeKind::File if open.is_none() && self.reads_as_link(node)? => (FileKind::Symlink, 1),
            NodeKind::File | NodeKind::WebLink => (FileKind::File, 1),
        };
        let nlink = if node.presence == Presence::Deleted { 0 } else { nlink };
        let mut attr = self.shown(node.ino, kind, nlink, &node.attr);
        if kind == FileKind::Symlink {
            attr.mode = LINK_MODE;
        }
        if node.kind == NodeKind::WebLink {
            attr.size = self.bookmark(node)?.len() as u64;
        }
        if let Some(inode) = open.filter(|inode| inode.writers > 0) {
            follow_file(&mut attr, inode)?;
        }
        Ok(attr)
    }

    fn forgotten(&self, ino: Ino, inode: &OpenInode) -> Result<Attr> {
        let mut attr = self.shown(ino, FileKind::File, 0, &inode.attr);
        follow_file(&mut attr, inode)?;
        Ok(attr)
    }

    pub(super) fn shown(&self, ino: Ino, kind: FileKind, nlink: u32, attr: &tree::Attr) -> Attr {
        let owner = self.settings.owner;
        Attr {
            ino,
            kind,
            size: attr.size,
            atime: attr.atime,
            mtime: attr.mtime,
            ctime: attr.ctime,
            btime: attr.btime,
            mode: attr.mode & !owner.umask.unwrap_or(0),
            nlink,
            uid: owner.uid.unwrap_or(attr.uid),
            gid: owner.gid.unwrap_or(attr.gid),
        }
    }

    /// Sets the size of a file, open or not. The caller holds its shard.
    fn resize(&self, shard: &mut Shard, node: Node, size: u64) -> Result<Node> {
        match node.kind {
            NodeKind::File => {}
            NodeKind::Folder => return Err(VfsError::IsDirectory),
            NodeKind::Symlink | NodeKind::WebLink => return Err(VfsError::Invalid),
        }
        allow(self.rights(&node)?.upload)?;
        self.check_quota(node.ino, size)?;
        match shard.get(node.ino) {
            Some(inode) if inode.writers > 0 => {
                self.change_copy(node.ino, &inode.file, &inode.copy)?;
                inode.file.truncate(size)?;
                inode.trouble.cut(size);
                self.save_ranges(&inode.file)?;
                self.without_privileges(node)
            }
            Some(inode) => {
                let mut bytes = Bytes { file: inode.file.clone(), row: self.row_of(&inode.file)? };
                self.cut(&node, &mut bytes, size)?;
                inode.noted = None;
                self.note(node.ino, inode)?;
                self.cut_closed(node)
            }
            None => {
                let mut bytes = if size == 0 { self.emptied(&node)? } else { self.bytes(&node)? };
                self.cut(&node, &mut bytes, size)?;
                self.note_closed(&node, &bytes)?;
                self.cut_closed(node)
            }
        }
    }

    fn cut(&self, node: &Node, bytes: &mut Bytes, size: u64) -> Result<()> {
        self.make_writable(node, bytes)?;
        let writer = bytes.file.open_writer();
        bytes.file.truncate(size)?;
        drop(writer);
        if let Some(source) = bytes.source().filter(|_| !bytes.file.is_whole()) {
            self.asks.start_fetch(&source);
        }
        Ok(())
    }

    /// A file was resized without anybody having it open for writing.
    fn cut_closed(&self, node: Node) -> Result<Node> {
        self.asks.released(node.ino);
        let node = self.node(node.ino)?;
        self.without_privileges(node)
    }

    /// Changing bytes takes set-user-id and set-group-id away, as on any file system.
    fn without_privileges(&self, node: Node) -> Result<Node> {
        if node.attr.mode & PRIVILEGE_BITS == 0 {
            return Ok(node);
        }
        let change = AttrChange { mode: Some(node.attr.mode & !PRIVILEGE_BITS), ..AttrChange::default() };
        self.tree.set_attr(node.ino, &change, now()).map_err(|e| self.tree_error(e))
    }
}

/// Size and times as the data file has them: under passthrough nobody else knows.
fn follow_file(attr: &mut Attr, inode: &OpenInode) -> Result<()> {
    let stamp = inode.file.stamp()?;
    attr.size = stamp.size;
    attr.mtime = stamp.mtime();
    attr.ctime = attr.ctime.max(stamp.ctime());
    Ok(())
}

/// A new owner takes set-user-id and set-group-id away, unless the mode is set as well.
fn attr_change(node: &Node, change: &SetAttr) -> AttrChange {
    let owner = change.uid.is_some() || change.gid.is_some();
    let stripped = (owner && node.is_file()).then_some(node.attr.mode & !PRIVILEGE_BITS);
    AttrChange {
        mode: change.mode.or(stripped),
        uid: change.uid,
        gid: change.gid,
        atime: change.atime.map(time),
        mtime: change.mtime.map(time),
        size: None,
    }
}

fn is_empty(change: &AttrChange) -> bool {
    let AttrChange { mode, uid, gid, atime, mtime, size } = change;
    mode.is_none() && uid.is_none() && gid.is_none() && atime.is_none() && mtime.is_none() && size.is_none()
}

fn time(time: SetTime) -> Timestamp {
    match time {
        SetTime::Now => now(),
        SetTime::At(at) => at,
    }
}

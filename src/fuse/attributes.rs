//! Attributes, permissions and extended attributes of an inode; the size of the file system.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use fuser::{AccessFlags, FileHandle, INodeNo, ReplyAttr, ReplyEmpty, ReplyStatfs, ReplyXattr, Request, TimeOrNow};

use super::Fuse;
use super::decode::{NOT_AT_ALL, caller, file_attr, ino, permissions, set_time};
use super::errno;
use crate::vfs::{Attr, Fh, SetAttr, StatFs};

/// What setattr(2) and its kin change, as fuser hands it over.
pub(super) struct Change {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: Option<TimeOrNow>,
    pub mtime: Option<TimeOrNow>,
}

impl Fuse {
    pub(super) fn getattr(self: &Arc<Self>, inode: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let fh = fh.map(|fh| Fh(fh.0));
        self.answer(
            reply,
            &(),
            move |vfs, ()| vfs.getattr(ino(inode), fh),
            |reply, (attr, ttl): (Attr, Duration)| reply.attr(&ttl, &file_attr(&attr)),
        );
    }

    pub(super) fn setattr(
        self: &Arc<Self>,
        request: &Request,
        inode: INodeNo,
        fh: Option<FileHandle>,
        change: Change,
        reply: ReplyAttr,
    ) {
        let fh = fh.map(|fh| Fh(fh.0));
        let caller = caller(request);
        let change = SetAttr {
            mode: change.mode.map(permissions),
            uid: change.uid,
            gid: change.gid,
            size: change.size,
            atime: change.atime.map(set_time),
            mtime: change.mtime.map(set_time),
        };
        self.answer(
            reply,
            &(),
            move |vfs, ()| vfs.setattr(ino(inode), fh, &change, &caller),
            |reply, attr| reply.attr(&NOT_AT_ALL, &file_attr(&attr)),
        );
    }

    /// Asked only without `default_permissions`.
    pub(super) fn access(self: &Arc<Self>, request: &Request, inode: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let caller = caller(request);
        self.answer(reply, &(), move |vfs, ()| vfs.access(ino(inode), mask.bits(), &caller), |reply, ()| reply.ok());
    }

    pub(super) fn statfs(self: &Arc<Self>, reply: ReplyStatfs) {
        self.answer(
            reply,
            &(),
            |vfs, ()| vfs.statfs(),
            |reply, fs: StatFs| {
                // Box has no number of free files; what is free is free for everybody.
                reply.statfs(fs.blocks, fs.free, fs.free, fs.files, 0, fs.block_size, fs.name_max, fs.block_size);
            },
        );
    }

    pub(super) fn getxattr(self: &Arc<Self>, inode: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        self.answer(
            reply,
            name,
            move |vfs, name: &OsStr| vfs.getxattr(ino(inode), name),
            move |reply, value| send_sized(reply, size, &value),
        );
    }

    pub(super) fn listxattr(self: &Arc<Self>, inode: INodeNo, size: u32, reply: ReplyXattr) {
        self.answer(
            reply,
            &(),
            move |vfs, ()| vfs.listxattr(ino(inode)),
            move |reply, names| send_sized(reply, size, &names),
        );
    }

    pub(super) fn setxattr(
        self: &Arc<Self>,
        inode: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        reply: ReplyEmpty,
    ) {
        // Two borrowed arguments: one of them is copied up front. Nobody sets extended attributes at a rate.
        let value = value.to_vec();
        self.answer(
            reply,
            name,
            move |vfs, name: &OsStr| vfs.setxattr(ino(inode), name, &value, flags),
            |reply, ()| reply.ok(),
        );
    }

    pub(super) fn removexattr(self: &Arc<Self>, inode: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.answer(reply, name, move |vfs, name: &OsStr| vfs.removexattr(ino(inode), name), |reply, ()| reply.ok());
    }
}

/// The protocol of getxattr(2) and listxattr(2): a buffer of size 0 asks for the size alone.
fn send_sized(reply: ReplyXattr, buffer_size: u32, value: &[u8]) {
    match u32::try_from(value.len()) {
        Ok(size) if buffer_size == 0 => reply.size(size),
        Ok(size) if size <= buffer_size => reply.data(value),
        _ => reply.error(errno::BUFFER_TOO_SMALL),
    }
}

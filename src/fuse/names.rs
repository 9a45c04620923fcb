//! Operations on names: lookup, mkdir, unlink, rename, links.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use fuser::{INodeNo, RenameFlags, ReplyData, ReplyEmpty, ReplyEntry, Request};

use super::Fuse;
use super::decode::{GENERATION, bare_attr, caller, file_attr, ino, permissions, rename_how};
use super::errno;
use crate::base::Ino;
use crate::vfs::{Entry, FileKind, Looked};

/// The inode number that tells the kernel "not there, and you may remember that".
const NOBODY: Ino = Ino(0);

impl Fuse {
    pub(super) fn lookup(self: &Arc<Self>, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.answer(
            reply,
            name,
            move |vfs, name: &OsStr| vfs.lookup(ino(parent), name),
            |reply, looked| match looked {
                Looked::Found(entry) => send_entry(reply, entry),
                Looked::Missing { ttl } => reply.entry(&ttl, &bare_attr(NOBODY, FileKind::File), GENERATION),
            },
        );
    }

    pub(super) fn mkdir(
        self: &Arc<Self>,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        reply: ReplyEntry,
    ) {
        let caller = caller(request);
        self.answer(
            reply,
            name,
            move |vfs, name: &OsStr| vfs.mkdir(ino(parent), name, permissions(mode), &caller),
            send_entry,
        );
    }

    /// Regular files only: Box has no devices, sockets or pipes.
    pub(super) fn mknod(
        self: &Arc<Self>,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        reply: ReplyEntry,
    ) {
        let caller = caller(request);
        self.answer(reply, name, move |vfs, name: &OsStr| vfs.mknod(ino(parent), name, mode, &caller), send_entry);
    }

    pub(super) fn symlink(
        self: &Arc<Self>,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let caller = caller(request);
        let target = target.as_os_str().as_bytes().to_vec();
        self.answer(reply, name, move |vfs, name: &OsStr| vfs.symlink(ino(parent), name, &target, &caller), send_entry);
    }

    pub(super) fn readlink(self: &Arc<Self>, inode: INodeNo, reply: ReplyData) {
        self.answer(reply, &(), move |vfs, ()| vfs.readlink(ino(inode)), |reply, target: Vec<u8>| reply.data(&target));
    }

    pub(super) fn unlink(self: &Arc<Self>, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.answer(reply, name, move |vfs, name: &OsStr| vfs.unlink(ino(parent), name), |reply, ()| reply.ok());
    }

    pub(super) fn rmdir(self: &Arc<Self>, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.answer(reply, name, move |vfs, name: &OsStr| vfs.rmdir(ino(parent), name), |reply, ()| reply.ok());
    }

    pub(super) fn rename(
        self: &Arc<Self>,
        (parent, name): (INodeNo, &OsStr),
        (new_parent, new_name): (INodeNo, &OsStr),
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let Some(how) = rename_how(flags) else {
            return reply.error(errno::MEANINGLESS);
        };
        let new_name = new_name.to_owned();
        self.answer(
            reply,
            name,
            move |vfs, name: &OsStr| vfs.rename(ino(parent), name, ino(new_parent), &new_name, how),
            |reply, ()| reply.ok(),
        );
    }
}

fn send_entry(reply: ReplyEntry, entry: Entry) {
    reply.entry(&entry.ttl, &file_attr(&entry.attr), GENERATION);
}

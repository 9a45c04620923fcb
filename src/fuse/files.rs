//! Operations on open files. How a file is opened (passthrough or copying) is settled with [`super::backing`].

use std::ffi::OsStr;
use std::sync::Arc;

use fuser::{
    BackingId, FileHandle, FopenFlags, INodeNo, OpenFlags, ReplyCreate, ReplyData, ReplyEmpty, ReplyLseek, ReplyOpen,
    ReplyWrite, Request,
};

use super::Fuse;
use super::backing::Opening;
use super::decode::{GENERATION, caller, file_attr, ino, open_flags, open_how, permissions};
use super::errno;
use crate::vfs::{Fh, Opened, Seek, VfsError, Way};

/// What the kernel is told about a handle.
enum Told {
    Backed(Arc<BackingId>),
    Copying(FopenFlags),
}

impl Fuse {
    pub(super) fn open(self: &Arc<Self>, request: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (inode, how, caller) = (ino(inode), open_how(flags.0), caller(request));
        self.serve(reply, &(), move |fuse, (), reply: ReplyOpen| {
            // Held until the reply is sent: the next open of this inode must see what this one settled.
            let mut opening = fuse.backings.lock(inode);
            let opened = match fuse.vfs.open(inode, how, &caller) {
                Ok(opened) => opened,
                Err(error) => return Err((reply, error)),
            };
            let told = match fuse.settle(&mut opening, &opened, |file| reply.open_backing(file)) {
                Ok(told) => told,
                Err(error) => return Err((reply, error)),
            };
            let fh = FileHandle(opened.fh.0);
            match told {
                Told::Backed(id) => reply.opened_passthrough(fh, FopenFlags::empty(), &id),
                Told::Copying(flags) => reply.opened(fh, flags),
            }
            Ok(())
        });
    }

    pub(super) fn create(
        self: &Arc<Self>,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        (mode, flags): (u32, i32),
        reply: ReplyCreate,
    ) {
        let (parent, mode, how, caller) = (ino(parent), permissions(mode), open_how(flags), caller(request));
        self.serve(reply, name, move |fuse, name: &OsStr, reply: ReplyCreate| {
            let (entry, opened) = match fuse.vfs.create(parent, name, mode, how, &caller) {
                Ok(created) => created,
                Err(error) => return Err((reply, error)),
            };
            // The inode has no number to lock before it is created. Somebody may look the name up and open it in
            // between: whoever comes first settles the mode, the other finds it in the table.
            let mut opening = fuse.backings.lock(entry.attr.ino);
            let told = match fuse.settle(&mut opening, &opened, |file| reply.open_backing(file)) {
                Ok(told) => told,
                Err(error) => return Err((reply, error)),
            };
            let (fh, attr) = (FileHandle(opened.fh.0), file_attr(&entry.attr));
            match told {
                Told::Backed(id) => {
                    reply.created_passthrough(&entry.ttl, &attr, GENERATION, fh, FopenFlags::empty(), &id);
                }
                Told::Copying(flags) => reply.created(&entry.ttl, &attr, GENERATION, fh, flags),
            }
            Ok(())
        });
    }

    /// Settles how the kernel uses a handle that vfs has opened. An error here has closed the handle again.
    fn settle(
        &self,
        opening: &mut Opening<'_>,
        opened: &Opened,
        register: impl FnOnce(&std::fs::File) -> std::io::Result<BackingId>,
    ) -> Result<Told, VfsError> {
        let Way::Passthrough(file) = &opened.way else {
            return Ok(Told::Copying(open_flags(&opened.way)));
        };
        if self.kernel.passthrough()
            && let Some(id) = opening.back(opened.fh, file, register)
        {
            return Ok(Told::Backed(id));
        }
        match self.vfs.cannot_pass_through(opened.fh) {
            Ok(way) => Ok(Told::Copying(open_flags(&way))),
            Err(error) => {
                opening.release(opened.fh);
                self.vfs.release(opened.fh)?;
                Err(error)
            }
        }
    }

    pub(super) fn read(self: &Arc<Self>, fh: FileHandle, offset: u64, size: u32, reply: ReplyData) {
        self.answer(reply, &(), move |vfs, ()| vfs.read(Fh(fh.0), offset, size), |reply, bytes| reply.data(&bytes));
    }

    pub(super) fn write(self: &Arc<Self>, fh: FileHandle, offset: u64, data: &[u8], reply: ReplyWrite) {
        self.answer(
            reply,
            data,
            move |vfs, data: &[u8]| vfs.write(Fh(fh.0), offset, data),
            |reply, written| reply.written(written),
        );
    }

    /// One close(2) of one duplicate; its answer is what close(2) returns. Answered always: after a single `ENOSYS`
    /// the kernel never sends it again.
    pub(super) fn flush(self: &Arc<Self>, fh: FileHandle, reply: ReplyEmpty) {
        self.answer(reply, &(), move |vfs, ()| vfs.flush(Fh(fh.0)), |reply, ()| reply.ok());
    }

    /// The last use of a handle is over: descriptors and maps.
    pub(super) fn release(self: &Arc<Self>, inode: INodeNo, fh: FileHandle, reply: ReplyEmpty) {
        let (inode, fh) = (ino(inode), Fh(fh.0));
        self.serve(reply, &(), move |fuse, (), reply: ReplyEmpty| {
            let mut opening = fuse.backings.lock(inode);
            opening.release(fh);
            match fuse.vfs.release(fh) {
                Ok(()) => reply.ok(),
                Err(error) => return Err((reply, error)),
            }
            Ok(())
        });
    }

    pub(super) fn fsync(self: &Arc<Self>, fh: FileHandle, data_only: bool, reply: ReplyEmpty) {
        self.answer(reply, &(), move |vfs, ()| vfs.fsync(Fh(fh.0), data_only), |reply, ()| reply.ok());
    }

    pub(super) fn fallocate(
        self: &Arc<Self>,
        fh: FileHandle,
        (offset, length): (u64, u64),
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.answer(reply, &(), move |vfs, ()| vfs.fallocate(Fh(fh.0), offset, length, mode), |reply, ()| reply.ok());
    }

    /// Box copies what is not here; the kernel moves the other bytes by itself.
    pub(super) fn copy_file_range(
        self: &Arc<Self>,
        (from, from_offset): (INodeNo, u64),
        (to, to_offset): (FileHandle, u64),
        length: u64,
        reply: ReplyWrite,
    ) {
        self.answer(
            reply,
            &(),
            move |vfs, ()| vfs.copy((ino(from), from_offset), (Fh(to.0), to_offset), length),
            |reply, copied| match u32::try_from(copied) {
                Ok(copied) => reply.written(copied),
                Err(_) => reply.error(errno::MEANINGLESS),
            },
        );
    }

    /// Where data or a hole begins; the kernel answers the other kinds of seek itself.
    pub(super) fn lseek(self: &Arc<Self>, fh: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let what = match whence {
            libc::SEEK_DATA => Seek::Data,
            libc::SEEK_HOLE => Seek::Hole,
            _ => return reply.error(errno::MEANINGLESS),
        };
        let Ok(offset) = u64::try_from(offset) else {
            return reply.error(errno::MEANINGLESS);
        };
        self.answer(
            reply,
            &(),
            move |vfs, ()| vfs.lseek(Fh(fh.0), offset, what),
            |reply, offset| match i64::try_from(offset) {
                Ok(offset) => reply.offset(offset),
                Err(_) => reply.error(errno::MEANINGLESS),
            },
        );
    }
}

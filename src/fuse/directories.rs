//! Open folders and their listings, always with attributes (readdirplus).

use std::sync::Arc;

use fuser::{FileHandle, FopenFlags, INodeNo, ReplyDirectoryPlus, ReplyEmpty, ReplyOpen};

use super::Fuse;
use super::decode::{GENERATION, NOT_AT_ALL, bare_attr, file_attr, ino};
use crate::vfs::{DirEntry, Fh, OpenedFolder};

impl Fuse {
    pub(super) fn opendir(self: &Arc<Self>, inode: INodeNo, reply: ReplyOpen) {
        self.answer(
            reply,
            &(),
            move |vfs, ()| vfs.opendir(ino(inode)),
            |reply, OpenedFolder { fh, keep }| {
                let kept = if keep { FopenFlags::FOPEN_KEEP_CACHE } else { FopenFlags::empty() };
                reply.opened(FileHandle(fh.0), FopenFlags::FOPEN_CACHE_DIR | kept);
            },
        );
    }

    /// Fills one buffer of the kernel's with the entries after `offset`.
    pub(super) fn readdirplus(self: &Arc<Self>, fh: FileHandle, offset: u64, reply: ReplyDirectoryPlus) {
        self.serve(reply, &(), move |fuse, (), mut reply: ReplyDirectoryPlus| {
            let mut taken = 0_usize;
            let result = fuse.vfs.readdir(Fh(fh.0), offset, &mut |entry| {
                let full = add(&mut reply, &entry);
                taken += usize::from(!full);
                full
            });
            match result {
                // The kernel counts a lookup for each entry taken, so what was taken is sent, whatever came after
                // it; the kernel asks again from there and meets the error then.
                Err(error) if taken == 0 => return Err((reply, error)),
                _ => reply.ok(),
            }
            Ok(())
        });
    }

    pub(super) fn releasedir(self: &Arc<Self>, fh: FileHandle, reply: ReplyEmpty) {
        self.answer(reply, &(), move |vfs, ()| vfs.releasedir(Fh(fh.0)), |reply, ()| reply.ok());
    }

    /// The names in a folder survive a power cut from here on.
    pub(super) fn fsyncdir(self: &Arc<Self>, inode: INodeNo, reply: ReplyEmpty) {
        self.answer(reply, &(), move |vfs, ()| vfs.fsyncdir(ino(inode)), |reply, ()| reply.ok());
    }
}

/// True: the buffer is full and the entry is not in it.
fn add(reply: &mut ReplyDirectoryPlus, entry: &DirEntry) -> bool {
    let (attr, ttl) = match &entry.attr {
        Some((attr, ttl)) => (file_attr(attr), *ttl),
        None => (bare_attr(entry.ino, entry.kind), NOT_AT_ALL),
    };
    reply.add(attr.ino, entry.next_offset, &entry.name, &ttl, &attr, GENERATION)
}

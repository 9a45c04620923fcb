//! Copies inside the mount: what a program copies from a file that Box has, Box can copy without any bytes travelling.
//!
//! Where the bytes are here, the kernel moves them, and what is sealed afterwards is compared with the version that was copied. Where
//! they are not, Box makes the copy before the program's call is answered, so that a copy that was acknowledged is never one that
//! Box could still refuse; the new file is cold, like any other that Box has.

use super::asks::{Asks, Source};
use super::bytes::Bytes;
use super::error::{Need, Result, VfsError};
use super::handles::{FileHandle, Handle};
use super::inodes::{Mode, OpenInode};
use super::past::is_past;
use super::state::{Vfs, now};
use super::types::Fh;
use crate::base::Ino;
use crate::content::DataFile;
use crate::tree::{Node, Origin, Presence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How long a program waits for Box to copy before it reads the bytes; below the 30 s that any request may take.
const COPY_WAIT: Duration = Duration::from_secs(20);
/// The pause of who writes into a file that Box is still asked to copy.
const COPY_PAUSE: Duration = Duration::from_millis(50);
/// The most that one call asks for: the kernel answers in 32 bits, in whole pages (`fs/fuse/file.c`).
const LARGEST_STEP: u64 = 0xffff_f000;

/// What Box copies into a file that is open; one copy while it is.
#[derive(Default)]
pub(super) struct CopyInBox {
    begun: OnceLock<Begun>,
    stage: Mutex<Stage>,
}

struct Begun {
    from: Ino,
    source: Source,
}

#[derive(Clone, Copy, Default)]
enum Stage {
    #[default]
    None,
    /// Box was asked; the program waits.
    Asked,
    /// Box has made it, and the program was told of so many bytes.
    Made { told: u64 },
    /// It came to nothing, or the file was changed since.
    Over,
}

impl CopyInBox {
    /// Where the bytes of a copy come from.
    pub fn source(&self) -> Option<&Source> {
        self.begun.get().map(|begun| &begun.source)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Box is asked at this moment.
    pub fn is_asked(&self) -> bool {
        matches!(*self.stage(), Stage::Asked)
    }

    fn size(&self) -> u64 {
        self.source().map_or(0, |source| source.origin.size)
    }
}

impl Vfs {
    /// A program copies `length` bytes of a file from an offset into another at an offset. Answers how many Box has copied; where
    /// the kernel is to move them, [`VfsError::NotSupported`].
    pub fn copy(&self, (from, at): (Ino, u64), (to, to_offset): (Fh, u64), length: u64) -> Result<u64> {
        let Handle::File(target) = self.handles.get(to)? else { return Err(VfsError::NotSupported) };
        if is_past(from) || is_past(target.ino) || at != to_offset || from == target.ino {
            return Err(VfsError::NotSupported);
        }
        let mut shard = self.inodes.lock(target.ino);
        let inode = shard.get(target.ino).ok_or(VfsError::Stale)?;
        let stage = *inode.copy.stage();
        match stage {
            Stage::None if at == 0 => self.begin_copy(from, &target, inode, length),
            Stage::Asked if at == 0 => self.end_copy(&target, inode, length),
            Stage::Made { told } if told == at && inode.copy.begun.get().is_some_and(|begun| begun.from == from) => {
                Ok(tell(&inode.copy, at, length))
            }
            _ => Err(VfsError::NotSupported),
        }
    }

    /// Where all of a file that Box has is copied into one that was just made, the new one is expected to be equal. Asks Box for
    /// the copy if the bytes are not here.
    fn begin_copy(&self, from: Ino, target: &FileHandle, inode: &mut OpenInode, length: u64) -> Result<u64> {
        let source = self.node(from)?;
        let all = |origin: &Origin| origin.size > 0 && (origin.size <= length || length >= LARGEST_STEP);
        let Some(origin) = version_of(&source).filter(all) else { return Err(VfsError::NotSupported) };
        let node = self.node(target.ino)?;
        // A version of a file that Box has cannot be made by a copy.
        let fresh = node.box_id.is_none() && node.content == Some(target.file.id()) && target.file.size()? == 0;
        if !fresh || node.is_local_only() {
            return Err(VfsError::NotSupported);
        }
        let alone = inode.mode == Mode::Copying && inode.handles == 1 && target.writer.is_some();
        if !alone || !self.is_cold(&source)? {
            self.tree.expect_copy(target.file.id(), origin).map_err(|e| self.tree_error(e))?;
            return Err(VfsError::NotSupported);
        }
        self.check_quota(target.ino, origin.size)?;
        let size = origin.size;
        let source = Source { ino: target.ino, file: target.file.clone(), origin: origin.clone(), tally: None };
        if inode.copy.begun.set(Begun { from, source }).is_err() {
            return Err(VfsError::NotSupported);
        }
        self.tree.begin_copy(target.ino, target.file.id(), origin, now()).map_err(|e| self.tree_error(e))?;
        *inode.copy.stage() = Stage::Asked;
        inode.noted = None;
        target.file.start_cold(size)?;
        Err(VfsError::Wait(copied(self.asks.push(target.ino, || ()))))
    }

    /// Box has made the copy, or the kernel is to move the bytes.
    fn end_copy(&self, target: &FileHandle, inode: &mut OpenInode, length: u64) -> Result<u64> {
        let node = self.node(target.ino)?;
        let made = node.box_id.is_some() && node.base.is_some_and(|base| base.generation == Some(node.generation));
        if made {
            *inode.copy.stage() = Stage::Made { told: 0 };
            return Ok(tell(&inode.copy, 0, length));
        }
        self.give_up_copy(target.ino, inode)?;
        Err(VfsError::NotSupported)
    }

    /// The program reads and writes the bytes itself.
    fn give_up_copy(&self, ino: Ino, inode: &mut OpenInode) -> Result<()> {
        // First the bytes: a cold content that is cut short is known as such.
        inode.file.truncate(0)?;
        self.tree.give_up_copy(ino, inode.file.id(), now()).map_err(|e| self.tree_error(e))?;
        self.save_ranges(&inode.file)?;
        *inode.copy.stage() = Stage::Over;
        Ok(())
    }

    /// A file that Box has copied is about to be changed: from here on its bytes are a program's own.
    pub(super) fn change_copy(&self, ino: Ino, file: &Arc<DataFile>, copy: &CopyInBox) -> Result<()> {
        let mut stage = copy.stage();
        let told = match *stage {
            Stage::None | Stage::Over => return Ok(()),
            Stage::Asked => return Err(VfsError::Wait(Asks::pause(COPY_PAUSE))),
            Stage::Made { told } => told,
        };
        let mut bytes = Bytes { file: file.clone(), row: self.row_of(file)? };
        self.make_writable(&self.node(ino)?, &mut bytes)?;
        if told < copy.size() {
            file.truncate(told)?;
            self.save_ranges(file)?;
        }
        *stage = Stage::Over;
        Ok(())
    }

    /// The file is closed: a copy is as long as the program was told, and none that it was not told of.
    pub(super) fn close_copy(&self, ino: Ino, inode: &mut OpenInode) -> Result<()> {
        let stage = *inode.copy.stage();
        match stage {
            Stage::Asked => self.give_up_copy(ino, inode),
            Stage::Made { told } if told < inode.copy.size() => self.change_copy(ino, &inode.file, &inode.copy),
            _ => Ok(()),
        }
    }

    fn is_cold(&self, node: &Node) -> Result<bool> {
        let Some(id) = node.content else { return Ok(true) };
        let row = self.tree.content(id).map_err(|e| self.tree_error(e))?;
        Ok(row.is_none_or(|row| row.ranges.is_some()))
    }
}

fn tell(copy: &CopyInBox, at: u64, length: u64) -> u64 {
    let more = length.min(LARGEST_STEP).min(copy.size().saturating_sub(at));
    *copy.stage() = Stage::Made { told: at + more };
    more
}

/// Met when `need` is, or will not be soon: whether Box has made the copy is looked at afterwards.
fn copied(need: Need) -> Need {
    Need::new(async move {
        let _answer = tokio::time::timeout(COPY_WAIT, need).await;
        Ok(())
    })
}

/// The version that Box has of exactly these bytes.
fn version_of(node: &Node) -> Option<Origin> {
    if node.content_dirty() || node.presence == Presence::Deleted || !node.is_file() {
        return None;
    }
    let base = node.base.as_ref()?;
    let (file_id, version) = node.box_id.clone().zip(base.version.clone())?;
    Some(Origin { file_id, version, sha1: Some(base.sha1?), size: node.attr.size })
}

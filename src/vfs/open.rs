//! Opening, flushing and releasing files: which mode an inode has, who writes, and what is noted at close.

use super::bytes::Bytes;
use super::error::{Result, VfsError};
use super::handles::{FileHandle, Handle};
use super::inodes::{Mode, OpenInode, Shard};
use super::past::is_past;
use super::quiet::Quiet;
use super::state::{Durability, Vfs, allow, existing_name, now};
use super::types::{Caller, Entry, Fh, OpenHow, Opened, Way};
use crate::base::Ino;
use crate::content::{DataFile, Place, Room, Stamp};
use crate::tree::{Node, NodeKind, Presence};
use std::ffi::OsStr;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Room that must be left before the kernel may write behind our back: what a fast program writes into the page cache
/// within the quarter of a second between two looks at the disk.
const PASSTHROUGH_RESERVE_BYTES: u64 = 1 << 30;

impl Vfs {
    /// Makes a file and opens it; opens what is there, unless `exclusive`.
    pub fn create(
        &self,
        parent: Ino,
        name: &OsStr,
        mode: u32,
        how: OpenHow,
        caller: &Caller,
    ) -> Result<(Entry, Opened)> {
        let made = match self.make(parent, name, NodeKind::File, mode, None, caller) {
            Err(VfsError::Exists) if !how.exclusive => None,
            made => Some(made?),
        };
        let Some(node) = made else {
            // Exists under this very name, or only Box cannot tell the two apart.
            let node = self.named(parent, &existing_name(name)?).map_err(|e| match e {
                VfsError::NotFound => VfsError::Exists,
                other => other,
            })?;
            if self.is_shown_as_link(&node)? {
                return Err(VfsError::Exists);
            }
            let opened = self.open(node.ino, how, caller)?;
            return Ok((self.entry_of(&self.node(node.ino)?)?, opened));
        };
        let opened = self.open_made(&node, how, caller);
        if opened.is_err() {
            // Its name goes with it. Should that fail too, an empty file stays, as after any crash at this point.
            let _ = self.unlink(parent, name);
        }
        let opened = opened?;
        Ok((self.entry_of(&node)?, opened))
    }

    fn open_made(&self, node: &Node, how: OpenHow, caller: &Caller) -> Result<Opened> {
        let mut shard = self.inodes.lock(node.ino);
        if shard.get(node.ino).is_some() {
            // Somebody found the name and opened it first.
            return self.join(&mut shard, node, how, caller);
        }
        let bytes = self.fresh_bytes(node)?;
        if !how.write {
            // Nobody will close it as a writer: it is closed now, and empty.
            self.note_closed(node, &bytes)?;
            self.asks.released(node.ino);
        }
        // Under passthrough nobody sees what is written: a copy of what is not here, which is to come, could not be told from it.
        let may_copy = how.write && self.handles.reads_cold(caller.pid);
        let mode = if may_copy { Mode::Copying } else { self.mode_for(node.ino, &bytes.file, how)? };
        self.begin(&mut shard, node, &bytes, mode);
        self.handle(&mut shard, node, &bytes, how, caller)
    }

    /// Opens a file. The bytes that are missing are fetched when they are read.
    pub fn open(&self, ino: Ino, how: OpenHow, caller: &Caller) -> Result<Opened> {
        if is_past(ino) {
            return self.open_past(ino, how, caller);
        }
        self.revalidate_around(ino)?;
        if how.write || how.truncate {
            self.changeable()?;
        }
        let mut shard = self.inodes.lock(ino);
        let node = self.node(ino)?;
        match node.kind {
            NodeKind::File => {}
            NodeKind::Folder => return Err(VfsError::IsDirectory),
            NodeKind::Symlink => return Err(VfsError::Invalid),
            NodeKind::WebLink => return self.open_bookmark(&node, how),
        }
        self.may_open(&node, how)?;
        if how.write {
            self.tell_once(ino)?;
            self.await_room()?;
        }
        if shard.get(ino).is_some() {
            return self.join(&mut shard, &node, how, caller);
        }
        if node.presence == Presence::Deleted {
            return Err(VfsError::Stale);
        }
        if !how.write && node.content.is_none() && node.attr.size > 0 {
            self.admit(caller)?;
        }
        let mut bytes = if how.write && how.truncate { self.emptied(&node)? } else { self.bytes(&node)? };
        if how.write {
            self.make_writable(&node, &mut bytes)?;
        }
        let mode = self.mode_for(ino, &bytes.file, how)?;
        self.begin(&mut shard, &node, &bytes, mode);
        self.handle(&mut shard, &node, &bytes, how, caller)
    }

    /// The kernel cannot use the backing of a handle that was opened as passthrough: the inode copies, and so does this handle.
    /// Nobody else has opened the inode meanwhile.
    pub fn cannot_pass_through(&self, fh: Fh) -> Result<Way> {
        let handle = self.handles.file(fh)?;
        let mut shard = self.inodes.lock(handle.ino);
        let inode = shard.get(handle.ino).ok_or(VfsError::BadHandle)?;
        inode.mode = Mode::Copying;
        Ok(inode.copying_way(false))
    }

    /// One close(2) of one duplicate of the handle. What was written is noted before the answer.
    pub fn flush(&self, fh: Fh) -> Result<()> {
        let Handle::File(handle) = self.handles.get(fh)? else { return Ok(()) };
        if handle.writer.is_none() {
            return self.tell_once(handle.ino);
        }
        self.ask_if_outgrown(&handle)?;
        self.note_handle(&handle)?;
        match self.settings.durability {
            Durability::Local => self.tell_once(handle.ino),
            Durability::Box => self.await_box(&handle),
        }
    }

    /// The last use of the handle is over, maps included, except those that passthrough hides.
    pub fn release(&self, fh: Fh) -> Result<()> {
        let Handle::File(handle) = self.handles.remove(fh)? else { return Ok(()) };
        let (ino, wrote) = (handle.ino, handle.writer.is_some());
        if is_past(ino) {
            return self.release_past(&handle);
        }
        self.content.used(handle.file.id(), now());
        let mut shard = self.inodes.lock(ino);
        // The writer goes with it, so that the note is of the file at rest.
        drop(handle);
        let Some(inode) = shard.get(ino) else { return Ok(()) };
        inode.handles -= 1;
        inode.writers -= u32::from(wrote);
        let at_rest = wrote && inode.writers == 0;
        let last = inode.handles == 0;
        let noted = if at_rest { self.record(ino, inode) } else { self.save_ranges(&inode.file) };
        if at_rest && noted.is_err() {
            self.unrecorded.keep(ino, inode);
        }
        if last {
            shard.remove(ino);
        }
        drop(shard);
        if at_rest || (last && self.is_nameless(ino)) {
            self.asks.released(ino);
        }
        noted
    }

    fn is_nameless(&self, ino: Ino) -> bool {
        self.tree.node(ino).is_ok_and(|node| node.presence == Presence::Deleted)
    }

    pub(super) fn note_handle(&self, handle: &FileHandle) -> Result<()> {
        let mut shard = self.inodes.lock(handle.ino);
        match shard.get(handle.ino) {
            Some(inode) if handle.writer.is_some() => self.record(handle.ino, inode),
            Some(inode) => self.note(handle.ino, inode),
            None => Ok(()),
        }
    }

    /// For durability `box`: waits until Box has the bytes as they are now.
    pub(super) fn await_box(&self, handle: &FileHandle) -> Result<()> {
        let stamp = handle.file.stamp()?;
        let pushed = handle.pushed.clone();
        let known = |pushed: &std::sync::Mutex<Option<Stamp>>| *pushed.lock().unwrap_or_else(PoisonError::into_inner);
        let node = self.node(handle.ino)?;
        // A created file that nobody has written yet waits for its first write; what stays here never goes.
        let unwanted = (stamp.size == 0 && node.base.is_none()) || node.is_local_only();
        if unwanted || known(&pushed) == Some(stamp) {
            return Ok(());
        }
        self.clear_refusal(handle.ino)?;
        let need = self.asks.push(handle.ino, move || {
            *pushed.lock().unwrap_or_else(PoisonError::into_inner) = Some(stamp);
        });
        Err(VfsError::Wait(need))
    }

    /// What Box would refuse later is refused now.
    fn may_open(&self, node: &Node, how: OpenHow) -> Result<()> {
        let Some(item) = node.item() else { return Ok(()) };
        let Some(remote) = self.remote(&item)? else { return Ok(()) };
        if how.write {
            allow(remote.rights.upload && remote.lock.is_none())?;
        }
        allow(!how.read || remote.rights.download || node.content.is_some())
    }

    /// One more handle of an inode that is open.
    fn join(&self, shard: &mut Shard, node: &Node, how: OpenHow, caller: &Caller) -> Result<Opened> {
        let inode = shard.get(node.ino).ok_or(VfsError::Stale)?;
        let mut bytes = Bytes { file: inode.file.clone(), row: self.row_of(&inode.file)? };
        if how.write {
            self.change_copy(node.ino, &bytes.file, &inode.copy)?;
            self.make_writable(node, &mut bytes)?;
            inode.noted = None;
            if how.truncate {
                inode.trouble.cut(0);
                bytes.file.truncate(0)?;
                self.save_ranges(&bytes.file)?;
            }
        }
        self.handle(shard, node, &bytes, how, caller)
    }

    /// Enters the inode into the table, in the mode it keeps until its last release.
    fn begin(&self, shard: &mut Shard, node: &Node, bytes: &Bytes, mode: Mode) {
        let file = bytes.file.clone();
        let trouble = self.unrecorded.trouble_of(node.ino).unwrap_or_default();
        let copy = Arc::default();
        let (attr, quiet) = (node.attr, None);
        let inode = OpenInode { mode, file, handles: 0, writers: 0, noted: None, attr, trouble, copy, quiet };
        shard.insert(node.ino, inode);
    }

    fn mode_for(&self, ino: Ino, file: &DataFile, how: OpenHow) -> Result<Mode> {
        let possible = self.settings.passthrough && self.content.passthrough_file(file).is_some();
        let room = |bytes| self.content.room_for(Place::Spool, bytes);
        let leaves = |bytes| Ok::<_, VfsError>(room(bytes)? == Room::Fits && self.quota_leaves(ino, bytes)?);
        let safe = possible && (!how.write || leaves(PASSTHROUGH_RESERVE_BYTES)?);
        Ok(if safe { Mode::Passthrough } else { Mode::Copying })
    }

    /// A handle of an inode in the table.
    fn handle(&self, shard: &mut Shard, node: &Node, bytes: &Bytes, how: OpenHow, caller: &Caller) -> Result<Opened> {
        let ino = node.ino;
        let inode = shard.get(ino).ok_or(VfsError::Stale)?;
        let backing = match inode.mode {
            Mode::Passthrough => Some(self.content.passthrough_file(&inode.file).ok_or(VfsError::Busy)?),
            Mode::Copying => None,
        };
        let file = inode.file.clone();
        if how.write && inode.writers == 0 {
            inode.quiet = Some(Arc::new(Quiet::begin(file.stamp()?, Instant::now(), self.settings.rest)));
        }
        inode.handles += 1;
        inode.writers += u32::from(how.write);
        let still = !node.unsealed && inode.writers == 0 && backing.is_none();
        let keep = shard.keeps(ino, still.then(|| (file.id(), node.generation)));
        let inode = shard.get(ino).ok_or(VfsError::Stale)?;
        let way = match backing {
            Some(backing) => Way::Passthrough(backing),
            None => inode.copying_way(keep),
        };
        let writer = how.write.then(|| file.open_writer());
        let source = (!file.is_whole()).then(|| bytes.source()).flatten();
        // Whoever changes a file gets it whole, as every writer does.
        let cold_reader = source.as_ref().filter(|_| !how.write).map(|_| caller.pid);
        let program = cold_reader.map(|_| self.program(caller));
        let seen = (inode.trouble.clone(), inode.copy.clone());
        let handle = FileHandle::new(ino, file, seen, writer, source, self.content.limits().cache);
        let mut handle = handle.of(program);
        handle.cold_reader = cold_reader;
        let fh = self.handles.add(Handle::File(Arc::new(handle)));
        Ok(Opened { fh, way })
    }
}

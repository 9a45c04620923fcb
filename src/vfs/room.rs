//! Room on this machine's disk: waiting for uploads to make some, and watching what the kernel writes without asking.

use super::asks::Asks;
use super::error::{Result, VfsError};
use super::handles::{FileHandle, Space};
use super::inodes::{Mode, OpenInode};
use super::state::Vfs;
use crate::content::{Place, Room};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Room is looked for in steps of this size: looking costs about as much as writing 4 KiB, so it is lost in them.
const ROOM_STEP_BYTES: u64 = 4 << 20;
/// How long a request waits for uploads to free space; below the 30 s that any request may take.
const ROOM_WAIT: Duration = Duration::from_secs(25);
/// How often it looks meanwhile.
const ROOM_PAUSE: Duration = Duration::from_millis(250);

/// Since when the spool has been full; `None`: it was not at the last look.
#[derive(Default)]
pub(super) struct FullSince(Mutex<Option<Instant>>);

impl Vfs {
    /// At the spool's limit, whoever opens a file to write waits for uploads to free space, so that more than the disk holds can
    /// be copied in. Afterwards it is the write that does not fit.
    pub(super) fn await_room(&self) -> Result<()> {
        let least = ROOM_STEP_BYTES.min(self.content.limits().spool / 4);
        let mut since = self.full_since.0.lock().unwrap_or_else(PoisonError::into_inner);
        match self.content.room_for(Place::Spool, least)? {
            Room::Full => {}
            Room::Fits | Room::EvictFirst { .. } => {
                *since = None;
                return Ok(());
            }
        }
        if self.waits_since(&mut since) { Err(VfsError::Wait(Asks::pause(ROOM_PAUSE))) } else { Ok(()) }
    }

    /// Refuses what Box would not take and what the disk has no room for. At the spool's limit a write waits like an open.
    pub(super) fn take_room(&self, handle: &FileHandle, offset: u64, bytes: u64) -> Result<()> {
        let mut space = handle.space.lock().unwrap_or_else(PoisonError::into_inner);
        if space.granted >= bytes {
            space.granted -= bytes;
            return Ok(());
        }
        let grown = handle.file.stamp()?.size.max(offset.saturating_add(bytes));
        self.check_quota(handle.ino, grown)?;
        let Some(found) = self.find_room(bytes)? else {
            let waits = self.waits_since(&mut space.full_since);
            return Err(if waits { VfsError::Wait(Asks::pause(ROOM_PAUSE)) } else { VfsError::NoSpace });
        };
        // What is granted at once never passes what Box takes: the write that does is refused.
        let granted = (found - bytes).min(self.quota_left(handle.ino, grown)?);
        *space = Space { granted, full_since: None };
        Ok(())
    }

    /// How much there is room for, in a step if possible; at least `bytes`.
    fn find_room(&self, bytes: u64) -> Result<Option<u64>> {
        for step in [bytes.max(ROOM_STEP_BYTES), bytes] {
            match self.content.room_for(Place::Spool, step)? {
                Room::Fits | Room::EvictFirst { .. } => return Ok(Some(step)),
                Room::Full => {}
            }
        }
        Ok(None)
    }

    /// Whether a wait that began at `since`, or begins now, may go on. When it begins, what has settled or not is sent.
    fn waits_since(&self, since: &mut Option<Instant>) -> bool {
        if since.is_none() {
            self.asks.hurry();
        }
        since.get_or_insert_with(Instant::now).elapsed() < ROOM_WAIT
    }

    fn is_disk_full(&self) -> Result<bool> {
        Ok(self.content.free(Place::Spool)? < self.content.limits().floor)
    }

    /// Looks at the disk before a close or fsync of a file that the kernel wrote is noted: it may have filled since the last look
    /// of [`Vfs::watch`], and be free again at the next.
    pub(super) fn look_at_disk(&self, inode: &OpenInode) -> Result<()> {
        if inode.mode == Mode::Passthrough && self.is_disk_full()? && inode.trouble.disk_was_full() {
            log::warn!("the disk of the spool is full: a file that is being closed may lack bytes");
        }
        Ok(())
    }

    /// Looks at the files that are open for writing; to be called four times a second. What the kernel writes by itself nobody sees, a
    /// write that failed neither: below the floor of the disk, every such file may lack bytes.
    pub fn watch(&self) -> Result<()> {
        self.record_again();
        self.send_quiet();
        let written = self.inodes.written_unseen();
        if written.is_empty() {
            return Ok(());
        }
        let mut grown = Vec::new();
        for (file, trouble) in &written {
            // Counts its blocks, too.
            if trouble.has_grown(file.stamp()?.size) {
                grown.push(trouble);
            }
        }
        if self.is_disk_full()? {
            let fresh = written.iter().filter(|(_, trouble)| trouble.disk_was_full()).count();
            if fresh > 0 {
                log::warn!("the disk of the spool is full: {fresh} files that are being written may lack bytes");
            }
        }
        if self.content.usage(Place::Spool) > self.content.limits().spool {
            grown.iter().for_each(|trouble| trouble.outgrew_spool());
        }
        Ok(())
    }
}

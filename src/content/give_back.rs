//! Room in the cache: set aside for bytes on their way, and given back by files that are read through.

use super::data_file::{DataFile, State, lock};
use super::error::{Result, meaning};
use super::ranges::Ranges;
use super::raw::{self, Allocate};
use super::store::Content;
use super::usage::{Place, Room, Usage};
use crate::base::ContentId;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Free space above the floor that clean cache makes way for: what a fast program writes between two looks at the disk.
const HEADROOM_BYTES: u64 = 64 << 20;

/// Room in the cache that is set aside until its bytes are counted, or it is dropped.
#[must_use = "dropping it gives the room to others"]
pub struct Reservation {
    usage: Arc<Usage>,
    left: u64,
}

impl Reservation {
    /// So many of the bytes are on the disk, and counted there.
    pub fn filled(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.usage.unreserve(bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.usage.unreserve(self.left);
    }
}

/// Somebody who wants all of a content here; while one lives it gives nothing back.
pub struct Kept(Arc<DataFile>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.kept.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Content {
    /// Sets room for `bytes` in the cache aside, or says what keeps it. What others have set aside counts as taken.
    pub fn reserve(&self, bytes: u64) -> Result<std::result::Result<Reservation, Room>> {
        let _one_at_a_time = lock(&self.reserving);
        let more = bytes.saturating_add(self.usage.reserved());
        match self.room_for(Place::Cache, more)? {
            Room::Fits => {
                self.usage.reserve(bytes);
                Ok(Ok(Reservation { usage: self.usage.clone(), left: bytes }))
            }
            other => Ok(Err(other)),
        }
    }

    /// Bytes of clean cache that have to go: above the limit, or where the disk is so near its floor that a writer needs room.
    pub fn excess(&self) -> Result<u64> {
        let used = self.usage(Place::Cache);
        let over_limit = used.saturating_add(self.usage.reserved()).saturating_sub(self.limits().cache);
        let free = self.free(Place::Cache)?;
        let over_floor = self.limits().floor.saturating_add(HEADROOM_BYTES).saturating_sub(free);
        Ok(over_limit.max(over_floor).min(used))
    }

    /// Makes every partial content that nobody keeps give back what lies farther than so many bytes from its last read. `note` keeps what is
    /// left of it, before the rest goes.
    pub fn give_back(
        &self,
        behind: u64,
        ahead: u64,
        note: impl Fn(ContentId, &Ranges) -> io::Result<()>,
    ) -> Result<()> {
        for file in self.in_use() {
            file.give_back(behind, ahead, &note)?;
        }
        Ok(())
    }
}

impl DataFile {
    pub fn keep(self: &Arc<Self>) -> Kept {
        self.kept.fetch_add(1, Ordering::AcqRel);
        Kept(self.clone())
    }

    /// Makes an empty file one of `size` bytes of which none is here. The caller knows that nobody else has it open.
    pub fn start_cold(&self, size: u64) -> Result<()> {
        let mut state = lock(&self.state);
        let file = state.write_file(&self.reader)?;
        let sized = file.set_len(size).map_err(meaning("sizing a data file"));
        if sized.is_ok() {
            self.lose(&mut state, &(0..size));
            self.whole.store(false, Ordering::Release);
        }
        state.shed();
        sized
    }

    /// Forgets what lies far from the last read. Only a clean content that is not whole does: a whole one may be in the kernel's
    /// hands, and a changed one is nowhere else.
    fn give_back(&self, behind: u64, ahead: u64, note: impl Fn(ContentId, &Ranges) -> io::Result<()>) -> Result<()> {
        let size = self.size()?;
        let near = self.near.load(Ordering::Relaxed);
        let far = [0..near.saturating_sub(behind).min(size), near.saturating_add(ahead).min(size)..size];
        // What is noted must never be more than what is here, also after the end of this process.
        let _saving = lock(&self.saving);
        let left = {
            let state = lock(&self.state);
            let present = state.presence.present();
            if !self.may_give_back(&state) || !far.iter().any(|range| present.touches(range)) {
                return Ok(());
            }
            let mut left = present.clone();
            far.iter().for_each(|range| left.remove(range.clone()));
            left
        };
        self.unsaved.store(true, Ordering::Release);
        note(self.id(), &left).map_err(meaning("noting what a cache file gives back"))?;
        let mut state = lock(&self.state);
        for range in far {
            if self.may_give_back(&state) && state.presence.present().touches(&range) {
                let file = state.write_file(&self.reader)?;
                self.lose(&mut state, &range);
                raw::fallocate(&file, range.start, range.end - range.start, Allocate::PunchHole)
                    .map_err(meaning("giving back a part of a cache file"))?;
            }
        }
        state.shed();
        drop(state);
        self.stamp().map(drop)
    }

    fn may_give_back(&self, state: &State) -> bool {
        let busy = state.writers > 0 || state.held.is_some() || self.kept.load(Ordering::Acquire) > 0;
        !self.is_whole() && self.place() == Place::Cache && !busy
    }

    /// The bytes of `range` are not here any more, from before they really go.
    pub(super) fn lose(&self, state: &mut State, range: &Range<u64>) {
        state.presence.lose(range.clone());
        state.lost_from = state.lost_from.min(range.start);
        self.lost.fetch_add(1, Ordering::AcqRel);
        self.unsaved.store(true, Ordering::Release);
    }

    /// Changes whenever bytes go: what was read while it stayed the same was there.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }
}

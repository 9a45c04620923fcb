//! How much of the disk the contents take, and whether more would fit. Evicts nothing itself.

use super::error::{Result, meaning};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// At most one part in so many of a disk is left free for others.
const FLOOR_SHARE: u64 = 20;

/// The two directories a data file can be in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Holds bytes that are nowhere else.
    Spool,
    /// Holds bytes that Box has too.
    Cache,
}

/// What spool and cache may take, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub spool: u64,
    pub cache: u64,
    /// Free space of the disk that is left to others.
    pub floor: u64,
}

/// Whether some more bytes would fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    Fits,
    /// They would after this many bytes of clean cache are evicted.
    EvictFirst {
        bytes: u64,
    },
    /// Not before something has been uploaded, or somebody else has freed space.
    Full,
}

/// Bytes taken, by place. Counted in disk blocks, since data files are sparse.
#[derive(Debug, Default)]
pub(super) struct Usage {
    spool: AtomicU64,
    cache: AtomicU64,
    /// Of the cache, for bytes on their way.
    reserved: AtomicU64,
}

impl Usage {
    pub fn of(&self, place: Place) -> u64 {
        self.counter(place).load(Ordering::Relaxed)
    }

    pub fn add(&self, place: Place, bytes: u64) {
        self.counter(place).fetch_add(bytes, Ordering::Relaxed);
    }

    /// Saturates at zero: a file may have grown unseen since it was counted.
    pub fn sub(&self, place: Place, bytes: u64) {
        let less = |now: u64| Some(now.saturating_sub(bytes));
        let _ = self.counter(place).fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub fn set(&self, place: Place, bytes: u64) {
        self.counter(place).store(bytes, Ordering::Relaxed);
    }

    pub fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    pub fn reserve(&self, bytes: u64) {
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn unreserve(&self, bytes: u64) {
        self.reserved.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn counter(&self, place: Place) -> &AtomicU64 {
        match place {
            Place::Spool => &self.spool,
            Place::Cache => &self.cache,
        }
    }
}

/// What a file takes of the disk: `st_blocks` counts 512 bytes each, whatever the file system's own blocks are.
pub(super) fn bytes_on_disk(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

/// Bytes of the disk under `dir` that an ordinary program can still use.
pub(super) fn free_bytes(dir: &Path) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(dir).map_err(io::Error::from).map_err(meaning("statvfs"))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// The floor for the disk under `dir`: on a small disk a share of it instead of `wished`.
pub(super) fn floor(dir: &Path, wished: u64) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(dir).map_err(io::Error::from).map_err(meaning("statvfs"))?;
    Ok(wished.min(stat.blocks().saturating_mul(stat.fragment_size()) / FLOOR_SHARE))
}

/// The decision behind `Content::room_for`, of values only. `free` is that of the disk `place` is on;
/// `evictable` is the cache's usage if it is on that disk, else zero.
pub(super) fn room(place: Place, bytes: u64, used: u64, free: u64, evictable: u64, limits: &Limits) -> Room {
    let over_floor = limits.floor.saturating_add(bytes).saturating_sub(free);
    let limit = match place {
        Place::Spool => limits.spool,
        Place::Cache => limits.cache,
    };
    let over_limit = used.saturating_add(bytes).saturating_sub(limit);
    match (place, over_limit, over_floor) {
        (_, 0, 0) => Room::Fits,
        (Place::Spool, 1.., _) => Room::Full,
        (Place::Cache, 1.., _) if bytes > limit => Room::Full,
        (_, _, over_floor) if over_floor > evictable => Room::Full,
        _ => Room::EvictFirst { bytes: over_limit.max(over_floor) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { spool: 100, cache: 50, floor: 10 };

    #[test]
    fn what_fits_is_decided_by_limit_floor_and_what_can_be_evicted() {
        let cases = [
            // place, bytes, used, free, evictable -> room
            (Place::Spool, 40, 60, 1000, 0, Room::Fits),
            (Place::Spool, 41, 60, 1000, 50, Room::Full),
            (Place::Spool, 40, 0, 45, 5, Room::EvictFirst { bytes: 5 }),
            (Place::Spool, 40, 0, 45, 4, Room::Full),
            (Place::Cache, 10, 45, 1000, 45, Room::EvictFirst { bytes: 5 }),
            (Place::Cache, 51, 0, 1000, 0, Room::Full),
            (Place::Cache, 10, 45, 12, 45, Room::EvictFirst { bytes: 8 }),
            (Place::Cache, 10, 0, 12, 0, Room::Full),
        ];
        for (place, bytes, used, free, evictable, expected) in cases {
            assert_eq!(
                room(place, bytes, used, free, evictable, &LIMITS),
                expected,
                "{place:?} {bytes} {used} {free} {evictable}"
            );
        }
    }

    #[test]
    fn counting_never_goes_below_zero() {
        let usage = Usage::default();
        usage.add(Place::Cache, 5);
        usage.sub(Place::Cache, 7);
        assert_eq!(usage.of(Place::Cache), 0);
    }
}

//! Stamps: what fstat says of a data file, and when equal stamps prove equal bytes.

use super::error::{Result, meaning};
use crate::base::Timestamp;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

/// Size and times of a data file at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stamp {
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Nanoseconds since 1970. Every change of bytes moves it, and no program can set it.
    pub ctime_ns: i64,
}

/// A stamp younger than this proves nothing: the kernel's file times move in steps of a timer tick (at most 10 ms),
/// so that two changes inside one step look like one.
pub const STAMP_PROVES_AFTER: Duration = Duration::from_millis(20);

/// How often a stamp is taken again before a file that never rests is given up.
const STAMP_TRIES: u32 = 5;

impl Stamp {
    pub fn of(file: &File) -> Result<Stamp> {
        file.metadata().map(|m| Stamp::of_metadata(&m)).map_err(meaning("fstat of a data file"))
    }

    pub(super) fn of_metadata(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.size(),
            mtime_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub fn mtime(&self) -> Timestamp {
        Timestamp::from_nanos(self.mtime_ns)
    }

    pub fn ctime(&self) -> Timestamp {
        Timestamp::from_nanos(self.ctime_ns)
    }

    /// Whether any change after `now` must show in a later stamp.
    pub fn proves(&self, now: Timestamp) -> bool {
        now.to_nanos().saturating_sub(self.ctime_ns) >= STAMP_PROVES_AFTER.as_nanos() as i64
    }
}

/// A stamp that proves, taken after waiting as long as that needs; `None` if the file does not rest.
///
/// Blocks, as a rule for no longer than [`STAMP_PROVES_AFTER`].
pub(super) fn proving_stamp(file: &File) -> Result<Option<Stamp>> {
    for _ in 0..STAMP_TRIES {
        let stamp = Stamp::of(file)?;
        let now = Timestamp::now();
        if stamp.proves(now) {
            return Ok(Some(stamp));
        }
        let ahead = stamp.ctime_ns.saturating_sub(now.to_nanos());
        if ahead > STAMP_PROVES_AFTER.as_nanos() as i64 {
            // The clock was set back: this ctime would stay in the future. Setting the mode to what it is moves it to now.
            let metadata = file.metadata().map_err(meaning("fstat of a data file"))?;
            file.set_permissions(metadata.permissions()).map_err(meaning("a fresh ctime for a data file"))?;
        }
        thread::sleep(STAMP_PROVES_AFTER);
    }
    Ok(None)
}

fn nanos(secs: i64, nanos: i64) -> i64 {
    secs.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_young_stamp_proves_nothing() {
        let stamp = Stamp { size: 0, mtime_ns: 0, ctime_ns: 1_000_000_000 };
        assert!(!stamp.proves(Timestamp::from_nanos(1_019_999_999)));
        assert!(stamp.proves(Timestamp::from_nanos(1_020_000_000)));
        assert!(!stamp.proves(Timestamp::from_nanos(0)));
    }

    #[test]
    fn a_change_after_a_proving_stamp_always_shows() {
        let mut file = tempfile::tempfile().unwrap();
        for _ in 0..10 {
            file.write_all(b"a").unwrap();
            let before = proving_stamp(&file).unwrap().unwrap();
            nix::sys::uio::pwrite(&file, b"b", 0).unwrap();
            assert_ne!(Stamp::of(&file).unwrap().ctime_ns, before.ctime_ns);
        }
    }
}

//! Which folders' names the kernel has, so that it reads them again without asking (docs/reading.md, "Names").
//!
//! The kernel keeps what it read through any handle until it is told to drop it when the folder is opened. So it is told to keep
//! a listing only if no name in the folder changed since the listing was begun, and if no older handle can still add to it what
//! was read before the last change.

use crate::base::Ino;
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Folders that are remembered: about 100 bytes each. More are read again.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// What the kernel may have of the folders of one mount.
pub(super) struct Listings(Mutex<State>);

struct State {
    /// Handles of the folders that are open now.
    open: HashMap<Ino, u32>,
    begun: LruCache<Ino, Begun>,
}

/// When the kernel began to read a folder that it had nothing of.
struct Begun {
    /// What [`crate::tree::Tree::name_changes`] said then.
    changes: u64,
    at: Instant,
    /// Whether anything was read since.
    read: bool,
}

impl Default for Listings {
    fn default() -> Listings {
        Listings(Mutex::new(State { open: HashMap::new(), begun: LruCache::new(REMEMBERED) }))
    }
}

impl Listings {
    /// Notes one more handle. Returns whether the kernel may keep the names that it has: `changes` is as it was when they were
    /// begun, at most `lifetime` ago, after which it would ask for each of their attributes.
    pub fn open(&self, folder: Ino, changes: u64, now: Instant, lifetime: Duration) -> bool {
        let mut state = self.lock();
        let right = |begun: &Begun| begun.changes == changes && now.duration_since(begun.at) < lifetime;
        let keep = state.begun.get(&folder).is_some_and(right);
        let handles = state.open.entry(folder).or_insert(0);
        *handles += 1;
        match (keep, *handles) {
            (true, _) => {}
            (false, 1) => drop(state.begun.put(folder, Begun { changes, at: now, read: false })),
            (false, _) => drop(state.begun.pop(&folder)),
        }
        keep
    }

    /// The first names of `folder` are about to reach the kernel: nothing older than `changes` will.
    pub fn read(&self, folder: Ino, changes: u64, now: Instant) {
        if let Some(begun) = self.lock().begun.peek_mut(&folder).filter(|begun| !begun.read) {
            *begun = Begun { changes, at: now, read: true };
        }
    }

    /// One handle less.
    pub fn close(&self, folder: Ino) {
        let mut state = self.lock();
        let left = state.open.get_mut(&folder).map(|handles| {
            *handles -= 1;
            *handles
        });
        if left == Some(0) {
            state.open.remove(&folder);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: Ino = Ino(7);
    const LIFETIME: Duration = Duration::from_secs(60);

    #[test]
    fn a_listing_is_kept_until_a_name_changes_or_its_attributes_are_over() {
        let (listings, now) = (Listings::default(), Instant::now());
        let open = |changes, now| {
            let keep = listings.open(DIR, changes, now, LIFETIME);
            listings.close(DIR);
            keep
        };
        assert!(!open(1, now));
        assert!(open(1, now + LIFETIME / 2));
        assert!(!open(2, now + LIFETIME / 2), "a name changed");
        assert!(open(2, now + LIFETIME));
        assert!(!open(2, now + 2 * LIFETIME));
        assert!(!listings.open(Ino(8), 2, now, LIFETIME), "another folder");
    }

    #[test]
    fn what_box_lists_while_the_first_reader_waits_is_no_change() {
        let (listings, now) = (Listings::default(), Instant::now());
        assert!(!listings.open(DIR, 1, now, LIFETIME));
        listings.read(DIR, 1000, now);
        listings.read(DIR, 1001, now);
        listings.close(DIR);
        assert!(listings.open(DIR, 1000, now, LIFETIME));
        assert!(!listings.open(DIR, 1001, now, LIFETIME), "changed after the first names were read");
    }

    #[test]
    fn an_older_handle_can_spoil_what_a_younger_one_begins() {
        let (listings, now) = (Listings::default(), Instant::now());
        assert!(!listings.open(DIR, 1, now, LIFETIME));
        assert!(!listings.open(DIR, 2, now, LIFETIME), "changed while somebody reads");
        listings.close(DIR);
        assert!(!listings.open(DIR, 2, now, LIFETIME), "the first reader may have added old names since");
        listings.close(DIR);
        listings.close(DIR);
        assert!(!listings.open(DIR, 2, now, LIFETIME));
        assert!(listings.open(DIR, 2, now, LIFETIME));
    }
}

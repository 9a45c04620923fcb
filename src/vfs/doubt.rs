//! While Box's news do not come: the kernel believes names and attributes for a moment only, and folders are listed again when they are
//! used. Nothing waits for that longer than a person would, and what is known is shown where Box does not answer.

use super::error::{Need, Result, VfsError};
use super::state::Vfs;
use crate::base::Ino;
use crate::tree::Flow;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the kernel may believe names and attributes that nobody hears changes of.
const LIFETIME: Duration = Duration::from_secs(1);
/// The least between two listings of one folder for the sake of doubt: a program that looks again and again costs few calls.
const LIST_AGAIN: Duration = Duration::from_secs(5);
/// How long a request waits for such a listing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Folders of which it is remembered when that was, 50 bytes each; one that is forgotten is listed once more.
const MAX_FOLDERS: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

/// When folders were listed again.
pub(super) struct Revalidated(Mutex<LruCache<Ino, Instant>>);

impl Default for Revalidated {
    fn default() -> Revalidated {
        Revalidated(Mutex::new(LruCache::new(MAX_FOLDERS)))
    }
}

impl Revalidated {
    /// Whether it is time to list the folder again, which then is taken as done.
    fn is_due(&self, folder: Ino, now: Instant) -> bool {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = listed.get(&folder).is_none_or(|at| now.duration_since(*at) >= LIST_AGAIN);
        if due {
            listed.put(folder, now);
        }
        due
    }
}

impl Vfs {
    /// How long the kernel may believe names and attributes.
    pub(super) fn lifetime(&self) -> Duration {
        match self.tree.flow() {
            Flow::News => self.settings.lifetime,
            Flow::Answers | Flow::Nothing => LIFETIME.min(self.settings.lifetime),
        }
    }

    /// Before the members of a folder are shown: lists it again where nobody hears of changes and Box can be asked.
    pub(super) fn revalidate(&self, folder: Ino) -> Result<()> {
        if self.tree.flow() != Flow::Answers || !self.revalidated.is_due(folder, Instant::now()) {
            return Ok(());
        }
        let listed = self.asks.list(folder);
        Err(VfsError::Wait(Need::new(async move {
            // Late or not at all: what is known is better than nothing.
            let _known_is_shown = tokio::time::timeout(PATIENCE, listed).await;
            Ok(())
        })))
    }

    /// Like [`Vfs::revalidate`], of the folder that the node is in.
    pub(super) fn revalidate_around(&self, ino: Ino) -> Result<()> {
        match self.tree.flow() {
            Flow::Answers => self.tree.node(ino).map_or(Ok(()), |node| self.revalidate(node.parent.max(Ino::ROOT))),
            Flow::News | Flow::Nothing => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_again_once_in_a_while() {
        let (revalidated, now) = (Revalidated::default(), Instant::now());
        assert!(revalidated.is_due(Ino(2), now));
        assert!(!revalidated.is_due(Ino(2), now + LIST_AGAIN / 2));
        assert!(revalidated.is_due(Ino(3), now + LIST_AGAIN / 2));
        assert!(revalidated.is_due(Ino(2), now + LIST_AGAIN));
    }
}

//! What is remembered of old versions, so that looking again asks for nothing. Bounded, and gone with the daemon.

use super::numbers;
use crate::base::{Ino, Timestamp};
use crate::tree::{Origin, PastVersion};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a list of versions is believed while the file has the same current one: only a deletion of an old version, which Box
/// does not announce, can make it wrong.
const BELIEVED: Duration = Duration::from_secs(60);
/// Versions remembered over all files, about 300 bytes each. A version that is forgotten has another inode when it is looked up again.
const MAX_VERSIONS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
/// Versions shown of one file, the newest: more than a person looks through.
const MAX_SHOWN: usize = 1_000;
/// Files whose versions are remembered.
const MAX_FILES: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");

/// An old version of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OldVersion {
    pub ino: Ino,
    /// The node.
    pub file: Ino,
    /// From 1, the oldest, as `boxfs versions` counts.
    pub number: u64,
    pub at: Timestamp,
    pub origin: Origin,
}

/// What is remembered of all files.
#[derive(Default)]
pub(in crate::vfs) struct Past {
    /// Held for moments.
    known: Mutex<Known>,
    /// Held while a data file of an old version is found or made, so that two who open it make one.
    pub(super) opening: Mutex<()>,
}

struct Known {
    files: LruCache<Ino, List>,
    /// Versions in all lists.
    listed: usize,
    versions: LruCache<Ino, Arc<OldVersion>>,
    count: u64,
}

/// The versions of a file.
struct List {
    /// `None`: it may be wrong.
    asked: Option<Instant>,
    /// The version that was the current one then.
    current: Option<String>,
    versions: Arc<[Arc<OldVersion>]>,
}

impl Default for Known {
    fn default() -> Known {
        Known { files: LruCache::new(MAX_FILES), listed: 0, versions: LruCache::new(MAX_VERSIONS), count: 0 }
    }
}

impl Past {
    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere may have left the counts behind, which are estimates.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The old versions of a file whose current one is `current`, the oldest first; `None`: Box has to be asked.
    pub(super) fn versions_of(&self, file: Ino, current: Option<&str>) -> Option<Arc<[Arc<OldVersion>]>> {
        let mut known = self.known();
        let list = known.files.get(&file)?;
        let fresh = list.asked.is_some_and(|asked| asked.elapsed() < BELIEVED);
        let believed = fresh && list.current.as_deref() == current;
        believed.then(|| list.versions.clone())
    }

    /// The version with this inode.
    pub(super) fn version(&self, ino: Ino) -> Option<Arc<OldVersion>> {
        self.known().versions.get(&ino).cloned()
    }

    /// Box said which versions came before `current`, the oldest first. One that was known keeps its inode.
    pub(super) fn learn(&self, file: Ino, file_id: &str, current: Option<String>, found: Vec<PastVersion>) {
        let mut known = self.known();
        let before = known.forget(file);
        let mut inodes: HashMap<&str, Ino> =
            before.iter().map(|version| (version.origin.version.as_str(), version.ino)).collect();
        let skipped = found.len().saturating_sub(MAX_SHOWN);
        let versions: Arc<[_]> = (1_u64..)
            .zip(found)
            .skip(skipped)
            .map(|(number, version)| {
                let ino = inodes.remove(version.id.as_str()).unwrap_or_else(|| known.fresh_number());
                let origin =
                    Origin { file_id: file_id.to_owned(), version: version.id, sha1: version.sha1, size: version.size };
                let at = version.at.unwrap_or_default();
                Arc::new(OldVersion { ino, file, number, at, origin })
            })
            .collect();
        versions.iter().for_each(|version| drop(known.versions.put(version.ino, version.clone())));
        known.listed += versions.len();
        let list = List { asked: Some(Instant::now()), current, versions };
        if let Some((_, dropped)) = known.files.push(file, list) {
            known.listed -= dropped.versions.len();
        }
        while known.listed > MAX_VERSIONS.get() && known.files.len() > 1 {
            let Some((_, dropped)) = known.files.pop_lru() else { break };
            known.listed -= dropped.versions.len();
        }
    }

    /// What was known of a file cannot be right: Box is asked again.
    pub(super) fn doubt(&self, file: Ino) {
        // The inodes are needed for the next list, so that the list stays and only its age goes.
        if let Some(list) = self.known().files.peek_mut(&file) {
            list.asked = None;
        }
    }

    /// Box cannot be asked: what is known of a file with this current version is believed once more. `false`: nothing is.
    pub(super) fn renew(&self, file: Ino, current: Option<&str>) -> bool {
        let mut known = self.known();
        let list = known.files.get_mut(&file).filter(|list| list.current.as_deref() == current);
        list.map(|list| list.asked = Some(Instant::now())).is_some()
    }
}

impl Known {
    fn forget(&mut self, file: Ino) -> Arc<[Arc<OldVersion>]> {
        match self.files.pop(&file) {
            Some(list) => {
                self.listed -= list.versions.len();
                list.versions
            }
            None => Arc::new([]),
        }
    }

    fn fresh_number(&mut self) -> Ino {
        self.count += 1;
        numbers::version(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ids: &[&str]) -> Vec<PastVersion> {
        let version = |id: &&str| PastVersion { id: (*id).to_owned(), size: 1, sha1: None, at: None, by: None };
        ids.iter().map(version).collect()
    }

    fn told(past: &Past, current: &str) -> Option<Vec<(u64, Ino)>> {
        let versions = past.versions_of(Ino(5), Some(current))?;
        Some(versions.iter().map(|version| (version.number, version.ino)).collect())
    }

    #[test]
    fn a_version_keeps_its_inode_when_another_goes() {
        let past = Past::default();
        past.learn(Ino(5), "f", Some("c".to_owned()), found(&["a", "b"]));
        let first = told(&past, "c").unwrap();
        past.learn(Ino(5), "f", Some("c".to_owned()), found(&["b"]));
        assert_eq!(told(&past, "c").unwrap(), [(1, first[1].1)]);
        assert_eq!(past.version(first[1].1).unwrap().number, 1);
    }

    #[test]
    fn another_current_version_or_a_doubt_asks_again() {
        let past = Past::default();
        past.learn(Ino(5), "f", Some("c".to_owned()), found(&["a"]));
        assert!(told(&past, "c").is_some());
        assert!(told(&past, "d").is_none());
        past.doubt(Ino(5));
        assert!(told(&past, "c").is_none());
        assert!(!past.renew(Ino(5), Some("d")) && past.renew(Ino(5), Some("c")));
        assert!(told(&past, "c").is_some());
    }

    #[test]
    fn memory_is_bounded_over_all_files_and_for_each() {
        let past = Past::default();
        let many: Vec<String> = (0..MAX_SHOWN + 5).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for file in 0..40 {
            past.learn(Ino(file), "f", None, found(&many));
        }
        let known = past.known();
        assert!(known.listed <= MAX_VERSIONS.get() && known.versions.len() <= MAX_VERSIONS.get());
        assert_eq!(known.listed, known.files.iter().map(|(_, list)| list.versions.len()).sum::<usize>());
        drop(known);
        let shown = past.versions_of(Ino(39), None).unwrap();
        assert_eq!((shown.len(), shown[0].number), (MAX_SHOWN, 6));
    }
}

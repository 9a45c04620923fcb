//! What the engine shows of itself while it works: uploads under way, and whether Box can be reached.

use crate::base::{BoxId, Ino, Timestamp};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Items of which it is remembered who changed them last, about 100 bytes each: what is told is told soon after the news.
const MAX_AUTHORS: NonZeroUsize = NonZeroUsize::new(2_000).expect("not zero");

/// Shared between the engine, its executors and whoever asks for the status.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Shown>,
    /// By the last event of each item: the login of whoever caused it.
    authors: Mutex<LruCache<BoxId, String>>,
    quota: Notify,
    paused: AtomicBool,
}

#[derive(Debug, Default)]
struct Shown {
    uploads: HashMap<Ino, Meter>,
    /// What the meters showed that are no longer here.
    gone_bytes: u64,
    reach: Reach,
}

#[derive(Debug, Clone)]
struct Meter {
    sent: Arc<AtomicU64>,
    size: u64,
}

/// One upload under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploading {
    pub ino: Ino,
    pub sent: u64,
    pub size: u64,
}

/// Whether Box can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Why not, if not.
    pub trouble: Option<String>,
    pub sign_in_needed: bool,
    pub last_answer: Option<Timestamp>,
}

/// Takes the upload off the board when it ends, however it ends.
#[derive(Debug)]
pub struct OnBoard {
    board: Arc<Board>,
    ino: Ino,
    pub sent: Arc<AtomicU64>,
}

impl Drop for OnBoard {
    fn drop(&mut self) {
        let mut shown = self.board.lock();
        if let Some(meter) = shown.uploads.remove(&self.ino) {
            shown.gone_bytes = shown.gone_bytes.saturating_add(meter.sent.load(Ordering::Relaxed));
        }
    }
}

impl Default for Board {
    fn default() -> Board {
        Board {
            inner: Mutex::default(),
            authors: Mutex::new(LruCache::new(MAX_AUTHORS)),
            quota: Notify::default(),
            paused: AtomicBool::default(),
        }
    }
}

impl Board {
    /// An event says who changed the item, or does not.
    pub(super) fn set_author(&self, item: &BoxId, login: Option<&str>) {
        let mut authors = self.authors.lock().unwrap_or_else(PoisonError::into_inner);
        match login {
            Some(login) => drop(authors.put(item.clone(), login.to_owned())),
            None => drop(authors.pop(item)),
        }
    }

    /// The login of whoever changed the item last, if Box said so lately.
    pub(super) fn author(&self, item: &BoxId) -> Option<String> {
        self.authors.lock().unwrap_or_else(PoisonError::into_inner).peek(item).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an upload on the board; its meter is [`OnBoard::sent`].
    pub fn uploading(self: &Arc<Board>, ino: Ino, size: u64) -> OnBoard {
        let sent = Arc::new(AtomicU64::new(0));
        self.lock().uploads.insert(ino, Meter { sent: sent.clone(), size });
        OnBoard { board: self.clone(), ino, sent }
    }

    /// Uploads under way, in the order of their inode numbers.
    pub fn uploads(&self) -> Vec<Uploading> {
        let mut uploads: Vec<_> = self
            .lock()
            .uploads
            .iter()
            .map(|(&ino, m)| Uploading { ino, sent: m.sent.load(Ordering::Relaxed).min(m.size), size: m.size })
            .collect();
        uploads.sort_by_key(|u| u.ino);
        uploads
    }

    /// Whether the user wants nothing to be sent.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Box refused something for lack of space that we thought there was.
    pub fn doubt_quota(&self) {
        self.quota.notify_one();
    }

    /// Resolves when the quota is in doubt.
    pub async fn quota_in_doubt(&self) {
        self.quota.notified().await;
    }

    /// Bytes that went up since the start, over all uploads. Falls a little when a request is taken back.
    pub fn sent_bytes(&self) -> u64 {
        let shown = self.lock();
        let now: u64 = shown.uploads.values().map(|meter| meter.sent.load(Ordering::Relaxed)).sum();
        shown.gone_bytes.saturating_add(now)
    }

    pub fn reach(&self) -> Reach {
        self.lock().reach.clone()
    }

    pub(super) fn set_reach(&self, trouble: Option<String>, sign_in_needed: bool, now: Timestamp) {
        let mut shown = self.lock();
        if trouble.is_none() {
            shown.reach.last_answer = Some(now);
        }
        shown.reach.trouble = trouble;
        shown.reach.sign_in_needed = sign_in_needed;
    }
}

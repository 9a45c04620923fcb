//! What the engine shows of itself while it works: uploads under way, and whether Box can be reached.

use crate::base::{Ino, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Shared between the engine, its executors and whoever asks for the status.
#[derive(Debug, Default)]
pub struct Board {
    inner: Mutex<Shown>,
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

impl Board {
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

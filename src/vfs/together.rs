//! Small files that are kept, fetched together. Whoever keeps a file that is on its way already waits for it instead of asking again.

use super::asks::Source;
use super::error::Result;
use super::keep::{READ, ourselves};
use super::state::Vfs;
use super::types::Fh;
use crate::base::{ContentId, Ino};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What is on its way together with others.
#[derive(Default)]
pub(super) struct Arriving {
    /// Held for moments. At most what the few who keep files have asked for.
    contents: Mutex<HashSet<ContentId>>,
    /// Told whenever something is not on its way any more.
    done: Notify,
}

/// Contents that somebody fetches; not on their way any more when dropped.
struct Batch<'v> {
    arriving: &'v Arriving,
    sources: Vec<Source>,
}

impl Arriving {
    fn contents(&self) -> MutexGuard<'_, HashSet<ContentId>> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of `sources` that nobody fetches, which from here on are on their way, and the contents of the others.
    fn begin(&self, sources: Vec<Source>) -> (Batch<'_>, Vec<ContentId>) {
        let mut contents = self.contents();
        let (own, others): (Vec<_>, Vec<_>) = sources.into_iter().partition(|source| contents.insert(source.file.id()));
        (Batch { arriving: self, sources: own }, others.iter().map(|source| source.file.id()).collect())
    }

    /// Returns when none of these is on its way.
    async fn wait_for(&self, others: &[ContentId]) {
        loop {
            let done = self.done.notified();
            if !others.iter().any(|content| self.contents().contains(content)) {
                return;
            }
            done.await;
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut contents = self.arriving.contents();
        for source in &self.sources {
            contents.remove(&source.file.id());
        }
        drop(contents);
        self.arriving.done.notify_waiters();
    }
}

impl Vfs {
    /// Fetches small files together. Which of them are still not here: Box may have left them out, or have other bytes by now.
    pub async fn keep_together(self: Arc<Self>, inos: Vec<Ino>) -> Result<Vec<Ino>> {
        let (mut open, mut left) = (Vec::new(), Vec::new());
        for ino in inos {
            match self.clone().until_answered(move |vfs| vfs.open(ino, READ, &ourselves())).await {
                Ok(opened) => open.push((ino, opened.fh)),
                // What keeps it away is said by who asks for it alone.
                Err(_) => left.push(ino),
            }
        }
        let fetched = self.fetch_together(&open).await;
        for (ino, fh) in open {
            if !self.handles.file(fh).is_ok_and(|handle| handle.file.is_whole()) {
                left.push(ino);
            }
            self.clone().until_answered(move |vfs| vfs.release(fh)).await?;
        }
        fetched.map(|()| left)
    }

    async fn fetch_together(&self, open: &[(Ino, Fh)]) -> Result<()> {
        let source = |(_, fh): &(Ino, Fh)| self.handles.file(*fh).ok()?.source().cloned();
        let (batch, others) = self.arriving.begin(open.iter().filter_map(source).collect());
        let fetched = if batch.sources.is_empty() { Ok(()) } else { self.asks.together(&batch.sources).await };
        drop(batch);
        self.arriving.wait_for(&others).await;
        fetched
    }
}

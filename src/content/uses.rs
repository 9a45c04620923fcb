//! When contents were last used: remembered here, written to the database from time to time, and lost by a crash without harm.

use super::data_file::lock;
use super::store::Content;
use crate::base::{ContentId, Timestamp};
use std::collections::HashMap;

/// Uses remembered before they have to be written, 40 bytes each.
const MAX_USES: usize = 10_000;

/// The last use of each content since the last [`Content::take_uses`].
pub(super) type Uses = HashMap<ContentId, Timestamp>;

impl Content {
    /// Somebody opened or closed the content. What does not fit is left out: it was used among ten thousand others.
    pub fn used(&self, id: ContentId, now: Timestamp) {
        let mut uses = lock(&self.uses);
        if uses.len() < MAX_USES || uses.contains_key(&id) {
            uses.insert(id, now);
        } else {
            self.pressure.notify_one();
        }
    }

    /// The uses since the last time, to be written down.
    pub fn take_uses(&self) -> Vec<(ContentId, Timestamp)> {
        lock(&self.uses).drain().collect()
    }

    /// Resolves when somebody wants room, or there are many uses to be written down.
    pub async fn pressed(&self) {
        self.pressure.notified().await;
    }
}

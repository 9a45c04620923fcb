//! Archives that wait to be fetched.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::store::{Content, random_token};

/// Box takes ten at once of an enterprise.
const MAX_ARCHIVES: usize = 10;

/// Items that are to be downloaded as one archive.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    pub(super) name: String,
    /// Paths in the archive, and what is there.
    pub(super) files: Vec<(String, Content)>,
    pub(super) expires: i64,
    pub(super) sent: bool,
}

/// The archives of an account, by the secret in their URLs; not kept over a restart.
#[derive(Debug, Default)]
pub(super) struct Archives(Mutex<HashMap<String, Archive>>);

impl Archives {
    /// Keeps an archive to be made; the oldest go where there are too many.
    pub(super) fn add(&self, archive: Archive, now: i64) -> String {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, archive| archive.expires > now);
        if all.len() >= MAX_ARCHIVES
            && let Some(oldest) = all.iter().min_by_key(|(_, archive)| archive.expires).map(|(id, _)| id.clone())
        {
            all.remove(&oldest);
        }
        let id = random_token();
        all.insert(id.clone(), archive);
        id
    }

    pub(super) fn get(&self, id: &str) -> Option<Archive> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn mark_sent(&self, id: &str) {
        if let Some(archive) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            archive.sent = true;
        }
    }
}

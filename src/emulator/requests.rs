//! The log of requests: the last ones in memory, all of them as JSON lines in a file where one is given.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::private::open_private;

/// Records kept in memory: a long test's worth.
const MAX_RECORDS: usize = 200_000;

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// When its headers had come, RFC 3339 with milliseconds, UTC.
    pub time: String,
    /// `api` or `download`: which of the two listeners.
    pub door: String,
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// 0 where the connection ended without an answer.
    pub status: u16,
    /// Body bytes that came.
    pub bytes_in: u64,
    /// Body bytes that left.
    pub bytes_out: u64,
    pub duration_ms: u64,
    /// Whether a token was sent along.
    pub authorized: bool,
    /// `Range`, `Content-Range`, `If-Match` and `As-User` as they came, for tests that look closer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// Shared by all connections.
#[derive(Debug)]
pub(super) struct RequestLog {
    recent: Mutex<VecDeque<RequestRecord>>,
    file: Option<Mutex<File>>,
    bytes_in: AtomicU64,
}

impl RequestLog {
    pub(super) fn open(path: Option<&Path>) -> io::Result<RequestLog> {
        let open = |path: &Path| open_private(path, File::options().append(true).create(true));
        let file = path.map(open).transpose()?.map(Mutex::new);
        Ok(RequestLog { recent: Mutex::default(), file, bytes_in: AtomicU64::new(0) })
    }

    pub(super) fn count_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Body bytes received so far, of unfinished requests too.
    pub(super) fn bytes_received(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, record: RequestRecord) {
        if let Some(file) = &self.file {
            let mut line = serde_json::to_vec(&record).unwrap_or_default();
            line.push(b'\n');
            let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
            if let Err(error) = written {
                log::warn!("emulator: request log: {error}");
            }
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == MAX_RECORDS {
            recent.pop_front();
        }
        recent.push_back(record);
    }

    pub(super) fn all(&self) -> Vec<RequestRecord> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

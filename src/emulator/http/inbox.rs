//! A request's body as it comes in: counted, bounded, never whole in memory unless it is small JSON or a form.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::super::desk::Desk;
use super::super::refusal::Refusal;

/// Largest JSON body: a commit of 10,000 parts with their digests.
const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;
/// What is read and thrown away of a body that is refused, so that the client can read the answer; beyond it the connection closes.
const MAX_DRAIN_BYTES: u64 = 256 * 1024 * 1024;

/// The incoming body.
pub(in crate::emulator) struct Inbox {
    body: Incoming,
    desk: Arc<Desk>,
    counted: Arc<AtomicU64>,
    done: bool,
    /// A small body or the attributes of an upload, for those who judge what was said.
    kept: Option<Vec<u8>>,
}

impl Inbox {
    pub(in crate::emulator) fn new(body: Incoming, desk: Arc<Desk>, counted: Arc<AtomicU64>) -> Inbox {
        Inbox { body, desk, counted, done: false, kept: None }
    }

    /// Bytes that the headers announce.
    pub(in crate::emulator) fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes, `None` at the end; a connection that is lost meanwhile is an error whose answer nobody reads.
    pub(in crate::emulator) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        while let Some(frame) = self.body.frame().await {
            let Ok(frame) = frame else {
                self.done = true;
                return Err(Refusal::bad("body", "the connection ended in the middle of the body"));
            };
            if let Ok(bytes) = frame.into_data() {
                self.counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                self.desk.log.count_in(bytes.len() as u64);
                return Ok(Some(bytes));
            }
        }
        self.done = true;
        Ok(None)
    }

    /// The whole of a small body.
    pub(in crate::emulator) async fn small(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            if all.len() + bytes.len() > MAX_JSON_BYTES {
                return Err(Refusal::too_large());
            }
            all.extend_from_slice(&bytes);
        }
        self.keep(&all);
        Ok(all)
    }

    /// Remembers what the caller said, where traffic is written down.
    pub(in crate::emulator) fn keep(&mut self, said: &[u8]) {
        if self.desk.traffic.is_on() {
            self.kept = Some(said.to_vec());
        }
    }

    /// What was read and is no file, where traffic is written down.
    pub(in crate::emulator) fn kept(&self) -> Option<&[u8]> {
        self.kept.as_deref()
    }

    /// Reads what is left of a body whose request is already decided, unless the connection closes anyway.
    pub(in crate::emulator) async fn drain_unless(&mut self, closing: bool) {
        if !closing {
            self.read_some(MAX_DRAIN_BYTES).await;
        }
    }

    /// Reads and forgets at least so many bytes, or all.
    pub(in crate::emulator) async fn read_some(&mut self, enough: u64) {
        let mut read = 0;
        while !self.done && read < enough {
            match self.next().await {
                Ok(Some(bytes)) => read += bytes.len() as u64,
                _ => return,
            }
        }
    }
}

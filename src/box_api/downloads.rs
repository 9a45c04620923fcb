//! Downloads: the redirect that Box gives, kept while it works, and the bytes behind it (API.md 6).
//!
//! The address behind the redirect opens the content to whoever has it: it is never logged, and never gets the token.

use super::call::{Call, Request};
use super::client::{BoxClient, next_chunk};
use super::error::{Outcome, Target, retry_after, text_header};
use super::hosts::content_url;
use super::limits::{Bandwidth, Class};
use super::meaning::{ApiError, Meaning};
use crate::base::pause;
use bytes::Bytes;
use lru::LruCache;
use reqwest::{Method, Response, Url};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Box promises 15 minutes "in most cases" (API.md 1.8).
const LOCATION_LIFE: Duration = Duration::from_secs(14 * 60);
/// Addresses that are kept, about 1 kB each: more than there are files open for reading at a time.
const MAX_LOCATIONS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Times that content which Box is still preparing is asked for.
const MAX_NOT_READY: u32 = 6;
/// Wait where Box does not say how long its content takes.
const DEFAULT_NOT_READY_WAIT: Duration = Duration::from_secs(2);
/// Longest single wait for content; a reader is waiting.
const MAX_NOT_READY_WAIT: Duration = Duration::from_secs(15);

const LOCATE: Call = Call::read("locate_content", "/files/:id/content");
const CONTENT: Call = Call::read("download", "(content)").class(Class::Free).target(Target::Content);

/// A version of a file; no version means the current one.
type Key = (String, Option<String>);

/// Where contents can be fetched just now.
pub(super) struct Locations {
    /// Held for moments.
    known: Mutex<LruCache<Key, Known>>,
}

/// What is known of one content's address.
#[derive(Clone, Default)]
struct Known {
    url: Option<(Url, Instant)>,
    /// Whoever asks Box for the address has its only permit; the others wait for the answer.
    asking: Option<Arc<Semaphore>>,
}

impl Locations {
    pub(super) fn new() -> Locations {
        Locations { known: Mutex::new(LruCache::new(MAX_LOCATIONS)) }
    }

    fn known(&self) -> MutexGuard<'_, LruCache<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &Key, now: Instant) -> Option<Url> {
        let mut all = self.known();
        let known = all.get_mut(key)?;
        known.url.take_if(|(_, since)| now.duration_since(*since) >= LOCATION_LIFE);
        known.url.as_ref().map(|(url, _)| url.clone())
    }

    fn put(&self, key: &Key, url: Url, now: Instant) {
        self.known().get_or_insert_mut(key.clone(), Known::default).url = Some((url, now));
    }

    /// `url` does not work any more. What somebody else has learned meanwhile stays.
    fn forget(&self, key: &Key, url: &Url) {
        if let Some(known) = self.known().get_mut(key) {
            known.url.take_if(|(known, _)| known == url);
        }
    }

    /// Who may ask Box for the address.
    fn turn(&self, key: &Key) -> Arc<Semaphore> {
        let mut all = self.known();
        let known = all.get_or_insert_mut(key.clone(), Known::default);
        known.asking.get_or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }
}

/// The bytes of a file on their way in.
pub struct Download {
    response: Response,
    /// Bytes still to be dropped: the server sent the whole content although a range was asked for.
    skip: u64,
    /// Bytes still to be given; `None`: until the end, which the server did not announce.
    left: Option<u64>,
    total: Option<u64>,
    line: Option<Arc<Bandwidth>>,
}

/// Where an address came from.
enum Found {
    Known(Url),
    Fresh(Url),
    /// Box sent the content itself, without a redirect.
    Content(Response),
}

impl BoxClient {
    /// Opens a file's content, or a range of it that starts inside the content; the range may end beyond it.
    /// Without `version` it is the current one, and two calls may meet two versions.
    ///
    /// # Errors
    /// `NotReady` where Box does not finish preparing the content; `RangeNotSatisfiable`; `NoAccess`, `Locked`, `NotFound`.
    pub async fn download(
        &self,
        file_id: &str,
        version: Option<&str>,
        range: Option<Range<u64>>,
    ) -> Result<Download, ApiError> {
        if range.as_ref().is_some_and(Range::is_empty) {
            return Err(ApiError::new(CONTENT.name, Meaning::RangeNotSatisfiable, "an empty range"));
        }
        let key = (file_id.to_owned(), version.map(str::to_owned));
        let (url, fresh) = match self.locate(&key).await? {
            Found::Content(response) => return self.begin(response, Outcome::Done, range.as_ref()),
            Found::Known(url) => (url, false),
            Found::Fresh(url) => (url, true),
        };
        match self.fetch(&url, range.as_ref()).await {
            Err(error) if is_of_address(&error) => {
                self.inner.locations.forget(&key, &url);
                if fresh {
                    return Err(error);
                }
            }
            other => return other,
        }
        // The address was old: once more with one that Box gives now.
        match self.locate(&key).await? {
            Found::Content(response) => self.begin(response, Outcome::Done, range.as_ref()),
            Found::Known(url) | Found::Fresh(url) => {
                let result = self.fetch(&url, range.as_ref()).await;
                result.inspect_err(|_| self.inner.locations.forget(&key, &url))
            }
        }
    }

    /// The address of a content. Of several who want it, one asks Box.
    async fn locate(&self, key: &Key) -> Result<Found, ApiError> {
        let locations = &self.inner.locations;
        if let Some(url) = locations.get(key, Instant::now()) {
            return Ok(Found::Known(url));
        }
        let turn = locations.turn(key);
        // Never closed; without a permit everybody would ask for himself, which is as right.
        let _turn = turn.acquire().await;
        match locations.get(key, Instant::now()) {
            Some(url) => Ok(Found::Known(url)),
            None => self.ask_for_address(key).await,
        }
    }

    async fn ask_for_address(&self, key: &Key) -> Result<Found, ApiError> {
        let mut request = Request::below(Method::GET, &self.hosts().api, &["files", &key.0, "content"])
            .header("accept-encoding", "identity");
        if let Some(version) = &key.1 {
            request = request.query("version", version);
        }
        for _ in 0..MAX_NOT_READY {
            let (outcome, response) = self.open(&LOCATE, &request).await?;
            match outcome {
                Outcome::Elsewhere => {
                    let location = text_header(response.headers(), "location").unwrap_or_default();
                    let url = content_url(LOCATE.name, location)?;
                    self.inner.locations.put(key, url.clone(), Instant::now());
                    return Ok(Found::Fresh(url));
                }
                Outcome::NotYet => {
                    let wait = retry_after(response.headers()).unwrap_or(DEFAULT_NOT_READY_WAIT);
                    pause(wait.min(MAX_NOT_READY_WAIT)).await;
                }
                Outcome::Done | Outcome::Partial | Outcome::Failed => return Ok(Found::Content(response)),
            }
        }
        Err(ApiError::new(LOCATE.name, Meaning::NotReady, "content that was just uploaded takes a while"))
    }

    async fn fetch(&self, url: &Url, range: Option<&Range<u64>>) -> Result<Download, ApiError> {
        let mut request = Request::new(Method::GET, url.clone())
            .without_token()
            // On offer, the host compresses, and the length is gone (API.md 6.4).
            .header("accept-encoding", "identity");
        if let Some(range) = range {
            request = request.header("range", format!("bytes={}-{}", range.start, range.end - 1));
        }
        let (outcome, response) = self.open(&CONTENT, &request).await?;
        match outcome {
            Outcome::Done | Outcome::Partial => self.begin(response, outcome, range),
            Outcome::Elsewhere | Outcome::NotYet | Outcome::Failed => {
                Err(ApiError::new(CONTENT.name, Meaning::BadAnswer, "neither content nor a refusal"))
            }
        }
    }

    pub(super) fn begin(
        &self,
        response: Response,
        outcome: Outcome,
        range: Option<&Range<u64>>,
    ) -> Result<Download, ApiError> {
        let window = Window::read(&response, outcome);
        let (skip, left) = match (range, window) {
            (None, Window { start: 0, len, .. }) => (0, len),
            (Some(range), Window { start, len, .. }) if start <= range.start => {
                let skip = range.start - start;
                let wanted = range.end - range.start;
                (skip, Some(len.map_or(wanted, |len| wanted.min(len.saturating_sub(skip)))))
            }
            _ => {
                return Err(ApiError::new(CONTENT.name, Meaning::BadAnswer, "another range than the one asked for"));
            }
        };
        if range.is_some() && left == Some(0) {
            return Err(ApiError::new(CONTENT.name, Meaning::RangeNotSatisfiable, "beyond the end"));
        }
        let line = self.inner.download_line.clone();
        Ok(Download { response, skip, left, total: window.total, line })
    }
}

/// Whether another address may help: this one is over, is of something else, or leads nowhere.
fn is_of_address(error: &ApiError) -> bool {
    matches!(error.meaning, Meaning::BadAnswer | Meaning::RangeNotSatisfiable | Meaning::NotSent)
}

/// Which bytes of the content an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start: u64,
    len: Option<u64>,
    total: Option<u64>,
}

impl Window {
    fn read(response: &Response, outcome: Outcome) -> Window {
        let len = response.content_length();
        let told = text_header(response.headers(), "content-range").and_then(Window::parse);
        match (outcome, told) {
            (Outcome::Partial, Some(window)) => window,
            // A 206 that does not say which range is taken for nothing that fits.
            (Outcome::Partial, None) => Window { start: u64::MAX, len, total: None },
            _ => Window { start: 0, len, total: len },
        }
    }

    /// `bytes 5-9/100`, `bytes 5-9/*`.
    fn parse(text: &str) -> Option<Window> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let len = last.checked_sub(first)?.checked_add(1)?;
        Some(Window { start: first, len: Some(len), total: total.trim().parse().ok() })
    }
}

impl Download {
    /// Bytes of the whole content, where the server said so.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Bytes that are still to come, where the server said so. A range that is no longer than its content promises them all.
    pub fn remaining(&self) -> Option<u64> {
        self.left
    }

    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    /// `OutcomeUnknown` if the connection breaks, stands still or ends too early.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        while self.left != Some(0) {
            let Some(mut chunk) = next_chunk(CONTENT.name, &mut self.response).await? else {
                return match self.left {
                    None => Ok(None),
                    Some(left) => {
                        let text = format!("the content ended {left} bytes early");
                        Err(ApiError::new(CONTENT.name, Meaning::OutcomeUnknown, text))
                    }
                };
            };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
            drop(chunk.split_to(skipped));
            self.skip -= skipped as u64;
            if let Some(left) = &mut self.left {
                chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= chunk.len() as u64;
            }
            if let Some(line) = &self.line {
                tokio::time::sleep_until(line.reserve(skipped + chunk.len())).await;
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_says_which_bytes_come() {
        let window = |text| Window::parse(text).map(|w| (w.start, w.len, w.total));
        assert_eq!(window("bytes 5-9/100"), Some((5, Some(5), Some(100))));
        assert_eq!(window("bytes 0-0/*"), Some((0, Some(1), None)));
        for bad in ["", "bytes */100", "bytes 9-5/100", "items 1-2/3", "bytes 0-18446744073709551615/1"] {
            assert_eq!(window(bad), None, "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_kept_for_fourteen_minutes() {
        let locations = Locations::new();
        let key = ("1".to_owned(), None);
        let url = Url::parse("https://dl.example/d/1/x").unwrap();
        locations.put(&key, url.clone(), Instant::now());
        assert_eq!(locations.get(&key, Instant::now()), Some(url));
        tokio::time::advance(LOCATION_LIFE).await;
        assert_eq!(locations.get(&key, Instant::now()), None);
    }
}

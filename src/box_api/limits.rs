//! Staying under Box's published limits, and counting what was called.
//!
//! A [`Window`] per class remembers when the last calls went out and lets no minute hold more than the limit: a whole
//! minute's calls may leave at once, and never one more than Box permits (API.md 1.6). Bulk transfers leave a share of the
//! general limit to metadata calls and reads.

use super::meaning::{ApiError, Meaning};
use super::retry::MAX_WAIT;
use crate::base::{Timestamp, paced, time_scale};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many calls a minute the client makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiLimits {
    /// Box's published limits.
    #[default]
    Box,
    /// None of our own; Box's `Retry-After` is obeyed all the same.
    Off,
    /// Calls a minute in all; uploads at most Box's share of them.
    PerMinute(u32),
}

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Metadata and reads.
    General,
    /// The upload of a whole small file.
    Upload,
    /// A part of a chunked upload: general, until a 429 on one says that Box counts it as an upload.
    Part,
    /// Not one of Box's API calls: tokens, contents from the download host, the long poll.
    Free,
}

/// API.md 1.6.
const GENERAL_PER_MINUTE: u32 = 1000;
/// API.md 1.6.
const UPLOADS_PER_MINUTE: u32 = 240;
/// The part of the general limit, in percent, that parts and small uploads may use up: the rest is for whoever waits for
/// a listing or a page of a file.
const BULK_SHARE_PERCENT: usize = 80;
/// A minute, and what one call may take longer on its way than another: Box counts calls as they come.
const WINDOW: Duration = Duration::from_secs(62);
/// Pause after a 429 without `Retry-After` (API.md 1.7: clients use 3 to 30 s).
const DEFAULT_PAUSE: Duration = Duration::from_secs(3);

fn bulk_share(limit: usize) -> usize {
    // A limit too small to be shared goes to whoever comes first.
    if limit < 100 { limit } else { limit / 100 * BULK_SHARE_PERCENT }
}

/// The last calls of one class.
#[derive(Debug)]
struct Window {
    limit: usize,
    sent: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Window {
    fn new(limit: u32) -> Window {
        Window { limit: limit.max(1) as usize, sent: VecDeque::new(), paused_until: None }
    }

    /// When a call could go out that may fill the window up to `limit` calls.
    fn free_at(&mut self, limit: usize, now: Instant) -> Instant {
        while self.sent.front().is_some_and(|&first| first + paced(WINDOW) <= now) {
            self.sent.pop_front();
        }
        let paused = self.paused_until.filter(|&until| until > now).unwrap_or(now);
        match self.sent.len().checked_sub(limit.max(1)) {
            Some(index) => (self.sent[index] + paced(WINDOW)).max(paused),
            None => paused,
        }
    }
}

struct State {
    general: Window,
    uploads: Window,
    parts_are_uploads: bool,
    calls: BTreeMap<&'static str, u64>,
}

/// The budget of one account: one object per client.
pub(super) struct Limits {
    /// `None`: no windows, pauses only.
    windows: bool,
    /// Held for moments, never across a wait.
    state: Mutex<State>,
}

impl Limits {
    pub(super) fn new(limits: ApiLimits) -> Limits {
        let (general, uploads) = match limits {
            ApiLimits::Box | ApiLimits::Off => (GENERAL_PER_MINUTE, UPLOADS_PER_MINUTE),
            ApiLimits::PerMinute(n) => (n.max(1), n.clamp(1, UPLOADS_PER_MINUTE)),
        };
        Limits {
            windows: limits != ApiLimits::Off,
            state: Mutex::new(State {
                general: Window::new(general),
                uploads: Window::new(uploads),
                parts_are_uploads: false,
                calls: BTreeMap::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call of `class` may go out, and counts it under `kind`.
    ///
    /// # Errors
    /// `Throttled` where Box wants no such calls for longer than [`MAX_WAIT`]: that is not to be sat out here.
    pub(super) async fn admit(&self, class: Class, kind: &'static str) -> Result<(), ApiError> {
        loop {
            let now = Instant::now();
            let Err(until) = self.try_admit(class, kind, now) else { return Ok(()) };
            let wait = (until - now) * time_scale();
            if wait > MAX_WAIT {
                let meaning = Meaning::Throttled { retry_after: Some(wait) };
                let error = ApiError::new(kind, meaning, "Box asked for a pause of its calls");
                return Err(ApiError { retry_after: Some(wait), ..error });
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Counts a call of `class`, or says when to ask again.
    fn try_admit(&self, class: Class, kind: &'static str, now: Instant) -> Result<(), Instant> {
        let mut state = self.state();
        if class != Class::Free {
            let as_upload = class == Class::Upload || (class == Class::Part && state.parts_are_uploads);
            let limit = |window: &Window| if self.windows { window.limit } else { usize::MAX };
            let share = match class {
                Class::General => limit(&state.general),
                _ => bulk_share(limit(&state.general)),
            };
            let mut free = state.general.free_at(share, now);
            if as_upload {
                let limit = limit(&state.uploads);
                free = free.max(state.uploads.free_at(limit, now));
            }
            if free > now {
                return Err(free);
            }
            if self.windows {
                state.general.sent.push_back(now);
                if as_upload {
                    state.uploads.sent.push_back(now);
                }
            }
        }
        *state.calls.entry(kind).or_default() += 1;
        Ok(())
    }

    /// Box said 429 to a call of `class`: that class pauses for as long as Box said.
    pub(super) fn pause(&self, class: Class, error: &ApiError) {
        let until = Instant::now() + paced(error.retry_after.unwrap_or(DEFAULT_PAUSE));
        let mut state = self.state();
        if class == Class::Part {
            state.parts_are_uploads = true;
        }
        let window = match class {
            Class::General => &mut state.general,
            Class::Upload | Class::Part => &mut state.uploads,
            Class::Free => return,
        };
        window.paused_until = window.paused_until.max(Some(until));
    }

    /// Until when Box wants no calls of some class.
    pub(super) fn throttled_until(&self) -> Option<Timestamp> {
        let now = Instant::now();
        let state = self.state();
        let until = state.general.paused_until.max(state.uploads.paused_until)?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
            .map(|left| Timestamp::now().after(left * time_scale()))
    }

    pub(super) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.state().calls.clone()
    }
}

/// Bytes per second through all transfers of one direction together.
pub(super) struct Bandwidth {
    bytes_per_second: u64,
    /// When the bytes admitted so far are through. Held for moments.
    free: Mutex<Instant>,
}

impl Bandwidth {
    pub(super) fn new(bytes_per_second: u64) -> Bandwidth {
        Bandwidth { bytes_per_second: bytes_per_second.max(1), free: Mutex::new(Instant::now()) }
    }

    /// When the next `bytes` may move; reserves the line for them.
    pub(super) fn reserve(&self, bytes: usize) -> Instant {
        let now = Instant::now();
        let span = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let start = (*free).max(now);
        *free = start + span;
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(secs: Option<u64>) -> ApiError {
        ApiError {
            retry_after: secs.map(Duration::from_secs),
            ..ApiError::new("c", Meaning::Throttled { retry_after: None }, "")
        }
    }

    /// Admits as many calls as it can at `now`.
    fn fill(limits: &Limits, class: Class, now: Instant) -> usize {
        std::iter::repeat_with(|| limits.try_admit(class, "k", now)).take_while(Result::is_ok).take(5000).count()
    }

    #[test]
    fn no_minute_holds_more_calls_than_the_limit() {
        let limits = Limits::new(ApiLimits::Box);
        let start = Instant::now();
        assert_eq!(fill(&limits, Class::General, start), 1000);
        assert_eq!(limits.try_admit(Class::General, "k", start), Err(start + WINDOW));
        assert_eq!(fill(&limits, Class::General, start + Duration::from_secs(60)), 0);
        assert_eq!(fill(&limits, Class::General, start + WINDOW), 1000);
    }

    #[test]
    fn uploads_have_a_limit_of_their_own_and_leave_room_for_others() {
        let limits = Limits::new(ApiLimits::Box);
        let now = Instant::now();
        assert_eq!(fill(&limits, Class::Upload, now), 240);
        assert_eq!(fill(&limits, Class::Part, now), 800 - 240);
        assert_eq!(fill(&limits, Class::General, now), 200);
    }

    #[test]
    fn parts_count_as_uploads_once_a_429_says_so() {
        let limits = Limits::new(ApiLimits::Box);
        limits.pause(Class::Part, &throttled(Some(10)));
        let now = Instant::now();
        assert!(limits.try_admit(Class::Part, "k", now).is_err());
        assert!(limits.try_admit(Class::General, "k", now).is_ok());
        assert_eq!(fill(&limits, Class::Part, now + Duration::from_secs(11)), 240);
    }

    #[test]
    fn retry_after_is_obeyed_without_limits_of_our_own() {
        let limits = Limits::new(ApiLimits::Off);
        assert_eq!(fill(&limits, Class::General, Instant::now()), 5000);
        assert_eq!(limits.throttled_until(), None);
        limits.pause(Class::General, &throttled(Some(100)));
        assert!(limits.try_admit(Class::General, "k", Instant::now()).is_err());
        assert!(limits.try_admit(Class::Free, "k", Instant::now()).is_ok());
        assert!(limits.throttled_until() > Some(Timestamp::now().after(Duration::from_secs(90))));
    }

    #[test]
    fn a_small_limit_still_lets_uploads_through() {
        let limits = Limits::new(ApiLimits::PerMinute(5));
        assert_eq!(fill(&limits, Class::Upload, Instant::now()), 5);
    }

    #[test]
    fn calls_are_counted_by_kind() {
        let limits = Limits::new(ApiLimits::Off);
        for kind in ["list", "list", "upload"] {
            assert!(limits.try_admit(Class::General, kind, Instant::now()).is_ok());
        }
        assert_eq!(limits.calls(), BTreeMap::from([("list", 2), ("upload", 1)]));
    }

    #[test]
    fn bandwidth_is_shared_by_reserving_the_line() {
        let line = Bandwidth::new(1000);
        let first = line.reserve(500);
        let second = line.reserve(500);
        assert_eq!(second - first, Duration::from_millis(500));
    }
}

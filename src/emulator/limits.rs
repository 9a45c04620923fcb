//! Rate limits, as Box has them for each user (API.md 1.6). Off unless asked for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::options::RateLimits;
use super::refusal::Refusal;

/// Counts remembered: those of more users than any test has.
const MAX_BUCKETS: usize = 40_000;

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    General,
    Upload,
    Search,
}

/// Calls that are paid for, refilled with time: of each user, and of the enterprise.
#[derive(Debug)]
pub(super) struct Limits {
    rates: Option<RateLimits>,
    /// Minutes of Box in one minute of this machine.
    scale: u32,
    buckets: Mutex<HashMap<(Option<u64>, Meter), Bucket>>,
}

/// What is counted, over which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Meter {
    Calls,
    Uploads,
    Searches,
    SearchesNow,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

impl Limits {
    pub(super) fn new(rates: Option<RateLimits>, scale: u32) -> Limits {
        Limits { rates, scale, buckets: Mutex::default() }
    }

    pub(super) fn are_on(&self) -> bool {
        self.rates.is_some()
    }

    /// Takes one call of a user, or refuses it with 429. Uploads and searches count as general calls too.
    pub(super) fn take(&self, user: u64, class: Class) -> Result<(), Refusal> {
        let Some(rates) = &self.rates else { return Ok(()) };
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > MAX_BUCKETS {
            buckets.clear();
        }
        let own: &[(Option<u64>, Meter, u32, Duration)] = match class {
            Class::General => &[],
            Class::Upload => &[(Some(user), Meter::Uploads, rates.uploads_a_minute, MINUTE)],
            Class::Search => &[
                (Some(user), Meter::Searches, rates.searches_a_minute, MINUTE),
                (Some(user), Meter::SearchesNow, rates.searches_a_second, SECOND),
                (None, Meter::SearchesNow, rates.enterprise_searches_a_second, SECOND),
            ],
        };
        let general = [(Some(user), Meter::Calls, rates.calls_a_minute, MINUTE)];
        for (user, meter, calls, time) in own.iter().chain(&general) {
            let full = f64::from(*calls);
            let bucket = buckets.entry((*user, *meter)).or_insert(Bucket { left: full, at: now });
            let gone = now.duration_since(bucket.at) * self.scale;
            let refill = gone.as_secs_f64() * full / time.as_secs_f64();
            *bucket = Bucket { left: (bucket.left + refill).min(full), at: now };
            if bucket.left < 1.0 {
                let text = "Request rate limit exceeded, please try again later";
                let refusal = Refusal::new(429, "rate_limit_exceeded", text);
                return Err(refusal.header("retry-after", rates.retry_after.to_string()));
            }
            bucket.left -= 1.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(calls_a_minute: u32, uploads_a_minute: u32) -> Limits {
        Limits::new(Some(RateLimits { calls_a_minute, uploads_a_minute, retry_after: 7, ..RateLimits::default() }), 1)
    }

    #[test]
    fn a_user_is_stopped_at_the_limit_and_others_are_not() {
        let limits = limits(5, 2);
        assert!(limits.take(1, Class::Upload).is_ok());
        assert!(limits.take(1, Class::Upload).is_ok());
        let refused = limits.take(1, Class::Upload).unwrap_err();
        assert_eq!((refused.status, refused.headers[0].1.as_str()), (429, "7"));
        assert!(limits.take(1, Class::General).is_ok());
        assert!(limits.take(2, Class::Upload).is_ok());
    }

    #[test]
    fn searches_are_limited_by_the_second_for_a_user_and_for_all() {
        let limits = limits(1000, 240);
        let taken = |user: u64| (0..20).filter(|_| limits.take(user, Class::Search).is_ok()).count();
        assert_eq!((taken(1), taken(2), taken(3)), (6, 6, 0));
        assert!(limits.take(3, Class::General).is_ok());
    }
}

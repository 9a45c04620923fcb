//! Rate limits, as Box has them for each user (API.md 1.6). Off unless asked for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::options::RateLimits;
use super::refusal::Refusal;

/// Users remembered; more than any test has.
const MAX_USERS: usize = 10_000;

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    General,
    Upload,
    Search,
}

/// Calls of each user that are paid for, refilled with time.
#[derive(Debug)]
pub(super) struct Limits {
    rates: Option<RateLimits>,
    /// Minutes of Box in one minute of this machine.
    scale: u32,
    buckets: Mutex<HashMap<(String, Class), Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limits {
    pub(super) fn new(rates: Option<RateLimits>, scale: u32) -> Limits {
        Limits { rates, scale, buckets: Mutex::default() }
    }

    /// Takes one call of the holder of `token`, or refuses it with 429. Uploads count as general calls too.
    pub(super) fn take(&self, token: &str, class: Class) -> Result<(), Refusal> {
        let Some(rates) = &self.rates else { return Ok(()) };
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > MAX_USERS {
            buckets.clear();
        }
        let general = (Class::General, rates.calls_a_minute);
        let own = match class {
            Class::General => general,
            Class::Upload => (class, rates.uploads_a_minute),
            Class::Search => (class, rates.searches_a_minute),
        };
        for (class, a_minute) in if own == general { vec![general] } else { vec![general, own] } {
            let full = f64::from(a_minute);
            let bucket = buckets.entry((token.to_owned(), class)).or_insert(Bucket { left: full, at: now });
            let gone = now.duration_since(bucket.at) * self.scale;
            let refill = gone.as_secs_f64() * full / Duration::from_secs(60).as_secs_f64();
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

    #[test]
    fn a_user_is_stopped_at_the_limit_and_others_are_not() {
        let rates = RateLimits { calls_a_minute: 5, uploads_a_minute: 2, searches_a_minute: 60, retry_after: 7 };
        let limits = Limits::new(Some(rates), 1);
        assert!(limits.take("a", Class::Upload).is_ok());
        assert!(limits.take("a", Class::Upload).is_ok());
        let refused = limits.take("a", Class::Upload).unwrap_err();
        assert_eq!((refused.status, refused.headers[0].1.as_str()), (429, "7"));
        assert!(limits.take("a", Class::General).is_ok());
        assert!(limits.take("b", Class::Upload).is_ok());
    }
}

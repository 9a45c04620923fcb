//! How long to wait after failures: a pure function of their number.

use std::time::Duration;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait: patience is unlimited, silence is not.
const LONGEST: Duration = Duration::from_secs(300);

/// The wait after `failures` in a row (1 or more). `jitter` in 0..1 spreads it over half to one and a half times the value;
/// a wait that the server named is never cut short.
pub fn backoff(failures: u32, jitter: f64, told: Option<Duration>) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let wait = doubled.min(LONGEST).mul_f64(0.5 + jitter.clamp(0.0, 1.0));
    told.map_or(wait, |told| wait.max(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        assert_eq!(backoff(1, 0.5, None), Duration::from_millis(500));
        assert_eq!(backoff(2, 0.5, None), Duration::from_secs(1));
        assert_eq!(backoff(60, 0.5, None), LONGEST);
        assert!(backoff(60, 1.0, None) <= LONGEST.mul_f64(1.5));
    }

    #[test]
    fn a_wait_that_the_server_named_is_obeyed() {
        assert_eq!(backoff(1, 0.0, Some(Duration::from_secs(100))), Duration::from_secs(100));
    }
}

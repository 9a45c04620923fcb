//! When the client repeats a call by itself: a table. Pure; the clock and the dice are the caller's.
//!
//! | meaning            | a repeatable call | any other call |
//! |--------------------|-------------------|----------------|
//! | `SignInNeeded`     | once, with a fresh token | the same |
//! | `Throttled`        | after `Retry-After`, else backoff | the same |
//! | `NotSent`          | after a backoff   | the same |
//! | `OutcomeUnknown`   | after `Retry-After`, else backoff | never: the caller has to look first |
//! | anything else      | never             | never |

use super::meaning::{ApiError, Meaning};
use std::time::Duration;

/// Whether a call may be sent again although it may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Twice is the same as once: reads, and the abort of a session.
    Always,
    /// Only when nothing was applied for certain.
    Unapplied,
    /// Never: whoever calls has a loop of its own.
    Never,
}

/// What happens after a failed try.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Again { after: Duration },
    AgainWithFreshToken,
    GiveUp,
}

/// The tries of one call so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    /// Failed tries, the one at hand included.
    pub failed: u32,
    /// The token was refreshed for this call already.
    pub refreshed: bool,
}

/// Tries of one call when Box answers, but not usefully. Longer trouble is the engine's, which knows what else there is
/// to do meanwhile.
const MAX_TRIES: u32 = 4;
/// Tries when Box cannot be reached at all: a blip of the network heals in one or two; being offline is to be known soon.
const MAX_TRIES_UNREACHED: u32 = 3;
/// A wait longer than this is not the client's to sit out: the engine shows it as `throttled until`.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(60);
/// The first backoff, before jitter.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// The step after `error`. `random` is between 0 and 1.
pub(super) fn step(repeat: Repeat, error: &ApiError, tries: Tries, random: f64) -> Step {
    let limit = match (&error.meaning, repeat) {
        (_, Repeat::Never) => return Step::GiveUp,
        (Meaning::SignInNeeded, _) if tries.refreshed => return Step::GiveUp,
        (Meaning::SignInNeeded, _) => return Step::AgainWithFreshToken,
        (Meaning::NotSent, _) => MAX_TRIES_UNREACHED,
        (Meaning::Throttled { .. }, _) | (Meaning::OutcomeUnknown, Repeat::Always) => MAX_TRIES,
        _ => return Step::GiveUp,
    };
    let after = error.retry_after.unwrap_or_else(|| backoff(tries.failed, random));
    if tries.failed >= limit || after > MAX_WAIT { Step::GiveUp } else { Step::Again { after } }
}

/// Doubles from [`FIRST_BACKOFF`], times 0.5 to 1.5, at most [`MAX_WAIT`].
fn backoff(failed: u32, random: f64) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << failed.saturating_sub(1).min(16));
    doubled.min(MAX_WAIT).mul_f64(0.5 + random.clamp(0.0, 1.0)).min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(repeat: Repeat, meaning: Meaning, failed: u32) -> Step {
        step(repeat, &ApiError::new("c", meaning, ""), Tries { failed, refreshed: false }, 0.5)
    }

    #[test]
    fn a_call_that_may_have_been_applied_is_repeated_only_if_it_is_a_read() {
        assert!(matches!(after(Repeat::Always, Meaning::OutcomeUnknown, 1), Step::Again { .. }));
        assert_eq!(after(Repeat::Unapplied, Meaning::OutcomeUnknown, 1), Step::GiveUp);
        assert_eq!(after(Repeat::Unapplied, Meaning::BadAnswer, 1), Step::GiveUp);
    }

    #[test]
    fn what_was_certainly_not_applied_is_repeated_for_every_call() {
        for repeat in [Repeat::Always, Repeat::Unapplied] {
            assert!(matches!(after(repeat, Meaning::NotSent, 1), Step::Again { .. }));
            assert!(matches!(after(repeat, Meaning::Throttled { retry_after: None }, 1), Step::Again { .. }));
            assert_eq!(after(repeat, Meaning::SignInNeeded, 1), Step::AgainWithFreshToken);
        }
    }

    #[test]
    fn a_second_refusal_of_the_token_is_final() {
        let error = ApiError::new("c", Meaning::SignInNeeded, "");
        let tries = Tries { failed: 2, refreshed: true };
        assert_eq!(step(Repeat::Always, &error, tries, 0.0), Step::GiveUp);
    }

    #[test]
    fn refusals_are_not_repeated() {
        use Meaning::*;
        for meaning in [NotFound, Changed, Blocked, NameReserved, NoAccess, OutOfQuota, Refused, PartsMismatch] {
            assert_eq!(after(Repeat::Always, meaning, 1), Step::GiveUp);
        }
    }

    #[test]
    fn tries_end() {
        let mut failed = 0;
        while let Step::Again { .. } = after(Repeat::Always, Meaning::OutcomeUnknown, failed + 1) {
            failed += 1;
        }
        assert_eq!(failed + 1, MAX_TRIES);
        assert_eq!(after(Repeat::Always, Meaning::NotSent, MAX_TRIES_UNREACHED), Step::GiveUp);
    }

    #[test]
    fn box_says_how_long_and_too_long_is_given_to_the_engine() {
        let waited = |secs| {
            let error = ApiError {
                retry_after: Some(Duration::from_secs(secs)),
                ..ApiError::new("c", Meaning::Throttled { retry_after: None }, "")
            };
            step(Repeat::Unapplied, &error, Tries { failed: 1, refreshed: false }, 0.9)
        };
        assert_eq!(waited(7), Step::Again { after: Duration::from_secs(7) });
        assert_eq!(waited(100), Step::GiveUp);
    }

    #[test]
    fn backoff_doubles_with_jitter_up_to_a_minute() {
        assert_eq!(backoff(1, 0.5), Duration::from_millis(500));
        assert_eq!(backoff(2, 0.5), Duration::from_secs(1));
        assert_eq!(backoff(3, 0.0), Duration::from_secs(1));
        assert_eq!(backoff(3, 1.0), Duration::from_secs(3));
        assert_eq!(backoff(40, 1.0), MAX_WAIT);
    }
}

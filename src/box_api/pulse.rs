//! Noticing a connection that stands still: by bytes per time, not by one long timeout.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// No byte in either direction for this long: the connection is dead.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// The signs of life of one try of a call.
pub(super) struct Pulse {
    start: Instant,
    last_beat_ms: AtomicU64,
    /// The request is out in full; only the answer is waited for.
    sent: AtomicBool,
}

impl Pulse {
    pub(super) fn new() -> Pulse {
        Pulse { start: Instant::now(), last_beat_ms: AtomicU64::new(0), sent: AtomicBool::new(false) }
    }

    /// Something moved.
    pub(super) fn beat(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_beat_ms.store(ms, Ordering::Relaxed);
    }

    /// The last byte of the request is out.
    pub(super) fn all_sent(&self) {
        self.beat();
        self.sent.store(true, Ordering::Relaxed);
    }

    fn dead_at(&self, answer_patience: Duration) -> Instant {
        let quiet = if self.sent.load(Ordering::Relaxed) { answer_patience } else { STALL };
        self.start + Duration::from_millis(self.last_beat_ms.load(Ordering::Relaxed)) + quiet
    }

    /// Sleeps without seeming dead.
    pub(super) async fn sleep_until(&self, until: Instant) {
        while Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + STALL / 4)).await;
            self.beat();
        }
    }
}

/// `work`, or `None` once the pulse has stopped: for [`STALL`] while the request goes out, then for `answer_patience`.
pub(super) async fn watched<T>(work: impl Future<Output = T>, pulse: &Pulse, answer_patience: Duration) -> Option<T> {
    tokio::pin!(work);
    loop {
        let dead_at = pulse.dead_at(answer_patience);
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::time::sleep_until(dead_at) => {
                if pulse.dead_at(answer_patience) <= Instant::now() {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_lives_as_long_as_something_moves() {
        let pulse = Pulse::new();
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(STALL / 2).await;
                pulse.beat();
            }
        };
        assert!(watched(slow, &pulse, STALL).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_call_ends_after_the_stall_limit() {
        let pulse = Pulse::new();
        let start = Instant::now();
        assert!(watched(std::future::pending::<()>(), &pulse, STALL * 10).await.is_none());
        assert_eq!(start.elapsed().as_secs(), STALL.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_the_patience_of_its_call() {
        let pulse = Pulse::new();
        pulse.all_sent();
        let start = Instant::now();
        assert!(watched(std::future::pending::<()>(), &pulse, STALL * 10).await.is_none());
        assert_eq!(start.elapsed().as_secs(), STALL.as_secs() * 10);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_bandwidth_is_no_stall() {
        let pulse = Pulse::new();
        let held = pulse.sleep_until(Instant::now() + STALL * 5);
        assert!(watched(held, &pulse, STALL).await.is_some());
    }
}

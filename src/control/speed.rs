//! How fast bytes go up: what the count of all bytes sent gained over the last seconds. Pure; the clock is the caller's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longer would hide that the line has become slow, shorter would jump with each part.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples kept: a window of two a second.
const MAX_SAMPLES: usize = 32;
/// A shorter span says nothing.
const SHORTEST: Duration = Duration::from_millis(200);

/// What the count was.
#[derive(Debug, Default)]
pub(super) struct Speed {
    samples: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// Takes the count in.
    pub(super) fn sample(&mut self, now: Instant, sent_bytes: u64) {
        self.samples.push_back((now, sent_bytes));
        while self.samples.len() > MAX_SAMPLES {
            self.samples.pop_front();
        }
    }

    /// 0 where nothing has gone up for a while.
    pub(super) fn bytes_per_s(&self, now: Instant) -> u64 {
        let first = self.samples.iter().find(|(at, _)| now.saturating_duration_since(*at) <= WINDOW);
        let (Some((start, before)), Some((_, after))) = (first, self.samples.back()) else { return 0 };
        let span = now.saturating_duration_since(*start);
        if span < SHORTEST { 0 } else { (after.saturating_sub(*before) as f64 / span.as_secs_f64()) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_what_was_sent_lately() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut speed = Speed::default();
        assert_eq!(speed.bytes_per_s(at(0)), 0);
        speed.sample(at(0), 500);
        assert_eq!(speed.bytes_per_s(at(0)), 0);
        speed.sample(at(1), 2500);
        assert_eq!(speed.bytes_per_s(at(1)), 2000);
        // A request is taken back.
        speed.sample(at(2), 2300);
        assert_eq!(speed.bytes_per_s(at(2)), 900);
        assert_eq!(speed.bytes_per_s(at(20)), 0);
    }
}

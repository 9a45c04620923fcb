//! How fast bytes go up: what the meters of all uploads gained over the last seconds. Pure; the clock is the caller's.

use crate::base::Ino;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Longer would hide that the line has become slow, shorter would jump with each part.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples kept: a window of two a second.
const MAX_SAMPLES: usize = 32;

/// What the meters showed.
#[derive(Debug, Default)]
pub(super) struct Speed {
    sent: HashMap<Ino, u64>,
    /// When, and the bytes gained since the sample before.
    samples: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// Takes the meters in: bytes sent of each upload under way. One that begins again (its meter fell) gains nothing.
    pub(super) fn sample(&mut self, now: Instant, meters: impl Iterator<Item = (Ino, u64)>) {
        let meters: HashMap<Ino, u64> = meters.collect();
        let gained = |(ino, sent): (&Ino, &u64)| sent.saturating_sub(self.sent.get(ino).copied().unwrap_or(0));
        self.samples.push_back((now, meters.iter().map(gained).sum()));
        self.sent = meters;
        while self.samples.len() > MAX_SAMPLES {
            self.samples.pop_front();
        }
    }

    /// 0 where nothing has gone up for a while.
    pub(super) fn bytes_per_s(&self, now: Instant) -> u64 {
        let recent = self.samples.iter().filter(|(at, _)| now.saturating_duration_since(*at) <= WINDOW);
        let mut first = None;
        let mut bytes = 0u64;
        for (at, gained) in recent {
            // What the first sample gained belongs to the time before it.
            if first.replace(first.unwrap_or(*at)).is_some() {
                bytes = bytes.saturating_add(*gained);
            }
        }
        let span = first.map_or(0.0, |first| now.saturating_duration_since(first).as_secs_f64());
        if span < 0.2 { 0 } else { (bytes as f64 / span) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_what_all_uploads_gained_lately() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut speed = Speed::default();
        assert_eq!(speed.bytes_per_s(at(0)), 0);
        speed.sample(at(0), [(Ino(1), 500)].into_iter());
        assert_eq!(speed.bytes_per_s(at(0)), 0);
        speed.sample(at(1), [(Ino(1), 1500), (Ino(2), 1000)].into_iter());
        assert_eq!(speed.bytes_per_s(at(1)), 2000);
        // One ends, the other begins again.
        speed.sample(at(2), [(Ino(2), 0)].into_iter());
        assert_eq!(speed.bytes_per_s(at(2)), 1000);
        assert_eq!(speed.bytes_per_s(at(20)), 0);
    }
}

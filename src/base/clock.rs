//! Times: instants with nanoseconds, Box's RFC 3339 text, and the boot clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant, in seconds and nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp {
    pub secs: i64,
    pub nanos: u32,
}

/// A time that Box sent and that is none.
#[derive(Debug, thiserror::Error)]
#[error("'{text}' is not an RFC 3339 time")]
pub struct TimestampError {
    text: String,
}

impl Timestamp {
    pub fn new(secs: i64, nanos: u32) -> Timestamp {
        Timestamp { secs, nanos }
    }

    pub fn now() -> Timestamp {
        super::pace::wall_clock().into()
    }

    /// Nanoseconds since 1970, as the database stores them; saturates in the years 1677 and 2262.
    pub fn to_nanos(self) -> i64 {
        self.secs.saturating_mul(1_000_000_000).saturating_add(i64::from(self.nanos))
    }

    pub fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp {
            secs: nanos.div_euclid(1_000_000_000),
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
        }
    }

    /// What Box can hold of this time: whole seconds, not before 1970 (API.md 3.4).
    pub fn as_box_holds(self) -> Timestamp {
        Timestamp { secs: self.secs.clamp(0, MAX_BOX_SECS), nanos: 0 }
    }

    /// `2024-05-01T10:00:00Z`: the form Box prefers in requests (API.md 3.4).
    pub fn to_rfc3339(self) -> String {
        let held = self.as_box_holds();
        match jiff::Timestamp::from_second(held.secs) {
            Ok(t) => t.to_string(),
            Err(_) => "1970-01-01T00:00:00Z".to_owned(),
        }
    }

    /// Any offset, with or without a fraction (API.md 3.4).
    pub fn parse_rfc3339(text: &str) -> Result<Timestamp, TimestampError> {
        let parsed: jiff::Timestamp =
            text.parse().map_err(|_| TimestampError { text: text.chars().take(40).collect() })?;
        Ok(Timestamp::from_nanos(i64::try_from(parsed.as_nanosecond()).unwrap_or(i64::MAX)))
    }

    /// The `Date` of an HTTP answer: `Wed, 21 Oct 2015 07:28:00 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Timestamp::new(zoned.timestamp().as_second(), 0))
    }

    /// This time, later by `span`.
    pub fn after(self, span: Duration) -> Timestamp {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::from_nanos(self.to_nanos().saturating_add(nanos))
    }

    /// How long ago `earlier` was; zero if it was not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let nanos = self.to_nanos().saturating_sub(earlier.to_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

/// 9999-12-31T23:59:59Z: the last second that RFC 3339 can write.
const MAX_BOX_SECS: i64 = 253_402_207_200;

impl From<SystemTime> for Timestamp {
    fn from(t: SystemTime) -> Timestamp {
        match t.duration_since(UNIX_EPOCH) {
            Ok(d) => Timestamp { secs: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), nanos: d.subsec_nanos() },
            Err(e) => {
                let d = e.duration();
                let back = i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
                Timestamp::from_nanos(-back)
            }
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(t: Timestamp) -> SystemTime {
        let whole = Duration::from_secs(t.secs.unsigned_abs());
        let base = if t.secs >= 0 { UNIX_EPOCH + whole } else { UNIX_EPOCH - whole };
        base + Duration::from_nanos(u64::from(t.nanos))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Time since boot, suspend included, in milliseconds: gaps between two local operations are measured on it,
/// since the wall clock jumps (DESIGN.md section 6, name memory).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct BootClock(pub u64);

impl BootClock {
    pub fn now() -> BootClock {
        let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `ts` is a valid timespec that outlives the call, which writes nothing else.
        let rc = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut ts) };
        if rc != 0 {
            return BootClock(0);
        }
        let secs = u64::try_from(ts.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(ts.tv_nsec).unwrap_or(0);
        BootClock(secs * 1000 + nanos / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_any_offset_are_the_same_instant() {
        let a = Timestamp::parse_rfc3339("2012-12-12T10:53:43-08:00").unwrap();
        let b = Timestamp::parse_rfc3339("2012-12-12T18:53:43Z").unwrap();
        let c = Timestamp::parse_rfc3339("2012-12-12T18:53:43.000+00:00").unwrap();
        assert_eq!(a, b);
        assert_eq!(b, c);
        assert_eq!(a.to_rfc3339(), "2012-12-12T18:53:43Z");
    }

    #[test]
    fn times_box_cannot_hold_are_clamped() {
        assert_eq!(Timestamp::new(-5, 500).to_rfc3339(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::new(1, 999_999_999).to_rfc3339(), "1970-01-01T00:00:01Z");
        assert!(!Timestamp::new(i64::MAX, 0).to_rfc3339().is_empty());
    }

    #[test]
    fn nanoseconds_survive_the_database() {
        for t in [Timestamp::new(-1, 1), Timestamp::new(0, 0), Timestamp::new(1_700_000_000, 123_456_789)] {
            assert_eq!(Timestamp::from_nanos(t.to_nanos()), t);
            assert_eq!(Timestamp::from(SystemTime::from(t)), t);
        }
    }

    #[test]
    fn a_text_that_is_no_time_is_an_error() {
        assert!(Timestamp::parse_rfc3339("yesterday").is_err());
    }
}

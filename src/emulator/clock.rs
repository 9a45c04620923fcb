//! Box's time: whole seconds, written with the enterprise's offset. Can be moved, so that expiry and wrong clocks are testable.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// Now, plus what [`Clock::advance`] added and less what [`Clock::turn_back`] took away.
#[derive(Debug)]
pub(super) struct Clock {
    ahead_secs: AtomicI64,
    started: Instant,
    /// Seconds of Box in one second of this machine.
    scale: u32,
}

impl Clock {
    pub(super) fn new(scale: u32) -> Clock {
        Clock { ahead_secs: AtomicI64::new(0), started: Instant::now(), scale: scale.max(1) }
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        let faster = self.started.elapsed() * (self.scale - 1);
        Timestamp::now().as_second() + faster.as_secs() as i64 + self.ahead_secs.load(Ordering::Relaxed)
    }

    pub(super) fn turn_back(&self, secs: i64) {
        self.ahead_secs.fetch_sub(secs, Ordering::Relaxed);
    }

    pub(super) fn advance(&self, secs: i64) {
        self.ahead_secs.fetch_add(secs, Ordering::Relaxed);
    }
}

/// `2012-12-12T10:53:43-08:00`.
pub(super) fn write(secs: i64, offset_minutes: i32) -> String {
    let offset = Offset::from_seconds(offset_minutes * 60).unwrap_or(Offset::UTC);
    let Ok(instant) = Timestamp::from_second(secs) else {
        return "1970-01-01T00:00:00+00:00".to_owned();
    };
    let time = instant.to_zoned(TimeZone::fixed(offset));
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let offset_minutes = offset_minutes.abs();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        offset_minutes / 60,
        offset_minutes % 60
    )
}

/// Whole seconds of an RFC 3339 time with any offset; `None` for anything else and for times before 1970.
pub(super) fn read(text: &str) -> Option<i64> {
    let instant: Timestamp = text.parse().ok()?;
    let secs = instant.as_second();
    (secs >= 0).then_some(secs)
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`, for HTTP headers.
pub(super) fn http_date(secs: i64) -> String {
    let instant = Timestamp::from_second(secs).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_the_offset_of_the_enterprise() {
        assert_eq!(write(1_355_338_423, -480), "2012-12-12T10:53:43-08:00");
        assert_eq!(write(0, 330), "1970-01-01T05:30:00+05:30");
    }

    #[test]
    fn any_offset_is_read_and_fractions_are_dropped() {
        assert_eq!(read("2012-12-12T10:53:43-08:00"), Some(1_355_338_423));
        assert_eq!(read("2012-12-12T18:53:43.999Z"), Some(1_355_338_423));
        assert_eq!(read("1969-12-31T23:59:59Z"), None);
        assert_eq!(read("yesterday"), None);
    }
}

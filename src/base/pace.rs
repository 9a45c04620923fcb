//! How fast boxfs's time runs: as the machine's, except in tests of long outages.
//!
//! Test builds (`--features failpoints`) read `BOXFS_TIME_SCALE` once: with 60, a minute of the daemon takes a second. Everything that
//! keeps to Box's pace goes through here: the wall clock, settling, backoff, `Retry-After`, rate limits, polls. What a program
//! was promised and what is seen on the wire (the longest wait in a call, stalled connections, stamps of files) does not.

use std::time::{Duration, SystemTime};

/// Seconds of the daemon in one second of the machine; at least 1.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn time_scale() -> u32 {
    1
}

/// Seconds of the daemon in one second of the machine; at least 1.
#[cfg(feature = "failpoints")]
pub fn time_scale() -> u32 {
    static SCALE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *SCALE.get_or_init(|| match std::env::var("BOXFS_TIME_SCALE") {
        Ok(text) => text.parse().ok().filter(|scale| *scale > 0).expect("a test sets BOXFS_TIME_SCALE to a number"),
        Err(_) => 1,
    })
}

/// How long `span` takes on the machine.
pub fn paced(span: Duration) -> Duration {
    span / time_scale()
}

/// Lets `span` go by.
pub async fn pause(span: Duration) {
    tokio::time::sleep(paced(span)).await;
}

/// The wall clock.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(super) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The wall clock; a faster one was right when it was first asked.
#[cfg(feature = "failpoints")]
pub(super) fn wall_clock() -> SystemTime {
    static START: std::sync::OnceLock<(SystemTime, std::time::Instant)> = std::sync::OnceLock::new();
    match time_scale() {
        1 => SystemTime::now(),
        scale => {
            let (at, since) = START.get_or_init(|| (SystemTime::now(), std::time::Instant::now()));
            *at + since.elapsed() * scale
        }
    }
}

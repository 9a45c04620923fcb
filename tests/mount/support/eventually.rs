//! Waiting for what comes true by itself.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` holds; panics with `what` after `limit`.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    eventually_ok(limit, || if condition() { Ok(()) } else { Err(what.to_owned()) });
}

/// Waits until `look` gives a value; panics with its last complaint after `limit`.
#[track_caller]
pub fn eventually_ok<T>(limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(complaint) if started.elapsed() > limit => panic!("not within {limit:?}: {complaint}"),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

//! Named points at which a test build can be killed; nothing at all in release builds.
//!
//! `BOXFS_FAILPOINTS=upload.answered=kill,flush.stamped=kill@3` kills the process with SIGKILL when it first reaches
//! `upload.answered`, or reaches `flush.stamped` for the third time. The points are listed in docs/on-disk.md with what a crash
//! there must leave behind.

/// Marks a point that a crash test can name.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_name: &'static str) {}

/// Marks a point that a crash test can name.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &'static str) {
    enabled::hit(name);
}

#[cfg(feature = "failpoints")]
mod enabled {
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// Hits left before the process dies, by point.
    static POINTS: OnceLock<Mutex<HashMap<String, u64>>> = OnceLock::new();

    pub fn hit(name: &'static str) {
        let points = POINTS.get_or_init(|| Mutex::new(parse(&std::env::var("BOXFS_FAILPOINTS").unwrap_or_default())));
        let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = points.get_mut(name) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            eprintln!("failpoint {name}: killing this process");
            // A SIGKILL to ourselves ends the process before kill(2) returns; whatever it reports is beside the point.
            let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
        }
    }

    /// `name=kill` and `name=kill@N`, with commas between them. Anything else is a mistake in a test and ends it.
    fn parse(text: &str) -> HashMap<String, u64> {
        text.split(',')
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (name, action) = part.split_once('=').unwrap_or((part, "kill"));
                let count = action.strip_prefix("kill").map(|c| c.strip_prefix('@').unwrap_or("1"));
                match count.and_then(|c| c.parse().ok()) {
                    Some(count) => (name.to_owned(), count),
                    None => panic!("BOXFS_FAILPOINTS: '{part}' is not name=kill or name=kill@N"),
                }
            })
            .collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn points_count_their_hits() {
            let points = parse("a=kill,b=kill@3");
            assert_eq!((points["a"], points["b"]), (1, 3));
        }
    }
}

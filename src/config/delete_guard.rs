//! How many deletions at once wait for the user's word.

use std::fmt;
use std::str::FromStr;

/// `off`, `N` items, or `N%` of all that is known of Box here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteGuard {
    Off,
    /// More than so many wait.
    Items(u64),
    /// More than this share waits.
    Percent(u8),
}

impl fmt::Display for DeleteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeleteGuard::Off => f.write_str("off"),
            DeleteGuard::Items(count) => write!(f, "{count}"),
            DeleteGuard::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl FromStr for DeleteGuard {
    type Err = String;

    fn from_str(text: &str) -> Result<DeleteGuard, String> {
        let bad = || format!("'{text}' is unknown: write off, a number of items such as 500, or a share such as 10%");
        match text.trim().strip_suffix('%') {
            _ if text == "off" => Ok(DeleteGuard::Off),
            Some(share) => {
                let share = share.trim().parse().ok().filter(|share| (1..=99).contains(share));
                share.map(DeleteGuard::Percent).ok_or_else(bad)
            }
            None => text.trim().parse().ok().filter(|count| *count > 0).map(DeleteGuard::Items).ok_or_else(bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_read_as_it_is_written() {
        for guard in [DeleteGuard::Off, DeleteGuard::Items(500), DeleteGuard::Percent(10)] {
            assert_eq!(guard.to_string().parse(), Ok(guard));
        }
        for wrong in ["", "0", "-1", "0%", "100%", "many"] {
            assert!(wrong.parse::<DeleteGuard>().is_err(), "{wrong}");
        }
    }
}

//! Sizes, rates and durations as people write them.

use std::time::Duration;

/// `20MB`, `1.5 GiB`, `4096`: bytes. Decimal prefixes are powers of 1000, those with `i` powers of 1024.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let bad = || format!("'{text}' is not a size: write a number and a unit, for example 500MB or 2GiB");
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(bad()),
    };
    let bytes = number * factor;
    if bytes.is_finite() && (0.0..1e18).contains(&bytes) { Ok(bytes.round() as u64) } else { Err(bad()) }
}

/// Bytes per second: a size, with or without `/s`.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    let size = text.trim().strip_suffix("/s").unwrap_or(text);
    match parse_size(size) {
        Ok(0) | Err(_) => Err(format!("'{text}' is not a rate: write bytes per second, for example 25MB or 800kB/s")),
        Ok(rate) => Ok(rate),
    }
}

/// `250ms`, `1.5s`, `10m`, `2h`, `7d`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("'{text}' is not a duration: write a number and a unit, for example 250ms, 30s or 10m");
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let secs = match unit {
        "ms" => number / 1e3,
        "" | "s" | "sec" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86400.0,
        _ => return Err(bad()),
    };
    Duration::try_from_secs_f64(secs).ok().filter(|d| d.as_secs() < 1_000_000_000).ok_or_else(bad)
}

/// `1.5 GB`, `312 kB`, `7 bytes`: three digits, powers of 1000.
pub fn show_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if value < 999.5 || unit == "TB" {
            return match unit {
                "bytes" if bytes == 1 => "1 byte".to_owned(),
                "bytes" => format!("{bytes} bytes"),
                _ if value < 9.995 => format!("{value:.2} {unit}"),
                _ if value < 99.95 => format!("{value:.1} {unit}"),
                _ => format!("{value:.0} {unit}"),
            };
        }
        value /= 1000.0;
    }
    unreachable!("the last unit returns")
}

fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("20MB"), Ok(20_000_000));
        assert_eq!(parse_size("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert!(parse_size("many").is_err());
        assert!(parse_size("-1").is_err());
        assert!(parse_size("5 apples").is_err());
        assert!(parse_size("99999999999TB").is_err());
    }

    #[test]
    fn durations_and_rates_are_read_as_people_write_them() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("1e400s").is_err());
        assert_eq!(parse_rate("25MB/s"), Ok(25_000_000));
        assert!(parse_rate("0").is_err());
    }

    #[test]
    fn sizes_are_shown_with_three_digits() {
        assert_eq!(show_size(0), "0 bytes");
        assert_eq!(show_size(1), "1 byte");
        assert_eq!(show_size(1234), "1.23 kB");
        assert_eq!(show_size(99_960), "100 kB");
        assert_eq!(show_size(2_500_000_000), "2.50 GB");
    }
}

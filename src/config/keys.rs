//! The table of keys: name, default, and how its text is read into the settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::base::{parse_duration, parse_rate, parse_size};

use super::error::Origin;
use super::mount_options::MountOptions;
use super::server::Server;
use super::settings::{ApiLimits, Durability, Settings};

/// Longer than this, a file would look forgotten rather than settling.
const MAX_SETTLE: Duration = Duration::from_secs(3600);
/// Below this, the spool could not hold one ordinary file.
const MIN_SPOOL_BYTES: u64 = 1_000_000;

/// One key of the configuration.
pub(super) struct Key {
    /// As in the file; `--` in front is the option, `BOXFS_` and upper case the variable.
    pub name: &'static str,
    /// What holds when nobody says anything; empty: no value.
    pub default: &'static str,
    /// Reads the text into the settings; the error says what was expected.
    pub read: fn(&mut Settings, &str) -> Result<(), String>,
}

/// Every key but `config` and `profile`, which choose where the others are read from.
pub(super) fn all() -> &'static [Key] {
    KEYS
}

/// Values of one source, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(BTreeMap<&'static str, (String, Origin)>);

impl Layer {
    /// An empty text means "not set".
    pub(super) fn put(&mut self, key: &'static str, text: &str, origin: Origin) {
        if !text.is_empty() {
            self.0.insert(key, (text.to_owned(), origin));
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<(&str, &Origin)> {
        self.0.get(key).map(|(text, origin)| (text.as_str(), origin))
    }

    /// What `above` says wins.
    pub(super) fn overlay(&mut self, above: Layer) {
        self.0.extend(above.0);
    }
}

const KEYS: &[Key] = &[
    Key { name: "state-dir", default: "", read: |s, text| directory(text).map(|dir| s.state_dir = dir) },
    Key { name: "cache-dir", default: "", read: |s, text| directory(text).map(|dir| s.cache_dir = dir) },
    Key { name: "root-folder", default: "0", read: |s, text| folder_id(text).map(|id| s.root_folder = id) },
    Key { name: "server", default: "", read: |s, text| Server::parse(text).map(|server| s.server = Some(server)) },
    Key { name: "ca-file", default: "", read: |s, text| directory(text).map(|file| s.ca_file = Some(file)) },
    Key { name: "durability", default: "local", read: |s, text| durability(text).map(|d| s.durability = d) },
    Key { name: "settle", default: "1s", read: |s, text| settle(text).map(|d| s.settle = d) },
    Key { name: "cache-size", default: "10GB", read: |s, text| parse_size(text).map(|n| s.cache_size_bytes = n) },
    Key { name: "spool-size", default: "20GB", read: |s, text| spool_size(text).map(|n| s.spool_size_bytes = n) },
    Key { name: "upload-limit", default: "off", read: |s, text| rate(text).map(|r| s.upload_limit_bytes_per_s = r) },
    Key {
        name: "download-limit",
        default: "off",
        read: |s, text| rate(text).map(|r| s.download_limit_bytes_per_s = r),
    },
    Key { name: "api-limits", default: "box", read: |s, text| api_limits(text).map(|limits| s.api_limits = limits) },
    Key { name: "log-level", default: "info", read: |s, text| log_level(text).map(|level| s.log_level = level) },
    Key { name: "mount-options", default: "", read: |s, text| MountOptions::parse(text).map(|o| s.mount = o) },
];

fn directory(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|e| format!("'{text}' is not a path: {e}"))
}

fn folder_id(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(format!("'{text}' is not a folder id: write the number at the end of the folder's address in Box, or 0"))
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "local" => Ok(Durability::Local),
        "box" => Ok(Durability::Box),
        _ => Err(format!("'{text}' is unknown: write local or box")),
    }
}

fn settle(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        span if span <= MAX_SETTLE => Ok(span),
        _ => Err(format!("'{text}' is too long: at most {} s", MAX_SETTLE.as_secs())),
    }
}

fn spool_size(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        bytes if bytes >= MIN_SPOOL_BYTES => Ok(bytes),
        _ => Err(format!("'{text}' is too small: at least {} MB", MIN_SPOOL_BYTES / 1_000_000)),
    }
}

fn rate(text: &str) -> Result<Option<u64>, String> {
    if text == "off" { Ok(None) } else { parse_rate(text).map(Some).map_err(|e| format!("{e}, or off")) }
}

fn api_limits(text: &str) -> Result<ApiLimits, String> {
    let bad = || format!("'{text}' is unknown: write box, off, or calls per minute such as 600/min");
    match text {
        "box" => Ok(ApiLimits::Box),
        "off" => Ok(ApiLimits::Off),
        _ => {
            let number = text.strip_suffix("/min").ok_or_else(bad)?;
            number.trim().parse().ok().filter(|n| *n > 0).map(ApiLimits::PerMinute).ok_or_else(bad)
        }
    }
}

fn log_level(text: &str) -> Result<log::LevelFilter, String> {
    log::LevelFilter::from_str(text)
        .map_err(|_| format!("'{text}' is unknown: write off, error, warn, info, debug or trace"))
}

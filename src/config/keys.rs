//! The table of keys: name, default, and how its text is read into the settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::base::{LocalOnlyNames, Secret, parse_duration, parse_rate, parse_size};

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
    /// What holds when nobody says anything; empty: no value, or one that depends on the profile.
    pub default: &'static str,
    /// One line for a person.
    pub help: &'static str,
    /// Never shown, and never taken from a command line.
    pub secret: bool,
    /// Reads the text into the settings; the error says what was expected.
    pub read: fn(&mut Settings, &str) -> Result<(), String>,
}

/// Every key but `config` and `profile`, which choose where the others are read from.
pub(super) fn all() -> &'static [Key] {
    KEYS
}

/// The names of the keys that hold secrets.
pub fn secret_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|key| key.secret).map(|key| key.name)
}

/// Values of one source, by key.
#[derive(Clone, Default)]
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

/// A key that holds no secret.
const fn key(
    name: &'static str,
    default: &'static str,
    help: &'static str,
    read: fn(&mut Settings, &str) -> Result<(), String>,
) -> Key {
    Key { name, default, help, secret: false, read }
}

const KEYS: &[Key] = &[
    key("state-dir", "", "database, unsent contents, log, control socket; one for each mount", |s, text| {
        directory(text).map(|dir| s.state_dir = dir)
    }),
    key("cache-dir", "", "contents that Box has; may be emptied while nothing is mounted", |s, text| {
        directory(text).map(|dir| s.cache_dir = dir)
    }),
    key("sign-in-file", "", "the profile's sign-in, which all its mounts share", |s, text| {
        directory(text).map(|file| s.sign_in_file = file)
    }),
    key(
        "keyring",
        "auto",
        "seal the sign-in with a key in the desktop's keyring where there is one (auto), or never (off)",
        |s, text| {
            s.keyring = match text {
                "auto" => true,
                "off" => false,
                _ => return Err(format!("'{text}' is unknown: write auto or off")),
            };
            Ok(())
        },
    ),
    key("client-id", "", "your Box application, for 'boxfs login'", |s, text| {
        s.client_id = Some(text.to_owned());
        Ok(())
    }),
    Key {
        secret: true,
        ..key("client-secret", "", "the secret of your Box application, for 'boxfs login'", |s, text| {
            s.client_secret = Some(Secret::new(text));
            Ok(())
        })
    },
    key(
        "root-folder",
        "0",
        "the Box folder to show: the number at the end of its address; 0 is everything",
        |s, text| folder_id(text).map(|id| s.root_folder = id),
    ),
    key("server", "", "one place for all of Box; plain http for this machine only", |s, text| {
        Server::parse(text).map(|server| s.server = Some(server))
    }),
    key("ca-file", "", "certificate authorities accepted beside the system's, PEM", |s, text| {
        directory(text).map(|file| s.ca_file = Some(file))
    }),
    Key {
        secret: true,
        ..key("proxy", "", "http(s)://[USER:PASSWORD@]HOST:PORT instead of what HTTPS_PROXY says", |s, text| {
            proxy(text).map(|proxy| s.proxy = Some(proxy))
        })
    },
    key(
        "durability",
        "local",
        "what close and fsync promise: safe here (local), or confirmed by Box (box)",
        |s, text| durability(text).map(|d| s.durability = d),
    ),
    key("settle", "1s", "rest of a closed file before it goes up", |s, text| settle(text).map(|d| s.settle = d)),
    key(
        "local-only",
        "",
        "more names that stay here, beside editors' swap and lock files: '*.part,core.*'",
        |s, text| LocalOnlyNames::with(text).map(|names| s.local_only = names),
    ),
    key("links", "off", "symbolic links: kept here (off), or in Box as small files NAME.rclonelink (on)", |s, text| {
        s.links = match text {
            "on" => true,
            "off" => false,
            _ => return Err(format!("'{text}' is unknown: write on or off")),
        };
        Ok(())
    }),
    key(
        "refuse-readers",
        "",
        "programs that get no bytes that are not here, such as 'tumblerd,tracker-miner-fs-3,baloo_file'",
        |s, text| programs(text).map(|programs| s.refuse_readers = programs),
    ),
    key("cache-size", "10GB", "contents kept for reading", |s, text| parse_size(text).map(|n| s.cache_size_bytes = n)),
    key("spool-size", "20GB", "contents waiting for Box; above it, writers wait", |s, text| {
        spool_size(text).map(|n| s.spool_size_bytes = n)
    }),
    key("upload-limit", "off", "bytes per second up, such as 5MB/s", |s, text| {
        rate(text).map(|r| s.upload_limit_bytes_per_s = r)
    }),
    key("download-limit", "off", "bytes per second down", |s, text| {
        rate(text).map(|r| s.download_limit_bytes_per_s = r)
    }),
    key("api-limits", "box", "calls of Box: its published limits (box), freely (off), or N/min", |s, text| {
        api_limits(text).map(|limits| s.api_limits = limits)
    }),
    key(
        "delete-guard",
        "off",
        "more deletions at once wait for 'boxfs confirm': a number, or a share such as 10%",
        |s, text| text.parse().map(|guard| s.delete_guard = guard),
    ),
    key("log-level", "info", "off, error, warn, info, debug or trace", |s, text| {
        log_level(text).map(|level| s.log_level = level)
    }),
    key(
        "mount-options",
        "",
        "as -o of 'boxfs mount': ro, allow_other, uid=N, umask=N, passthrough=off ...",
        |s, text| MountOptions::parse(text).map(|o| s.mount = o),
    ),
];

/// The text of a proxy never comes back in an error: it may hold a password.
fn proxy(text: &str) -> Result<Secret, String> {
    let bad = "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; special characters of the password as %XX";
    let url = reqwest::Url::parse(text).map_err(|_| format!("this is not a URL: {bad}"))?;
    let fits = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
    if fits { Ok(Secret::new(text)) } else { Err(format!("this is not the URL of a proxy: {bad}")) }
}

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

/// Names of programs with commas between them.
fn programs(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let named = |name: &str| match name.contains('/') {
        true => Err(format!("'{name}' is not the name of a program: leave the folders out")),
        false => Ok(name.to_owned()),
    };
    names.map(named).collect()
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

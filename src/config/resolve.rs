//! Defaults < file < environment < command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::LocalOnlyNames;

use super::delete_guard::DeleteGuard;
use super::environment::Surroundings;
use super::error::{ConfigError, Origin};
use super::file::{self, ConfigFile};
use super::keys::{self, Key, Layer};
use super::mount_options::MountOptions;
use super::settings::{ApiLimits, Durability, Settings};
use super::{dirs, environment, nearest};

/// The profile of those who never heard of profiles.
const DEFAULT_PROFILE: &str = "default";
/// A profile names a directory.
const MAX_PROFILE_BYTES: usize = 64;

/// What the command line says: texts as typed.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    pub config: Option<PathBuf>,
    pub profile: Option<String>,
    /// Key (`cache-size`) and text, for each option given. `mount-options` is written `-o`.
    pub options: Vec<(&'static str, String)>,
}

/// A key as it stands: for `boxfs config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub key: &'static str,
    pub help: &'static str,
    /// As it would be written; empty: nothing.
    pub default: String,
    /// What holds; a secret is a placeholder.
    pub value: String,
    pub origin: Origin,
}

/// The settings that hold, every value checked.
///
/// # Errors
/// The first wrong value, with the place it was written at.
pub fn resolve(line: &CommandLine, around: &Surroundings) -> Result<Settings, ConfigError> {
    let (profile, layer) = gather(line, around)?;
    settle_values(profile, &layer, around)
}

/// Every key with its value and where that comes from, the profile first.
///
/// # Errors
/// As [`resolve`].
pub fn explain(line: &CommandLine, around: &Surroundings) -> Result<Vec<Standing>, ConfigError> {
    let (file, _) = read_file(line, around)?;
    let (profile, origin) = chosen_profile(line, around, &file);
    let (_, layer) = gather(line, around)?;
    let settings = settle_values(profile.clone(), &layer, around)?;
    let help = "keeps sign-in, state and cache apart";
    let mut standings =
        vec![Standing { key: "profile", help, default: DEFAULT_PROFILE.to_owned(), value: profile, origin }];
    for key in keys::all() {
        let default = computed_default(key, &settings, &layer);
        let (value, origin) = match layer.get(key.name) {
            Some((_, origin)) if key.secret => ("<secret>".to_owned(), origin.clone()),
            Some((text, origin)) => (text.to_owned(), origin.clone()),
            None => (default.clone(), Origin::Default),
        };
        standings.push(Standing { key: key.name, help: key.help, default, value, origin });
    }
    Ok(standings)
}

/// The defaults that depend on the profile are read off the settings, where nothing else was said.
fn computed_default(key: &Key, settings: &Settings, layer: &Layer) -> String {
    let path = match key.name {
        "state-dir" => &settings.state_dir,
        "cache-dir" => &settings.cache_dir,
        "sign-in-file" => &settings.sign_in_file,
        _ => return key.default.to_owned(),
    };
    if layer.get(key.name).is_none() { path.display().to_string() } else { String::new() }
}

/// The file that `boxfs config set` writes: the one that is named, else the usual one.
///
/// # Errors
/// There is no home directory to look in.
pub fn config_path(line: &CommandLine, around: &Surroundings) -> Result<PathBuf, ConfigError> {
    let named = line.config.clone().or_else(|| around.variable("BOXFS_CONFIG").map(PathBuf::from));
    named.or_else(|| dirs::config_file(around)).ok_or(ConfigError::NoHome {
        what: "the configuration",
        variable: "XDG_CONFIG_HOME",
        option: "--config",
    })
}

/// The profile that holds, and what file, environment and command line say for it.
fn gather(line: &CommandLine, around: &Surroundings) -> Result<(String, Layer), ConfigError> {
    let (file, file_path) = read_file(line, around)?;
    let (profile, origin) = chosen_profile(line, around, &file);
    check_profile(&profile, &origin)?;
    let mut layer = file.shared.clone();
    match file.profiles.iter().find(|(name, _)| *name == profile) {
        Some((_, of_profile)) => layer.overlay(of_profile.clone()),
        None if profile == DEFAULT_PROFILE || file.profiles.is_empty() => {}
        None => return Err(unknown_profile(profile, origin, &file, &file_path)),
    }
    layer.overlay(environment::layer(around)?);
    layer.overlay(command_line_layer(line));
    Ok((profile, layer))
}

fn read_file(line: &CommandLine, around: &Surroundings) -> Result<(ConfigFile, PathBuf), ConfigError> {
    let named = line.config.clone().or_else(|| around.variable("BOXFS_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        return Ok((file::read(&path)?, path));
    }
    match dirs::config_file(around) {
        Some(path) if path.exists() => Ok((file::read(&path)?, path)),
        _ => Ok((ConfigFile::default(), PathBuf::new())),
    }
}

fn chosen_profile(line: &CommandLine, around: &Surroundings, file: &ConfigFile) -> (String, Origin) {
    let from_line = line.profile.clone().map(|name| (name, Origin::Option("--profile".to_owned())));
    let from_environment =
        || around.variable("BOXFS_PROFILE").map(|name| (name.to_owned(), Origin::Environment("BOXFS_PROFILE".into())));
    from_line
        .or_else(from_environment)
        .or_else(|| file.profile.clone())
        .unwrap_or_else(|| (DEFAULT_PROFILE.to_owned(), Origin::Default))
}

pub(super) fn check_profile(profile: &str, origin: &Origin) -> Result<(), ConfigError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let short = (1..=MAX_PROFILE_BYTES).contains(&profile.len());
    if short && profile.bytes().all(fits) && !profile.starts_with('.') {
        return Ok(());
    }
    let reason = format!("'{profile}' is not a profile's name: letters, digits, '.', '_' and '-', at most 64");
    Err(ConfigError::BadValue { origin: origin.clone(), key: "profile", reason })
}

fn unknown_profile(profile: String, origin: Origin, file: &ConfigFile, path: &Path) -> ConfigError {
    let names: Vec<&str> = file.profiles.iter().map(|(name, _)| name.as_str()).collect();
    let known = match nearest(&profile, names.iter().copied()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("it has {}", names.join(", ")),
    };
    ConfigError::UnknownProfile { origin, profile, file: path.to_owned(), known }
}

fn command_line_layer(line: &CommandLine) -> Layer {
    let mut layer = Layer::default();
    for (key, text) in &line.options {
        let typed = if *key == "mount-options" { "-o".to_owned() } else { format!("--{key}") };
        layer.put(key, text, Origin::Option(typed));
    }
    layer
}

fn settle_values(profile: String, layer: &Layer, around: &Surroundings) -> Result<Settings, ConfigError> {
    let mut settings = blank(profile);
    for key in keys::all() {
        let (text, origin) = layer.get(key.name).unwrap_or((key.default, &Origin::Default));
        if !text.is_empty() {
            read(&mut settings, key, text, origin)?;
        }
    }
    if settings.state_dir.as_os_str().is_empty() {
        settings.state_dir = dirs::state_dir(around, &settings.profile, &settings.root_folder)?;
    }
    if settings.cache_dir.as_os_str().is_empty() {
        settings.cache_dir = dirs::cache_dir(around, &settings.profile, &settings.root_folder)?;
    }
    if settings.sign_in_file.as_os_str().is_empty() {
        let usual = dirs::sign_in_file(around, &settings.profile);
        settings.sign_in_file = usual.unwrap_or_else(|| settings.state_dir.join("sign-in.json"));
    }
    Ok(settings)
}

fn read(settings: &mut Settings, key: &'static Key, text: &str, origin: &Origin) -> Result<(), ConfigError> {
    (key.read)(settings, text).map_err(|reason| ConfigError::BadValue { origin: origin.clone(), key: key.name, reason })
}

/// Settings that every key still has to fill; the defaults stand in the key table alone.
pub(super) fn blank(profile: String) -> Settings {
    Settings {
        profile,
        state_dir: PathBuf::new(),
        cache_dir: PathBuf::new(),
        sign_in_file: PathBuf::new(),
        keyring: false,
        client_id: None,
        client_secret: None,
        root_folder: String::new(),
        server: None,
        ca_file: None,
        proxy: None,
        durability: Durability::Local,
        settle: Duration::ZERO,
        delete_guard: DeleteGuard::Off,
        local_only: LocalOnlyNames::default(),
        links: false,
        refuse_readers: Vec::new(),
        cache_size_bytes: 0,
        spool_size_bytes: 0,
        upload_limit_bytes_per_s: None,
        download_limit_bytes_per_s: None,
        api_limits: ApiLimits::Box,
        log_level: log::LevelFilter::Info,
        mount: MountOptions::default(),
    }
}

#[cfg(test)]
mod tests;

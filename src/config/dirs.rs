//! Where files live unless somebody says otherwise: the XDG base directories.

use std::path::{Path, PathBuf};

use super::environment::Surroundings;
use super::error::ConfigError;

/// `$XDG_CONFIG_HOME/boxfs/config.toml`; `None` where there is no home at all.
pub(super) fn config_file(around: &Surroundings) -> Option<PathBuf> {
    base(around, "XDG_CONFIG_HOME", ".config").map(|dir| dir.join("boxfs").join("config.toml"))
}

/// `$XDG_STATE_HOME/boxfs/PROFILE-ROOT`: database, spool, control socket, log.
pub(super) fn state_dir(around: &Surroundings, profile: &str, root_folder: &str) -> Result<PathBuf, ConfigError> {
    base(around, "XDG_STATE_HOME", ".local/state")
        .map(|dir| per_mount(&dir, profile, root_folder))
        .ok_or(ConfigError::NoHome { what: "the state", variable: "XDG_STATE_HOME", option: "--state-dir" })
}

/// `$XDG_CACHE_HOME/boxfs/PROFILE-ROOT`: clean contents.
pub(super) fn cache_dir(around: &Surroundings, profile: &str, root_folder: &str) -> Result<PathBuf, ConfigError> {
    base(around, "XDG_CACHE_HOME", ".cache")
        .map(|dir| per_mount(&dir, profile, root_folder))
        .ok_or(ConfigError::NoHome { what: "the cache", variable: "XDG_CACHE_HOME", option: "--cache-dir" })
}

/// `$XDG_STATE_HOME/boxfs/sign-in/PROFILE.json`; `None` where there is no home at all.
pub(super) fn sign_in_file(around: &Surroundings, profile: &str) -> Option<PathBuf> {
    let dir = base(around, "XDG_STATE_HOME", ".local/state")?;
    Some(dir.join("boxfs").join("sign-in").join(format!("{profile}.json")))
}

fn per_mount(base: &Path, profile: &str, root_folder: &str) -> PathBuf {
    base.join("boxfs").join(format!("{profile}-{root_folder}"))
}

/// A relative path in an XDG variable is to be ignored, says the specification.
fn base(around: &Surroundings, variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| around.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

//! The environment: `BOXFS_` and a key in upper case; and the few variables that are secrets, which are taken out of it.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};

use crate::base::Secret;

use super::error::{ConfigError, Origin};
use super::keys::{self, Layer};
use super::nearest::nearest;

const PREFIX: &str = "BOXFS_";
const TOKEN_VARIABLE: &str = "BOXFS_TOKEN";

/// Variables that are not keys of the configuration.
const NOT_KEYS: &[&str] = &[TOKEN_VARIABLE, "BOXFS_CONFIG", "BOXFS_PROFILE", "BOXFS_FAILPOINTS", "BOXFS_TIME_SCALE"];

/// The environment variables that the configuration may look at.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub variables: BTreeMap<String, String>,
    /// Variables with a secret, by name. The process's own environment has them no more.
    pub secrets: BTreeMap<String, Secret>,
}

impl Surroundings {
    /// This process's environment; variables that are no UTF-8 are left out. Those that are secrets are taken out of it,
    /// so that no program started from here inherits them and `/proc/PID/environ` does not show them.
    ///
    /// # Safety
    /// No other thread may run: the process's environment is changed.
    pub unsafe fn take() -> Surroundings {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let mut around = Surroundings { variables: std::env::vars_os().filter_map(text).collect(), ..Self::default() };
        for name in secret_variables() {
            if let Some(value) = around.variables.remove(&name) {
                around.secrets.insert(name.clone(), Secret::new(value.trim()));
            }
            // SAFETY: the caller vouches that this is the only thread.
            unsafe { forget(&name) };
        }
        around
    }

    /// An empty variable counts as not set.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A ready access token.
    pub fn token(&self) -> Option<&Secret> {
        self.secrets.get(TOKEN_VARIABLE).filter(|token| !token.is_empty())
    }
}

fn secret_variables() -> Vec<String> {
    let of_keys = keys::all().iter().filter(|key| key.secret).map(|key| variable_of(key.name));
    std::iter::once(TOKEN_VARIABLE.to_owned()).chain(of_keys).collect()
}

/// Removes a variable, and overwrites its value where the kernel put it: removing alone leaves the text in memory, and the
/// kernel shows that memory.
///
/// # Safety
/// No other thread may run, and nobody may hold a reference into the environment.
unsafe fn forget(name: &str) {
    let Ok(c_name) = CString::new(name) else { return };
    // SAFETY: the value is a text that ends in zero, writable by this process, and the caller vouches that nobody else
    // looks at it.
    unsafe {
        let value = libc::getenv(c_name.as_ptr());
        if !value.is_null() {
            std::ptr::write_bytes(value, 0, libc::strlen(value));
        }
        std::env::remove_var(name);
    }
}

/// The variable that sets `key`.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('-', "_"))
}

/// Every key the environment sets. An empty variable counts as not set.
///
/// # Errors
/// A variable that is nearly, but not quite, one of ours. Others with our prefix are left alone: scripts around
/// boxfs have variables of their own.
pub(super) fn layer(around: &Surroundings) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    let secrets = around.secrets.iter().map(|(name, value)| (name, value.reveal()));
    let all = around.variables.iter().map(|(name, value)| (name, value.as_str())).chain(secrets);
    for (name, value) in all {
        if !name.starts_with(PREFIX) || NOT_KEYS.contains(&name.as_str()) {
            continue;
        }
        if let Some(key) = keys::all().iter().find(|key| variable_of(key.name) == *name) {
            layer.put(key.name, value, Origin::Environment(name.clone()));
        } else if let Some(meant) = nearly(name) {
            return Err(ConfigError::UnknownVariable { name: name.clone(), nearest: meant });
        }
    }
    Ok(layer)
}

fn nearly(name: &str) -> Option<String> {
    let variables: Vec<String> = keys::all()
        .iter()
        .map(|key| variable_of(key.name))
        .chain(NOT_KEYS.iter().map(|name| (*name).to_owned()))
        .collect();
    nearest(name, variables.iter().map(String::as_str)).map(str::to_owned)
}

//! The environment: `BOXFS_` and a key in upper case; and the one secret that may stand there.

use std::ffi::CStr;

use crate::base::Secret;

use super::error::{ConfigError, Origin};
use super::keys::{self, Layer};
use super::nearest::nearest;
use super::resolve::Surroundings;

const PREFIX: &str = "BOXFS_";
const TOKEN_VARIABLE: &str = "BOXFS_TOKEN";
const TOKEN_VARIABLE_C: &CStr = c"BOXFS_TOKEN";

/// Variables that are not keys of the configuration.
const NOT_KEYS: &[&str] = &[TOKEN_VARIABLE, "BOXFS_CONFIG", "BOXFS_PROFILE"];

/// Takes `BOXFS_TOKEN` out of the environment, so that no program started from here inherits it and
/// `/proc/PID/environ` does not show it.
///
/// # Safety
/// No other thread may run: the process's environment is changed.
pub unsafe fn token_from_environment() -> Option<Secret> {
    let token = std::env::var(TOKEN_VARIABLE).ok();
    // SAFETY: the caller vouches that this is the only thread.
    unsafe {
        blank(TOKEN_VARIABLE_C);
        std::env::remove_var(TOKEN_VARIABLE);
    }
    token.map(|text| Secret::new(text.trim())).filter(|token| !token.is_empty())
}

/// Overwrites the value of a variable where the kernel put it: removing a variable leaves its text in memory, and the
/// kernel shows that memory.
///
/// # Safety
/// No other thread may run, and nobody may hold a reference into the environment.
unsafe fn blank(name: &CStr) {
    // SAFETY: the value is a text that ends in zero, writable by this process, and the caller vouches that nobody else
    // looks at it.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        if !value.is_null() {
            std::ptr::write_bytes(value, 0, libc::strlen(value));
        }
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
    for (name, value) in &around.variables {
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

//! What can be wrong with a configuration, and where the wrong text stands.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// Line and column count from 1; the column counts characters.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    /// The variable's name.
    Environment(String),
    /// The option as it is typed, for example `--settle`.
    Option(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("the default"),
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::Option(option) => f.write_str(option),
        }
    }
}

/// One line for a person: where, which key, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot read the configuration file: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{origin}: {message}")]
    Syntax { origin: Origin, message: String },
    #[error("{origin}: unknown key '{key}'{}", suggestion(key, *nearest))]
    UnknownKey { origin: Origin, key: String, nearest: Option<&'static str> },
    #[error("environment variable {name} is unknown; did you mean {nearest}?")]
    UnknownVariable { name: String, nearest: String },
    #[error("{origin}{}: {reason}", key_in_file(origin, key))]
    BadValue { origin: Origin, key: &'static str, reason: String },
    #[error("{origin}: {key} is a secret, and others can read this file: 'chmod 600 {}'", file.display())]
    Exposed { origin: Origin, key: &'static str, file: PathBuf },
    #[error("{origin}: profile '{profile}' is not in {}; {known}", file.display())]
    UnknownProfile { origin: Origin, profile: String, file: PathBuf, known: String },
    #[error("no directory for {what}: set HOME or {variable}, or give {option}")]
    NoHome { what: &'static str, variable: &'static str, option: &'static str },
}

/// An option or a variable names its key already.
fn key_in_file(origin: &Origin, key: &str) -> String {
    match origin {
        Origin::File { .. } | Origin::Default => format!(": {key}"),
        Origin::Environment(_) | Origin::Option(_) => String::new(),
    }
}

fn suggestion(key: &str, nearest: Option<&'static str>) -> String {
    let secret = ["token", "password", "login"].iter().any(|word| key.to_lowercase().contains(word));
    match nearest {
        Some(meant) => format!("; did you mean '{meant}'?"),
        None if secret => "; a sign-in is not configured, 'boxfs login' makes it".to_owned(),
        None => "; 'boxfs config --explain' lists all keys".to_owned(),
    }
}

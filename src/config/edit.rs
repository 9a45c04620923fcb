//! Changing one key of the configuration file, with its comments and its order left as they are.

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, value};

use crate::base::write_file_durably;

use super::error::{ConfigError, Origin};
use super::file;
use super::keys;
use super::nearest::nearest;
use super::resolve::{blank, check_profile};

/// Chooses the profile that holds when nobody names one; stands outside the profiles.
const PROFILE: &str = "profile";

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("unknown key '{key}'{} 'boxfs config --explain' lists all", meant(*nearest))]
    UnknownKey { key: String, nearest: Option<&'static str> },
    #[error("{key}: {reason}")]
    BadValue { key: &'static str, reason: String },
    #[error(transparent)]
    File(#[from] ConfigError),
    #[error("{}: cannot write the configuration file: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{}: not changed, since it would no longer be right: {reason}", path.display())]
    Spoiled { path: PathBuf, reason: String },
}

fn meant(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(|| ";".to_owned(), |key| format!("; did you mean '{key}'?"))
}

/// Sets `key`, checked first, for every profile or for one.
pub fn set_key(path: &Path, profile: Option<&str>, key: &str, text: &str) -> Result<(), EditError> {
    let name = known(key)?;
    check_value(name, text)?;
    change(path, |document| {
        table_of(document, profile)[name] = value(text);
    })
}

/// Removes `key`; nothing happens if it is not there.
pub fn unset_key(path: &Path, profile: Option<&str>, key: &str) -> Result<(), EditError> {
    let name = known(key)?;
    if !path.exists() {
        return Ok(());
    }
    change(path, |document| {
        table_of(document, profile).remove(name);
    })
}

fn known(key: &str) -> Result<&'static str, EditError> {
    let names = || keys::all().iter().map(|key| key.name).chain([PROFILE]);
    let unknown = || EditError::UnknownKey { key: key.to_owned(), nearest: nearest(key, names()) };
    names().find(|name| *name == key).ok_or_else(unknown)
}

fn check_value(name: &'static str, text: &str) -> Result<(), EditError> {
    let bad = |reason: String| EditError::BadValue { key: name, reason };
    if text.is_empty() {
        return Err(bad(format!("it is empty: 'boxfs config unset {name}' takes it away")));
    }
    match keys::all().iter().find(|key| key.name == name) {
        Some(key) => (key.read)(&mut blank(String::new()), text).map_err(bad),
        None => check_profile(text, &Origin::Option(PROFILE.to_owned())).map_err(EditError::File),
    }
}

fn table_of<'d>(document: &'d mut DocumentMut, profile: Option<&str>) -> &'d mut Table {
    let Some(profile) = profile else { return document.as_table_mut() };
    let profiles = document.entry("profiles").or_insert(Item::Table(Table::new()));
    if let Some(table) = profiles.as_table_mut() {
        // `[profiles.work]` alone says that there are profiles.
        table.set_implicit(true);
    }
    let one = &mut profiles[profile];
    if !one.is_table() {
        *one = Item::Table(Table::new());
    }
    one.as_table_mut().expect("it was made a table if it was none")
}

/// The file is written only where it reads right before and after; others get to read it only if they could before and it
/// has no secret.
fn change(path: &Path, edit: impl FnOnce(&mut DocumentMut)) -> Result<(), EditError> {
    let unwritable = |source| EditError::Unwritable { path: path.to_owned(), source };
    let (text, mode) = match std::fs::read_to_string(path) {
        Ok(text) => {
            file::read(path)?;
            (text, std::fs::metadata(path).map_err(unwritable)?.mode() & 0o777)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (String::new(), 0o600),
        Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }.into()),
    };
    let mut document: DocumentMut = text.parse().map_err(|_| unwritable(io::Error::other("it is not TOML")))?;
    edit(&mut document);
    let text = document.to_string();
    let mode = if has_secret(&document) { 0o600 } else { mode };
    file::check(path, &text).map_err(|e| EditError::Spoiled { path: path.to_owned(), reason: e.to_string() })?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unwritable)?;
    }
    let target = std::path::absolute(path).map_err(unwritable)?;
    write_file_durably(&target, text.as_bytes(), mode).map_err(unwritable)
}

fn has_secret(document: &DocumentMut) -> bool {
    let secrets: Vec<&str> = keys::all().iter().filter(|key| key.secret).map(|key| key.name).collect();
    let holds = |table: &Table| secrets.iter().any(|name| table.contains_key(name));
    let profiles = document.get("profiles").and_then(Item::as_table);
    holds(document) || profiles.is_some_and(|all| all.iter().any(|(_, one)| one.as_table().is_some_and(holds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_set_and_taken_away_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below/config.toml");
        set_key(&path, None, "settle", "2s").unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("settle = \"2s\"\n", 0o600));
        std::fs::write(&path, "# mine\nsettle = 1 # short\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        set_key(&path, Some("work"), "root-folder", "42").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# mine\nsettle = 1 # short\n\n[profiles.work]\nroot-folder = \"42\"\n");
        assert_eq!(mode(&path), 0o644);
        set_key(&path, Some("work"), "client-secret", "s").unwrap();
        assert_eq!(mode(&path), 0o600, "a secret is for nobody else's eyes");
        unset_key(&path, Some("work"), "client-secret").unwrap();
        unset_key(&path, None, "settle").unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains("settle"));
    }

    #[test]
    fn what_is_wrong_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let told = |key: &str, text: &str| set_key(&path, None, key, text).unwrap_err().to_string();
        assert!(told("setle", "1s").starts_with("unknown key 'setle'; did you mean 'settle'?"));
        assert!(told("settle", "soon").starts_with("settle: 'soon' is not a duration"));
        assert!(told("profile", "../x").contains("not a profile's name"));
        assert!(!path.exists());
        std::fs::write(&path, "settel = 1\n").unwrap();
        assert!(told("settle", "1s").contains("config.toml:1:1: unknown key 'settel'"));
    }
}

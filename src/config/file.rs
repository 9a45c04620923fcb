//! The file: TOML, top-level keys for every profile, `[profiles.NAME]` for one.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::keys::{self, Layer};
use super::nearest::nearest;

/// A larger file is no configuration.
const MAX_FILE_BYTES: u64 = 1_000_000;

/// What a configuration file says.
#[derive(Default)]
pub(super) struct ConfigFile {
    /// The profile used when nobody names one.
    pub profile: Option<(String, Origin)>,
    /// Keys for every profile.
    pub shared: Layer,
    /// Keys for one profile each, in the order of their names.
    pub profiles: Vec<(String, Layer)>,
}

/// Reads and checks `path`, all profiles of it.
pub(super) fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(unreadable(io::Error::other("it is larger than 1 MB")));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Reader { path, text: &text, exposed: metadata.is_file() && metadata.mode() & 0o077 != 0 }.read()
}

/// Checks a text that is about to become the file at `path`, which will be its owner's alone where it has to be.
pub(super) fn check(path: &Path, text: &str) -> Result<(), ConfigError> {
    Reader { path, text, exposed: false }.read().map(drop)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    /// Others than the owner can read the file.
    exposed: bool,
}

impl Reader<'_> {
    fn read(&self) -> Result<ConfigFile, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            origin: self.origin(error.span().map_or(0, |span| span.start)),
            message: self.syntax(error.span().map_or(0, |span| span.start), error.message()),
        })?;
        let mut file = ConfigFile::default();
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "profile" if value.get_ref().is_table() => {
                    return Err(ConfigError::Syntax {
                        origin: self.origin(key.span().start),
                        message: "profile: the keys of one profile stand below [profiles.NAME]".to_owned(),
                    });
                }
                "profile" => file.profile = Some((self.value("profile", value)?, self.origin(value.span().start))),
                "profiles" => file.profiles = self.profiles(value)?,
                name => self.put(&mut file.shared, name, key.span().start, value, &["profile", "profiles"])?,
            }
        }
        Ok(file)
    }

    fn profiles(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<(String, Layer)>, ConfigError> {
        let mut profiles = Vec::new();
        for (name, value) in self.table("profiles", value)? {
            let mut layer = Layer::default();
            for (key, value) in self.table(name.get_ref(), value)? {
                self.put(&mut layer, key.get_ref(), key.span().start, value, &[])?;
            }
            profiles.push((name.get_ref().to_string(), layer));
        }
        Ok(profiles)
    }

    fn table<'t>(&self, name: &str, value: &'t Spanned<DeValue<'t>>) -> Result<&'t DeTable<'t>, ConfigError> {
        value.get_ref().as_table().ok_or_else(|| ConfigError::Syntax {
            origin: self.origin(value.span().start),
            message: format!("'{name}' is a table: write [profiles.NAME] and its keys below"),
        })
    }

    fn put(
        &self,
        layer: &mut Layer,
        name: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        also_known: &[&'static str],
    ) -> Result<(), ConfigError> {
        let Some(key) = keys::all().iter().find(|key| key.name == name) else {
            let known = keys::all().iter().map(|key| key.name).chain(also_known.iter().copied());
            let nearest = nearest(name, known);
            return Err(ConfigError::UnknownKey { origin: self.origin(at), key: name.to_owned(), nearest });
        };
        if key.secret && self.exposed {
            let origin = self.origin(value.span().start);
            return Err(ConfigError::Exposed { origin, key: key.name, file: self.path.to_owned() });
        }
        layer.put(key.name, &self.value(key.name, value)?, self.origin(value.span().start));
        Ok(())
    }

    /// A text, a number, or a list of texts, as the text that the option would take.
    fn value(&self, key: &'static str, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        let bad = |reason: String| ConfigError::BadValue { origin: self.origin(value.span().start), key, reason };
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
            DeValue::Float(number) => Ok(number.as_str().to_owned()),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map(|texts| texts.join(","))
                .ok_or_else(|| bad("write a list of texts".to_owned())),
            other => Err(bad(format!("write a text in quotes instead of this {}", other.type_str()))),
        }
    }

    /// What the parser says, with the key of the line.
    fn syntax(&self, at: usize, said: &str) -> String {
        let said = said.lines().next().unwrap_or_default();
        let said = if said.contains("must be quoted") { "write the value in quotes" } else { said };
        let start = self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        match line.split_once('=').map(|(key, _)| key.trim()) {
            Some(key) if !key.is_empty() => format!("{key}: {said}"),
            _ => said.to_owned(),
        }
    }

    /// Line and column of a byte offset.
    fn origin(&self, at: usize) -> Origin {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

//! Whether two sets of files are the same, by size and SHA-1.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::hash_file;
use crate::cli::exit::Failure;

use super::inspect::Print;
use super::interrupt::Interrupt;

/// Differences shown; the count says the rest.
const MAX_SHOWN: usize = 10;

pub(super) type Prints = BTreeMap<String, Print>;

/// Reads each file whole.
pub(super) fn print_files(files: &BTreeMap<String, PathBuf>, interrupt: &Interrupt) -> Result<Prints, Failure> {
    let mut prints = Prints::new();
    for (name, path) in files {
        interrupt.check()?;
        let print = print_file(path).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
        prints.insert(name.clone(), print);
    }
    Ok(prints)
}

fn print_file(path: &Path) -> io::Result<Print> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok(Print { size, sha1: hash_file(&file, size)?.to_hex() })
}

/// Every file below `dir`, by its path below it.
pub(super) fn list_files(dir: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        let failed = |e: io::Error| Failure::new(format!("cannot list {}: {e}", at.display()));
        for entry in fs::read_dir(&at).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
                files.insert(name, path);
            }
        }
    }
    Ok(files)
}

/// # Errors
/// What is missing, different or too much in `found`.
pub(super) fn compare(what: &str, expected: &Prints, found: &Prints) -> Result<(), Failure> {
    let mut differences: Vec<String> = Vec::new();
    for (name, print) in expected {
        match found.get(name) {
            None => differences.push(format!("{name}: missing")),
            Some(other) if other != print => {
                differences.push(format!(
                    "{name}: {} bytes {} is {} bytes {}",
                    print.size, print.sha1, other.size, other.sha1
                ));
            }
            Some(_) => {}
        }
    }
    differences
        .extend(found.keys().filter(|name| !expected.contains_key(*name)).map(|name| format!("{name}: too much")));
    if differences.is_empty() {
        return Ok(());
    }
    let shown = differences.iter().take(MAX_SHOWN).map(|line| format!("\n  {line}")).collect::<String>();
    Err(Failure::new(format!("{} files are not as they should be {what}:{shown}", differences.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        for (name, text) in [("a", "1"), ("d/b", "2"), ("c", "")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let interrupt = Interrupt::watch().unwrap();
        let expected = print_files(&list_files(dir.path()).unwrap(), &interrupt).unwrap();
        assert!(compare("here", &expected, &expected).is_ok());
        fs::write(dir.path().join("a"), "3").unwrap();
        fs::remove_file(dir.path().join("d/b")).unwrap();
        fs::write(dir.path().join("e"), "").unwrap();
        let found = print_files(&list_files(dir.path()).unwrap(), &interrupt).unwrap();
        let message = compare("here", &expected, &found).unwrap_err().message;
        assert!(message.starts_with("3 files are not as they should be here:\n  a: 1 bytes "), "{message}");
        assert!(message.contains("d/b: missing") && message.contains("e: too much"), "{message}");
    }
}

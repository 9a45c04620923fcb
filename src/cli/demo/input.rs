//! What the demo copies: entries of a real directory that Box can hold as they are, and one large file.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::{check_name, fold};
use crate::cli::exit::Failure;

use super::interrupt::Interrupt;

/// Documentation is on most machines, and has hundreds of files of all sizes.
const USUAL_TREE: &str = "/usr/share/doc";
/// With fewer, the tree at hand shows more.
const FEW_FILES: usize = 200;
/// Enough to see, small enough for a minute; a tree that the user names is copied whole.
const USUAL_BUDGET: Budget = Budget { files: 1500, bytes: 80_000_000 };
/// Deeper than this is a loop or a joke.
const MAX_DEPTH: usize = 64;
/// Large enough to go up in many parts.
pub(super) const BIG_FILE_BYTES: u64 = 300_000_000;
/// Written at once.
const CHUNK_BYTES: usize = 1_000_000;

#[derive(Clone, Copy)]
struct Budget {
    files: usize,
    bytes: u64,
}

/// Files by their path below the mount, with the path to read them from.
pub(super) struct Input {
    pub dir: PathBuf,
    /// Entries of `dir`, each copied whole.
    pub entries: Vec<PathBuf>,
    pub files: BTreeMap<String, PathBuf>,
    pub bytes: u64,
    /// Entries with links, devices, names or files that cannot go to Box as they are.
    pub unfit: usize,
}

/// Chooses from `dir`, or from what every machine has.
pub(super) fn choose(dir: Option<&Path>, interrupt: &Interrupt) -> Result<Input, Failure> {
    let input = match dir {
        Some(dir) => gather(dir, None, interrupt)?,
        None => match gather(Path::new(USUAL_TREE), Some(USUAL_BUDGET), interrupt) {
            Ok(usual) if usual.files.len() >= FEW_FILES => usual,
            _ => gather(&std::env::current_dir().unwrap_or_default(), Some(USUAL_BUDGET), interrupt)?,
        },
    };
    if input.files.is_empty() {
        let shown = input.dir.display();
        return Err(Failure::new(format!(
            "{shown} has no files that Box can hold as they are: name another directory"
        )));
    }
    Ok(input)
}

fn gather(dir: &Path, budget: Option<Budget>, interrupt: &Interrupt) -> Result<Input, Failure> {
    let unreadable = |e: io::Error| Failure::new(format!("cannot read {}: {e}", dir.display()));
    let dir = dir.canonicalize().map_err(unreadable)?;
    let listed: Result<Vec<PathBuf>, _> =
        fs::read_dir(&dir).map_err(unreadable)?.map(|e| e.map(|e| e.path())).collect();
    let mut listed = listed.map_err(unreadable)?;
    listed.sort();
    let mut input = Input { dir, entries: Vec::new(), files: BTreeMap::new(), bytes: 0, unfit: 0 };
    let mut folded = HashSet::new();
    for path in listed {
        interrupt.check()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if budget.is_some() && (name.starts_with('.') || name == "target") {
            continue;
        }
        let mut entry = Entry::default();
        if !folded.insert(fold(&name)) || !entry.walk(&path, &name, 0) {
            input.unfit += 1;
        } else if !entry.files.is_empty() && fits(budget, &input, &entry) {
            input.entries.push(path);
            input.bytes += entry.bytes;
            input.files.extend(entry.files);
        }
    }
    Ok(input)
}

fn fits(budget: Option<Budget>, input: &Input, entry: &Entry) -> bool {
    budget.is_none_or(|budget| {
        input.files.len() + entry.files.len() <= budget.files && input.bytes + entry.bytes <= budget.bytes
    })
}

/// One entry of the chosen directory with all below it.
#[derive(Default)]
struct Entry {
    files: Vec<(String, PathBuf)>,
    bytes: u64,
}

impl Entry {
    /// `false` when something in it cannot go to Box as it is.
    fn walk(&mut self, path: &Path, shown: &str, depth: usize) -> bool {
        let name = path.file_name().unwrap_or_default();
        let Ok(metadata) = path.symlink_metadata() else { return false };
        if depth > MAX_DEPTH || check_name(name).is_err() {
            return false;
        }
        if metadata.is_file() {
            self.files.push((shown.to_owned(), path.to_owned()));
            self.bytes += metadata.size();
            return File::open(path).is_ok();
        }
        if !metadata.is_dir() {
            return false;
        }
        let Ok(children) = fs::read_dir(path) else { return false };
        let mut folded = HashSet::new();
        for child in children {
            let Ok(child) = child else { return false };
            let Ok(name) = child.file_name().into_string() else { return false };
            if !folded.insert(fold(&name)) || !self.walk(&child.path(), &format!("{shown}/{name}"), depth + 1) {
                return false;
            }
        }
        true
    }
}

/// Random bytes, so that nothing on the way can be saved by guessing.
pub(super) fn write_big_file(path: &Path, interrupt: &Interrupt) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::new(format!("cannot write {}: {e}", path.display()));
    let mut file = File::create_new(path).map_err(failed)?;
    let mut random = fastrand::Rng::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    for _ in 0..BIG_FILE_BYTES / CHUNK_BYTES as u64 {
        interrupt.check()?;
        random.fill(&mut chunk);
        file.write_all(&chunk).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_box_cannot_hold_are_left_out_whole() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["good/deep", "links", "twins"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["good/a", "good/deep/b", "links/c", "twins/Readme", "twins/README", "plain"] {
            fs::write(at(file), "12345").unwrap();
        }
        std::os::unix::fs::symlink("c", at("links/d")).unwrap();
        let interrupt = Interrupt::watch().unwrap();
        let input = choose(Some(dir.path()), &interrupt).unwrap();
        let names: Vec<&str> = input.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["good/a", "good/deep/b", "plain"]);
        assert_eq!((input.bytes, input.unfit, input.entries.len()), (15, 2, 2));
        let empty = tempfile::tempdir().unwrap();
        assert!(choose(Some(empty.path()), &interrupt).is_err());
    }
}

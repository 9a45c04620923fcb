//! The work of the storm: steps by real programs and plain system calls, each done on the mount and then on a plain directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{bytes_of, sha1_hex};

/// Files at once, so that comparing stays quick.
const MAX_FILES: usize = 120;
const FOLDERS: [&str; 4] = ["one", "two", "two/deep", "three"];
/// A folder that `rsync` alone fills.
const SYNCED: &str = "synced";
const SYNCED_FILES: u64 = 12;
const SMALL_BYTES: std::ops::Range<usize> = 0..200_000;
/// Above the border of chunked uploads.
const LARGE_BYTES: usize = 20_300_000;

/// Paths are relative to the mount and to the plain directory.
#[derive(Clone, Debug)]
pub enum Step {
    /// `cp` of a source onto a path.
    Copy {
        source: PathBuf,
        to: PathBuf,
    },
    /// The bytes from `offset` on are `bytes`, and nothing follows.
    Append {
        path: PathBuf,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// A temporary file beside it, synced and renamed over it.
    Save {
        path: PathBuf,
        bytes: Vec<u8>,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    RemoveFolder {
        path: PathBuf,
    },
    /// `rsync` with its default flags, of a source folder that has changed.
    Sync,
}

/// What is there, what can come next, and what has been counted.
pub struct Work {
    plain: PathBuf,
    sources: PathBuf,
    random: fastrand::Rng,
    saves: usize,
    removals: usize,
    made: u64,
    /// The SHA-1 of each file that a step made.
    whole: BTreeSet<String>,
}

impl Work {
    pub fn new(plain: &Path, sources: &Path, seed: u64) -> Work {
        fs::create_dir(sources.join(SYNCED)).unwrap();
        let random = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let (plain, sources) = (plain.to_owned(), sources.to_owned());
        Work { plain, sources, random, saves: 0, removals: 0, made: 0, whole: BTreeSet::new() }
    }

    pub fn plain(&self) -> &Path {
        &self.plain
    }

    /// Files that were saved, every try counted: Box cannot rightly have more versions.
    pub fn saves(&self) -> usize {
        self.saves
    }

    /// Items that were removed or renamed over, every try counted.
    pub fn removals(&self) -> usize {
        self.removals
    }

    pub fn next_step(&mut self) -> Step {
        let files = self.files();
        let old = self.pick(&files);
        match (self.random.u32(0..100), old) {
            (0..30, _) | (_, None) if files.len() < MAX_FILES => self.copy_new(),
            (30..40, Some(path)) => Step::Copy { source: self.source(), to: path },
            (40..52, Some(path)) => self.append(path),
            (52..62, Some(path)) => Step::Save { path, bytes: self.bytes() },
            (62..72, Some(from)) => Step::Rename { from, to: self.fresh_path() },
            (72..76, Some(from)) => match self.pick(&files) {
                Some(to) if to != from => Step::Rename { from, to },
                _ => Step::Remove { path: from },
            },
            (76..86, Some(path)) => Step::Remove { path },
            (86..90, _) => self.folder(),
            (90..92, _) => self.rename_folder(),
            (92..96, _) => self.sync(),
            (_, Some(path)) => Step::Remove { path },
            (_, None) => self.copy_new(),
        }
    }

    /// Does the step below `root`; `again` after a try that was cut off, of which nobody knows how far it came.
    pub fn perform(&mut self, step: &Step, root: &Path, again: bool) -> io::Result<()> {
        match step {
            Step::Copy { .. } | Step::Append { .. } | Step::Save { .. } => self.saves += 1,
            Step::Sync => {
                self.saves += SYNCED_FILES as usize;
                self.removals += SYNCED_FILES as usize * 2;
            }
            Step::Rename { .. } | Step::Remove { .. } => self.removals += 1,
            Step::RemoveFolder { path } => self.removals += 1 + walk(&self.plain.join(path)).len() * 2,
            Step::MakeFolder { .. } => {}
        }
        // An editor's temporary file can be in Box for a moment.
        self.saves += usize::from(matches!(step, Step::Save { .. }));
        self.removals += usize::from(matches!(step, Step::Save { .. }));
        apply(step, &self.sources, root, again)
    }

    /// The step is done: the plain directory gets it too.
    pub fn done(&mut self, step: &Step) {
        apply(step, &self.sources, &self.plain, false).unwrap();
        let made = match step {
            Step::Copy { to: path, .. } | Step::Append { path, .. } | Step::Save { path, .. } => vec![path.clone()],
            Step::Sync => walk(&self.plain.join(SYNCED)).iter().map(|path| Path::new(SYNCED).join(path)).collect(),
            _ => vec![],
        };
        self.whole.extend(made.iter().map(|path| sha1_hex(&fs::read(self.plain.join(path)).unwrap())));
    }

    /// Whether a file was this, once a step was done.
    pub fn was_whole(&self, sha1: &str) -> bool {
        self.whole.contains(sha1)
    }

    fn pick(&mut self, paths: &[PathBuf]) -> Option<PathBuf> {
        (!paths.is_empty()).then(|| paths[self.random.usize(..paths.len())].clone())
    }

    /// Files that no `rsync` takes care of.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = walk(&self.plain);
        files.retain(|path| !path.starts_with(SYNCED));
        files
    }

    fn bytes(&mut self) -> Vec<u8> {
        self.made += 1;
        let size = if self.random.u32(0..100) < 3 { LARGE_BYTES } else { self.random.usize(SMALL_BYTES) };
        bytes_of(size, self.random.u64(..))
    }

    fn source(&mut self) -> PathBuf {
        let path = self.sources.join("source");
        let bytes = self.bytes();
        let path = path.with_extension(self.made.to_string());
        fs::write(&path, bytes).unwrap();
        path
    }

    fn copy_new(&mut self) -> Step {
        Step::Copy { source: self.source(), to: self.fresh_path() }
    }

    /// A name that was never there, in a folder that is.
    fn fresh_path(&mut self) -> PathBuf {
        self.made += 1;
        let name = format!("file {}.txt", self.made);
        let there: Vec<&str> = FOLDERS.into_iter().filter(|folder| self.plain.join(folder).is_dir()).collect();
        match self.random.usize(..=there.len()) {
            0 => PathBuf::from(name),
            n => Path::new(there[n - 1]).join(name),
        }
    }

    fn append(&mut self, path: PathBuf) -> Step {
        let offset = self.plain.join(&path).metadata().unwrap().len();
        let size = self.random.usize(1..10_000);
        Step::Append { path, offset, bytes: bytes_of(size, self.random.u64(..)) }
    }

    fn folder(&mut self) -> Step {
        let path = PathBuf::from(FOLDERS[self.random.usize(..FOLDERS.len())]);
        let (there, parent) = (self.plain.join(&path).is_dir(), self.plain.join(&path).parent().unwrap().is_dir());
        match (there, parent) {
            (true, _) if self.random.u32(0..4) == 0 => Step::RemoveFolder { path },
            (false, true) => Step::MakeFolder { path },
            _ => self.copy_new(),
        }
    }

    fn rename_folder(&mut self) -> Step {
        let (from, to) = (PathBuf::from("one"), PathBuf::from("three"));
        match (self.plain.join(&from).is_dir(), self.plain.join(&to).is_dir()) {
            (true, false) => Step::Rename { from, to },
            (false, true) => Step::Rename { from: to, to: from },
            _ => self.copy_new(),
        }
    }

    /// Changes a few files of the source folder.
    fn sync(&mut self) -> Step {
        for _ in 0..4 {
            let path = self.sources.join(SYNCED).join(format!("s{}", self.random.u64(0..SYNCED_FILES)));
            if path.exists() && self.random.bool() {
                fs::remove_file(path).unwrap();
            } else {
                let size = self.random.usize(SMALL_BYTES);
                fs::write(path, bytes_of(size, self.random.u64(..))).unwrap();
            }
        }
        Step::Sync
    }
}

/// Files below `dir`, relative to it, sorted.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path.strip_prefix(dir).unwrap().to_owned()) }
        }
    }
    files.sort();
    files
}

fn apply(step: &Step, sources: &Path, root: &Path, again: bool) -> io::Result<()> {
    match step {
        Step::Copy { source, to } => program(Command::new("cp").arg(source).arg(root.join(to))),
        Step::Append { path, offset, bytes } => {
            let file = File::options().write(true).open(root.join(path))?;
            file.write_all_at(bytes, *offset)?;
            close(file)
        }
        Step::Save { path, bytes } => {
            let temporary = root.join(path).with_extension("saving");
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            close(file)?;
            fs::rename(temporary, root.join(path))
        }
        Step::Rename { from, to } => {
            let done = again && !there(&root.join(from))? && there(&root.join(to))?;
            if done { Ok(()) } else { fs::rename(root.join(from), root.join(to)) }
        }
        Step::Remove { path } => {
            let done = again && !there(&root.join(path))?;
            if done { Ok(()) } else { fs::remove_file(root.join(path)) }
        }
        Step::MakeFolder { path } => {
            let done = again && there(&root.join(path))?;
            if done { Ok(()) } else { fs::create_dir(root.join(path)) }
        }
        Step::RemoveFolder { path } => program(Command::new("rm").arg("-rf").arg(root.join(path))),
        Step::Sync => {
            let from = format!("{}/", sources.join(SYNCED).display());
            program(Command::new("rsync").args(["-a", "--delete"]).arg(from).arg(root.join(SYNCED)))
        }
    }
}

/// `exists` that tells an error of a dead mount from an absence.
fn there(path: &Path) -> io::Result<bool> {
    path.try_exists()
}

fn close(file: File) -> io::Result<()> {
    nix::unistd::close(file.into_raw_fd()).map_err(io::Error::from)
}

fn program(command: &mut Command) -> io::Result<()> {
    let ran = command.output()?;
    if ran.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?}: {}{}", ran.status, String::from_utf8_lossy(&ran.stderr))))
}

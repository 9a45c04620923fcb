//! The directories of data files: names, finding, moving. A file is named by its content's id in 16 hex digits.

use super::error::{ContentError, Result, meaning};
use super::identity::{self, Identity, SIDECAR};
use super::stamp::Stamp;
use super::usage::{Place, bytes_on_disk};
use crate::base::ContentId;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where data files live. Spool and rescue belong on one file system; the cache may be on another.
#[derive(Clone, Debug)]
pub struct Dirs {
    pub spool: PathBuf,
    pub cache: PathBuf,
    /// Where bytes go that no node owns any more; nothing is ever removed from it.
    pub rescue: PathBuf,
}

/// A data file in the spool, as found at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolFile {
    pub id: ContentId,
    /// `None` if what it says about itself cannot be read.
    pub identity: Option<Identity>,
    pub stamp: Stamp,
}

/// The extension of a copy that is not complete.
const PART: &str = "part";
/// Bytes of a name in the rescue directory; leaves room for the id and a count below the usual 255.
const RESCUE_NAME_BYTES: usize = 200;

impl Dirs {
    /// Creates what is not there, for this user only, and removes copies that a crash left unfinished.
    pub(super) fn prepare(&self) -> Result<()> {
        for dir in [&self.spool, &self.cache, &self.rescue] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(meaning("creating a directory for contents"))?;
        }
        for place in [Place::Spool, Place::Cache] {
            for entry in entries(self.of(place))? {
                let path = entry?.path();
                // A note beside a file that went to the cache is of no use either.
                let orphan = path.extension().is_some_and(|e| e == SIDECAR) && !path.with_extension("").exists();
                if orphan || path.extension().is_some_and(|e| e == PART) {
                    fs::remove_file(&path).map_err(meaning("removing an unfinished copy"))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn of(&self, place: Place) -> &Path {
        match place {
            Place::Spool => &self.spool,
            Place::Cache => &self.cache,
        }
    }

    pub(super) fn path(&self, place: Place, id: ContentId) -> PathBuf {
        self.of(place).join(id.to_string())
    }

    /// The data file of a content, wherever it is.
    pub fn find(&self, id: ContentId) -> Option<PathBuf> {
        let place = self.locate(id, Place::Spool).ok()?;
        Some(self.path(place, id))
    }

    /// A path for a copy that is to become `id` in `place`.
    pub(super) fn part(&self, place: Place, id: ContentId) -> PathBuf {
        self.path(place, id).with_extension(PART)
    }

    /// Where the data file is: in `expected`, or in the other place if a crash came between a move and its note.
    pub(super) fn locate(&self, id: ContentId, expected: Place) -> Result<Place> {
        let other = match expected {
            Place::Spool => Place::Cache,
            Place::Cache => Place::Spool,
        };
        let found = [expected, other].into_iter().find(|&place| self.path(place, id).exists());
        found.ok_or(ContentError::Lost { id })
    }

    /// Whether a file moves between spool and cache by a rename.
    pub(super) fn one_disk(&self) -> Result<bool> {
        let device = |dir: &Path| fs::metadata(dir).map(|m| m.dev()).map_err(meaning("stat of a content directory"));
        Ok(device(&self.spool)? == device(&self.cache)?)
    }

    /// Bytes that the files of `place` take of the disk.
    pub(super) fn count(&self, place: Place) -> Result<u64> {
        let mut bytes = 0;
        for entry in entries(self.of(place))? {
            // A file that vanishes while it is counted takes nothing.
            bytes += entry?.metadata().map_or(0, |m| bytes_on_disk(&m));
        }
        Ok(bytes)
    }

    /// The stamp of the data file, wherever it is; `None` if there is none.
    pub(super) fn stamp(&self, id: ContentId, expected: Place) -> Result<Option<Stamp>> {
        let place = match self.locate(id, expected) {
            Err(ContentError::Lost { .. }) => return Ok(None),
            found => found?,
        };
        let metadata = fs::metadata(self.path(place, id)).map_err(meaning("stat of a data file"))?;
        Ok(Some(Stamp::of_metadata(&metadata)))
    }

    pub(super) fn cached(&self) -> Result<impl Iterator<Item = Result<ContentId>> + use<>> {
        Ok(entries(&self.cache)?.filter_map(|entry| match entry {
            Ok(entry) => id_of(&entry.path()).map(Ok),
            Err(e) => Some(Err(e)),
        }))
    }

    pub(super) fn spool_files(&self) -> Result<impl Iterator<Item = Result<SpoolFile>> + use<>> {
        Ok(entries(&self.spool)?.filter_map(|entry| match entry {
            Ok(entry) => spool_file(&entry.path()).transpose(),
            Err(e) => Some(Err(e)),
        }))
    }

    /// A free path in the rescue directory that tells a person whose bytes they are.
    pub(super) fn rescue_path(&self, id: ContentId, identity: Option<&Identity>) -> PathBuf {
        let name = identity.map_or("unnamed", |i| i.name.as_str());
        let plain: String = name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
        let cut = plain.floor_char_boundary(RESCUE_NAME_BYTES);
        let path = self.rescue.join(format!("{id} {}", &plain[..cut]));
        let counted = |n: u32| self.rescue.join(format!("{id} {} {n}", &plain[..cut]));
        std::iter::once(path).chain((2..).map(counted)).find(|p| !p.exists()).expect("one of endless names is free")
    }
}

/// Creates a data file that must not exist yet, or `over` one that may, readable and writable by this user only.
pub(super) fn create_file(path: &Path, id: ContentId, over: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).create(true).truncate(over).create_new(!over);
    options.open(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => ContentError::Exists { id },
        _ => meaning("creating a data file")(e),
    })
}

fn entries(dir: &Path) -> Result<impl Iterator<Item = Result<fs::DirEntry>> + use<>> {
    let listing = fs::read_dir(dir).map_err(meaning("listing a content directory"))?;
    Ok(listing.map(|entry| entry.map_err(meaning("listing a content directory"))))
}

/// `None` for what is no data file.
fn spool_file(path: &Path) -> Result<Option<SpoolFile>> {
    if path.extension().is_some_and(|e| e == SIDECAR || e == PART) {
        return Ok(None);
    }
    let Some(id) = id_of(path) else { return Ok(None) };
    let metadata = fs::symlink_metadata(path).map_err(meaning("stat of a spool file"))?;
    let stamp = Stamp::of_metadata(&metadata);
    Ok(metadata.is_file().then(|| SpoolFile { id, identity: identity::read(path), stamp }))
}

fn id_of(path: &Path) -> Option<ContentId> {
    let name = path.file_name()?.to_str().filter(|n| n.len() == 16)?;
    u64::from_str_radix(name, 16).ok().map(ContentId)
}

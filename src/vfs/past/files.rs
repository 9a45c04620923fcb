//! The files of the view: old versions, read like any file of which Box has the bytes, through the same cache.

use super::memory::OldVersion;
use super::numbers::{Place, place};
use crate::base::Ino;
use crate::content::{ContentError, DataFile, Place as Where, Ranges, Saved};
use crate::tree::ContentRow;
use crate::vfs::asks::Source;
use crate::vfs::error::{Need, Result, VfsError};
use crate::vfs::handles::{FileHandle, Handle};
use crate::vfs::state::{Vfs, allow, now};
use crate::vfs::types::{Caller, OpenHow, Opened, Way};
use std::io;
use std::sync::{Arc, PoisonError};

/// How often the bytes of a version are looked up again because the cache gave them up meanwhile.
const TRIES: u32 = 4;

impl Vfs {
    /// Opens an old version for reading. Bytes that are missing are fetched when they are read.
    pub(in crate::vfs) fn open_past(&self, ino: Ino, how: OpenHow, caller: &Caller) -> Result<Opened> {
        if how.write || how.truncate {
            return Err(VfsError::ReadOnly);
        }
        let Some(Place::Version(ino)) = place(ino) else { return Err(VfsError::IsDirectory) };
        let version = self.past.version(ino).ok_or(VfsError::Stale)?;
        let node = self.node(version.file)?;
        allow(self.rights(&node)?.download)?;
        let file = self.bytes_of_version(&version)?;
        let source = Source { ino, file: file.clone(), origin: version.origin.clone(), tally: None };
        let source = Some(source).filter(|_| !file.is_whole());
        let program = source.as_ref().map(|_| self.program(caller));
        let handle = FileHandle::new(ino, file, Default::default(), None, source, self.content.limits().cache);
        let fh = self.handles.add(Handle::File(Arc::new(handle.of(program))));
        // An inode stands for one version for ever: what the kernel has of it is right.
        Ok(Opened { fh, way: Way::Cached { keep: true } })
    }

    pub(in crate::vfs) fn release_past(&self, handle: &FileHandle) -> Result<()> {
        self.content.used(handle.file.id(), now());
        self.save_ranges(&handle.file)
    }

    /// What there is of an old version under `user.box.`.
    pub(in crate::vfs) fn xattr_of_version(&self, ino: Ino, name: &[u8]) -> Option<Vec<u8>> {
        let version = self.past.version(ino)?;
        let value = match name {
            b"id" => version.origin.file_id.clone(),
            b"version" => version.origin.version.clone(),
            b"sha1" => version.origin.sha1?.to_hex(),
            _ => return None,
        };
        Some(value.into_bytes())
    }

    /// `need` of a reader of an old version; where Box does not have it any more, the list that named it is not believed.
    pub(in crate::vfs) fn doubting(&self, ino: Ino, need: Need) -> Need {
        let (past, version) = (self.past.clone(), self.past.version(ino));
        Need::new(async move {
            let met = need.await;
            if let (Err(VfsError::Stale | VfsError::NotFound), Some(version)) = (&met, version) {
                past.doubt(version.file);
            }
            met
        })
    }

    /// The data file of a version, made if need be. It stays the version's as long as somebody uses it.
    fn bytes_of_version(&self, version: &OldVersion) -> Result<Arc<DataFile>> {
        let _one_at_a_time = self.past.opening.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES {
            let row = self.tree.past_content(version.file, &version.origin).map_err(|e| self.tree_error(e))?;
            let file = self.file_of(&row)?;
            if let Some(sha1) = version.origin.sha1 {
                file.expect(sha1);
            }
            // Room may have been made between the look at the row and the use of its file.
            if self.tree.content(row.id).map_err(|e| self.tree_error(e))?.is_some() {
                self.content.used(row.id, now());
                return Ok(file);
            }
        }
        Err(VfsError::Busy)
    }

    fn file_of(&self, row: &ContentRow) -> Result<Arc<DataFile>> {
        let ranges = row.ranges.as_deref().map(Ranges::from_bytes).transpose().map_err(io::Error::other)?;
        let found = match self.content.load(row.id, Saved { place: Where::Cache, ranges }) {
            Ok(file) if file.size()? == row.size => Some(file),
            Ok(file) => {
                // Whatever the disk lost, the cache may: it is fetched again.
                drop(file);
                self.content.remove(row.id)?;
                None
            }
            Err(ContentError::Lost { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        match found {
            Some(file) => Ok(file),
            None => {
                self.tree.save_ranges(row.id, Some(Vec::new())).map_err(|e| self.tree_error(e))?;
                Ok(self.content.create_cold(row.id, row.size)?)
            }
        }
    }
}

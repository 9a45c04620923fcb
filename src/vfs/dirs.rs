//! Reading folders, page by page: a folder is never in memory as a whole.

use super::error::{Result, VfsError};
use super::handles::Handle;
use super::past::is_past;
use super::state::Vfs;
use super::types::{DirEntry, Fh, FileKind, OpenedFolder};
use crate::base::Ino;
use std::ffi::OsString;
use std::time::Instant;

/// Children read from the database at once: about what fits into one buffer of the kernel's.
pub(super) const PAGE: usize = 128;

/// The kernel fails the listing of a folder with a longer name (`FUSE_NAME_MAX` in fs/fuse/fuse_i.h). Names that keep to Box's limit of
/// 255 characters are never so long, escaped or not.
const LONGEST_SHOWN: usize = 1024;

/// The offsets after `.` and `..`. A child's is its inode number and one, so that it stays right while names come and go;
/// the root is 1 and nobody's child, so these two are free.
pub(super) const AFTER_DOT: u64 = 1;
pub(super) const AFTER_DOT_DOT: u64 = 2;

impl Vfs {
    pub fn opendir(&self, ino: Ino) -> Result<OpenedFolder> {
        if is_past(ino) {
            return Ok(OpenedFolder { fh: self.opendir_past(ino)?, keep: false });
        }
        let changes = self.tree.name_changes(ino);
        let node = self.node(ino)?;
        if !node.is_folder() {
            return Err(VfsError::NotDirectory);
        }
        let keep = self.listings.open(ino, changes, Instant::now(), self.lifetime());
        // A folder that is to be listed again is read again; so is one in which bytes decide about names (`links.rs`).
        let keep = keep && node.complete && !self.settings.links;
        Ok(OpenedFolder { fh: self.handles.add(Handle::Folder(ino)), keep })
    }

    /// Hands the names after `offset` to `add`, until that says that its buffer is full and did not take the last one. A folder
    /// that was never listed is listed first.
    pub fn readdir(&self, fh: Fh, offset: u64, add: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        let ino = self.handles.folder(fh)?;
        if is_past(ino) {
            return self.readdir_past(ino, offset, add);
        }
        if offset == 0 {
            self.revalidate(ino)?;
        }
        let dots = [(AFTER_DOT, ".", ino), (AFTER_DOT_DOT, "..", self.node(ino)?.parent)];
        let changes = self.tree.name_changes(ino);
        // Fetched before the dots, so that an empty-handed answer is never mistaken for an empty folder.
        let mut after = Ino(offset.max(AFTER_DOT_DOT) - 1);
        let mut page = self.children(ino, after)?;
        if offset == 0 {
            self.listings.read(ino, changes, Instant::now());
        }
        for (next_offset, name, ino) in dots.into_iter().filter(|(next, ..)| *next > offset) {
            // The root's parent is the kernel's business.
            let ino = if ino.0 == 0 { Ino::ROOT } else { ino };
            let dot = DirEntry { ino, next_offset, kind: FileKind::Folder, name: OsString::from(name), attr: None };
            if add(dot) {
                return Ok(());
            }
        }
        loop {
            for node in &page {
                let entry = self.entry_of(node)?;
                let name = OsString::from(self.name_of(node)?);
                if name.len() > LONGEST_SHOWN {
                    log::debug!(
                        "the kernel takes no name of {} bytes: item {:?} is not shown",
                        name.len(),
                        node.item()
                    );
                    continue;
                }
                let next_offset = node.ino.0 + 1;
                let attr = Some((entry.attr, entry.ttl));
                if add(DirEntry { ino: node.ino, next_offset, kind: entry.attr.kind, name, attr }) {
                    return Ok(());
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = last.ino,
                _ => return Ok(()),
            }
            page = self.children(ino, after)?;
        }
    }

    pub fn releasedir(&self, fh: Fh) -> Result<()> {
        if let Handle::Folder(ino) = self.handles.remove(fh)? {
            self.listings.close(ino);
        }
        Ok(())
    }

    /// The names of the folder are on the disk when this returns.
    pub fn fsyncdir(&self, _ino: Ino) -> Result<()> {
        self.content.sync_spool()?;
        self.tree.sync().map_err(|e| self.tree_error(e))
    }

    /// A page of a folder, of which it is known what is a link.
    pub(super) fn children(&self, ino: Ino, after: Ino) -> Result<Vec<crate::tree::Node>> {
        let page = self.tree.children(ino, after, PAGE).map_err(|e| self.tree_error(e))?;
        self.await_links(&page)?;
        Ok(page)
    }
}

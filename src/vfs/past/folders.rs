//! The folders of the view: what they mirror, their attributes and their listings.

use super::memory::OldVersion;
use super::numbers::{Place, mirror_of, place};
use crate::base::{Ino, shown_name};
use crate::tree::{Attr, Node, NodeKind, Presence};
use crate::vfs::dirs::{AFTER_DOT, AFTER_DOT_DOT, PAGE};
use crate::vfs::error::{Need, Result, VfsError};
use crate::vfs::handles::Handle;
use crate::vfs::state::{Vfs, existing_name};
use crate::vfs::types::{DirEntry, Entry, Fh, FileKind, Looked};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

/// How long the kernel may believe what it is told of the view: nobody tells it of changes there.
const LIFETIME: Duration = Duration::from_secs(1);
/// Everybody may look, nobody may change.
const FOLDER_MODE: u32 = 0o555;
const VERSION_MODE: u32 = 0o444;

type Versions = Arc<[Arc<OldVersion>]>;

/// Takes entries until its buffer is full.
type Add<'a> = &'a mut dyn FnMut(DirEntry) -> bool;

impl Vfs {
    /// The view itself, as found in the root.
    pub(in crate::vfs) fn view(&self) -> Result<Entry> {
        Ok(self.mirror(&self.node(Ino::ROOT)?))
    }

    /// What `name` leads to in a folder of the view.
    pub(in crate::vfs) fn lookup_past(&self, parent: Ino, name: &OsStr) -> Result<Looked> {
        let node = self.mirrored(parent)?;
        let found = if node.is_folder() {
            match existing_name(name).and_then(|name| self.child(node.ino, &name)) {
                Ok(child) => is_shown(&child).then(|| self.mirror(&child)),
                Err(VfsError::NotFound) => None,
                Err(e) => return Err(e),
            }
        } else {
            let versions = self.old_versions(&node)?;
            let wanted = versions.iter().find(|version| version_name(version, &node) == name);
            wanted.map(|version| self.version_entry(version, &node))
        };
        Ok(found.map_or(Looked::Missing { ttl: LIFETIME }, Looked::Found))
    }

    pub(in crate::vfs) fn getattr_past(&self, ino: Ino) -> Result<Entry> {
        match place(ino) {
            Some(Place::Version(ino)) => {
                let version = self.past.version(ino).ok_or(VfsError::Stale)?;
                Ok(self.version_entry(&version, &self.node(version.file)?))
            }
            _ => Ok(self.mirror(&self.mirrored(ino)?)),
        }
    }

    pub(in crate::vfs) fn opendir_past(&self, ino: Ino) -> Result<Fh> {
        self.mirrored(ino)?;
        Ok(self.handles.add(Handle::Folder(ino)))
    }

    /// Like [`Vfs::readdir`], of a folder of the view.
    pub(in crate::vfs) fn readdir_past(&self, ino: Ino, offset: u64, add: Add<'_>) -> Result<()> {
        let node = self.mirrored(ino)?;
        // Found before the dots, so that an empty-handed answer is never mistaken for an empty folder.
        if node.is_folder() {
            let page = self.children(node.ino, Ino(offset.max(AFTER_DOT_DOT) - 1))?;
            if !add_dots(&node, offset, add) { self.read_members(&node, page, add) } else { Ok(()) }
        } else {
            let versions = self.old_versions(&node)?;
            if !add_dots(&node, offset, add) {
                self.read_versions(&node, &versions, offset, add);
            }
            Ok(())
        }
    }

    fn read_members(&self, folder: &Node, mut page: Vec<Node>, add: Add<'_>) -> Result<()> {
        loop {
            for child in page.iter().filter(|child| is_shown(child)) {
                let name = OsString::from(shown_name(&child.name).into_owned());
                if add(dir_entry(self.mirror(child), name, child.ino.0 + 1)) {
                    return Ok(());
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => page = self.children(folder.ino, last.ino)?,
                _ => return Ok(()),
            }
        }
    }

    fn read_versions(&self, node: &Node, versions: &Versions, offset: u64, add: Add<'_>) {
        let after = |version: &&Arc<OldVersion>| offset_after(version) > offset;
        for version in versions.iter().filter(after) {
            let entry = self.version_entry(version, node);
            if add(dir_entry(entry, version_name(version, node), offset_after(version))) {
                return;
            }
        }
    }

    /// The old versions of a file: remembered, or asked for.
    fn old_versions(&self, node: &Node) -> Result<Versions> {
        let Some(file_id) = node.box_id.clone() else { return Ok(Arc::new([])) };
        let current = node.base.as_ref().and_then(|base| base.version.clone());
        if let Some(versions) = self.past.versions_of(node.ino, current.as_deref()) {
            return Ok(versions);
        }
        let (past, file) = (self.past.clone(), node.ino);
        let asked = self.asks.versions_before(file_id.clone());
        Err(VfsError::Wait(Need::new(async move {
            match asked.await {
                Ok(found) => past.learn(file, &file_id, current, found),
                Err(VfsError::Unreachable) if past.renew(file, current.as_deref()) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })))
    }

    /// The node that a folder of the view mirrors.
    fn mirrored(&self, ino: Ino) -> Result<Node> {
        let Some(Place::Mirror(of)) = place(ino) else { return Err(VfsError::NotDirectory) };
        let node = self.node(of)?;
        if node.presence == Presence::Deleted { Err(VfsError::Stale) } else { Ok(node) }
    }

    fn mirror(&self, node: &Node) -> Entry {
        let attr = Attr { mode: FOLDER_MODE, size: 0, ..node.attr };
        Entry { attr: self.shown(mirror_of(node.ino), FileKind::Folder, 2, &attr), ttl: LIFETIME }
    }

    fn version_entry(&self, version: &OldVersion, node: &Node) -> Entry {
        let at = version.at;
        let times = Attr { atime: at, mtime: at, ctime: at, btime: at, ..node.attr };
        let attr = Attr { mode: VERSION_MODE, size: version.origin.size, ..times };
        Entry { attr: self.shown(version.ino, FileKind::File, 1, &attr), ttl: LIFETIME }
    }
}

/// `3 2024-03-01T12:00:00Z Report.docx`: the number that `boxfs restore --version` takes, when it was made, and what the file is
/// called now, so that its ending still says what it is.
fn version_name(version: &OldVersion, node: &Node) -> OsString {
    format!("{} {} {}", version.number, version.at.to_rfc3339(), shown_name(&node.name)).into()
}

/// Bookmarks and symbolic links have no versions.
fn is_shown(node: &Node) -> bool {
    matches!(node.kind, NodeKind::File | NodeKind::Folder)
}

fn offset_after(version: &OldVersion) -> u64 {
    AFTER_DOT_DOT + version.number
}

fn dir_entry(entry: Entry, name: OsString, next_offset: u64) -> DirEntry {
    let Entry { attr, ttl } = entry;
    DirEntry { ino: attr.ino, next_offset, kind: attr.kind, name, attr: Some((attr, ttl)) }
}

/// `.` and `..`, as far as they come after `offset`; whether the buffer is full.
fn add_dots(node: &Node, offset: u64, add: Add<'_>) -> bool {
    let above = if node.ino == Ino::ROOT { Ino::ROOT } else { mirror_of(node.parent) };
    let dots = [(AFTER_DOT, ".", mirror_of(node.ino)), (AFTER_DOT_DOT, "..", above)];
    dots.into_iter().filter(|(next, ..)| *next > offset).any(|(next_offset, name, ino)| {
        add(DirEntry { ino, next_offset, kind: FileKind::Folder, name: name.into(), attr: None })
    })
}

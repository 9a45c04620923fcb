//! The bytes behind an inode: finding or making its data file, making it writable, noting what became of it.

use super::asks::{Asks, Source};
use super::error::{Result, VfsError};
use super::inodes::OpenInode;
use super::state::{Vfs, now};
use crate::base::{ContentId, Ino, failpoint};
use crate::content::{ContentError, DataFile, Identity, Place, Ranges, Saved, Stamp};
use crate::tree::{self, ContentRow, ContentState, Node, StoredStamp};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How often the bytes of a node are looked up again because news changed them meanwhile.
const SWAPS: u32 = 4;

/// The pause before the bytes of a node are looked up again that somebody has evicted just then.
const MEANWHILE: Duration = Duration::from_millis(1);

/// A node's data file, and what the database knows of it.
pub(super) struct Bytes {
    pub file: Arc<DataFile>,
    pub row: ContentRow,
}

impl Bytes {
    pub fn source(&self) -> Option<Source> {
        let origin = self.row.origin.clone()?;
        Some(Source { ino: self.row.ino, file: self.file.clone(), origin, tally: None })
    }
}

impl Vfs {
    /// The data file of `node`; a cold one is made for a file of which nothing is here. While it is in use, news from Box does not
    /// give the node other bytes.
    pub(super) fn bytes(&self, node: &Node) -> Result<Bytes> {
        let mut id = node.content;
        for _ in 0..SWAPS {
            let bytes = self.bytes_of(node, id)?;
            // News may have come between the look at the node and the use of its bytes.
            id = self.node(node.ino)?.content;
            if id == Some(bytes.row.id) {
                return Ok(bytes);
            }
        }
        Err(VfsError::Busy)
    }

    fn bytes_of(&self, node: &Node, id: Option<ContentId>) -> Result<Bytes> {
        let row = match id {
            Some(id) => self.tree.content(id).map_err(|e| self.tree_error(e))?,
            None => None,
        };
        let Some(row) = row else { return self.cold_bytes(node) };
        let place = match row.place {
            tree::Place::Spool => Place::Spool,
            tree::Place::Cache => Place::Cache,
        };
        let ranges = row.ranges.as_deref().map(Ranges::from_bytes).transpose().map_err(io::Error::other)?;
        match self.content.load(row.id, Saved { place, ranges }) {
            Ok(file) if cut_short(&file, &row)? => {
                // Whatever the disk lost, the cache may: it is fetched again.
                drop(file);
                self.content.remove(row.id)?;
                self.lost_bytes(node, row.clone(), ContentError::Lost { id: row.id })
            }
            Ok(file) => {
                if let (ContentState::Clean, Some(sha1)) = (row.state, row.origin.as_ref().and_then(|o| o.sha1)) {
                    file.expect(sha1);
                }
                self.content.used(row.id, now());
                Ok(Bytes { file, row })
            }
            Err(error @ ContentError::Lost { .. }) => self.lost_bytes(node, row, error),
            Err(error) => Err(error.into()),
        }
    }

    fn cold_bytes(&self, node: &Node) -> Result<Bytes> {
        let row = self.tree.cold_content(node.ino, tree::Place::Cache).map_err(|e| self.tree_error(e))?;
        let file = self.content.create_cold(row.id, row.size)?;
        if let Some(sha1) = row.origin.as_ref().and_then(|o| o.sha1) {
            file.expect(sha1);
        }
        file.set_mtime(node.attr.mtime)?;
        self.content.used(row.id, now());
        Ok(Bytes { file, row })
    }

    /// The database knows of a data file that is not there: cleared from the cache, or not yet made when the daemon died.
    fn lost_bytes(&self, node: &Node, mut row: ContentRow, error: ContentError) -> Result<Bytes> {
        let never_closed = row.stamp.is_none() && row.size == 0;
        let file = match (row.state, &row.origin) {
            _ if row.is_of_box() => {
                row.ranges = Some(Vec::new());
                row.place = tree::Place::Cache;
                row.durable = false;
                if !self.tree.cold_again(&row).map_err(|e| self.tree_error(e))? {
                    return Err(VfsError::Wait(Asks::pause(MEANWHILE)));
                }
                let file = self.content.create_cold(row.id, row.size)?;
                if let Some(sha1) = row.origin.as_ref().and_then(|o| o.sha1) {
                    file.expect(sha1);
                }
                file
            }
            (ContentState::Writable, None) if never_closed => {
                self.content.create(row.id, &self.identity(node.ino, true)?)?
            }
            _ => return Err(error.into()),
        };
        file.set_mtime(node.attr.mtime)?;
        Ok(Bytes { file, row })
    }

    /// The empty data file of a node that was made just now.
    pub(super) fn fresh_bytes(&self, node: &Node) -> Result<Bytes> {
        let id = node.content.ok_or(VfsError::Stale)?;
        match self.content.create(id, &self.identity(node.ino, true)?) {
            Ok(file) => {
                failpoint("create.made");
                Ok(Bytes { file, row: fresh_row(id, node.ino) })
            }
            // Somebody found the name and made the file first.
            Err(ContentError::Exists { .. }) => self.bytes(node),
            Err(error) => Err(error.into()),
        }
    }

    /// What the database knows of an open data file.
    pub(super) fn row_of(&self, file: &DataFile) -> Result<ContentRow> {
        let row = self.tree.content(file.id()).map_err(|e| self.tree_error(e))?;
        row.ok_or(VfsError::Stale)
    }

    /// Makes sure that the bytes may be changed: in the spool, and known to the database as changed until they are sealed. What
    /// was clean is made durable as changed, so that a power cut cannot make it look clean again.
    pub(super) fn make_writable(&self, node: &Node, bytes: &mut Bytes) -> Result<()> {
        let Bytes { file, row } = bytes;
        if row.state == ContentState::Writable && row.place == tree::Place::Spool && row.stamp.is_none() {
            return Ok(());
        }
        let was_clean = row.state == ContentState::Clean;
        // First the note, after which the engine does not move the file any more.
        let begun = self.tree.begin_writing(node.ino, &self.boot, now()).map_err(|e| self.tree_error(e))?;
        *row = begun.1;
        failpoint("write.begun");
        if file.place() == Place::Cache {
            self.content.to_spool(file, &self.identity(node.ino, file.is_whole())?)?;
        }
        failpoint("write.spooled");
        if was_clean {
            self.tree.sync().map_err(|e| self.tree_error(e))?;
        }
        if file.stamp()?.mtime() != node.attr.mtime {
            file.set_mtime(node.attr.mtime)?;
        }
        Ok(())
    }

    /// An empty content in the place of what the node had, for a file that is opened to be written from its start.
    pub(super) fn emptied(&self, node: &Node) -> Result<Bytes> {
        let (row, old) = self.tree.fresh_content(node.ino, now()).map_err(|e| self.tree_error(e))?;
        failpoint("empty.noted");
        let file = self.content.create(row.id, &self.identity(node.ino, true)?)?;
        failpoint("empty.made");
        if let Some(old) = old {
            self.content.remove(old)?;
        }
        Ok(Bytes { file, row })
    }

    /// Notes size, times and ranges of the bytes, so that a later start can tell whether they were closed.
    pub(super) fn note(&self, ino: Ino, inode: &mut OpenInode) -> Result<()> {
        self.save_ranges(&inode.file)?;
        let stamp = inode.file.stamp()?;
        if inode.noted == Some(stamp) {
            return Ok(());
        }
        failpoint("flush.leaving");
        let closed = self.tree.closed(ino, inode.file.id(), stored(stamp), stamp.size, stamp.mtime(), now());
        match closed {
            Ok(node) => inode.attr = node.attr,
            // Deleted, and forgotten by Box and database: the bytes live until the last handle is gone.
            Err(tree::TreeError::NoNode(_)) => {}
            Err(e) => return Err(self.tree_error(e)),
        }
        inode.noted = Some(stamp);
        failpoint("flush.stamped");
        Ok(())
    }

    /// Like [`Vfs::note`], for an inode that is not open.
    pub(super) fn note_closed(&self, node: &Node, bytes: &Bytes) -> Result<()> {
        self.save_ranges(&bytes.file)?;
        let stamp = bytes.file.stamp()?;
        let closed = self.tree.closed(node.ino, bytes.row.id, stored(stamp), stamp.size, stamp.mtime(), now());
        closed.map(drop).map_err(|e| self.tree_error(e))
    }

    /// Saves which ranges of a content are present, if that changed.
    pub(super) fn save_ranges(&self, file: &DataFile) -> Result<()> {
        file.save_ranges(|ranges| {
            let present = (!ranges.is_whole()).then(|| ranges.to_bytes());
            self.tree.save_ranges(file.id(), present).map_err(|e| self.tree_error(e))
        })
    }

    /// What the data file of a node is to say of itself; `whole`: every byte is there.
    fn identity(&self, ino: Ino, whole: bool) -> Result<Identity> {
        let at = self.tree.whereabouts(ino).map_err(|e| self.tree_error(e))?;
        Ok(Identity {
            ino,
            name: at.name,
            box_id: at.box_id,
            base_version: at.base_version,
            base_sha1: at.base_sha1,
            above: at.above,
            whole,
        })
    }

    /// The data file of a renamed node says so, as far as it lies in the spool. Without it the node would come back under its old name
    /// should the database be lost, which is no reason to fail.
    pub(super) fn identify_again(&self, node: &Node) {
        let Some(id) = node.content.filter(|_| node.content_dirty()) else { return };
        let whole = self.content.identity_of(id).is_none_or(|identity| identity.whole);
        let noted = self.identity(node.ino, whole).map(|identity| self.content.identify(id, &identity));
        if !matches!(noted, Ok(Ok(()))) {
            log::debug!("the data file of content {id} keeps the old name of its node");
        }
    }
}

/// Whether a clean cache file is shorter or longer than its version.
fn cut_short(file: &DataFile, row: &ContentRow) -> Result<bool> {
    let clean = row.state == ContentState::Clean && file.place() == Place::Cache;
    Ok(clean && row.origin.as_ref().is_some_and(|o| o.size == row.size) && file.size()? != row.size)
}

pub(super) fn stored(stamp: Stamp) -> StoredStamp {
    StoredStamp { size: stamp.size, mtime_ns: stamp.mtime_ns, ctime_ns: stamp.ctime_ns }
}

/// What the database has of a content at its creation.
fn fresh_row(id: ContentId, ino: Ino) -> ContentRow {
    ContentRow {
        id,
        ino,
        place: tree::Place::Spool,
        state: ContentState::Writable,
        origin: None,
        ranges: None,
        size: 0,
        smallest: 0,
        stamp: None,
        durable: false,
        boot: String::new(),
    }
}

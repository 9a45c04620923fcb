//! What programs do to names and attributes: create, delete, set, open for writing, close.
//!
//! Every method changes *local* only, in one transaction, and leaves the node due after the settle time.

use super::contents::{self, ContentRow, ContentState, Origin, Place, StoredStamp};
use super::error::TreeError;
use super::memory;
use super::node::{Attr, Node, NodeKind, Presence};
use super::rows;
use super::store::{Tree, Tx};
use crate::base::{ContentId, Ino, Sha1Digest, Timestamp};
use rusqlite::params;

/// A node to be made by a program.
#[derive(Debug, Clone)]
pub struct NewNode<'a> {
    pub parent: Ino,
    /// Box name, already checked.
    pub name: &'a str,
    pub kind: NodeKind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Symlinks: where they lead.
    pub target: Option<&'a [u8]>,
}

/// What `setattr` changes; sizes are a matter of the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttrChange {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub atime: Option<Timestamp>,
    pub mtime: Option<Timestamp>,
    pub size: Option<u64>,
}

impl Tree {
    /// Makes a node. A file gets an empty content in the spool, open for writing.
    ///
    /// # Errors
    /// [`TreeError::Exists`] for the name itself and for one that Box does not tell apart from it;
    /// [`TreeError::Unlisted`] while the folder is not listed.
    pub fn create(&self, new: &NewNode<'_>, now: Timestamp) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut folder = tx.folder(new.parent)?;
            if let Some(taken) = rows::folding(tx, new.parent, new.name)?.first() {
                return Err(TreeError::Exists { existing: taken.name.clone() });
            }
            if !folder.complete {
                return Err(TreeError::Unlisted(new.parent));
            }
            let mut node = Node { born_at: Some(tx.boot), ..fresh(new, now) };
            tx.put(&mut node)?;
            if let Some(target) = new.target {
                tx.execute("UPDATE nodes SET target = ?2 WHERE ino = ?1", params![node.ino.0 as i64, target])?;
            }
            if new.kind == NodeKind::File {
                node.content = Some(contents::insert(tx, node.ino, Place::Spool)?);
                node.unsealed = true;
                tx.put(&mut node)?;
                let before = node.clone();
                memory::comes(tx, &mut node, &before, now)?;
            }
            touch_folder(tx, &mut folder, now)?;
            tx.settle(node.ino, now)?;
            Ok(node)
        })
    }

    /// Changes attributes that programs may set.
    pub fn set_attr(&self, ino: Ino, change: &AttrChange, now: Timestamp) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let attr = &mut node.attr;
            attr.mode = change.mode.unwrap_or(attr.mode);
            attr.uid = change.uid.unwrap_or(attr.uid);
            attr.gid = change.gid.unwrap_or(attr.gid);
            attr.atime = change.atime.unwrap_or(attr.atime);
            attr.mtime = change.mtime.unwrap_or(attr.mtime);
            attr.size = change.size.unwrap_or(attr.size);
            attr.ctime = now;
            node.changed_at = now;
            tx.put(&mut node)?;
            tx.settle(ino, now)?;
            Ok(node)
        })
    }

    /// Takes the name of a file away. The row stays until Box knows and the last handle is released.
    pub fn unlink(&self, parent: Ino, name: &str, now: Timestamp) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut folder = tx.folder(parent)?;
            let mut node = named(tx, &folder, name)?;
            if node.is_folder() {
                return Err(TreeError::IsFolder);
            }
            memory::gives_back(tx, &mut node, now)?;
            delete(tx, &mut folder, node, now)
        })
    }

    /// Takes the name of an empty folder away.
    ///
    /// # Errors
    /// [`TreeError::Unlisted`] if Box has to be asked whether it is empty.
    pub fn rmdir(&self, parent: Ino, name: &str, now: Timestamp) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut folder = tx.folder(parent)?;
            let node = named(tx, &folder, name)?;
            require_empty(tx, &node)?;
            memory::leaves(tx, &node)?;
            delete(tx, &mut folder, node, now)
        })
    }

    /// A content for a file whose bytes are in Box only: nothing present, origin as the node's base says.
    pub fn cold_content(&self, ino: Ino, place: Place) -> Result<ContentRow, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let row = contents::insert_cold(tx, &node, place)?;
            node.content = Some(row.id);
            tx.put(&mut node)?;
            Ok(row)
        })
    }

    /// Gives a file an empty content in the spool, open for writing; returns it with the one it replaces.
    pub fn fresh_content(&self, ino: Ino, now: Timestamp) -> Result<(ContentRow, Option<ContentId>), TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let old = node.content;
            if let Some(old) = old {
                contents::remove(tx, old)?;
            }
            let id = contents::insert(tx, ino, Place::Spool)?;
            node.content = Some(id);
            node.unsealed = true;
            node.hold = None;
            node.attr.size = 0;
            node.attr.mtime = now;
            node.attr.ctime = now;
            node.changed_at = now;
            tx.put(&mut node)?;
            tx.settle(ino, now)?;
            let row = contents::get(tx, id)?.ok_or(TreeError::NotFound)?;
            Ok((row, old))
        })
    }

    /// Stores what changed about a content: place, ranges, size, stamp.
    pub fn put_content(&self, row: &ContentRow) -> Result<(), TreeError> {
        self.write(|tx| contents::put(tx, row))
    }

    /// A content of which all is in Box, and whose data file is gone, starts again with nothing. `false`: the node has other bytes by now.
    pub fn cold_again(&self, row: &ContentRow) -> Result<bool, TreeError> {
        self.write(|tx| {
            let there = tx.node(row.ino)?.content == Some(row.id) && contents::get(tx, row.id)?.is_some();
            if there {
                contents::put(tx, row)?;
            }
            Ok(there)
        })
    }

    /// Stores which ranges of a content are present; `None`: all.
    pub fn save_ranges(&self, id: ContentId, ranges: Option<Vec<u8>>) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached("UPDATE contents SET ranges = ?2 WHERE id = ?1")?
                .execute(params![id.0 as i64, ranges])?;
            Ok(())
        })
    }

    /// A program is about to write into the bytes: from here they count as changed until they are sealed. To be made durable
    /// ([`Tree::sync`]) before the open is answered.
    pub fn begin_writing(&self, ino: Ino, boot: &str, now: Timestamp) -> Result<(Node, ContentRow), TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let id = node.content.ok_or(TreeError::NotFound)?;
            let mut row = contents::get(tx, id)?.ok_or(TreeError::NotFound)?;
            row.state = ContentState::Writable;
            row.place = Place::Spool;
            row.stamp = None;
            row.durable = false;
            row.boot = boot.to_owned();
            contents::put(tx, &row)?;
            node.unsealed = true;
            node.hold = None;
            node.failures = 0;
            tx.put(&mut node)?;
            tx.settle(ino, now)?;
            Ok((node, row))
        })
    }

    /// A written handle was flushed or released: what the bytes look like now, so that a later start can tell whether they
    /// were closed.
    pub fn closed(
        &self,
        ino: Ino,
        content: ContentId,
        stamp: StoredStamp,
        size: u64,
        mtime: Timestamp,
        now: Timestamp,
    ) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let Some(mut row) = contents::get(tx, content)? else { return Ok(node) };
            row.durable &= row.stamp == Some(stamp);
            row.stamp = Some(stamp);
            row.size = size;
            contents::put(tx, &row)?;
            if node.content == Some(content) {
                if (node.attr.size, node.attr.mtime) != (size, mtime) {
                    node.attr.ctime = now;
                }
                node.attr.size = size;
                node.attr.mtime = mtime;
                node.changed_at = now;
                tx.put(&mut node)?;
                tx.settle(ino, now)?;
            }
            Ok(node)
        })
    }

    /// The bytes with this stamp are on the disk: a power cut does not take them.
    pub fn synced(&self, content: ContentId, stamp: StoredStamp) -> Result<(), TreeError> {
        self.write(|tx| {
            let Some(mut row) = contents::get(tx, content)?.filter(|row| row.stamp == Some(stamp)) else {
                return Ok(());
            };
            row.durable = true;
            contents::put(tx, &row)
        })
    }

    /// The bytes are sealed: nobody can still change them, they are on the disk, and this is their digest. Equal to base's: the content is clean.
    /// A seal that a writer has overtaken changes nothing.
    /// With `open` somebody can still write: the bytes are those of a moment, and the node stays unsealed.
    pub fn sealed(
        &self,
        ino: Ino,
        content: ContentId,
        stamp: StoredStamp,
        sha1: Sha1Digest,
        open: bool,
    ) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(ino)?;
            let Some(mut row) = contents::get(tx, content)? else { return Ok(node) };
            let written = row.state != ContentState::Clean && !row.is_of_box();
            let overtaken = written && row.stamp.is_none_or(|closed| closed.ctime_ns > stamp.ctime_ns);
            if !open && overtaken {
                // A program has opened it again meanwhile, or has closed it since: these are bytes of before.
                return Ok(node);
            }
            row.state = ContentState::Sealed { sha1 };
            row.place = Place::Spool;
            row.stamp = Some(stamp);
            row.size = stamp.size;
            row.ranges = None;
            row.durable = true;
            if node.content == Some(content) {
                node.unsealed = open;
                node.attr.size = stamp.size;
                settle_generation(&mut node, &mut row, sha1);
                tx.put(&mut node)?;
            }
            contents::put(tx, &row)?;
            Ok(node)
        })
    }
}

/// A new generation unless these are the bytes of base. Equal bytes are never uploaded.
pub(super) fn settle_generation(node: &mut Node, row: &mut ContentRow, sha1: Sha1Digest) {
    if let Some(base) = node.base.as_mut().filter(|b| b.sha1 == Some(sha1) && b.version.is_some()) {
        base.generation = Some(node.generation);
        if node.unsealed {
            return;
        }
        row.state = ContentState::Clean;
        row.origin = node.box_id.clone().zip(base.version.clone()).map(|(file_id, version)| Origin {
            file_id,
            version,
            sha1: Some(sha1),
            size: row.size,
        });
        return;
    }
    node.generation += 1;
    let copied = row.origin.as_ref().is_some_and(|origin| origin.sha1 == Some(sha1));
    if node.box_id.is_none() && !node.unsealed && copied {
        // Box has these bytes: it copies them itself.
        row.state = ContentState::Clean;
    }
}

/// The live child called `name`; `Unlisted` if only Box can say.
pub(super) fn named(tx: &Tx<'_>, folder: &Node, name: &str) -> Result<Node, TreeError> {
    match rows::child(tx, folder.ino, name)? {
        Some(node) => Ok(node),
        None if folder.complete => Err(TreeError::NotFound),
        None => Err(TreeError::Unlisted(folder.ino)),
    }
}

pub(super) fn require_empty(tx: &Tx<'_>, node: &Node) -> Result<(), TreeError> {
    if !node.is_folder() {
        return Err(TreeError::NotFolder);
    }
    let any: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM nodes WHERE parent = ?1 AND deleted = 0)")?
        .query_row([node.ino.0 as i64], |r| r.get(0))?;
    match (any, node.complete) {
        (true, _) => Err(TreeError::NotEmpty),
        (false, false) => Err(TreeError::Unlisted(node.ino)),
        (false, true) => Ok(()),
    }
}

/// Marks `node` deleted below `folder`.
pub(super) fn delete(tx: &mut Tx<'_>, folder: &mut Node, node: Node, now: Timestamp) -> Result<Node, TreeError> {
    let left = node.clone();
    let node = delete_covered(tx, folder, node, now)?;
    uncover(tx, folder, &left, now)?;
    tx.put(folder)?;
    Ok(node)
}

/// The same where another node takes the name at once.
pub(super) fn delete_covered(
    tx: &mut Tx<'_>,
    folder: &mut Node,
    mut node: Node,
    now: Timestamp,
) -> Result<Node, TreeError> {
    node.presence = Presence::Deleted;
    node.attr.ctime = now;
    node.changed_at = now;
    node.hold = None;
    tx.put(&mut node)?;
    touch_folder(tx, folder, now)?;
    memory::retire(tx, &node, now)?;
    Ok(node)
}

/// A node that Box does not have may have hidden an item of its name ([`super::news`]): it shows when the node has left the name, as
/// `left` had it.
pub(super) fn uncover(tx: &mut Tx<'_>, folder: &mut Node, left: &Node, now: Timestamp) -> Result<(), TreeError> {
    let (None, Some(id)) = (&left.box_id, &folder.box_id) else { return Ok(()) };
    for item in super::remote::holding(tx, id, &crate::base::fold(&left.name))? {
        if rows::by_item(tx, &item.id)?.is_none() && !super::news::show(tx, folder, &item, now)? {
            folder.complete = false;
        }
    }
    Ok(())
}

/// The times of a folder whose entries changed.
pub(super) fn touch_folder(tx: &mut Tx<'_>, folder: &mut Node, now: Timestamp) -> Result<(), TreeError> {
    folder.attr.mtime = now;
    folder.attr.ctime = now;
    tx.put(folder)
}

fn fresh(new: &NewNode<'_>, now: Timestamp) -> Node {
    Node {
        ino: Ino(0),
        kind: new.kind,
        parent: new.parent,
        name: new.name.to_owned(),
        presence: Presence::Here,
        attr: Attr {
            size: new.target.map_or(0, |t| t.len() as u64),
            mtime: now,
            ctime: now,
            atime: now,
            btime: now,
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
        },
        content: None,
        generation: 0,
        unsealed: false,
        box_id: None,
        base: None,
        complete: new.kind == NodeKind::Folder,
        changed_at: now,
        dirty_since: None,
        hold: None,
        failures: 0,
        time_refused: None,
        identity: None,
        born_at: None,
    }
}

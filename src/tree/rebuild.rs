//! A database made anew while bytes lie in the spool that Box does not have: their nodes are made again from what the data files say
//! of themselves. What Box has comes from Box as at a first mount.

use super::contents::{self, ContentRow, ContentState, Place, StoredStamp};
use super::error::TreeError;
use super::node::{Attr, Base, Node, NodeKind, Presence};
use super::rows;
use super::store::{MAX_DEPTH, Tree, Tx};
use crate::base::{BoxId, ContentId, Ino, Sha1Digest, Timestamp, conflict_name, host_name};
use rusqlite::params;

/// Mode bits of what is made again.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

const REBUILDING: &str = "rebuilding";

/// Where a node is, in words that outlive the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whereabouts {
    pub name: String,
    pub box_id: Option<String>,
    /// The version that its bytes were made from.
    pub base_version: Option<String>,
    pub base_sha1: Option<Sha1Digest>,
    /// The folders above it, from the root's child down: name and Box's id.
    pub above: Vec<(String, Option<String>)>,
}

impl Tree {
    /// Where `ino` is.
    pub fn whereabouts(&self, ino: Ino) -> Result<Whereabouts, TreeError> {
        let mut inner = self.lock();
        let node = inner.node(ino)?;
        let mut above = Vec::new();
        let mut at = node.parent;
        while at != Ino::ROOT && at != Ino(0) && above.len() < MAX_DEPTH {
            let folder = inner.node(at)?;
            at = folder.parent;
            above.push((folder.name, folder.box_id));
        }
        above.reverse();
        let base = node.base.unwrap_or_default();
        Ok(Whereabouts {
            name: node.name,
            box_id: node.box_id,
            base_version: base.version,
            base_sha1: base.sha1,
            above,
        })
    }

    /// Why this database is made anew, as long as the spool's files are not all in it.
    pub fn rebuilding(&self) -> Result<Option<String>, TreeError> {
        Ok(self.meta(REBUILDING)?.filter(|why| !why.is_empty()))
    }

    /// The database is made anew because of `why`.
    pub fn begin_rebuilding(&self, why: &str) -> Result<(), TreeError> {
        self.set_meta(REBUILDING, why)
    }

    /// Numbers up to these may have been used before, and are not given again.
    pub fn pass_numbers(&self, content: ContentId, ino: Ino) -> Result<(), TreeError> {
        self.write(|tx| {
            for (table, used) in [("contents", content.0), ("nodes", ino.0)] {
                let given: Option<i64> =
                    tx.query_row("SELECT MAX(seq) FROM sqlite_sequence WHERE name = ?1", [table], |r| r.get(0))?;
                tx.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
                let passed = given.unwrap_or(0).max(used as i64);
                tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, passed])?;
            }
            Ok(())
        })
    }

    /// Every file of the spool has its node or is in the rescue directory.
    pub fn rebuilt(&self) -> Result<(), TreeError> {
        self.set_meta(REBUILDING, "")
    }

    /// A node for a data file in the spool, where it says that it was; the name is made free by counting. It goes up like any
    /// other file that was closed.
    pub fn adopt(
        &self,
        id: ContentId,
        at: &Whereabouts,
        stamp: StoredStamp,
        now: Timestamp,
    ) -> Result<Node, TreeError> {
        self.write(|tx| {
            let mut folder = tx.node(Ino::ROOT)?;
            for (name, box_id) in &at.above {
                folder = folder_for(tx, &folder, name, box_id.as_deref(), now)?;
            }
            let box_id = match &at.box_id {
                Some(item) if rows::by_item(tx, &BoxId::file(item.clone()))?.is_some() => None,
                other => other.clone(),
            };
            let mut node = blank(&folder, free_name(tx, &folder, &at.name, now)?, NodeKind::File, now);
            let mtime = Timestamp::from_nanos(stamp.mtime_ns);
            node.attr = Attr { size: stamp.size, mtime, mode: FILE_MODE, ..node.attr };
            node.base = box_id.as_ref().map(|_| Base {
                parent: folder.box_id.clone().unwrap_or_default(),
                name: at.name.clone(),
                version: at.base_version.clone(),
                sha1: at.base_sha1,
                generation: None,
                mtime_secs: mtime.as_box_holds().secs,
            });
            node.box_id = box_id;
            node.content = Some(id);
            node.unsealed = true;
            tx.put(&mut node)?;
            contents::put(tx, &row(id, node.ino, stamp))?;
            tx.due(node.ino, Some(now))?;
            Ok(node)
        })
    }
}

/// The folder `name` in `parent`: the one that is there, or one that waits for Box's word on it.
fn folder_for(
    tx: &mut Tx<'_>,
    parent: &Node,
    name: &str,
    box_id: Option<&str>,
    now: Timestamp,
) -> Result<Node, TreeError> {
    let known = box_id.map(|id| rows::by_item(tx, &BoxId::folder(id))).transpose()?.flatten();
    let there = rows::folding(tx, parent.ino, name)?.into_iter().find(Node::is_folder);
    if let Some(folder) = known.or(there) {
        return Ok(folder);
    }
    let mut folder = blank(parent, free_name(tx, parent, name, now)?, NodeKind::Folder, now);
    folder.attr.mode = FOLDER_MODE;
    folder.box_id = box_id.map(str::to_owned);
    folder.complete = box_id.is_none();
    folder.base = box_id.map(|_| Base {
        parent: parent.box_id.clone().unwrap_or_default(),
        name: folder.name.clone(),
        generation: Some(0),
        ..Base::default()
    });
    tx.put(&mut folder)?;
    tx.due(folder.ino, Some(now))?;
    Ok(folder)
}

/// Of two files that had one name, the second becomes a conflict copy.
fn free_name(tx: &Tx<'_>, folder: &Node, name: &str, now: Timestamp) -> Result<String, TreeError> {
    if rows::folding(tx, folder.ino, name)?.is_empty() {
        return Ok(name.to_owned());
    }
    let date: String = now.to_rfc3339().chars().take(10).collect();
    let mut failure = None;
    let free = conflict_name(name, &host_name(), &date, |candidate| {
        rows::folding(tx, folder.ino, candidate).map(|found| !found.is_empty()).unwrap_or_else(|error| {
            failure = Some(error);
            false
        })
    });
    failure.map_or(Ok(free), Err)
}

fn blank(folder: &Node, name: String, kind: NodeKind, now: Timestamp) -> Node {
    Node {
        ino: Ino(0),
        kind,
        parent: folder.ino,
        name,
        presence: Presence::Here,
        attr: Attr {
            size: 0,
            mtime: now,
            ctime: now,
            atime: now,
            btime: now,
            mode: 0,
            uid: folder.attr.uid,
            gid: folder.attr.gid,
        },
        content: None,
        generation: 0,
        unsealed: false,
        box_id: None,
        base: None,
        complete: false,
        changed_at: now,
        dirty_since: None,
        hold: None,
        failures: 0,
        time_refused: None,
        identity: None,
        born_at: None,
    }
}

fn row(id: ContentId, ino: Ino, stamp: StoredStamp) -> ContentRow {
    ContentRow {
        id,
        ino,
        place: Place::Spool,
        state: ContentState::Writable,
        origin: None,
        ranges: None,
        size: stamp.size,
        smallest: 0,
        stamp: Some(stamp),
        durable: false,
        boot: String::new(),
    }
}

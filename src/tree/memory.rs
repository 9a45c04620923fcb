//! Name memory: the id in Box follows the name (DESIGN.md section 6).
//!
//! Everything that hangs on a file's id in Box (versions, links, comments) is, to its user, the document of that name; programs save by
//! temporary files, renames and backups. So which id a name has is decided here, from the local trace and the boot clock alone: never
//! from what Box has heard already.
//!
//! An *identity* is what can go from one file to another: the id, its base, a creation on its way, the time of birth. It has a number,
//! by which a name remembers it.

use super::attempts;
use super::contents::{self, ContentState, Origin, Place};
use super::error::TreeError;
use super::node::{Base, Node, Presence};
use super::remote;
use super::rows;
use super::store::Tx;
use crate::base::{BootClock, BoxId, Ino, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// How long a name remembers who left it, and how long a deleted file is kept in Box: a save that takes longer between two of its
/// steps is unheard of.
pub(super) const REMEMBERED: Duration = Duration::from_secs(30);

/// A file born here less than this ago is *young*: it may be a step of a save, although Box has it already.
const YOUNG: Duration = Duration::from_secs(600);

/// An old file of up to this many bytes that is renamed over another becomes its new version; a larger one would take too long to
/// fetch and send, and takes the name with its own id.
const MOST_SENT_AGAIN: u64 = 256 << 20;

/// What a file can hand on.
struct Identity {
    number: i64,
    born_at: Option<BootClock>,
    box_id: Option<String>,
    base: Option<Base>,
    /// The document's creation time.
    btime: Timestamp,
    /// Creations on their way.
    pending: Vec<i64>,
}

impl Identity {
    /// Box has, or may have, something for it.
    fn is_in_box(&self) -> bool {
        self.box_id.is_some() || !self.pending.is_empty()
    }
}

/// What a name remembers.
struct Left {
    holder: Ino,
    identity: i64,
    born_at: Option<BootClock>,
    /// The id of what Box has in its trash since.
    trashed: Option<String>,
    /// A file that came to the name has taken the identity from the holder, which had another name by then.
    taken: bool,
}

/// `node` is about to leave its name, which remembers it from now on if it is a file.
pub(super) fn leaves(tx: &Tx<'_>, node: &Node) -> Result<(), TreeError> {
    let at = tx.boot.0 as i64;
    let oldest = at.saturating_sub(YOUNG.as_millis() as i64);
    tx.prepare_cached("DELETE FROM names_left WHERE (parent = ?1 AND name = ?2) OR left_at < ?3")?.execute(params![
        node.parent.0 as i64,
        node.name,
        oldest
    ])?;
    if node.is_file() {
        tx.prepare_cached(
            "INSERT INTO names_left (parent, name, holder, identity, born_at, left_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            node.parent.0 as i64,
            node.name,
            node.ino.0 as i64,
            number(node),
            node.born_at.map(|b| b.0 as i64),
            at
        ])?;
    }
    Ok(())
}

/// `node` is about to be deleted, and leaves its name. An identity that it took with its name from a file that has another name by now goes
/// back to that file: a lock file that was made again, or a save that was given up, has not cost a document its id. The name remembers
/// that identity all the same: a save that deletes the document first takes it again.
pub(super) fn gives_back(tx: &mut Tx<'_>, node: &mut Node, now: Timestamp) -> Result<(), TreeError> {
    let holder = taken_from(tx, node)?.map(|ino| rows::get(tx, ino)).transpose()?.flatten();
    let Some(mut holder) = holder.filter(|h| h.presence == Presence::Here) else { return leaves(tx, node) };
    swap(tx, node, &mut holder)?;
    leaves(tx, &Node { ino: holder.ino, parent: node.parent, name: node.name.clone(), ..holder.clone() })?;
    tx.settle(holder.ino, now)
}

/// The file that `node` took its identity from, with the name that it has.
pub(super) fn taken_from(tx: &Tx<'_>, node: &Node) -> Result<Option<Ino>, TreeError> {
    let left = remembered(tx, node, YOUNG)?.filter(|left| left.taken && left.identity == number(node));
    Ok(left.map(|left| left.holder))
}

/// `node`, a file just made or renamed, has come to a name that was free: it takes the identity of whoever left that name a moment ago.
/// `before` is where the node was.
pub(super) fn comes(tx: &mut Tx<'_>, node: &mut Node, before: &Node, now: Timestamp) -> Result<(), TreeError> {
    if !node.is_file() || !may_take(tx, node)? {
        return Ok(());
    }
    let Some(left) = remembered(tx, node, REMEMBERED)? else { return Ok(()) };
    let older = left.born_at.is_none() || node.born_at.is_none() || left.born_at < node.born_at;
    let owner = by_identity(tx, left.identity)?.filter(|owner| owner.ino != node.ino && older);
    let nameless = owner.as_ref().is_none_or(|owner| owner.presence == Presence::Deleted);
    match (owner, left.trashed) {
        (Some(owner), _) if is_in_box(tx, &owner)? => {
            if nameless || owner.ino == left.holder {
                take_from(tx, node, owner, before, now)
            } else {
                Ok(())
            }
        }
        (owner, Some(id)) if older && nameless => {
            take_from_trash(tx, node, owner, (left.identity, left.born_at, id), before, now)
        }
        _ => Ok(()),
    }
}

/// `node` takes the identity of `owner`. A deleted owner takes that of the node in return and goes with it; one that has a name
/// elsewhere becomes a backup.
fn take_from(
    tx: &mut Tx<'_>,
    node: &mut Node,
    mut owner: Node,
    before: &Node,
    now: Timestamp,
) -> Result<(), TreeError> {
    let theirs = surrender(tx, &mut owner)?;
    let mine = surrender(tx, node)?;
    tx.put(&mut owner)?;
    receive(tx, node, theirs)?;
    tx.put(node)?;
    if owner.presence == Presence::Deleted {
        receive(tx, &mut owner, mine)?;
        tx.put(&mut owner)?;
        return retire(tx, &owner, now);
    }
    tx.prepare_cached("UPDATE names_left SET taken = 1 WHERE parent = ?1 AND name = ?2")?
        .execute(params![node.parent.0 as i64, node.name])?;
    become_backup(tx, &mut owner, now)?;
    bury(tx, mine, before, now)
}

/// `node` takes an identity that Box has in its trash already: the planner restores it. Not one with an open shared link, since what
/// is private would become public by a delete and a create.
fn take_from_trash(
    tx: &mut Tx<'_>,
    node: &mut Node,
    owner: Option<Node>,
    (number, born_at, id): (i64, Option<BootClock>, String),
    before: &Node,
    now: Timestamp,
) -> Result<(), TreeError> {
    let item = BoxId::file(id.clone());
    let Some(trashed) = remote::get(tx, &item)?.filter(|r| r.trashed && !r.public) else { return Ok(()) };
    let (Some(parent), None) = (trashed.parent, rows::by_item(tx, &item)?) else { return Ok(()) };
    // Deleted, and kept only for a program that has it open.
    if let Some(mut owner) = owner {
        surrender(tx, &mut owner)?;
        owner.identity = Some(fresh_number(tx)?);
        tx.put(&mut owner)?;
    }
    let mine = surrender(tx, node)?;
    let base = Base {
        parent,
        name: trashed.name,
        version: trashed.version,
        sha1: trashed.sha1,
        generation: None,
        mtime_secs: trashed.modified.map_or(0, |m| m.as_box_holds().secs),
    };
    let btime = trashed.created.unwrap_or(node.attr.btime);
    let theirs = Identity { number, born_at, box_id: Some(id), base: Some(base), btime, pending: Vec::new() };
    receive(tx, node, theirs)?;
    lies_in_trash(tx, node)?;
    tx.put(node)?;
    bury(tx, mine, before, now)
}

/// The item of a live file went to the trash by a call of ours that was on its way when the file took the id: it is to come back.
pub(super) fn lies_in_trash(tx: &Tx<'_>, node: &mut Node) -> Result<(), TreeError> {
    keep_bytes(tx, node)?;
    if let Some(base) = node.base.as_mut() {
        base.generation = None;
    }
    Ok(())
}

/// What a file gave up for another identity is deleted in Box, if it is there: a deleted file stands for it, where the file was.
fn bury(tx: &mut Tx<'_>, identity: Identity, before: &Node, now: Timestamp) -> Result<(), TreeError> {
    if !identity.is_in_box() {
        return Ok(());
    }
    let mut ghost = Node { ino: Ino(0), presence: Presence::Here, content: None, unsealed: false, ..before.clone() };
    (ghost.box_id, ghost.base, ghost.hold, ghost.dirty_since) = (None, None, None, None);
    (ghost.identity, ghost.born_at) = (None, None);
    // The name index is unique among what is here: a ghost is born under a name that no program can give.
    ghost.name = format!("\\ghost {}", before.ino);
    tx.put(&mut ghost)?;
    ghost.presence = Presence::Deleted;
    ghost.name.clone_from(&before.name);
    ghost.changed_at = now;
    receive(tx, &mut ghost, identity)?;
    tx.put(&mut ghost)?;
    retire(tx, &ghost, now)
}

/// `node` is about to be renamed over `holder`: the identity of the name stays, except where an old file takes the name of a young one,
/// or is too large to be sent again. `taken_from` is the file that `node` took its identity from: what it took there was that name's.
pub(super) fn replaces(
    tx: &mut Tx<'_>,
    node: &mut Node,
    holder: &mut Node,
    taken_from: Option<Ino>,
) -> Result<(), TreeError> {
    let comes_home = taken_from == Some(holder.ino);
    if !node.is_file() || !holder.is_file() || comes_home || !is_in_box(tx, holder)? {
        return Ok(());
    }
    let both_old = !is_young(tx, holder) && node.attr.size <= MOST_SENT_AGAIN;
    if may_take(tx, node)? || both_old { swap(tx, node, holder) } else { Ok(()) }
}

/// Two files exchange their names: where one of them may be a step of a save, the identities stay with the names; but what one has taken
/// from the other comes home.
pub(super) fn exchange(tx: &mut Tx<'_>, a: &mut Node, b: &mut Node) -> Result<(), TreeError> {
    if !a.is_file() || !b.is_file() || taken_from(tx, a)? == Some(b.ino) || taken_from(tx, b)? == Some(a.ino) {
        return Ok(());
    }
    let (a_in_box, b_in_box) = (is_in_box(tx, a)?, is_in_box(tx, b)?);
    let stays = (may_take(tx, a)? && b_in_box) || (may_take(tx, b)? && a_in_box);
    if stays { swap(tx, a, b) } else { Ok(()) }
}

/// Box's trash has the item: the names that remember its identity remember that.
pub(super) fn trashed(tx: &Tx<'_>, node: &Node) -> Result<(), TreeError> {
    tx.prepare_cached("UPDATE names_left SET trashed = ?2 WHERE identity = ?1")?
        .execute(params![number(node), node.box_id])?;
    Ok(())
}

/// Nothing is remembered from another boot: its clock says nothing about this one's.
pub(super) fn begin_boot(db: &Connection, boot: &str) -> Result<(), TreeError> {
    let known: Option<String> =
        db.query_row("SELECT value FROM meta WHERE key = 'boot'", [], |r| r.get(0)).optional()?;
    if known.as_deref() != Some(boot) {
        db.execute("DELETE FROM names_left", [])?;
        db.execute("UPDATE nodes SET born_at = NULL WHERE born_at IS NOT NULL", [])?;
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?1)", [boot])?;
    }
    Ok(())
}

/// The number of the node's identity: its own inode number, unless it has another's.
fn number(node: &Node) -> i64 {
    node.identity.unwrap_or(node.ino.0 as i64)
}

fn by_identity(db: &Connection, number: i64) -> Result<Option<Node>, TreeError> {
    let sql = format!("SELECT {} FROM nodes WHERE identity = ?1", rows::COLUMNS);
    if let Some(node) = db.prepare_cached(&sql)?.query_row([number], rows::from_row).optional()? {
        return Ok(Some(node));
    }
    let own = u64::try_from(number).ok().map(|ino| rows::get(db, Ino(ino))).transpose()?.flatten();
    Ok(own.filter(|node| node.identity.is_none()))
}

/// A number that no identity had before.
fn fresh_number(db: &Connection) -> Result<i64, TreeError> {
    let number: i64 = db
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('identity', '-1') \
             ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) - 1 RETURNING CAST(value AS INTEGER)",
        )?
        .query_row([], |r| r.get(0))?;
    Ok(number)
}

/// Whether Box has, or may have, something for the node.
pub(super) fn is_in_box(db: &Connection, node: &Node) -> Result<bool, TreeError> {
    Ok(node.box_id.is_some() || !attempts::creations(db, node.ino)?.is_empty())
}

fn is_young(tx: &Tx<'_>, node: &Node) -> bool {
    node.born_at.is_some_and(|born| tx.boot.0.saturating_sub(born.0) < YOUNG.as_millis() as u64)
}

/// Whether the file may be a step of a save: young, or not in Box at all.
fn may_take(tx: &Tx<'_>, node: &Node) -> Result<bool, TreeError> {
    Ok(is_young(tx, node) || !is_in_box(tx, node)?)
}

/// What the name of `node` remembers of the time `since` ago and later.
fn remembered(tx: &Tx<'_>, node: &Node, since: Duration) -> Result<Option<Left>, TreeError> {
    let oldest = (tx.boot.0 as i64).saturating_sub(since.as_millis() as i64);
    let mut statement = tx.prepare_cached(
        "SELECT holder, identity, born_at, trashed, taken FROM names_left WHERE parent = ?1 AND name = ?2 AND left_at >= ?3",
    )?;
    let row = statement.query_row(params![node.parent.0 as i64, node.name, oldest], |r| {
        Ok(Left {
            holder: Ino(r.get::<_, i64>(0)? as u64),
            identity: r.get(1)?,
            born_at: r.get::<_, Option<i64>>(2)?.map(|at| BootClock(at as u64)),
            trashed: r.get(3)?,
            taken: r.get(4)?,
        })
    });
    Ok(row.optional()?)
}

fn swap(tx: &mut Tx<'_>, a: &mut Node, b: &mut Node) -> Result<(), TreeError> {
    let (of_a, of_b) = (surrender(tx, a)?, surrender(tx, b)?);
    // An id belongs to one row at any moment.
    tx.put(b)?;
    receive(tx, a, of_b)?;
    tx.put(a)?;
    receive(tx, b, of_a)?;
    tx.put(b)
}

/// Takes the identity off the node, which keeps its bytes.
fn surrender(tx: &mut Tx<'_>, node: &mut Node) -> Result<Identity, TreeError> {
    keep_bytes(tx, node)?;
    node.time_refused = None;
    let number = number(node);
    node.identity = None;
    Ok(Identity {
        number,
        born_at: node.born_at.take(),
        box_id: node.box_id.take(),
        base: node.base.take(),
        btime: node.attr.btime,
        pending: attempts::creations(tx, node.ino)?,
    })
}

/// A file of which nothing is here, and that loses its identity, keeps what its bytes are: a version in Box.
fn keep_bytes(tx: &Tx<'_>, node: &mut Node) -> Result<(), TreeError> {
    let cold = node.presence == Presence::Here && node.content.is_none() && node.base.is_some();
    if cold {
        node.content = Some(contents::insert_cold(tx, node, Place::Cache)?.id);
    }
    Ok(())
}

fn receive(tx: &Tx<'_>, node: &mut Node, identity: Identity) -> Result<(), TreeError> {
    attempts::hand_over(tx, &identity.pending, node.ino)?;
    node.identity = Some(identity.number);
    node.born_at = identity.born_at;
    node.box_id = identity.box_id;
    node.base = identity.base;
    if node.presence == Presence::Here {
        node.attr.btime = identity.btime;
    }
    reconcile(tx, node)
}

/// The bytes of the node are those of its base, or are to become a new version.
fn reconcile(tx: &Tx<'_>, node: &mut Node) -> Result<(), TreeError> {
    let Some(base) = node.base.as_mut() else { return Ok(()) };
    base.generation = None;
    let row = node.content.filter(|_| !node.unsealed).map(|id| contents::get(tx, id)).transpose()?.flatten();
    let (Some(mut row), Some(file_id), Some(version)) = (row, node.box_id.clone(), base.version.clone()) else {
        return Ok(());
    };
    let sha1 = row.sha1();
    if sha1.is_some() && sha1 == base.sha1 {
        base.generation = Some(node.generation);
        row.state = ContentState::Clean;
        row.origin = Some(Origin { file_id, version, sha1, size: row.size });
        contents::put(tx, &row)?;
    }
    Ok(())
}

/// The file has a name and no identity any more: a copy of what it was, with one of its own.
fn become_backup(tx: &mut Tx<'_>, node: &mut Node, now: Timestamp) -> Result<(), TreeError> {
    node.identity = Some(fresh_number(tx)?);
    node.born_at = Some(tx.boot);
    tx.put(node)?;
    tx.settle(node.ino, now)
}

/// A deleted file is looked at when no name remembers it any more; one that Box does not have, at once.
pub(super) fn retire(tx: &mut Tx<'_>, node: &Node, now: Timestamp) -> Result<(), TreeError> {
    let kept = node.is_file() && is_in_box(tx, node)?;
    if kept { tx.due(node.ino, Some(now.after(REMEMBERED))) } else { tx.settle(node.ino, now) }
}

#[cfg(test)]
mod table;

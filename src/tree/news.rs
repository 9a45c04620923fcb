//! What Box tells of its own accord (listings, looks, events), merged into the tree: a clean field moves at once, the base of
//! a dirty one never does (DESIGN.md section 2).

use super::ask::Invalidation;
use super::attempts;
use super::changes::{MadeIn, What};
use super::error::TreeError;
use super::leaving::{leave, to_trash};
use super::node::{Attr, Base, Node, NodeKind, Presence};
use super::outcome;
use super::remote::{self, Remote};
use super::rivals::{collide, is_there, rival, step_aside, vacate};
use super::rows;
use super::store::{MAX_DEPTH, Tree, Tx};
use crate::base::{BoxId, ContentId, Ino, ItemKind, Timestamp, link_name, shown_name};
use rusqlite::params;

/// What followed from news.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Learned {
    pub invalid: Vec<Invalidation>,
    /// Data files nobody needs any more.
    pub dropped: Vec<ContentId>,
    /// Data files of local-only nodes that had to go: a person may still want them.
    pub rescued: Vec<ContentId>,
    /// Items to look at before more can be said.
    pub look_at: Vec<BoxId>,
}

/// What nodes made by news look like until a program sets their mode or owner.
#[derive(Debug, Clone, Copy)]
struct Defaults {
    uid: u32,
    gid: u32,
    file_mode: u32,
    folder_mode: u32,
}

/// Mode bits that a listing gives when nobody said otherwise.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

impl Tree {
    /// Merges what Box said of one item when it was asked at `asked`. `is_open` says whether a program has a node's bytes open: such bytes are not
    /// swapped.
    pub fn learn(
        &self,
        item: &Remote,
        asked: Timestamp,
        is_open: impl Fn(Option<ContentId>) -> bool,
        now: Timestamp,
    ) -> Result<Learned, TreeError> {
        let learned = self.write(|tx| {
            let mut learned = Learned::default();
            merge(tx, item, asked, &is_open, now, &mut learned)?;
            Ok(learned)
        });
        self.tell_of_news();
        learned
    }

    /// Merges a page of a listing of `folder`, asked for at `asked`; `listing` is the number that [`Tree::begin_listing`] gave.
    pub fn learn_page(
        &self,
        folder: Ino,
        listing: i64,
        items: &[Remote],
        asked: Timestamp,
        is_open: impl Fn(Option<ContentId>) -> bool,
        now: Timestamp,
    ) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            let id = tx.node(folder)?.box_id;
            for item in items {
                let item = Remote { parent: id.clone(), ..item.clone() };
                merge(tx, &item, asked, &is_open, now, &mut learned)?;
                tx.prepare_cached("UPDATE remote SET listing = ?3 WHERE kind = ?1 AND id = ?2")?.execute(params![
                    node_kind(item.id.kind).to_sql(),
                    item.id.id,
                    listing
                ])?;
            }
            Ok(learned)
        })
    }

    /// A number for a listing that starts now: what it does not mention is looked at when it ends.
    pub fn begin_listing(&self) -> Result<i64, TreeError> {
        let number = self.meta("listing")?.and_then(|n| n.parse::<i64>().ok()).unwrap_or(0) + 1;
        self.set_meta("listing", &number.to_string())?;
        Ok(number)
    }

    /// The listing is whole: the folder is complete. Items that were known in it and not mentioned are to be looked at before
    /// they are believed gone; at most `limit`. What we made since `asked` may be newer than the listing.
    pub fn end_listing(&self, folder: Ino, listing: i64, asked: Timestamp, limit: usize) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut node = tx.node(folder)?;
            node.complete = true;
            tx.put(&mut node)?;
            let unseen = unseen(tx, &node, listing, asked, limit)?;
            Ok(Learned { look_at: unseen, ..Learned::default() })
        })
    }

    /// Box does not have the item where we thought: a clean node goes, with all that is clean below it. `in_trash`: the item lies in
    /// Box's trash by itself, so that it can be restored for the sake of unsent bytes.
    pub fn absent(&self, id: &BoxId, in_trash: bool, now: Timestamp) -> Result<Learned, TreeError> {
        self.write(|tx| {
            let mut learned = Learned::default();
            remote::bury(tx, id, now)?;
            match rows::by_item(tx, id)? {
                Some(node) if in_trash => to_trash(tx, node, now, &mut learned)?,
                Some(node) => leave(tx, node, now, &mut learned)?,
                None => {}
            }
            Ok(learned)
        })
    }
}

/// The kernel's name for the node.
pub(super) fn shown_entry(node: &Node) -> Invalidation {
    Invalidation::Entry { parent: node.parent, name: shown_name(&node.name).into_owned() }
}

fn unseen(tx: &Tx<'_>, folder: &Node, listing: i64, asked: Timestamp, limit: usize) -> Result<Vec<BoxId>, TreeError> {
    let Some(id) = &folder.box_id else { return Ok(Vec::new()) };
    let mut statement = tx.prepare_cached(
        "SELECT r.kind, r.id FROM remote r WHERE r.parent = ?1 AND r.trashed = 0 AND (r.listing IS NULL OR r.listing < ?2) \
         LIMIT ?3",
    )?;
    let rows = statement.query_map(params![id, listing, limit as i64], |r| {
        let kind = match r.get::<_, i64>(0)? {
            1 => ItemKind::Folder,
            3 => ItemKind::WebLink,
            _ => ItemKind::File,
        };
        Ok(BoxId { kind, id: r.get(1)? })
    })?;
    let all: Vec<BoxId> = rows.collect::<rusqlite::Result<_>>()?;
    let mut old = Vec::new();
    for id in all {
        if attempts::on_item(tx, &id)?.is_empty() && !attempts::made_since(tx, &id, asked)? {
            old.push(id);
        }
    }
    Ok(old)
}

/// The name that the mount gives an item: a bookmark shows as the file that desktops know.
pub(super) fn node_name(item: &Remote) -> String {
    match item.id.kind {
        ItemKind::WebLink => format!("{}.url", item.name),
        ItemKind::File | ItemKind::Folder => item.name.clone(),
    }
}

fn node_kind(kind: ItemKind) -> NodeKind {
    match kind {
        ItemKind::File => NodeKind::File,
        ItemKind::Folder => NodeKind::Folder,
        ItemKind::WebLink => NodeKind::WebLink,
    }
}

fn merge(
    tx: &mut Tx<'_>,
    item: &Remote,
    asked: Timestamp,
    is_open: &impl Fn(Option<ContentId>) -> bool,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    if !attempts::on_item(tx, &item.id)?.is_empty() || !remote::put(tx, item, asked)? {
        return Ok(());
    }
    match (rows::by_item(tx, &item.id)?, item.trashed) {
        (Some(node), true) if node.presence == Presence::Deleted => outcome::deleted(tx, &item.id, false, now),
        (Some(node), true) => to_trash(tx, node, now, learned),
        (Some(node), false) => update(tx, node, item, is_open, now, learned),
        (None, true) => Ok(()),
        (None, false) => appear(tx, item, now, learned),
    }
}

/// An item we have no node for. It gets one if its folder is known here and nothing of ours is on the way to its place.
pub(super) fn appear(tx: &mut Tx<'_>, item: &Remote, now: Timestamp, learned: &mut Learned) -> Result<(), TreeError> {
    let Some(parent) = &item.parent else { return Ok(()) };
    let Some(folder) = rows::by_item(tx, &BoxId::folder(parent.clone()))? else { return Ok(()) };
    let folded = crate::base::fold(&item.name);
    if folder.presence == Presence::Deleted || !attempts::filling(tx, parent, &folded)?.is_empty() {
        return Ok(());
    }
    match rival(tx, &folder, item)? {
        Some(holder) => collide(tx, holder, folder, item, now, learned),
        None => insert(tx, &folder, item, now, learned),
    }
}

/// Shows an item whose name nothing has here any more. `false`: the name is not free.
pub(super) fn show(tx: &mut Tx<'_>, folder: &Node, item: &Remote, now: Timestamp) -> Result<bool, TreeError> {
    let waits = !attempts::filling(tx, folder.box_id.as_deref().unwrap_or_default(), &crate::base::fold(&item.name))?
        .is_empty();
    if waits || rival(tx, folder, item)?.is_some() {
        return Ok(false);
    }
    // The kernel asks for a name again after a program took it away.
    insert(tx, folder, item, now, &mut Learned::default())?;
    Ok(true)
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    folder: &Node,
    item: &Remote,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    let defaults = Defaults {
        uid: folder.attr.uid,
        gid: folder.attr.gid,
        file_mode: FILE_MODE & (folder.attr.mode | 0o111),
        folder_mode: FOLDER_MODE & folder.attr.mode,
    };
    let mut node = shown(folder, item, defaults, now);
    tx.put(&mut node)?;
    // What a first listing brings is not new, and the kernel keeps neither names of a folder before it is complete nor that a name
    // is missing. To be told of them would only spoil the listing that it is reading.
    if !folder.complete {
        return Ok(());
    }
    learned.invalid.push(shown_entry(&node));
    tx.tell(MadeIn::Box, What::Created, &node)
}

/// An item we show: its clean fields follow Box.
fn update(
    tx: &mut Tx<'_>,
    node: Node,
    item: &Remote,
    is_open: &impl Fn(Option<ContentId>) -> bool,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    let Some(vacated) = update_one(tx, node, item, is_open, now, learned)? else { return Ok(()) };
    match (rows::by_item(tx, &vacated)?, remote::get(tx, &vacated)?) {
        (Some(node), Some(item)) => update(tx, node, &item, is_open, now, learned),
        _ => Ok(()),
    }
}

/// Returns the item whose node made room, and goes to its own place next.
fn update_one(
    tx: &mut Tx<'_>,
    mut node: Node,
    item: &Remote,
    is_open: &impl Fn(Option<ContentId>) -> bool,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<Option<BoxId>, TreeError> {
    let Some(base) = node.base.clone() else { return refresh_root(tx, node).map(|()| None) };
    if node.presence == Presence::Deleted {
        return Ok(None);
    }
    let before = node.clone();
    let old_path = tx.told_path(&before)?;
    let local_parent = rows::parent_id(tx, &node)?;
    let mut vacated = None;
    if !node.place_dirty(local_parent.as_deref()) {
        match follow_place(tx, &mut node, item, now, learned)? {
            Followed::Nowhere => return leave(tx, node, now, learned).map(|()| None),
            Followed::There(item) => vacated = item,
        }
    }
    let new_version = item.version != base.version && base.sha1 != item.sha1;
    let moved = (before.parent, &before.name) != (node.parent, &node.name);
    if let Some(from) = old_path.filter(|_| moved) {
        tx.tell(MadeIn::Box, What::Moved { from }, &node)?;
    }
    let edited = node.is_file() && new_version && !node.content_dirty();
    if edited {
        tx.tell(MadeIn::Box, What::Edited, &node)?;
    }
    if edited && is_open(node.content) {
        return succeed(tx, node, item, now, learned).map(|()| vacated);
    }
    follow_bytes(&mut node, &base, item, learned);
    if node == before {
        return Ok(vacated);
    }
    node.attr.ctime = now;
    if moved {
        learned.invalid.push(shown_entry(&before));
        learned.invalid.push(shown_entry(&node));
    }
    learned.invalid.push(Invalidation::Data { ino: node.ino });
    if node.base != before.base && link_name(&node.name).is_some() {
        // Whether it is shown as a link, and so under which name, hangs on its bytes.
        learned.invalid.push(shown_entry(&node));
    }
    if node.content != before.content
        && let Some(content) = before.content
    {
        super::contents::remove(tx, content)?;
        learned.dropped.push(content);
    }
    tx.put(&mut node)?;
    Ok(vacated)
}

/// The root of the mount has no base: its name and place in Box are not shown.
fn refresh_root(tx: &mut Tx<'_>, mut node: Node) -> Result<(), TreeError> {
    tx.put(&mut node)
}

/// Where a node is that follows its item.
enum Followed {
    /// In its place, or in its old one until Box was asked. The item whose node made room for it.
    There(Option<BoxId>),
    /// In no folder that is here.
    Nowhere,
}

/// Moves a node whose place is clean to where Box has the item.
fn follow_place(
    tx: &mut Tx<'_>,
    node: &mut Node,
    item: &Remote,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<Followed, TreeError> {
    let stays = Ok(Followed::There(None));
    let Some(base) = node.base.as_mut() else { return stays };
    let parent = item.parent.clone().unwrap_or_else(|| base.parent.clone());
    if parent == base.parent && item.name == base.name {
        return stays;
    }
    let Some(folder) = rows::by_item(tx, &BoxId::folder(parent.clone()))? else { return Ok(Followed::Nowhere) };
    if folder.presence == Presence::Deleted || is_inside(tx, folder.ino, node.ino)? {
        return stays;
    }
    let mut vacated = None;
    if let Some(mut holder) = rival(tx, &folder, item)?.filter(|h| h.ino != node.ino) {
        match holder.item().filter(|_| is_there(&holder, item)) {
            None => step_aside(tx, holder, now, learned)?,
            Some(id) => {
                vacated = vacate(tx, &mut holder, learned)?;
                if vacated.is_none() {
                    // Box says both have the name: the older word is the holder's. The base stays, so that this is seen again.
                    learned.look_at.extend([id, item.id.clone()]);
                    return stays;
                }
            }
        }
    }
    base.parent = parent;
    base.name.clone_from(&item.name);
    node.parent = folder.ino;
    node.name = node_name(item);
    Ok(Followed::There(vacated))
}

pub(super) fn is_inside(tx: &Tx<'_>, folder: Ino, top: Ino) -> Result<bool, TreeError> {
    let mut at = folder;
    for _ in 0..MAX_DEPTH {
        if at == top {
            return Ok(true);
        }
        if at == Ino::ROOT {
            return Ok(false);
        }
        at = tx.node(at)?.parent;
    }
    Ok(true)
}

/// A clean content follows the version Box has, unless a program has the bytes open.
fn follow_bytes(node: &mut Node, base: &Base, item: &Remote, learned: &mut Learned) {
    if !node.is_file() || node.content_dirty() {
        return;
    }
    let (time_dirty, modified) = (node.time_dirty(), item.modified);
    let Some(new_base) = node.base.as_mut() else { return };
    if item.version != base.version {
        new_base.version.clone_from(&item.version);
        new_base.sha1 = item.sha1;
        node.attr.size = item.size;
        if base.sha1 != item.sha1 || item.sha1.is_none() {
            node.content = None;
        }
        learned.invalid.push(Invalidation::Data { ino: node.ino });
    }
    if let Some(modified) = modified.filter(|m| !time_dirty && m.secs != base.mtime_secs) {
        new_base.mtime_secs = modified.as_box_holds().secs;
        node.attr.mtime = modified;
    }
}

/// Bytes are never swapped under an inode that is open: the new version gets a new inode for the name, as an editor's save does,
/// and the old one lives until its last handle is released.
pub(super) fn succeed(
    tx: &mut Tx<'_>,
    mut old: Node,
    item: &Remote,
    now: Timestamp,
    learned: &mut Learned,
) -> Result<(), TreeError> {
    let folder = tx.node(old.parent)?;
    let local = (old.name.clone(), old.attr, old.base.clone());
    old.presence = Presence::Deleted;
    old.box_id = None;
    old.base = None;
    tx.put(&mut old)?;
    tx.settle(old.ino, now)?;
    learned.invalid.push(shown_entry(&old));
    let defaults = Defaults { uid: local.1.uid, gid: local.1.gid, file_mode: local.1.mode, folder_mode: FOLDER_MODE };
    let mut node = shown(&folder, item, defaults, now);
    node.name = local.0;
    node.attr.btime = local.1.btime;
    if let (Some(base), Some(before)) = (node.base.as_mut(), local.2) {
        // A rename of ours that Box does not know yet stays one.
        base.name = before.name;
        base.parent = before.parent;
    }
    tx.put(&mut node)?;
    tx.settle(node.ino, now)
}

pub(super) fn base_of(item: &Remote, node: &Node) -> Base {
    Base {
        parent: item.parent.clone().unwrap_or_default(),
        name: item.name.clone(),
        version: item.version.clone(),
        sha1: item.sha1,
        generation: Some(node.generation),
        mtime_secs: item.modified.map_or(0, |m| m.as_box_holds().secs),
    }
}

fn shown(folder: &Node, item: &Remote, defaults: Defaults, now: Timestamp) -> Node {
    let kind = node_kind(item.id.kind);
    let modified = item.modified.unwrap_or(now);
    let mut node = Node {
        ino: Ino(0),
        kind,
        parent: folder.ino,
        name: node_name(item),
        presence: Presence::Here,
        attr: Attr {
            size: if kind == NodeKind::File { item.size } else { 0 },
            mtime: modified,
            ctime: modified,
            atime: modified,
            btime: item.created.unwrap_or(modified),
            mode: if kind == NodeKind::Folder { defaults.folder_mode } else { defaults.file_mode },
            uid: defaults.uid,
            gid: defaults.gid,
        },
        content: None,
        generation: 0,
        unsealed: false,
        box_id: Some(item.id.id.clone()),
        base: None,
        complete: false,
        changed_at: now,
        dirty_since: None,
        hold: None,
        failures: 0,
        time_refused: None,
        identity: None,
        born_at: None,
    };
    node.base = Some(Base { generation: Some(0), ..base_of(item, &node) });
    node
}

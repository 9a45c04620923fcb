//! The database behind one lock, with the LRU of hot nodes in front.

use super::changes::{self, Change, Teller};
use super::contents::{self, ContentRow, Place};
use super::error::TreeError;
use super::flow::SharedFlow;
use super::name_changes::{NameChanges, Standing};
use super::node::{Attr, Node, NodeKind, Presence};
use super::remote::{self, Remote};
use super::{memory, rows, schema};
use crate::base::{BootClock, BoxId, ContentId, Ino, LocalOnlyNames, Timestamp, boot_id};
use lru::LruCache;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;

/// Nodes kept decoded in memory: about 20 MB at 400 bytes each, enough for the working set of a large build.
const HOT_NODES: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// Which names exist. Cheap to share by reference; every method is one transaction.
#[derive(Debug)]
pub struct Tree {
    inner: Mutex<Inner>,
    damaged: AtomicBool,
    pub(super) name_changes: NameChanges,
    /// Counts what Box said, so that who keeps pins knows when to look.
    news: watch::Sender<u64>,
    pub(super) teller: Teller,
    pub(super) flow: SharedFlow,
    #[cfg(test)]
    pub(super) fuse: super::simulated::Fuse,
}

#[derive(Debug)]
pub(super) struct Inner {
    db: Connection,
    hot: LruCache<Ino, Node>,
    names: LruCache<(Ino, String), Ino>,
    local_only: LocalOnlyNames,
}

/// One transaction in the making: the nodes it wrote become hot when it commits.
pub(super) struct Tx<'a> {
    db: Transaction<'a>,
    hot: &'a mut LruCache<Ino, Node>,
    names: &'a mut LruCache<(Ino, String), Ino>,
    local_only: &'a LocalOnlyNames,
    written: Vec<Node>,
    removed: Vec<Ino>,
    /// Folders whose names it changed.
    renamed_in: Vec<Ino>,
    name_changes: &'a NameChanges,
    /// The boot clock as it was when the transaction began.
    pub(super) boot: BootClock,
    /// Whether somebody watches, and what to tell them.
    pub(super) watched: bool,
    pub(super) changes: Vec<Change>,
}

impl std::ops::Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.db
    }
}

impl Tx<'_> {
    pub(super) fn node(&self, ino: Ino) -> Result<Node, TreeError> {
        if let Some(node) = self.written.iter().rev().find(|n| n.ino == ino) {
            return Ok(node.clone());
        }
        rows::get(&self.db, ino)?.ok_or(TreeError::NoNode(ino))
    }

    /// A folder that the mount shows.
    pub(super) fn folder(&self, ino: Ino) -> Result<Node, TreeError> {
        let node = self.node(ino)?;
        match (node.presence, node.is_folder()) {
            (Presence::Deleted, _) => Err(TreeError::NotFound),
            (_, false) => Err(TreeError::NotFolder),
            _ => Ok(node),
        }
    }

    pub(super) fn put(&mut self, node: &mut Node) -> Result<(), TreeError> {
        let before = Standing::stored(&self.db, node.ino)?;
        rows::put(&self.db, node, self.local_only)?;
        self.renamed_in.extend(Standing::between(before, Some(Standing::of(node))));
        self.written.push(node.clone());
        Ok(())
    }

    pub(super) fn remove(&mut self, ino: Ino) -> Result<(), TreeError> {
        let before = Standing::stored(&self.db, ino)?;
        rows::remove(&self.db, ino)?;
        self.renamed_in.extend(Standing::between(before, None));
        self.removed.push(ino);
        Ok(())
    }

    fn commit(self, teller: &Teller) -> Result<(), TreeError> {
        let Tx { db, hot, names, written, removed, changes, renamed_in, name_changes, .. } = self;
        db.commit()?;
        for node in written {
            if let Some(old) = hot.peek(&node.ino) {
                names.pop(&(old.parent, old.name.clone()));
            }
            names.pop(&(node.parent, node.name.clone()));
            hot.put(node.ino, node);
        }
        for ino in removed {
            if let Some(old) = hot.pop(&ino) {
                names.pop(&(old.parent, old.name));
            }
        }
        renamed_in.into_iter().for_each(|folder| name_changes.note(folder));
        for change in changes {
            // Whoever watched may be gone.
            let _ = teller.send(change);
        }
        Ok(())
    }
}

impl Inner {
    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    pub(super) fn keeps_here(&self, name: &str) -> bool {
        self.local_only.hold_for(name)
    }

    pub(super) fn node(&mut self, ino: Ino) -> Result<Node, TreeError> {
        if let Some(node) = self.hot.get(&ino) {
            return Ok(node.clone());
        }
        let node = rows::get(&self.db, ino)?.ok_or(TreeError::NoNode(ino))?;
        self.hot.put(ino, node.clone());
        Ok(node)
    }

    pub(super) fn child(&mut self, parent: Ino, name: &str) -> Result<Option<Node>, TreeError> {
        let key = (parent, name.to_owned());
        if let Some(&ino) = self.names.get(&key) {
            return self.node(ino).map(Some);
        }
        let Some(node) = rows::child(&self.db, parent, name)? else { return Ok(None) };
        self.names.put(key, node.ino);
        self.hot.put(node.ino, node.clone());
        Ok(Some(node))
    }
}

impl Tree {
    /// Opens the database at `path`, making or upgrading it as needed. `check` reads it whole first (after an unclean stop).
    pub fn open(path: &Path, check: bool) -> Result<Tree, TreeError> {
        let open = || {
            let mut db = Connection::open(path)?;
            schema::prepare(&mut db)?;
            if check {
                schema::check(&db)?;
            }
            memory::begin_boot(&db, &boot_id())?;
            Tree::with(db)
        };
        open().map_err(TreeError::or_damaged)
    }

    /// Takes note of what a call of this room failed with, and gives it back: a database that was found damaged is read whole at the
    /// next start.
    pub fn suspect(&self, error: TreeError) -> TreeError {
        let error = error.or_damaged();
        if error.is_damage() && !self.damaged.swap(true, Ordering::Relaxed) {
            log::error!("{error}");
        }
        error
    }

    /// Whether the database was found damaged while it was used.
    pub fn is_suspect(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Opens a database that nobody else uses to look at it, and changes nothing; it has to have this program's schema.
    pub fn open_to_read(path: &Path) -> Result<Tree, TreeError> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        schema::require(&db)?;
        Tree::with(db)
    }

    /// A tree that lives only in memory, for tests and simulation.
    pub fn in_memory() -> Result<Tree, TreeError> {
        let mut db = Connection::open_in_memory()?;
        schema::prepare(&mut db)?;
        Tree::with(db)
    }

    fn with(db: Connection) -> Result<Tree, TreeError> {
        let hot = LruCache::new(HOT_NODES);
        let names = LruCache::new(HOT_NODES);
        Ok(Tree {
            news: watch::Sender::new(0),
            teller: changes::teller(),
            flow: SharedFlow::default(),
            inner: Mutex::new(Inner { db, hot, names, local_only: LocalOnlyNames::default() }),
            damaged: AtomicBool::new(false),
            name_changes: NameChanges::default(),
            #[cfg(test)]
            fuse: super::simulated::Fuse::default(),
        })
    }

    /// Changes whenever Box said something, or a pin was set.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(super) fn tell_of_news(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs `work` as one transaction: all of it happens, or nothing.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, TreeError>) -> Result<T, TreeError> {
        #[cfg(test)]
        self.fuse.burn()?;
        let boot = self.boot_clock();
        let mut inner = self.lock();
        let Inner { db, hot, names, local_only } = &mut *inner;
        let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (written, removed, renamed_in, changes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (name_changes, watched) = (&self.name_changes, self.teller.receiver_count() > 0);
        let mut tx =
            Tx { db, hot, names, local_only, written, removed, renamed_in, name_changes, boot, watched, changes };
        let value = work(&mut tx)?;
        tx.commit(&self.teller)?;
        Ok(value)
    }

    fn boot_clock(&self) -> BootClock {
        #[cfg(test)]
        if let Some(at) = self.fuse.boot_clock() {
            return at;
        }
        BootClock::now()
    }

    /// Sets which names stay on this machine. Nodes that Box does not have are held, or sent, accordingly.
    pub fn set_local_only(&self, names: LocalOnlyNames, now: Timestamp) -> Result<(), TreeError> {
        self.lock().local_only = names;
        self.write(|tx| {
            for mut node in rows::not_in_box(tx)? {
                let before = node.is_local_only();
                tx.put(&mut node)?;
                if before && !node.is_local_only() {
                    tx.settle(node.ino, now)?;
                }
            }
            Ok(())
        })
    }

    /// Nodes were changed behind the hot ones.
    pub(super) fn forget_hot(&self) {
        self.lock().hot.clear();
    }

    /// Makes everything committed so far survive a power cut (`fsync(2)`, DESIGN.md section 4).
    pub fn sync(&self) -> Result<(), TreeError> {
        let inner = self.lock();
        inner.db.pragma_update(None, "synchronous", "FULL")?;
        let marked = put_meta(&inner.db, "synced_at", &Timestamp::now().to_nanos().to_string());
        inner.db.pragma_update(None, "synchronous", "NORMAL")?;
        marked
    }

    /// A value that is kept beside the nodes.
    pub fn meta(&self, key: &str) -> Result<Option<String>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(statement.query_row([key], |r| r.get(0)).optional()?)
    }

    pub fn set_meta(&self, key: &str, value: &str) -> Result<(), TreeError> {
        put_meta(&self.lock().db, key, value)
    }

    /// Makes inode 1 stand for the folder `id`. A root that is there already keeps its attributes.
    pub fn plant_root(&self, id: &str, attr: Attr) -> Result<Node, TreeError> {
        self.write(|tx| {
            if let Some(node) = rows::get(tx, Ino::ROOT)? {
                return Ok(node);
            }
            tx.execute(
                "INSERT INTO nodes (ino, kind, parent, name, fold, deleted, size, mtime, ctime, atime, btime, mode, \
                 uid, gid, generation, unsealed, complete, changed_at, failures) \
                 VALUES (1, 1, 0, '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
                [],
            )?;
            let mut root = rows::get(tx, Ino::ROOT)?.ok_or(TreeError::NoNode(Ino::ROOT))?;
            root.kind = NodeKind::Folder;
            root.attr = attr;
            root.box_id = Some(id.to_owned());
            tx.put(&mut root)?;
            Ok(root)
        })
    }

    pub fn node(&self, ino: Ino) -> Result<Node, TreeError> {
        self.lock().node(ino)
    }

    /// The node that stands for an item in Box.
    pub fn by_item(&self, id: &BoxId) -> Result<Option<Node>, TreeError> {
        rows::by_item(&self.lock().db, id)
    }

    /// What Box last said of the item.
    pub fn remote(&self, id: &BoxId) -> Result<Option<Remote>, TreeError> {
        remote::get(&self.lock().db, id)
    }

    pub fn content(&self, id: ContentId) -> Result<Option<ContentRow>, TreeError> {
        contents::get(&self.lock().db, id)
    }

    /// Contents in `place` after `after`, in the order of their ids.
    pub fn contents(&self, place: Place, after: ContentId, limit: usize) -> Result<Vec<ContentRow>, TreeError> {
        contents::page(&self.lock().db, place, after, limit)
    }

    /// The path of `ino` below the root, as shown; empty for the root.
    pub fn path(&self, ino: Ino) -> Result<String, TreeError> {
        let mut inner = self.lock();
        let mut parts = Vec::new();
        let mut at = inner.node(ino)?;
        while at.ino != Ino::ROOT && parts.len() < MAX_DEPTH {
            parts.push(crate::base::shown_name(&at.name).into_owned());
            at = inner.node(at.parent)?;
        }
        parts.reverse();
        Ok(parts.join("/"))
    }

    /// Whether `ino` is `top` or lies below it.
    pub fn is_below(&self, ino: Ino, top: Ino) -> Result<bool, TreeError> {
        let mut inner = self.lock();
        let mut at = ino;
        for _ in 0..MAX_DEPTH {
            if at == top {
                return Ok(true);
            }
            if at == Ino::ROOT {
                return Ok(false);
            }
            at = inner.node(at)?.parent;
        }
        Ok(false)
    }
}

/// Folders that are followed upwards before a chain counts as broken: no path of PATH_MAX bytes is deeper.
pub(super) const MAX_DEPTH: usize = 4096;

fn put_meta(db: &Connection, key: &str, value: &str) -> Result<(), TreeError> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?.execute(params![key, value])?;
    Ok(())
}

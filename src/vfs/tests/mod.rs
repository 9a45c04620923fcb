//! The file system without a kernel, and with an engine that has a folder of Box in memory.

mod attributes;
mod cold;
mod files;
mod names;
mod space;

use super::*;
use crate::base::{BoxId, Ino, Sha1Digest, Timestamp};
use crate::content::{Content, Dirs, Limits, Place, Ranges, Saved};
use crate::tree::{AheadAsk, Ask, AskError, FetchFrom, Listed, Remote, Rights, Tree};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;

const ROOT: Ino = Ino::ROOT;
const ME: Caller = Caller { uid: 1000, gid: 100, pid: 1 };
const READ: OpenHow = OpenHow { read: true, write: false, truncate: false, append: false, exclusive: false };
const WRITE: OpenHow = OpenHow { read: true, write: true, truncate: false, append: false, exclusive: false };
const TRUNCATE: OpenHow = OpenHow { read: false, write: true, truncate: true, append: false, exclusive: false };

/// What the engine was asked, and what it has.
#[derive(Default)]
struct Far {
    items: Vec<Remote>,
    bytes: HashMap<String, Vec<u8>>,
    offline: bool,
    fetched: Vec<std::ops::Range<u64>>,
    listed: usize,
    released: Vec<Ino>,
    changed: Vec<Ino>,
    pushed: usize,
}

struct Rig {
    vfs: Vfs,
    far: Arc<Mutex<Far>>,
    tree: Arc<Tree>,
    content: Arc<Content>,
    dir: TempDir,
    runtime: tokio::runtime::Runtime,
}

fn settings() -> Settings {
    Settings {
        read_only: false,
        passthrough: false,
        lifetime: Duration::from_secs(60),
        owner: ShownOwner::default(),
        durability: Durability::Local,
        rest: Duration::from_secs(60),
        links: false,
    }
}

fn limits() -> Limits {
    Limits { spool: 1 << 40, cache: 1 << 40, floor: 0 }
}

/// A mount whose root is empty and listed.
fn rig() -> Rig {
    let rig = unlisted(settings(), limits());
    rig.call(|vfs| vfs.lookup(ROOT, name("x"))).unwrap();
    rig
}

fn passing() -> Rig {
    let rig = unlisted(Settings { passthrough: true, ..settings() }, limits());
    rig.call(|vfs| vfs.lookup(ROOT, name("x"))).unwrap();
    rig
}

/// A mount that was just made.
fn unlisted(settings: Settings, limits: Limits) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let dirs = Dirs { spool: place("spool"), cache: place("cache"), rescue: place("rescue") };
    let tree = Arc::new(Tree::in_memory().unwrap());
    let attr = crate::tree::Attr { mode: 0o755, uid: ME.uid, gid: ME.gid, ..Default::default() };
    tree.plant_root("0", attr).unwrap();
    let content = Arc::new(Content::open(dirs, limits).unwrap());
    let far = Arc::new(Mutex::new(Far::default()));
    let (asks, inbox) = mpsc::channel(64);
    let engine = Engine { far: far.clone(), tree: tree.clone(), content: content.clone() };
    std::thread::spawn(move || engine.run(inbox));
    let vfs = Vfs::new(tree.clone(), content.clone(), asks, settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    Rig { vfs, far, tree, content, dir, runtime }
}

/// Box, as far as these tests need it.
struct Engine {
    far: Arc<Mutex<Far>>,
    tree: Arc<Tree>,
    content: Arc<Content>,
}

impl Engine {
    fn run(self, mut inbox: mpsc::Receiver<Ask>) {
        while let Some(ask) = inbox.blocking_recv() {
            let mut far = self.far.lock().unwrap();
            match ask {
                Ask::Changed(ino) => far.changed.push(ino),
                Ask::Released(ino) => far.released.push(ino),
                Ask::List { ino, reply } => {
                    let _ = reply.send(self.list(&mut far, ino));
                }
                Ask::Fetch(ask) => self.fetch(&mut far, &ask.from, ask.range),
                Ask::Ahead(ask) => self.ahead(&mut far, &ask),
                Ask::Push(ask) => {
                    far.pushed += 1;
                    let _ = ask.reply.send(if far.offline { Err(unreachable()) } else { Ok(()) });
                }
                _ => {}
            }
        }
    }

    fn list(&self, far: &mut Far, ino: Ino) -> std::result::Result<Listed, AskError> {
        far.listed += 1;
        if far.offline {
            return Err(unreachable());
        }
        let id = self.tree.node(ino).unwrap().box_id.unwrap();
        let items: Vec<_> = far.items.iter().filter(|i| i.parent.as_ref() == Some(&id)).cloned().collect();
        let listing = self.tree.begin_listing().unwrap();
        self.tree
            .learn_page(
                ino,
                listing,
                &items,
                Timestamp::now(),
                |id| id.is_some_and(|id| self.content.get(id).is_some()),
                Timestamp::now(),
            )
            .unwrap();
        self.tree.end_listing(ino, listing, Timestamp::now(), 100).unwrap();
        Ok(Listed)
    }

    fn ahead(&self, far: &mut Far, ask: &AheadAsk) {
        let wanted = ask.run.as_ref().is_none_or(|run| run.is_wanted());
        let Some(file) = self.content.get(ask.from.content).filter(|_| wanted) else { return };
        for range in file.claim(ask.range.clone()) {
            self.fetch(far, &ask.from, range);
        }
    }

    fn fetch(&self, far: &mut Far, from: &FetchFrom, range: Range<u64>) {
        far.fetched.push(range.clone());
        let row = self.tree.content(from.content).unwrap().unwrap();
        let place = match row.place {
            crate::tree::Place::Spool => Place::Spool,
            crate::tree::Place::Cache => Place::Cache,
        };
        // Whoever asked may have closed it meanwhile.
        let ranges = row.ranges.map(|bytes| Ranges::from_bytes(&bytes).unwrap());
        let file = self.content.load(from.content, Saved { place, ranges }).unwrap();
        let outcome = if far.offline {
            Err(crate::content::FetchError::Unreachable)
        } else {
            let bytes = &far.bytes[&from.file_id];
            let end = range.end.min(bytes.len() as u64);
            file.fill(range.start, &bytes[range.start as usize..end as usize]).unwrap();
            assert_ne!(file.check().unwrap(), crate::content::Checked::Wrong);
            Ok(())
        };
        file.release_claim(range, outcome);
    }
}

fn unreachable() -> AskError {
    AskError::Unreachable("the cable is out".to_owned())
}

impl Rig {
    /// Makes a call until it is answered, as the kernel's side does.
    fn call<T>(&self, operation: impl Fn(&Vfs) -> Result<T>) -> Result<T> {
        self.runtime.block_on(async {
            loop {
                match operation(&self.vfs) {
                    Err(VfsError::Wait(need)) => need.await?,
                    answer => return answer,
                }
            }
        })
    }

    /// Puts a file into the root of Box before it is listed.
    fn in_box(&self, id: &str, name: &str, bytes: &[u8]) {
        let mut far = self.far.lock().unwrap();
        far.items.push(remote(BoxId::file(id), name, bytes));
        far.bytes.insert(id.to_owned(), bytes.to_vec());
    }

    fn create(&self, text: &str, how: OpenHow) -> (Ino, Opened) {
        let (entry, opened) = self.call(|vfs| vfs.create(ROOT, name(text), 0o644, how, &ME)).unwrap();
        (entry.attr.ino, opened)
    }

    /// A closed file with these bytes.
    fn file(&self, text: &str, bytes: &[u8]) -> Ino {
        let (ino, opened) = self.create(text, WRITE);
        self.write(opened.fh, 0, bytes);
        self.close(opened.fh);
        ino
    }

    fn write(&self, fh: Fh, offset: u64, bytes: &[u8]) {
        assert_eq!(self.call(|vfs| vfs.write(fh, offset, bytes)).unwrap() as usize, bytes.len());
    }

    fn read(&self, fh: Fh, offset: u64, size: u32) -> Vec<u8> {
        self.call(|vfs| vfs.read(fh, offset, size)).unwrap()
    }

    fn close(&self, fh: Fh) {
        self.call(|vfs| vfs.flush(fh)).unwrap();
        self.call(|vfs| vfs.release(fh)).unwrap();
    }

    fn open(&self, ino: Ino, how: OpenHow) -> Opened {
        self.call(|vfs| vfs.open(ino, how, &ME)).unwrap()
    }

    /// All bytes of a file, by a handle of its own.
    fn bytes(&self, ino: Ino) -> Vec<u8> {
        let fh = self.open(ino, READ).fh;
        let bytes = self.read(fh, 0, 1 << 20);
        self.call(|vfs| vfs.release(fh)).unwrap();
        bytes
    }

    fn look(&self, text: &str) -> Option<Attr> {
        match self.call(|vfs| vfs.lookup(ROOT, name(text))).unwrap() {
            Looked::Found(entry) => Some(entry.attr),
            Looked::Missing { .. } => None,
        }
    }

    fn spool_file(&self, ino: Ino) -> PathBuf {
        let id = self.tree.node(ino).unwrap().content.unwrap();
        self.dir.path().join("spool").join(id.to_string())
    }

    /// What the engine asks before it gives a node other bytes.
    fn in_use(&self, id: Option<crate::base::ContentId>) -> bool {
        id.is_some_and(|id| self.content.get(id).is_some())
    }

    fn eventually(&self, condition: impl Fn(&Far) -> bool) {
        let limit = std::time::Instant::now() + Duration::from_secs(5);
        while !condition(&self.far.lock().unwrap()) {
            assert!(std::time::Instant::now() < limit, "it never happened");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn remote(id: BoxId, name: &str, bytes: &[u8]) -> Remote {
    Remote {
        id,
        parent: Some("0".to_owned()),
        name: name.to_owned(),
        version: Some("v1".to_owned()),
        etag: Some("0".to_owned()),
        sequence: Some(0),
        sha1: Some(Sha1Digest::of(bytes)),
        size: bytes.len() as u64,
        created: Some(Timestamp::new(1_600_000_000, 0)),
        modified: Some(Timestamp::new(1_600_000_000, 0)),
        trashed: false,
        rights: Rights::default(),
        lock: None,
        url: None,
        public: false,
    }
}

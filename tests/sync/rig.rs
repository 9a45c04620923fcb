//! A state directory, an engine on it that can be killed and started, and Box.

use boxfs::base::{Ino, Secret, Timestamp, boot_id};
use boxfs::box_api::{ApiLimits, BoxClient, ClientOptions, TokenSource};
use boxfs::content::{Content, Dirs, Identity, Limits};
use boxfs::emulator::{Emulator, Options};
use boxfs::sync::{Engine, LastRun, Line, Parts, recover};
use boxfs::tree::{
    Ask, Attr, ContentState, Lookup, NewNode, Node, NodeKind, Place, Presence, RenameHow, StoredStamp, Tree,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

/// How long anything may take: far more than it does, since the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(40);

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Running {
    engine: Engine,
    ask: mpsc::Sender<Ask>,
}

pub struct Rig {
    running: Option<Running>,
    pub tree: Arc<Tree>,
    pub content: Arc<Content>,
    pub emulator: Option<Emulator>,
    server: String,
    token: String,
    runtime: Runtime,
    dir: tempfile::TempDir,
}

impl Rig {
    pub fn new(options: Options) -> Rig {
        let emulator = Emulator::start(options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (tree, content) = open(&dir);
        tree.plant_root("0", Attr { mode: 0o755, ..Attr::default() }).unwrap();
        tree.set_settle(Duration::from_millis(10)).unwrap();
        let (server, token) = (emulator.url(), emulator.token());
        let mut rig = Rig { running: None, tree, content, emulator: Some(emulator), server, token, runtime, dir };
        rig.start();
        rig.list(Ino::ROOT);
        rig
    }

    pub fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().unwrap()
    }

    pub fn engine(&self) -> &Engine {
        &self.running.as_ref().unwrap().engine
    }

    /// The engine starts, as after a start of the daemon.
    pub fn start(&mut self) {
        recover(&self.tree, &self.content, LastRun::Killed, Timestamp::now()).unwrap();
        let options =
            ClientOptions { server: Some(self.server.clone()), limits: ApiLimits::Off, ..ClientOptions::default() };
        let client = BoxClient::new(options, TokenSource::Fixed(Secret::new(self.token.clone()))).unwrap();
        let (ask, asks) = mpsc::channel(100);
        let (tell, mut told) = mpsc::channel(100);
        self.runtime.spawn(async move { while told.recv().await.is_some() {} });
        let parts = Parts {
            tree: self.tree.clone(),
            content: self.content.clone(),
            line: Line::new(client),
            me: "11".to_owned(),
            asks,
            ask: ask.clone(),
            tell,
        };
        let engine = Engine::start(parts, self.runtime.handle()).unwrap();
        self.running = Some(Running { engine, ask });
    }

    /// The engine is gone, with all that was on its way; the database and the data files are opened anew.
    pub fn kill(&mut self) {
        self.running = None;
        let tree = &self.tree;
        eventually("nobody uses the database", || Arc::strong_count(tree) == 1);
        self.tree = Arc::new(Tree::in_memory().unwrap());
        (self.tree, self.content) = open(&self.dir);
    }

    /// The database as it is on the disk, while no engine runs.
    pub fn copy_of_the_database(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = ["tree.db", "tree.db-wal"].map(|name| self.dir.path().join(name));
        files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    }

    /// The database falls back to an earlier state, as after a power cut; Box and the data files do not.
    pub fn put_back(&mut self, files: &[(PathBuf, Vec<u8>)]) {
        self.tree = Arc::new(Tree::in_memory().unwrap());
        std::fs::remove_file(self.dir.path().join("tree.db-shm")).unwrap_or_default();
        for (path, bytes) in files {
            std::fs::write(path, bytes).unwrap();
        }
        (self.tree, self.content) = open(&self.dir);
    }

    fn tell(&self, ask: Ask) {
        if let Some(running) = &self.running {
            running.ask.blocking_send(ask).unwrap();
        }
    }

    pub fn list(&self, ino: Ino) {
        let (reply, listed) = oneshot::channel();
        self.tell(Ask::List { ino, reply });
        listed.blocking_recv().unwrap().unwrap();
    }

    pub fn node(&self, path: &str) -> Option<Node> {
        let mut at = self.tree.node(Ino::ROOT).unwrap();
        for name in path.split('/').filter(|p| !p.is_empty()) {
            match self.tree.child(at.ino, name).unwrap() {
                Lookup::Found(node) => at = *node,
                Lookup::Missing | Lookup::Unlisted => return None,
            }
        }
        Some(at)
    }

    fn place<'p>(&self, path: &'p str) -> (Ino, &'p str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.node(folder).unwrap().ino, name)
    }

    fn make(&self, path: &str, kind: NodeKind) -> Node {
        let (parent, name) = self.place(path);
        let new = NewNode { parent, name, kind, mode: 0o644, uid: 0, gid: 0, target: None };
        let node = self.tree.create(&new, Timestamp::now()).unwrap();
        self.tell(Ask::Changed(node.ino));
        node
    }

    pub fn mkdir(&self, path: &str) {
        self.make(path, NodeKind::Folder);
    }

    /// Creates or empties the file, writes `bytes`, closes.
    pub fn save(&self, path: &str, bytes: &[u8]) -> Node {
        let node = self.node(path).unwrap_or_else(|| self.make(path, NodeKind::File));
        let identity = Identity {
            ino: node.ino,
            name: node.name.clone(),
            box_id: node.box_id.clone(),
            base_version: None,
            base_sha1: None,
            above: Vec::new(),
            whole: true,
        };
        let fresh = node.content.filter(|_| node.unsealed && node.attr.size == 0);
        let id = match fresh {
            Some(id) => id,
            None => {
                let (row, old) = self.tree.fresh_content(node.ino, Timestamp::now()).unwrap();
                if let Some(old) = old {
                    self.content.remove(old).unwrap();
                }
                row.id
            }
        };
        let file = self.content.create(id, &identity).unwrap();
        self.tree.begin_writing(node.ino, &boot_id(), Timestamp::now()).unwrap();
        let writer = file.open_writer();
        writer.write(0, bytes).unwrap();
        let stamp = file.stamp().unwrap();
        drop(writer);
        let stored = StoredStamp { size: stamp.size, mtime_ns: stamp.mtime_ns, ctime_ns: stamp.ctime_ns };
        self.tree.closed(node.ino, id, stored, stamp.size, stamp.mtime(), Timestamp::now()).unwrap();
        self.tell(Ask::Released(node.ino));
        self.tree.node(node.ino).unwrap()
    }

    /// Writes into the data file as a program that keeps its handle does, and closes.
    pub fn change_in_place(&self, node: &Node, offset: u64, bytes: &[u8]) {
        let id = node.content.unwrap();
        let file = self.content.get(id).expect("it is being sent");
        self.tree.begin_writing(node.ino, &boot_id(), Timestamp::now()).unwrap();
        let writer = file.open_writer();
        writer.write(offset, bytes).unwrap();
        let stamp = file.stamp().unwrap();
        drop(writer);
        let stored = StoredStamp { size: stamp.size, mtime_ns: stamp.mtime_ns, ctime_ns: stamp.ctime_ns };
        self.tree.closed(node.ino, id, stored, stamp.size, stamp.mtime(), Timestamp::now()).unwrap();
        self.tell(Ask::Released(node.ino));
    }

    pub fn rename(&self, from: &str, to: &str, how: RenameHow) {
        let ((parent, name), (new_parent, new_name)) = (self.place(from), self.place(to));
        let renamed = self.tree.rename(parent, name, new_parent, new_name, how, Timestamp::now()).unwrap();
        self.tell(Ask::Changed(renamed.moved.ino));
    }

    pub fn unlink(&self, path: &str) {
        let (parent, name) = self.place(path);
        let node = self.tree.unlink(parent, name, Timestamp::now()).unwrap();
        self.tell(Ask::Changed(node.ino));
    }

    pub fn rmdir(&self, path: &str) {
        let (parent, name) = self.place(path);
        let node = self.tree.rmdir(parent, name, Timestamp::now()).unwrap();
        self.tell(Ask::Changed(node.ino));
    }

    /// Waits until nothing here differs from Box.
    pub fn settled(&self) {
        self.engine().hurry();
        let start = Instant::now();
        while self.tree.pending().unwrap().count > 0 {
            if start.elapsed() > LIMIT {
                let left = self.tree.dirty(Ino(0), false, 10).unwrap();
                panic!("not in Box within {LIMIT:?}: {left:#?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What Box has, the trash left out: path to bytes; folders have none.
    pub fn in_box(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let emulator = self.emulator();
        let live = emulator.items().into_iter().filter(|i| !i.trashed);
        live.map(|i| (i.path, (i.kind == "file").then(|| emulator.read(&i.id, None).unwrap()))).collect()
    }

    /// While the engine is stopped, a folder is made here and a file goes into it, and somebody puts another file into the folder of
    /// that name in Box: both end in one folder, there and here.
    #[track_caller]
    pub fn expect_one_folder_of_both(&mut self, folder: &str) {
        let (ours, theirs) = (format!("{folder}/ours"), format!("{folder}/theirs"));
        self.mkdir(folder);
        self.save(&ours, b"ours");
        self.emulator().act().write_file(&format!("/{theirs}"), b"theirs").unwrap();
        self.start();
        self.settled();
        assert_eq!(self.names(), [format!("/{folder}"), format!("/{ours}"), format!("/{theirs}")]);
        self.list(self.node(folder).unwrap().ino);
        assert!(self.node(&theirs).is_some());
    }

    /// Paths of Box, the trash left out.
    pub fn names(&self) -> Vec<String> {
        self.in_box().into_keys().collect()
    }

    pub fn id(&self, path: &str) -> String {
        self.emulator().find(path).unwrap_or_else(|| panic!("{path} is not in Box")).id
    }

    pub fn versions(&self, path: &str) -> usize {
        self.emulator().find(path).unwrap_or_else(|| panic!("{path} is not in Box")).version_ids.len()
    }

    /// Requests with this method whose path has `part`, that Box answered well.
    pub fn requests(&self, method: &str, part: &str) -> usize {
        let wanted = |r: &boxfs::emulator::RequestRecord| {
            r.method == method && r.path.contains(part) && (200..300).contains(&r.status)
        };
        self.emulator().requests().into_iter().filter(wanted).count()
    }

    /// Whether the bytes of the node are clean and in the cache.
    pub fn is_cached(&self, path: &str) -> bool {
        let Some(id) = self.node(path).and_then(|n| n.content) else { return false };
        let row = self.tree.content(id).unwrap().unwrap();
        row.place == Place::Cache && row.state == ContentState::Clean
    }

    /// What nobody has open and no program sees any more.
    pub fn is_gone(&self, ino: Ino) -> bool {
        self.tree.node(ino).map_or(true, |n| n.presence == Presence::Deleted)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.running = None;
    }
}

fn open(dir: &tempfile::TempDir) -> (Arc<Tree>, Arc<Content>) {
    let at = |name: &str| dir.path().join(name);
    let tree = Tree::open(&at("tree.db"), false).unwrap();
    let limits = Limits { spool: u64::MAX, cache: u64::MAX, floor: 0 };
    let content = Content::open(Dirs { spool: at("spool"), cache: at("cache"), rescue: at("rescue") }, limits).unwrap();
    (Arc::new(tree), Arc::new(content))
}

/// Bytes that differ everywhere, the same for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

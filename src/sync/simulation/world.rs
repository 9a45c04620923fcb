//! A machine with the engine's core on it, and Box, in virtual time: one step after the other, checked after each.

use super::cloud::Cloud;
use super::disk::Disk;
use super::posix::{Posix, Seen, Snapshot};
use super::step::{Fault, Path, Step};
use crate::base::{AttemptId, BootClock, BoxId, ContentId, Ino, Timestamp};
use crate::box_api::{ApiError, Item, Meaning};
use crate::sync::call::{Call, Target};
use crate::sync::core::Core;
use crate::sync::effect::{Effect, Event, SealResult};
use crate::sync::executor::local_error;
use crate::sync::planner::OpenState;
use crate::tree::{Ask, Attr, ContentState, Node, Presence, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Why a run is wrong.
pub type Verdict = Result<(), String>;

/// Items of one page of a listing: small, so that a listing has several and Box changes between them.
const PAGE: usize = 2;

/// What waits to be performed.
#[derive(Debug)]
pub enum Task {
    Effect(Effect),
    /// The pages of a listing after this item.
    More {
        folder: Ino,
        id: String,
        listing: i64,
        after: BoxId,
    },
}

/// A handle that a program holds for writing.
#[derive(Debug, Clone, Copy)]
pub struct OpenFile {
    pub ino: Ino,
    pub content: crate::base::ContentId,
    pub posix: u64,
}

/// What programs did to names and bytes, of what the model says was possible.
#[derive(Debug, Default, Clone, Copy)]
pub struct Done {
    pub saves: usize,
    pub renames: usize,
    pub exchanges: usize,
    pub deletes: usize,
}

impl Done {
    pub fn note(&mut self, step: &Step) {
        match step {
            Step::Save(..) | Step::Close(_) => self.saves += 1,
            Step::Rename(..) => self.renames += 1,
            Step::Exchange(..) => self.exchanges += 1,
            Step::Unlink(_) => self.deletes += 1,
            _ => {}
        }
    }
}

pub struct World {
    pub tree: Arc<Tree>,
    pub disk: Arc<Mutex<Disk>>,
    pub cloud: Cloud,
    pub posix: Posix,
    core: Core,
    /// How often the engine was started.
    life: u32,
    pub now: Timestamp,
    pub tasks: Vec<Task>,
    pub outcomes: Vec<Event>,
    pub open: BTreeMap<u8, OpenFile>,
    /// Somebody else changes Box in this run: the mount need not equal the POSIX model.
    pub shared: bool,
    /// What programs wrote last and did not replace or delete, by inode.
    pub written: BTreeMap<Ino, Vec<u8>>,
    /// Mutating calls performed, whatever became of them.
    pub calls: usize,
    /// Writes of programs that ended with a close.
    pub saves: usize,
    /// Calls lost or repeated because of a fault.
    pub faults: usize,
    pub foreign_edits: usize,
    /// Renames and deletes of programs: each may make a version, or a copy of what lost its id, since ids go from one file to another.
    pub moves: usize,
    /// Deletions that left when a program had asked for them.
    deletes: BTreeSet<AttemptId>,
    /// What programs did with success.
    pub done: Done,
    /// The node of each file of the POSIX model.
    pub inos: BTreeMap<u64, Ino>,
    /// The id that each document has in Box.
    pub ids: BTreeMap<u64, String>,
    /// Ids that Box did not give back out of its trash.
    pub kept_back: BTreeSet<String>,
    /// The document of the last `Step::Mark`.
    pub marked: Option<(Path, u64)>,
    /// Events told.
    heard: u64,
    /// What uploads under way have read so far.
    read: BTreeMap<AttemptId, Vec<u8>>,
    /// The next event finds the engine dying before this transaction.
    doomed: Option<u8>,
    pub told: Vec<String>,
}

fn probe(disk: Arc<Mutex<Disk>>) -> crate::sync::core::OpenProbe {
    Box::new(move |content| {
        let disk = disk.lock().expect("no thread panics");
        let writers = content.and_then(|id| disk.get(id)).is_some_and(|d| d.writers > 0);
        OpenState { handles: writers, writers, ..OpenState::default() }
    })
}

/// Each second life of the engine sends all from copies.
fn core(tree: &Arc<Tree>, disk: &Arc<Mutex<Disk>>, life: u32) -> Core {
    let mut core = Core::new(tree.clone(), "me".to_owned(), probe(disk.clone()), Box::new(|| 0.5));
    core.steady_after = life % 2;
    core
}

/// Both clocks of the machine go together.
fn boot_clock(now: Timestamp) -> BootClock {
    BootClock(now.to_nanos() as u64 / 1_000_000)
}

impl World {
    pub fn new(shared: bool) -> World {
        let tree = Arc::new(Tree::in_memory().expect("a database in memory"));
        tree.plant_root("0", Attr { mode: 0o755, ..Attr::default() }).expect("a root");
        let listing = tree.begin_listing().expect("a number");
        tree.end_listing(Ino::ROOT, listing, Timestamp::default(), 10).expect("an end");
        let disk = Arc::default();
        let core = core(&tree, &disk, 1);
        let now = Timestamp::new(1_700_000_000, 0);
        tree.set_boot_clock(boot_clock(now));
        World {
            tree,
            disk,
            cloud: Cloud::default(),
            posix: Posix::default(),
            core,
            life: 1,
            now,
            tasks: Vec::new(),
            outcomes: Vec::new(),
            open: BTreeMap::new(),
            shared,
            written: BTreeMap::new(),
            calls: 0,
            saves: 0,
            faults: 0,
            foreign_edits: 0,
            moves: 0,
            done: Done::default(),
            inos: BTreeMap::new(),
            ids: BTreeMap::new(),
            kept_back: BTreeSet::new(),
            marked: None,
            deletes: BTreeSet::new(),
            heard: 0,
            read: BTreeMap::new(),
            doomed: None,
            told: Vec::new(),
        }
    }

    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no thread panics")
    }

    pub fn next_tick(&self) -> Result<Option<Timestamp>, String> {
        self.core.next_tick().map_err(|e| e.to_string())
    }

    /// Time passes, for both clocks.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.tree.set_boot_clock(boot_clock(self.now));
    }

    /// Something happens to the engine.
    pub fn feed(&mut self, event: Event) -> Verdict {
        self.told.push(format!("    {} <- {}", self.now.secs % 100_000, brief(&format!("{event:?}"))));
        // No two things happen at one instant.
        self.pass(Duration::from_millis(1));
        if let Some(transactions) = self.doomed.take() {
            self.tree.break_after(transactions);
        }
        let applied = self.core.apply(event, self.now);
        let broken = self.tree.is_broken();
        self.tree.mend();
        self.learn_ids();
        match applied {
            Ok(effects) => {
                for effect in effects {
                    if let Effect::Call { attempt, call: Call::Delete { item, .. }, .. } = &effect {
                        let deleted = self.tree.by_item(item).map_err(|e| e.to_string())?;
                        if deleted.is_none_or(|n| n.presence == Presence::Here) {
                            return Err(format!("I3: {item} is to be deleted, and no program asked for that"));
                        }
                        self.deletes.insert(*attempt);
                    }
                    self.told.push(format!("    -> {}", brief(&format!("{effect:?}"))));
                    self.tasks.push(Task::Effect(effect));
                }
                Ok(())
            }
            Err(_) if broken => self.crash(),
            Err(error) => Err(format!("the core failed: {error}")),
        }
    }

    /// The engine dies and starts again from the same tree; programs go on.
    pub fn crash(&mut self) -> Verdict {
        self.told.push("    the engine dies".to_owned());
        self.tasks.clear();
        self.outcomes.clear();
        self.read.clear();
        self.faults += 1;
        self.life += 1;
        self.core = core(&self.tree, &self.disk, self.life);
        self.tree.attempts_after_start(self.now).map_err(|e| e.to_string())?;
        self.tree.resume(self.now).map_err(|e| e.to_string())?;
        self.feed(Event::Tick)
    }

    pub fn step(&mut self, step: &Step) -> Verdict {
        self.told.push(format!("{step:?}"));
        self.foreign_edits += usize::from(step.is_foreign());
        match *step {
            Step::Wait(ms) => {
                self.pass(Duration::from_millis(u64::from(ms)));
                self.feed(Event::Tick)?;
            }
            Step::Do(n, fault) => self.perform(n, fault)?,
            Step::Read(n) => self.read(n),
            Step::Hear(n) => self.hear(n)?,
            Step::Crash => self.crash()?,
            Step::CrashAfter(n) => self.doomed = Some(n),
            Step::Tell(n) => self.tell(n)?,
            Step::Hurry => self.feed(Event::Asked(Ask::Hurry))?,
            Step::List(path) => self.list(path)?,
            Step::Compare => self.compare()?,
            Step::Mark(path) => self.mark(path),
            Step::IsMarked(path) => self.is_marked(path)?,
            Step::TheySave(path, mark) => self.cloud.they_save(path, format!("theirs {mark}").into(), self.now),
            Step::TheyRename(from, to) => self.cloud.they_rename(from, to),
            Step::TheyDelete(path) => self.cloud.they_delete(path),
            Step::TheyMkdir(path) => self.cloud.they_mkdir(path),
            _ => {
                self.prepare_documents();
                self.moves += usize::from(matches!(step, Step::Rename(..) | Step::Exchange(..) | Step::Unlink(_)));
                self.local(step)?;
            }
        }
        self.look_at_mount()?;
        self.look_at_ids()
    }

    pub fn hear(&mut self, n: u8) -> Verdict {
        if self.outcomes.is_empty() {
            return Ok(());
        }
        let mut at = usize::from(n) % self.outcomes.len();
        // Pages of one listing come in order.
        if let Some(number) = listing_of(&self.outcomes[at]) {
            at = self.outcomes.iter().position(|e| listing_of(e) == Some(number)).unwrap_or(at);
        }
        let event = self.outcomes.remove(at);
        self.feed(event)
    }

    /// An event, perhaps an old one, perhaps once more: each time under another id, as Box repeats them.
    fn tell(&mut self, n: u8) -> Verdict {
        let at = self.cloud.events.len().checked_sub(1 + usize::from(n));
        at.map_or(Ok(()), |at| self.tell_event(at))
    }

    pub fn tell_event(&mut self, at: usize) -> Verdict {
        self.heard += 1;
        let event = crate::box_api::Event {
            event_id: self.heard.to_string(),
            event_type: if self.cloud.events[at].trashed { "ITEM_TRASH" } else { "ITEM_MODIFY" }.to_owned(),
            source: Some(self.cloud.events[at].clone()),
            created_by_id: None,
            created_by_login: None,
            created_at: None,
        };
        self.feed(Event::News { entries: vec![event], next: self.heard.to_string() })
    }

    fn list(&mut self, path: &str) -> Verdict {
        if let Some(node) = self.find(path)?.filter(Node::is_folder) {
            let (reply, _nobody) = tokio::sync::oneshot::channel();
            self.feed(Event::Asked(Ask::List { ino: node.ino, reply }))?;
        }
        Ok(())
    }

    pub fn perform(&mut self, n: u8, fault: Fault) -> Verdict {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let task = self.tasks.remove(usize::from(n) % self.tasks.len());
        self.told.push(format!("    performs {}", brief(&format!("{task:?}"))));
        match task {
            Task::Effect(Effect::Call { attempt, ino, call }) => {
                let result = self.call(attempt, ino, &call, fault)?;
                self.told.push(format!("       gives {}", brief(&format!("{result:?}"))));
                self.outcomes.push(Event::Answered { attempt, ino, call: Box::new(call), result });
            }
            Task::Effect(Effect::Seal { ino, content, open }) => {
                self.warm(content);
                let result = match self.disk().get(content) {
                    None => SealResult::Unreadable("it is gone".to_owned()),
                    Some(data) if data.writers > 0 => SealResult::Busy,
                    Some(data) => {
                        SealResult::Sealed { stamp: data.stamp(), sha1: crate::base::Sha1Digest::of(&data.bytes) }
                    }
                };
                self.outcomes.push(Event::Sealed { ino, content, open, result });
            }
            Task::Effect(Effect::List { folder, id, listing }) => self.page(folder, id, listing, None, fault),
            Task::More { folder, id, listing, after } => self.page(folder, id, listing, Some(&after), fault),
            Task::Effect(Effect::Look(id)) => {
                let result = if is_cut(fault) { Err(cut()) } else { self.cloud.item(&id) };
                self.outcomes.push(Event::Looked { id, result });
            }
            Task::Effect(Effect::EndSession(session)) => {
                self.outcomes.push(Event::SessionEnded { id: session.id, ended: !is_cut(fault) });
            }
            Task::Effect(Effect::Drop(content) | Effect::Rescue(content)) => self.disk().remove(content),
            Task::Effect(Effect::ToCache(content)) => {
                let disk = self.disk.clone();
                let stamp = || disk.lock().expect("no thread panics").get(content).map(|d| d.stored_stamp());
                self.tree.move_to_cache(content, stamp).map_err(|e| e.to_string())?;
            }
            Task::Effect(Effect::Complete { ino, content }) => {
                let whole = self.warm(content);
                self.tree.save_ranges(content, None).map_err(|e| e.to_string())?;
                let result = if whole { Ok(()) } else { Err(crate::tree::AskError::Gone) };
                self.outcomes.push(Event::Completed { ino, result });
            }
            Task::Effect(
                Effect::Fetch(_)
                | Effect::Ahead(_)
                | Effect::Whole { .. }
                | Effect::Past(_)
                | Effect::Archive(_)
                | Effect::Quota(_)
                | Effect::Follow(_)
                | Effect::Tell(_),
            ) => {}
        }
        Ok(())
    }

    /// An upload reads half of its bytes, or copies them all.
    fn read(&mut self, n: u8) {
        let upload = |task: &Task| match task {
            Task::Effect(Effect::Call { attempt, call: Call::Upload(upload), .. }) => Some((*attempt, upload.clone())),
            _ => None,
        };
        let under_way: Vec<_> = self.tasks.iter().filter_map(upload).collect();
        if let Some((attempt, upload)) = under_way.get(usize::from(n) % under_way.len().max(1)) {
            let read = self.disk().begin_upload(upload);
            self.read.insert(*attempt, read);
        }
    }

    /// I10: a version is what its file was at one instant.
    fn at_one_instant(&self, call: &Call, result: &Result<crate::sync::effect::Answer, ApiError>) -> Verdict {
        let (Call::Upload(upload), Ok(crate::sync::effect::Answer::Item(item))) = (call, result) else { return Ok(()) };
        let bytes = self.cloud.held(&item.id).and_then(|held| held.version()).map(|version| &version.bytes);
        match bytes.filter(|bytes| !self.disk().had(upload.content, bytes)) {
            Some(bytes) => Err(format!("I10: '{}' was in no file", String::from_utf8_lossy(bytes))),
            None => Ok(()),
        }
    }

    fn page(&mut self, folder: Ino, id: String, listing: i64, after: Option<&BoxId>, fault: Fault) {
        let items = if is_cut(fault) { Err(cut()) } else { self.cloud.list(&id, after, PAGE) };
        let items: Vec<Item> = match items {
            Ok(items) => items,
            Err(error) => return self.outcomes.push(Event::Listed { folder, listing, result: Err(error) }),
        };
        let last = items.last().map(|i| i.id.clone()).filter(|_| items.len() == PAGE);
        self.outcomes.push(Event::Page { folder, listing, items });
        match last {
            Some(after) => self.tasks.push(Task::More { folder, id, listing, after }),
            None => self.outcomes.push(Event::Listed { folder, listing, result: Ok(()) }),
        }
    }

    fn call(
        &mut self,
        attempt: AttemptId,
        ino: Ino,
        call: &Call,
        fault: Fault,
    ) -> Result<Result<crate::sync::effect::Answer, ApiError>, String> {
        self.calls += 1;
        let error = |meaning| Ok(Err(local_error("model", meaning, "")));
        self.faults += usize::from(fault != Fault::Fine);
        match fault {
            Fault::Vanished => return error(Meaning::OutcomeUnknown),
            Fault::NotSent => return error(Meaning::NotSent),
            Fault::Throttled => return error(Meaning::Throttled { retry_after: Some(Duration::from_secs(2)) }),
            Fault::Blocked => return error(Meaning::Blocked),
            Fault::Fine | Fault::AnswerLost => {}
        }
        let before = self.based_on(attempt, ino, call)?;
        let read = self.read.remove(&attempt).unwrap_or_default();
        let result = self.cloud.perform(call, &self.disk.lock().expect("no thread panics"), &read);
        self.at_one_instant(call, &result)?;
        if result.is_ok()
            && let Some(wrong) = before
        {
            return Err(wrong);
        }
        if let (Call::Restore { item, .. }, Err(_)) = (call, &result) {
            // What Box does not give back is a new file by design, with another id.
            self.ids.retain(|_, id| *id != item.id);
            self.kept_back.insert(item.id.clone());
        }
        if fault == Fault::AnswerLost && result != Ok(crate::sync::effect::Answer::BytesChanged) {
            return error(Meaning::OutcomeUnknown);
        }
        Ok(result)
    }

    /// What is wrong if Box carries this call out as things stand (I3: nothing unseen is overwritten or deleted).
    fn based_on(&self, attempt: AttemptId, ino: Ino, call: &Call) -> Result<Option<String>, String> {
        match call {
            Call::Upload(upload) => {
                let Target::Version { file_id, base_version, .. } = &upload.target else { return Ok(None) };
                let held = self.cloud.held(&BoxId::file(file_id.clone()));
                let current = held.and_then(|h| h.version()).map(|v| v.id.clone());
                Ok((current != *base_version)
                    .then(|| format!("I3: a version of node {ino} covers {current:?}, made from {base_version:?}")))
            }
            // A listing just before is all that can be had (DESIGN.md section 6): somebody may be quicker.
            Call::Delete { recursive: true, .. } if self.shared => Ok(None),
            // Name memory may have given the id to a live file since the call left.
            Call::Delete { item, .. } if !item.is_folder() && self.is_here(item)? => {
                Ok((!self.deletes.contains(&attempt)).then(|| format!("I3: {item} is deleted, unasked")))
            }
            Call::Delete { item, .. } => self.unseen(item),
            Call::CreateFolder { .. } | Call::Copy { .. } | Call::Update { .. } | Call::Restore { .. } => Ok(None),
        }
    }

    fn is_here(&self, item: &BoxId) -> Result<bool, String> {
        let node = self.tree.by_item(item).map_err(|e| e.to_string())?;
        Ok(node.is_some_and(|n| n.presence == Presence::Here))
    }

    /// A version at or below `item` that the mount has not seen, or that no program deleted.
    fn unseen(&self, item: &BoxId) -> Result<Option<String>, String> {
        let node = self.tree.by_item(item).map_err(|e| e.to_string())?;
        let Some(node) = node.filter(|n| n.presence == Presence::Deleted) else {
            return Ok(Some(format!("I3: {item} is deleted, and no program asked for that")));
        };
        let current = self.cloud.held(item).and_then(|h| h.version()).map(|v| v.id.clone());
        let base = node.base.as_ref().and_then(|b| b.version.clone());
        if !item.is_folder() && current != base {
            return Ok(Some(format!("I3: {item} is deleted at {current:?}, seen was {base:?}")));
        }
        for (child, _) in self.cloud.children(&item.id).filter(|_| item.is_folder()) {
            if let Some(wrong) = self.unseen(child)? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    /// The live node at `path`, whether or not folders are complete.
    pub fn find(&self, path: &str) -> Result<Option<Node>, String> {
        let nodes = self.tree.every_node().map_err(|e| e.to_string())?;
        let mut at = nodes.iter().find(|n| n.ino == Ino::ROOT);
        for name in path.split('/').filter(|p| !p.is_empty()) {
            let Some(folder) = at else { return Ok(None) };
            at = nodes.iter().find(|n| n.parent == folder.ino && n.name == name && n.presence == Presence::Here);
        }
        Ok(at.cloned())
    }

    /// What programs see in the mount.
    pub fn mount(&self) -> Result<Snapshot, String> {
        let nodes = self.tree.every_node().map_err(|e| e.to_string())?;
        let mut seen = Snapshot::new();
        let mut folders = vec![(Ino::ROOT, String::new())];
        while let Some((folder, above)) = folders.pop() {
            for node in
                nodes.iter().filter(|n| n.parent == folder && n.presence == Presence::Here && n.ino != Ino::ROOT)
            {
                let path = if above.is_empty() { node.name.clone() } else { format!("{above}/{}", node.name) };
                if node.is_folder() {
                    folders.push((node.ino, path.clone()));
                    seen.insert(path, Seen::Folder);
                } else {
                    let bytes = self.bytes(node)?;
                    seen.insert(path, Seen::File { bytes, mtime_secs: self.mtime(node) });
                }
            }
        }
        Ok(seen)
    }

    /// While a writer has the file open, the data file tells its time.
    fn mtime(&self, node: &Node) -> i64 {
        let disk = self.disk();
        let data = node.content.and_then(|id| disk.get(id)).filter(|d| d.writers > 0);
        data.map_or(node.attr.mtime.secs, |d| d.mtime.secs)
    }

    fn bytes(&self, node: &Node) -> Result<String, String> {
        let bytes = match node.content {
            Some(id) => self.disk().get(id).map(|d| d.bytes.clone()).or_else(|| self.origin(id)),
            None => self.cold(node),
        };
        let bytes = bytes.ok_or_else(|| format!("the bytes of '{}' are nowhere: {node:?}", node.name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The bytes of a file that is in Box only.
    pub fn cold(&self, node: &Node) -> Option<Vec<u8>> {
        let version = node.base.as_ref()?.version.as_ref()?;
        let held = self.cloud.held(&node.item()?)?;
        held.versions.iter().find(|v| v.id == *version).map(|v| v.bytes.clone())
    }

    /// The bytes of a clean content of which nothing is here.
    fn origin(&self, content: ContentId) -> Option<Vec<u8>> {
        let row = self.tree.content(content).ok().flatten().filter(|row| row.state == ContentState::Clean)?;
        let origin = row.origin?;
        let held = self.cloud.held(&BoxId::file(origin.file_id))?;
        held.versions.iter().find(|v| v.id == origin.version).map(|v| v.bytes.clone())
    }

    /// The data file of a clean content is made if it is not there. Returns whether there is one.
    pub fn warm(&mut self, content: ContentId) -> bool {
        let there = self.disk().get(content).is_some();
        if !there && let Some(bytes) = self.origin(content) {
            let now = self.now;
            self.disk().create(content, bytes, now);
            return true;
        }
        there
    }

    /// I5: without others' edits the mount equals the POSIX model at every moment.
    fn look_at_mount(&self) -> Verdict {
        if self.shared {
            return Ok(());
        }
        same("I5: the mount", &self.mount()?, "the POSIX model", &self.posix.snapshot())
    }
}

pub fn same(what: &str, is: &Snapshot, other: &str, should: &Snapshot) -> Verdict {
    if is == should {
        return Ok(());
    }
    let differs = |path: &&String| is.get(*path) != should.get(*path);
    let paths: std::collections::BTreeSet<&String> = is.keys().chain(should.keys()).filter(differs).collect();
    let lines: Vec<String> =
        paths.iter().map(|path| format!("  {path}: {:?}, should be {:?}", is.get(*path), should.get(*path))).collect();
    Err(format!("{what} differs from {other}:\n{}", lines.join("\n")))
}

fn is_cut(fault: Fault) -> bool {
    matches!(fault, Fault::NotSent | Fault::Vanished | Fault::AnswerLost)
}

fn cut() -> ApiError {
    local_error("model", Meaning::OutcomeUnknown, "")
}

fn listing_of(event: &Event) -> Option<i64> {
    match event {
        Event::Page { listing, .. } | Event::Listed { listing, .. } => Some(*listing),
        _ => None,
    }
}

fn brief(text: &str) -> String {
    text.replace("content_created_at", "cc").chars().take(420).collect()
}

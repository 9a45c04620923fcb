//! The engine's synchronous heart: `apply(event, now) -> effects`. It reads and writes the tree, plans, and never performs
//! anything itself, so that a simulation can run it in virtual time and stop it at any effect.

mod outcomes;
mod pausing;
mod pushes;
mod questions;
mod rollback;
mod sessions;

use outcomes::Over;
pub use outcomes::ask_error;
use pausing::PAUSED_BY_USER;
pub(super) use pausing::paused_since;
use pushes::Pushes;

use super::call::Call;
use super::effect::{Effect, Event};
use super::news::{POSITION, Stream};
use super::planner::{FolderMemory, OpenState, Plan, Wait, plan};
use crate::base::{AttemptId, BoxId, ContentId, Ino, Timestamp, failpoint};
use crate::tree::{Ask, AskError, Attempt, Listed, Picture, Presence, Rest, Tree, TreeError};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Calls on their way at once, uploads included. Box answers each in tens of milliseconds to seconds; more would only wait in
/// the rate budget.
const MAX_CALLS: usize = 16;

/// Uploads on their way at once: enough to hide the latency of small files, few enough that each makes progress.
const MAX_UPLOADS: usize = 8;

/// Files being hashed at once: the disk and two cores are busy with that.
const MAX_SEALS: usize = 4;

/// Nodes planned in one go before other events get their turn.
const BATCH: usize = 64;

/// When something that another node has to do first is looked at again, in case no event told of it.
const RECHECK: Duration = Duration::from_secs(1);

/// When a file that somebody can still change is probed again.
const SEAL_AGAIN: Duration = Duration::from_secs(2);

/// Tries to read a data file, over some seconds, before its node is given up.
const SEAL_TRIES: u32 = 5;

/// A file of which so many uploads in a row were overtaken by its writer is sent from a copy.
const STEADY_AFTER: u32 = 2;

/// How long a listing counts as taken just before a recursive delete.
const FRESH: Duration = Duration::from_secs(30);

/// Items looked at after one listing; more are looked at after the next.
const MAX_LOOKS: usize = 1000;

/// Confirmed bytes that a start moves to the cache; a run leaves as many behind as it was moving.
const MAX_MOVES: usize = 1000;

/// Whether a program has a node's bytes open; told by the content room.
pub type OpenProbe = Box<dyn Fn(Option<ContentId>) -> OpenState + Send>;

/// The state of the engine that is not in the tree: what is on its way right now.
pub struct Core {
    pub(super) tree: Arc<Tree>,
    open: OpenProbe,
    /// The signed-in user's id.
    me: String,
    calls: HashMap<Ino, Flight>,
    seals: HashSet<Ino>,
    completing: HashSet<Ino>,
    listings: HashMap<Ino, Listing>,
    /// Items being looked at, and since when.
    looks: HashMap<BoxId, Timestamp>,
    pushes: Pushes,
    /// How many uploads of a file in a row came to nothing because it was written to meanwhile.
    overtaken: HashMap<Ino, u32>,
    pub(super) steady_after: u32,
    listed: HashMap<Ino, Timestamp>,
    one_by_one: HashSet<Ino>,
    outage: Outage,
    /// Sessions being ended, by Box's id, and when to look for more of them.
    ending: HashSet<String>,
    sessions_due: Option<Timestamp>,
    pub(super) stream: Stream,
    /// Since when the user lets nothing leave.
    paused: Option<Timestamp>,
    /// Something due could not be started for lack of room: the next answer makes some.
    crowded: bool,
    /// A source of jitter in 0..1.
    jitter: Box<dyn FnMut() -> f64 + Send>,
}

/// A mutating call on its way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    upload: bool,
    /// It repeats a call whose outcome is not known: that Box did not carry out this one says nothing about the first.
    again: bool,
}

struct Listing {
    started: Timestamp,
    replies: Vec<oneshot::Sender<Result<Listed, AskError>>>,
}

/// Whether Box can be reached.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outage {
    failures: u32,
    until: Option<Timestamp>,
    /// Why, in Box's or the network's words.
    pub reason: Option<String>,
    pub sign_in_needed: bool,
}

impl Core {
    pub fn new(tree: Arc<Tree>, me: String, open: OpenProbe, jitter: Box<dyn FnMut() -> f64 + Send>) -> Core {
        Core {
            tree,
            open,
            me,
            calls: HashMap::new(),
            seals: HashSet::new(),
            completing: HashSet::new(),
            listings: HashMap::new(),
            looks: HashMap::new(),
            pushes: Pushes::default(),
            overtaken: HashMap::new(),
            steady_after: STEADY_AFTER,
            listed: HashMap::new(),
            one_by_one: HashSet::new(),
            outage: Outage::default(),
            ending: HashSet::new(),
            sessions_due: None,
            stream: Stream::new(),
            paused: None,
            crowded: false,
            jitter,
        }
    }

    /// What keeps Box out of reach, if anything does.
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.reason.as_ref().map(|_| &self.outage)
    }

    pub(super) fn me(&self) -> &str {
        &self.me
    }

    /// When [`Event::Tick`] is wanted next.
    pub fn next_tick(&self) -> Result<Option<Timestamp>, TreeError> {
        if self.crowded {
            return Ok(None);
        }
        let due = self.tree.next_due()?;
        let due = [due, self.stream.next_late(), self.sessions_tick()].into_iter().flatten().min();
        Ok(match (due, self.outage.until) {
            (Some(due), Some(until)) => Some(due.max(until)),
            (due, _) => due,
        })
    }

    /// Takes one event in and says what to do. An error of the tree is the end of the engine: nothing can be trusted then.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Result<Vec<Effect>, TreeError> {
        let mut out = Vec::new();
        // While there is no room, a hint that something changed cannot start anything: the database remembers it.
        let idle = self.crowded && matches!(event, Event::Asked(Ask::Changed(_) | Ask::Released(_)));
        if idle {
            return Ok(out);
        }
        match event {
            Event::Started => self.started(now, &mut out)?,
            Event::Tick => {}
            Event::Asked(ask) => self.asked(ask, now, &mut out)?,
            Event::Answered { attempt, ino, call, result } => {
                let again = self.calls.remove(&ino).is_some_and(|flight| flight.again);
                // What it made may be another node's by now.
                let ino = self.tree.attempt(attempt)?.map_or(ino, |open| open.call.ino);
                self.over(&Over { attempt, ino, call: &call, again }, result, now, &mut out)?;
            }
            Event::Looked { id, result } => self.looked(&id, result, now, &mut out)?,
            Event::Page { folder, listing, items } => self.page(folder, listing, &items, now, &mut out)?,
            Event::Listed { folder, listing, result } => self.listed(folder, listing, result, now, &mut out)?,
            Event::Sealed { ino, content, open, result } => self.sealed(ino, content, open, result, now)?,
            Event::Completed { ino, result } => self.completed(ino, result, now, &mut out)?,
            Event::News { entries, next } => self.news(&entries, &next, now, &mut out)?,
            Event::NewsLost => self.revalidate(now, &mut out)?,
            Event::NoNews(error) => {
                self.stream.failed(now);
                self.unreachable(&error, now);
            }
            Event::SessionEnded { id, ended } => self.session_ended(&id, ended, now)?,
            Event::Fetched { ok } => {
                if ok {
                    self.reached();
                }
            }
        }
        self.late_news(now, &mut out)?;
        self.pump(now, &mut out)?;
        Ok(out)
    }

    /// What the last run began and did not end goes on.
    fn started(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        self.paused = paused_since(&self.tree)?;
        let position = self.tree.meta(POSITION)?;
        if position.is_none() {
            self.follow_from(now)?;
        }
        out.push(Effect::Follow(position));
        out.extend(self.tree.confirmed_in_spool(MAX_MOVES)?.into_iter().map(Effect::ToCache));
        self.sessions_changed(now);
        Ok(())
    }

    fn asked(&mut self, ask: Ask, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        match ask {
            Ask::Changed(_) | Ask::Released(_) => Ok(()),
            Ask::Hurry => {
                self.outage.until = None;
                self.tree.hurry(now)
            }
            Ask::List { ino, reply } => self.list(ino, Some(reply), now, out),
            Ask::Fetch(fetch) => {
                out.push(Effect::Fetch(fetch));
                Ok(())
            }
            Ask::Whole { from, reply } => {
                out.push(Effect::Whole { from, reply });
                Ok(())
            }
            Ask::Discard(ask) => self.discard(ask, now, out),
            Ask::Pause(ask) => self.pause(ask, now),
            Ask::Deletions(ask) => self.deletions(ask, now, out),
            Ask::Ahead(ahead) => {
                out.push(Effect::Ahead(ahead));
                Ok(())
            }
            Ask::Past(ask) => {
                out.push(Effect::Past(ask));
                Ok(())
            }
            Ask::Archive(ask) => {
                out.push(Effect::Archive(ask));
                Ok(())
            }
            Ask::Quota(reply) => {
                out.push(Effect::Quota(reply));
                Ok(())
            }
            Ask::Push(push) if self.paused.is_some() => {
                answer(Some(push.reply), Err(AskError::Unreachable(PAUSED_BY_USER.to_owned())));
                Ok(())
            }
            Ask::Push(push) => {
                // One try at once tells whether Box is still out of reach.
                self.outage.until = None;
                self.tree.set_due(push.ino, Some(now))?;
                self.tree.hurry_above(push.ino, now)?;
                self.pushes.add(push);
                Ok(())
            }
        }
    }

    /// Plans what is due, as far as there is room on the line.
    fn pump(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        self.crowded = false;
        if self.outage.until.is_some_and(|until| until > now) {
            return Ok(());
        }
        self.end_sessions(now, out)?;
        loop {
            let due = self.tree.due(now, BATCH)?;
            let mut moved = false;
            for ino in due {
                if self.calls.len() >= MAX_CALLS {
                    self.crowded = true;
                    return Ok(());
                }
                if self.step(ino, now, out)? {
                    moved = true;
                } else {
                    // What comes after it would most likely have to wait too: the next answer makes room.
                    self.crowded = true;
                    return Ok(());
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// One node, one step. Afterwards it is not due any more, unless its step could not be taken for lack of room (`false`).
    fn step(&mut self, ino: Ino, now: Timestamp, out: &mut Vec<Effect>) -> Result<bool, TreeError> {
        let Some(picture) = self.tree.picture(ino)? else { return Ok(true) };
        let open = (self.open)(picture.node.content);
        let memory = self.memory(ino, picture.node.parent, now);
        let open = OpenState { pushed: self.pushes.of(ino), ..open };
        match plan(&picture, open, memory) {
            Plan::Clean => {
                self.tree.clean(ino)?;
                self.answer_pushes(ino)?;
            }
            Plan::Forget => self.forget(&picture, now, out)?,
            Plan::Seal(content) => return self.seal(ino, content, false, out),
            Plan::SealOpen(content) => return self.seal(ino, content, true, out),
            Plan::Complete(content) => self.complete(ino, content, out)?,
            Plan::Call(call) | Plan::Repeat(_, call) if !self.may_leave(ino, &call, now)? => {}
            Plan::Call(call) => return self.call(ino, call, now, out),
            Plan::Repeat(attempt, call) => return self.repeat(ino, &attempt, call, now, out),
            Plan::Look(id) => {
                self.look(id, now, out);
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::List(folder) => {
                self.list(folder, None, now, out)?;
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::FindOut(attempt, parent) => {
                match self.tree.folder_of(&parent)? {
                    Some(folder) => self.list(folder, None, now, out)?,
                    // The folder is gone, and with it what was made in it.
                    None => self.not_sent(attempt.id, now, out)?,
                }
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::OneByOne => {
                self.one_by_one.insert(ino);
                self.tree.wake_below(ino, now)?;
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::Undelete => {
                let learned = self.tree.undelete(ino, now)?;
                self.follow(learned, now, out)?;
                self.list(ino, None, now, out)?;
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::ComeBack => {
                let learned = self.tree.come_back(ino, now)?;
                self.follow(learned, now, out)?;
            }
            Plan::Rebase => self.rebase(ino, now, out)?,
            Plan::Split => {
                let learned = self.tree.split_conflict(ino, now)?;
                failpoint("conflict.split");
                self.sessions_changed(now);
                self.follow(learned, now, out)?;
            }
            Plan::Unpark => {
                let learned = self.tree.unpark(ino, now)?;
                self.follow(learned, now, out)?;
            }
            Plan::Wait(wait) => self.wait(&picture, &wait, now)?,
        }
        Ok(true)
    }

    fn forget(&mut self, picture: &Picture, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let node = &picture.node;
        let forgotten = self.tree.forget(node.ino, now)?;
        out.extend(forgotten.contents.into_iter().map(Effect::Drop));
        if forgotten.rest == Rest::Waits {
            return self.wait(picture, &Wait::ChildrenFirst, now);
        }
        failpoint("forget.recorded");
        self.overtaken.remove(&node.ino);
        self.sessions_changed(now);
        let next = if forgotten.rest == Rest::More { node.ino } else { node.parent };
        self.tree.set_due(next, Some(now))
    }

    fn rebase(&mut self, ino: Ino, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let node = self.tree.rebase(ino)?;
        self.sessions_changed(now);
        out.extend(node.content.map(Effect::ToCache).filter(|_| !node.content_dirty()));
        self.tree.set_due(ino, Some(now))
    }

    fn memory(&self, ino: Ino, parent: Ino, now: Timestamp) -> FolderMemory {
        FolderMemory {
            listed: self.listed.get(&ino).is_some_and(|at| now.since(*at) < FRESH),
            one_by_one: self.one_by_one.contains(&ino),
            parent_one_by_one: self.one_by_one.contains(&parent),
        }
    }

    /// A wait ends by an event; those that others end without telling are looked at again.
    fn wait(&mut self, picture: &Picture, wait: &Wait, now: Timestamp) -> Result<(), TreeError> {
        let ino = picture.node.ino;
        if let (Wait::NameHeld { .. }, Some(holder)) = (wait, deleted_holder(picture)) {
            self.tree.set_due(holder, Some(now))?;
        }
        let again = match wait {
            Wait::NameHeld { .. }
            | Wait::ChildrenFirst
            | Wait::SuccessorFirst
            | Wait::CopyFirst
            | Wait::StillOpen
            | Wait::InFlight
            | Wait::MissingRanges => Some(now.after(RECHECK)),
            Wait::ParentWillGo => Some(now.after(FRESH)),
            Wait::OpenForWriting => Some(now.after(SEAL_AGAIN)),
            Wait::ParentNotInBox | Wait::Held(_) | Wait::LocalOnly => None,
        };
        if let Wait::Held(hold) = wait {
            self.fail_pushes(ino, hold);
        }
        self.tree.set_due(ino, again)
    }

    fn seal(&mut self, ino: Ino, content: ContentId, open: bool, out: &mut Vec<Effect>) -> Result<bool, TreeError> {
        if self.seals.contains(&ino) {
            self.tree.set_due(ino, None)?;
            return Ok(true);
        }
        if self.seals.len() >= MAX_SEALS {
            return Ok(false);
        }
        self.seals.insert(ino);
        if open {
            self.pushes.sealing(ino);
        }
        self.tree.set_due(ino, None)?;
        out.push(Effect::Seal { ino, content, open });
        Ok(true)
    }

    fn has_room(&self, call: &Call) -> bool {
        !call.is_upload() || self.calls.values().filter(|flight| flight.upload).count() < MAX_UPLOADS
    }

    fn call(&mut self, ino: Ino, call: Call, now: Timestamp, out: &mut Vec<Effect>) -> Result<bool, TreeError> {
        if !self.has_room(&call) {
            return Ok(false);
        }
        let Some(attempt) = self.tree.begin_attempt(&call.attempt(ino), now)? else {
            return self.tree.set_due(ino, Some(now)).map(|()| true);
        };
        failpoint("call.attempted");
        self.send(attempt.id, ino, call, false, out)?;
        Ok(true)
    }

    fn repeat(
        &mut self,
        ino: Ino,
        attempt: &Attempt,
        call: Call,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<bool, TreeError> {
        if !self.has_room(&call) {
            return Ok(false);
        }
        if !self.tree.resend_attempt(attempt.id, &call.attempt(ino), now)? {
            return self.tree.set_due(ino, Some(now)).map(|()| true);
        }
        self.send(attempt.id, ino, call, true, out)?;
        Ok(true)
    }

    fn send(
        &mut self,
        attempt: AttemptId,
        ino: Ino,
        call: Call,
        again: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let mut call = call;
        if let Call::Upload(upload) = &mut call {
            upload.steady = self.overtaken.get(&ino).copied().unwrap_or_default() >= self.steady_after;
        }
        self.calls.insert(ino, Flight { upload: call.is_upload(), again });
        self.tree.set_due(ino, None)?;
        out.push(Effect::Call { attempt, ino, call });
        Ok(())
    }
}

/// The deleted file that has the name in Box which this node wants: it is not kept any longer.
fn deleted_holder(picture: &Picture) -> Option<Ino> {
    let holder = picture.slot.as_ref()?.node.as_ref()?;
    (holder.presence == Presence::Deleted && holder.is_file()).then_some(holder.ino)
}

/// Nobody may listen any more; that is their affair.
fn answer<T>(reply: Option<oneshot::Sender<T>>, value: T) {
    if let Some(reply) = reply {
        let _gone = reply.send(value);
    }
}

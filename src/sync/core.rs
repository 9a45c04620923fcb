//! The engine's synchronous heart: `apply(event, now) -> effects`. It reads and writes the tree, plans, and never performs
//! anything itself, so that a simulation can run it in virtual time and stop it at any effect.

use super::backoff::backoff;
use super::call::Call;
use super::effect::{Answer, Effect, Event, SealResult};
use super::news::{POSITION, Stream};
use super::planner::{FolderMemory, OpenState, Plan, Wait, plan};
use super::translate;
use crate::base::{AttemptId, BoxId, ContentId, Ino, Timestamp, failpoint};
use crate::box_api::{ApiError, Applied, Heals, Item, Meaning};
use crate::tree::{
    Ask, AskError, Attempt, AttemptKind, Finish, Hold, Learned, Listed, Presence, PushAsk, Remote, Settled,
    StoredStamp, Tree, TreeError,
};
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

/// How long a listing counts as taken just before a recursive delete.
const FRESH: Duration = Duration::from_secs(30);

/// Items looked at after one listing; more are looked at after the next.
const MAX_LOOKS: usize = 1000;

/// Whether a program has a node's bytes open; told by the content room.
pub type OpenProbe = Box<dyn Fn(Option<ContentId>) -> OpenState + Send>;

/// The state of the engine that is not in the tree: what is on its way right now.
pub struct Core {
    pub(super) tree: Arc<Tree>,
    open: OpenProbe,
    /// The signed-in user's id.
    me: String,
    calls: HashMap<Ino, bool>,
    seals: HashSet<Ino>,
    listings: HashMap<Ino, Listing>,
    looks: HashSet<BoxId>,
    pushes: Vec<PushAsk>,
    listed: HashMap<Ino, Timestamp>,
    one_by_one: HashSet<Ino>,
    outage: Outage,
    pub(super) stream: Stream,
    /// Something due could not be started for lack of room: the next answer makes some.
    crowded: bool,
    /// A source of jitter in 0..1.
    jitter: Box<dyn FnMut() -> f64 + Send>,
}

#[derive(Default)]
struct Listing {
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
            listings: HashMap::new(),
            looks: HashSet::new(),
            pushes: Vec::new(),
            listed: HashMap::new(),
            one_by_one: HashSet::new(),
            outage: Outage::default(),
            stream: Stream::new(),
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
        let due = [due, self.stream.next_late()].into_iter().flatten().min();
        Ok(match (due, self.outage.until) {
            (Some(due), Some(until)) => Some(due.max(until)),
            (due, _) => due,
        })
    }

    /// Takes one event in and says what to do. An error of the tree is the end of the engine: nothing can be trusted then.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Result<Vec<Effect>, TreeError> {
        let mut out = Vec::new();
        match event {
            Event::Started => out.push(Effect::Follow(self.tree.meta(POSITION)?)),
            Event::Tick => {}
            Event::Asked(ask) => self.asked(ask, now, &mut out)?,
            Event::Answered { attempt, ino, call, result } => {
                self.calls.remove(&ino);
                match result {
                    Ok(answer) => self.answered(attempt, ino, answer, now, &mut out)?,
                    Err(error) => self.refused(attempt, ino, &call, &error, now, &mut out)?,
                }
            }
            Event::Looked { id, result } => self.looked(&id, result, now, &mut out)?,
            Event::Page { folder, listing, items } => self.page(folder, listing, &items, now, &mut out)?,
            Event::Listed { folder, listing, result } => self.listed(folder, listing, result, now, &mut out)?,
            Event::Sealed { ino, content, result } => self.sealed(ino, content, result, now)?,
            Event::News { entries, next } => self.news(&entries, &next, now, &mut out)?,
            Event::NewsLost => self.revalidate(&mut out)?,
            Event::Fetched { ok } => {
                if ok {
                    self.reached();
                }
            }
        }
        self.late_news(now, &mut out);
        self.pump(now, &mut out)?;
        Ok(out)
    }

    fn asked(&mut self, ask: Ask, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        match ask {
            Ask::Changed(_) | Ask::Released(_) => Ok(()),
            Ask::Hurry => {
                self.outage.until = None;
                self.tree.hurry(now)
            }
            Ask::List { ino, reply } => self.list(ino, Some(reply), out),
            Ask::Fetch(fetch) => {
                out.push(Effect::Fetch(fetch));
                Ok(())
            }
            Ask::Push(push) => {
                self.tree.set_due(push.ino, Some(now))?;
                self.pushes.push(push);
                Ok(())
            }
        }
    }

    /// Starts a listing, or joins the one under way.
    pub(super) fn list(
        &mut self,
        ino: Ino,
        reply: Option<oneshot::Sender<Result<Listed, AskError>>>,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        if let Some(listing) = self.listings.get_mut(&ino) {
            listing.replies.extend(reply);
            return Ok(());
        }
        let Ok(node) = self.tree.node(ino) else {
            answer(reply, Err(AskError::Gone));
            return Ok(());
        };
        let Some(id) = node.box_id else {
            answer(reply, if node.complete { Ok(Listed) } else { Err(AskError::Gone) });
            return Ok(());
        };
        let listing = self.tree.begin_listing()?;
        self.listings.insert(ino, Listing { replies: reply.into_iter().collect() });
        out.push(Effect::List { folder: ino, id, listing });
        Ok(())
    }

    fn page(
        &mut self,
        folder: Ino,
        listing: i64,
        items: &[Item],
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.reached();
        let remotes: Vec<_> = items.iter().map(|i| translate::remote(i, &self.me)).collect();
        let open = &self.open;
        let learned = self.tree.learn_page(folder, listing, &remotes, |content| open(content).handles, now);
        match learned {
            Ok(learned) => {
                failpoint("listing.page");
                self.follow(learned, out)
            }
            Err(TreeError::NoNode(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn listed(
        &mut self,
        folder: Ino,
        listing: i64,
        result: Result<(), ApiError>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let replies = self.listings.remove(&folder).map(|l| l.replies).unwrap_or_default();
        let outcome = match result {
            Ok(()) => {
                match self.tree.end_listing(folder, listing, MAX_LOOKS) {
                    Ok(learned) => self.follow(learned, out)?,
                    Err(TreeError::NoNode(_)) => {}
                    Err(error) => return Err(error),
                }
                self.settle_by_listing(folder, now, out)?;
                self.listed.insert(folder, now);
                self.tree.set_due(folder, Some(now))?;
                Ok(Listed)
            }
            Err(error) => {
                self.unreachable(&error, now);
                Err(ask_error(&error))
            }
        };
        for reply in replies {
            answer(Some(reply), outcome.clone());
        }
        Ok(())
    }

    /// Box was asked about one item: its row moves, and a lost call on it is settled.
    fn looked(
        &mut self,
        id: &BoxId,
        result: Result<Item, ApiError>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.looks.remove(id);
        match result {
            Ok(item) => {
                self.reached();
                let remote = translate::remote(&item, &self.me);
                self.settle_by_look(id, Some(&remote), now, out)?;
                self.learn(&remote, now, out)?;
            }
            Err(error) if matches!(error.meaning, Meaning::NotFound | Meaning::Trashed) => {
                self.reached();
                self.settle_by_look(id, None, now, out)?;
                self.gone(id, now, out)?;
            }
            Err(error) => self.unreachable(&error, now),
        }
        if let Some(node) = self.tree.by_item(id)? {
            self.tree.set_due(node.ino, Some(now))?;
        }
        Ok(())
    }

    /// An item that Box does not have: unsent work counts as not in Box, anything else goes.
    fn gone(&mut self, id: &BoxId, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let Some(node) = self.tree.by_item(id)? else { return Ok(()) };
        if node.presence == Presence::Deleted {
            return self.tree.lost(id, now);
        }
        let learned = self.tree.absent(id, now)?;
        self.follow(learned, out)
    }

    pub(super) fn learn(&mut self, remote: &Remote, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let open = &self.open;
        let learned = self.tree.learn(remote, |content| open(content).handles, now)?;
        self.follow(learned, out)
    }

    /// Lost calls that were to make something in `folder`, after it was listed: a taken name with the attempt's bytes, or a
    /// folder, is ours; anything else is somebody's.
    fn settle_by_listing(&mut self, folder: Ino, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let Ok(Some(id)) = self.tree.node(folder).map(|n| n.box_id) else { return Ok(()) };
        for (attempt, holder) in self.tree.unknown_attempts_in(&id)? {
            let finish = match &holder {
                Some(item) if is_ours(&attempt, item) => Finish::Answered(Box::new(item.clone())),
                _ => Finish::NotApplied,
            };
            let settled = self.tree.settle_attempt(attempt.id, &finish, now)?;
            self.after_settling(settled, out);
            if let (Some(item), Finish::NotApplied) = (&holder, &finish) {
                self.learn(item, now, out)?;
            }
            self.tree.set_due(attempt.call.ino, Some(now))?;
        }
        Ok(())
    }

    /// A lost call on an item with an id: what Box has now tells whether it was carried out.
    fn settle_by_look(
        &mut self,
        id: &BoxId,
        remote: Option<&Remote>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        for attempt in self.tree.unknown_attempts_on(id)? {
            let call = &attempt.call;
            let finish = match (call.kind, remote) {
                (AttemptKind::Delete, None) => Finish::Deleted,
                (_, None) | (AttemptKind::Delete, Some(_)) => Finish::NotApplied,
                (AttemptKind::UploadVersion, Some(r)) => {
                    let ours = r.sha1.is_some() && r.sha1 == call.sha1 && r.version != call.base_version;
                    if ours { Finish::Answered(Box::new(r.clone())) } else { Finish::NotApplied }
                }
                (_, Some(r)) => {
                    let name = call.name.as_ref().is_none_or(|n| *n == r.name);
                    let parent = call.parent.is_none() || call.parent == r.parent;
                    let time = call.mtime_secs.is_none_or(|m| r.modified.is_some_and(|t| t.secs == m));
                    if name && parent && time { Finish::Answered(Box::new(r.clone())) } else { Finish::NotApplied }
                }
            };
            let settled = self.tree.settle_attempt(attempt.id, &finish, now)?;
            self.after_settling(settled, out);
            self.tree.set_due(call.ino, Some(now))?;
        }
        Ok(())
    }

    fn sealed(&mut self, ino: Ino, content: ContentId, result: SealResult, now: Timestamp) -> Result<(), TreeError> {
        self.seals.remove(&ino);
        match result {
            SealResult::Sealed { stamp, sha1 } => match self.tree.sealed(ino, content, stored(stamp), sha1) {
                Ok(_) => {
                    failpoint("seal.recorded");
                    self.tree.set_due(ino, Some(now))
                }
                Err(TreeError::NoNode(_)) => Ok(()),
                Err(error) => Err(error),
            },
            SealResult::Busy => self.tree.set_due(ino, Some(now.after(SEAL_AGAIN))),
            SealResult::Unreadable(reason) => {
                self.tree.give_up(ino, &format!("the local copy cannot be read: {reason}")).map(|_| ())
            }
        }
    }

    fn answered(
        &mut self,
        attempt: AttemptId,
        ino: Ino,
        answer: Answer,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.reached();
        let finish = match answer {
            Answer::Item(item) => Finish::Answered(Box::new(translate::remote(&item, &self.me))),
            Answer::Deleted => Finish::Deleted,
            Answer::BytesChanged => {
                self.tree.settle_attempt(attempt, &Finish::NotApplied, now)?;
                return self.tree.unseal(ino, now);
            }
        };
        let settled = self.tree.settle_attempt(attempt, &finish, now)?;
        failpoint("call.settled");
        self.after_settling(settled, out);
        self.wake_parent(ino, now)?;
        self.answer_pushes(ino)
    }

    /// A deleted folder waits for what was inside.
    fn wake_parent(&mut self, ino: Ino, now: Timestamp) -> Result<(), TreeError> {
        if let Ok(node) = self.tree.node(ino) {
            self.tree.set_due(node.parent, Some(now))?;
        }
        Ok(())
    }

    fn after_settling(&mut self, settled: Settled, out: &mut Vec<Effect>) {
        out.extend(settled.invalid.into_iter().map(Effect::Tell));
        out.extend(settled.confirmed.into_iter().map(Effect::ToCache));
    }

    fn follow(&mut self, learned: Learned, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        out.extend(learned.invalid.into_iter().map(Effect::Tell));
        out.extend(learned.dropped.into_iter().map(Effect::Drop));
        for id in learned.look_at {
            self.look(id, out);
        }
        Ok(())
    }

    pub(super) fn look(&mut self, id: BoxId, out: &mut Vec<Effect>) {
        if self.looks.insert(id.clone()) {
            out.push(Effect::Look(id));
        }
    }

    /// A call that Box did not carry out, or that may have been lost.
    fn refused(
        &mut self,
        attempt: AttemptId,
        ino: Ino,
        call: &Call,
        error: &ApiError,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        if error.applied() == Applied::Unknown {
            self.tree.attempt_unknown(attempt)?;
            failpoint("call.unknown");
            self.unreachable(error, now);
            return self.retry(ino, error, now);
        }
        if let Meaning::NameTaken { existing } = &error.meaning {
            return self.name_taken(attempt, ino, existing.as_deref(), now, out);
        }
        self.tree.settle_attempt(attempt, &Finish::NotApplied, now)?;
        self.refused_for_good(ino, call, error, now, out)
    }

    fn refused_for_good(
        &mut self,
        ino: Ino,
        call: &Call,
        error: &ApiError,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let item = match call {
            Call::Update { item, .. } | Call::Delete { item, .. } => Some(item.clone()),
            Call::Upload(upload) => match &upload.target {
                super::call::Target::Version { file_id, .. } => Some(BoxId::file(file_id.clone())),
                super::call::Target::New { parent, .. } => Some(BoxId::folder(parent.clone())),
            },
            Call::CreateFolder { parent, .. } => Some(BoxId::folder(parent.clone())),
            Call::Copy { .. } => None,
        };
        match (&error.meaning, call, item) {
            (Meaning::NotFound | Meaning::Trashed, Call::Delete { item, .. }, _) => {
                self.tree.lost(item, now)?;
                self.wake_parent(ino, now)
            }
            // The version to be copied is gone: the bytes here go up instead.
            (Meaning::NotFound | Meaning::Trashed, Call::Copy { .. }, _) => {
                self.tree.unseal(ino, now)?;
                self.retry(ino, error, now)
            }
            (Meaning::NotFound | Meaning::Trashed | Meaning::Changed, _, Some(item)) => {
                self.look(item, out);
                self.retry(ino, error, now)
            }
            (Meaning::FolderNotEmpty, ..) => {
                self.listed.remove(&ino);
                self.list(ino, None, out)?;
                self.retry(ino, error, now)
            }
            (Meaning::DigestMismatch | Meaning::BadDigest | Meaning::LocalFile, ..) => {
                self.tree.unseal(ino, now)?;
                self.retry(ino, error, now)
            }
            _ => match error.heals() {
                Heals::Waiting { .. } | Heals::SignIn => {
                    self.unreachable(error, now);
                    self.retry(ino, error, now)
                }
                Heals::Never => {
                    let hold = Hold::Failed { reason: error.to_string(), errno: errno_name(&error.meaning).to_owned() };
                    self.tree.hold(ino, Some(hold), None)?;
                    self.fail_pushes(ino, error)
                }
            },
        }
    }

    /// 409: the item that has the name is looked at; what it is decides (ours after all, merged, waited for, or a conflict).
    fn name_taken(
        &mut self,
        attempt: AttemptId,
        ino: Ino,
        existing: Option<&crate::box_api::ExistingItem>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.tree.settle_attempt(attempt, &Finish::NotApplied, now)?;
        match existing {
            Some(existing) => self.look(existing.id.clone(), out),
            None => {
                let parent = self.tree.node(ino)?.parent;
                self.list(parent, None, out)?;
            }
        }
        self.tree.set_due(ino, Some(now.after(RECHECK)))
    }

    /// Tries the node again after a growing wait.
    fn retry(&mut self, ino: Ino, error: &ApiError, now: Timestamp) -> Result<(), TreeError> {
        let Ok(node) = self.tree.node(ino) else { return Ok(()) };
        let told = match error.heals() {
            Heals::Waiting { after } => after,
            _ => None,
        };
        let wait = backoff(node.failures + 1, (self.jitter)(), told);
        let hold = Hold::Retrying { reason: error.to_string() };
        self.tree.hold(ino, Some(hold), Some(now.after(wait)))?;
        Ok(())
    }

    /// Box answered: whatever kept it out of reach is over.
    pub(super) fn reached(&mut self) {
        if self.outage.reason.is_some() {
            log::info!("Box can be reached again");
        }
        self.outage = Outage::default();
    }

    /// Stops new calls for a while if Box as a whole cannot be reached.
    fn unreachable(&mut self, error: &ApiError, now: Timestamp) {
        let sign_in = matches!(error.meaning, Meaning::SignInNeeded);
        if !sign_in && !matches!(error.meaning, Meaning::NotSent) {
            return;
        }
        if self.outage.reason.is_none() {
            log::warn!("Box cannot be used: {error}");
        }
        let failures = self.outage.failures.saturating_add(1);
        let wait = backoff(failures, (self.jitter)(), None).min(Duration::from_secs(60));
        self.outage =
            Outage { failures, until: Some(now.after(wait)), reason: Some(error.to_string()), sign_in_needed: sign_in };
    }

    /// Plans what is due, as far as there is room on the line.
    fn pump(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        self.crowded = false;
        if self.outage.until.is_some_and(|until| until > now) {
            return Ok(());
        }
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
                    self.crowded = true;
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
        match plan(&picture, open, memory) {
            Plan::Clean => {
                self.tree.clean(ino)?;
                self.answer_pushes(ino)?;
            }
            Plan::Forget => {
                let parent = picture.node.parent;
                out.extend(self.tree.forget(ino)?.into_iter().map(Effect::Drop));
                failpoint("forget.recorded");
                self.tree.set_due(parent, Some(now))?;
            }
            Plan::Seal(content) => return self.seal(ino, content, out),
            Plan::Call(call) => return self.call(ino, call, now, out),
            Plan::Repeat(attempt, call) => return self.repeat(ino, &attempt, call, now, out),
            Plan::Look(id) => {
                self.look(id, out);
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::List(folder) => {
                self.list(folder, None, out)?;
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::OneByOne => {
                self.one_by_one.insert(ino);
                self.tree.wake_below(ino, now)?;
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::Undelete => {
                if let Some(learned) = self.tree.undelete(ino, now)? {
                    self.follow(learned, out)?;
                    self.list(ino, None, out)?;
                }
                self.tree.set_due(ino, Some(now.after(RECHECK)))?;
            }
            Plan::Split => {
                let learned = self.tree.split_conflict(ino, now)?;
                failpoint("conflict.split");
                self.follow(learned, out)?;
            }
            Plan::Wait(wait) => self.wait(ino, &wait, now)?,
        }
        Ok(true)
    }

    fn memory(&self, ino: Ino, parent: Ino, now: Timestamp) -> FolderMemory {
        FolderMemory {
            listed: self.listed.get(&ino).is_some_and(|at| now.since(*at) < FRESH),
            one_by_one: self.one_by_one.contains(&ino),
            parent_one_by_one: self.one_by_one.contains(&parent),
        }
    }

    /// A wait ends by an event; those that others end without telling are looked at again.
    fn wait(&mut self, ino: Ino, wait: &Wait, now: Timestamp) -> Result<(), TreeError> {
        let again = match wait {
            Wait::NameHeld { .. } | Wait::ChildrenFirst | Wait::StillOpen | Wait::InFlight | Wait::MissingRanges => {
                Some(now.after(RECHECK))
            }
            Wait::ParentWillGo => Some(now.after(FRESH)),
            Wait::OpenForWriting => Some(now.after(SEAL_AGAIN)),
            Wait::ParentNotInBox | Wait::Held(_) | Wait::LocalOnly => None,
        };
        self.tree.set_due(ino, again)
    }

    fn seal(&mut self, ino: Ino, content: ContentId, out: &mut Vec<Effect>) -> Result<bool, TreeError> {
        if self.seals.contains(&ino) {
            self.tree.set_due(ino, None)?;
            return Ok(true);
        }
        if self.seals.len() >= MAX_SEALS {
            return Ok(false);
        }
        self.seals.insert(ino);
        self.tree.set_due(ino, None)?;
        out.push(Effect::Seal { ino, content });
        Ok(true)
    }

    fn has_room(&self, call: &Call) -> bool {
        !call.is_upload() || self.calls.values().filter(|upload| **upload).count() < MAX_UPLOADS
    }

    fn call(&mut self, ino: Ino, call: Call, now: Timestamp, out: &mut Vec<Effect>) -> Result<bool, TreeError> {
        if !self.has_room(&call) {
            return Ok(false);
        }
        let attempt = self.tree.begin_attempt(&call.attempt(ino), now)?;
        failpoint("call.attempted");
        self.send(attempt.id, ino, call, out)?;
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
        self.tree.resend_attempt(attempt.id, &call.attempt(ino), now)?;
        self.send(attempt.id, ino, call, out)?;
        Ok(true)
    }

    fn send(&mut self, attempt: AttemptId, ino: Ino, call: Call, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        self.calls.insert(ino, call.is_upload());
        self.tree.set_due(ino, None)?;
        out.push(Effect::Call { attempt, ino, call });
        Ok(())
    }

    fn answer_pushes(&mut self, ino: Ino) -> Result<(), TreeError> {
        let clean = self.tree.node(ino).is_ok_and(|n| n.dirty_since.is_none());
        if clean {
            for push in take_pushes(&mut self.pushes, ino) {
                answer(Some(push.reply), Ok(()));
            }
        }
        Ok(())
    }

    fn fail_pushes(&mut self, ino: Ino, error: &ApiError) -> Result<(), TreeError> {
        for push in take_pushes(&mut self.pushes, ino) {
            answer(Some(push.reply), Err(ask_error(error)));
        }
        Ok(())
    }
}

/// Whether the item is what the attempt was to make.
fn is_ours(attempt: &Attempt, item: &Remote) -> bool {
    match attempt.call.kind {
        AttemptKind::CreateFolder => item.id.is_folder(),
        _ => item.sha1.is_some() && item.sha1 == attempt.call.sha1,
    }
}

fn take_pushes(pushes: &mut Vec<PushAsk>, ino: Ino) -> Vec<PushAsk> {
    let (mine, others) = std::mem::take(pushes).into_iter().partition(|p| p.ino == ino);
    *pushes = others;
    mine
}

/// Nobody may listen any more; that is their affair.
fn answer<T>(reply: Option<oneshot::Sender<T>>, value: T) {
    if let Some(reply) = reply {
        let _gone = reply.send(value);
    }
}

fn stored(stamp: crate::content::Stamp) -> StoredStamp {
    StoredStamp { size: stamp.size, mtime_ns: stamp.mtime_ns, ctime_ns: stamp.ctime_ns }
}

/// What a failed question means to the file system.
pub fn ask_error(error: &ApiError) -> AskError {
    match (&error.meaning, error.heals()) {
        (Meaning::NotFound | Meaning::Trashed, _) => AskError::Gone,
        (Meaning::SignInNeeded, _) => AskError::SignInNeeded,
        (Meaning::LocalFile, _) => AskError::DiskFull,
        (_, Heals::Waiting { .. }) => AskError::Unreachable(error.to_string()),
        _ => AskError::Refused(error.to_string()),
    }
}

/// The errno that a program is told for a refusal, by name: the table of numbers is the kernel room's.
fn errno_name(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::NoAccess | Meaning::Locked | Meaning::InsufficientScope => "EACCES",
        Meaning::ForbiddenByPolicy => "EPERM",
        Meaning::OutOfQuota => "EDQUOT",
        Meaning::FileTooLarge => "EFBIG",
        Meaning::BadName => "EINVAL",
        Meaning::NameTooLong => "ENAMETOOLONG",
        _ => "EIO",
    }
}

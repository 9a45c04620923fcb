//! The hands of the engine: each effect is performed here, and its outcome goes back as an event. Only the executor files name
//! [`BoxClient`]; they make no call that the planner did not return.

use super::board::Board;
use super::call::Call;
use super::effect::{Answer, Effect, Event};
use super::executor_account as account;
use super::executor_archive as archive;
use super::executor_bytes as bytes;
use super::executor_chunks as chunks;
use super::executor_events as events;
use super::executor_fetch as fetching;
use super::executor_past as past;
use super::executor_upload as upload;
use super::lanes::Lanes;
use crate::base::{BoxId, Ino, Timestamp, failpoint};
use crate::box_api::{ApiError, BoxClient, ItemChange, Meaning};
use crate::content::Content;
use crate::tree::{AskError, Invalidation, Tree};
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, mpsc};

/// The way to Box, as the engine carries it: what it may be used for is the executors' business.
#[derive(Clone)]
pub struct Line(BoxClient);

impl Line {
    pub fn new(client: BoxClient) -> Line {
        Line(client)
    }

    pub(super) fn client(&self) -> BoxClient {
        self.0.clone()
    }

    /// Calls made so far, by kind.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.0.calls()
    }

    /// Until when Box, or our own budget, lets no call through.
    pub fn throttled_until(&self) -> Option<Timestamp> {
        self.0.throttled_until()
    }
}

/// What every executor works with.
#[derive(Clone)]
pub struct Executor {
    pub client: BoxClient,
    pub tree: Arc<Tree>,
    pub content: Arc<Content>,
    pub board: Arc<Board>,
    /// Parts on their way, over all files.
    pub parts: Arc<Semaphore>,
    /// Questions (listings, looks) on their way.
    pub questions: Arc<Semaphore>,
    /// Fetches on their way.
    pub lanes: Arc<Lanes>,
    /// Archives on their way.
    pub archives: Arc<Semaphore>,
    /// Held by whoever makes room in the cache.
    pub evicting: Arc<Mutex<()>>,
    pub events: mpsc::Sender<Event>,
    /// The kernel's notifier listens here.
    pub tell: mpsc::Sender<Invalidation>,
}

/// Parts on their way at once, over all files: each is at most 64 MiB on the wire and 256 KiB in memory.
pub const MAX_PARTS: usize = 12;

/// Listings and looks on their way at once: folders are listed in parallel, and reads keep their share of the rate.
pub const MAX_QUESTIONS: usize = 8;

impl Executor {
    /// Performs one effect and reports. A panic counts as a call whose outcome is unknown.
    pub async fn perform(self, effect: Effect) {
        let fallback = Fallback::of(&effect);
        let work = AssertUnwindSafe(self.clone().work(effect)).catch_unwind();
        if work.await.is_err() {
            log::error!("an executor panicked; its call counts as lost");
            if let Some(event) = fallback.event() {
                self.report(event).await;
            }
        }
    }

    async fn work(self, effect: Effect) {
        match effect {
            Effect::Call { attempt, ino, call } => {
                failpoint(leaving(&call));
                let result = self.call(&call).await;
                failpoint(answered(&call));
                self.report(Event::Answered { attempt, ino, call: Box::new(call), result }).await;
            }
            Effect::Seal { ino, content, open } => {
                let result = bytes::seal(&self, content, open).await;
                self.report(Event::Sealed { ino, content, open, result }).await;
            }
            Effect::Complete { ino, content } => {
                let result = bytes::complete(&self, content).await;
                self.report(Event::Completed { ino, result }).await;
            }
            Effect::List { folder, id, listing } => self.list(folder, &id, listing).await,
            Effect::Look(id) => self.look(id).await,
            Effect::Fetch(ask) => {
                let ok = fetching::fetch(&self, ask).await;
                self.report(Event::Fetched { ok }).await;
            }
            Effect::Whole { from, reply } => {
                let ok = fetching::kept(&self, from, reply).await;
                self.report(Event::Fetched { ok }).await;
            }
            Effect::Ahead(ask) => {
                let ok = fetching::ahead(&self, ask).await;
                self.report(Event::Fetched { ok }).await;
            }
            Effect::Past(ask) => past::past(&self, ask).await,
            Effect::Archive(ask) => {
                let ok = archive::archive(&self, ask).await;
                self.report(Event::Fetched { ok }).await;
            }
            Effect::Quota(reply) => {
                account::look(&self).await;
                let _gone = reply.send(());
            }
            Effect::Follow(position) => events::follow(&self, position).await,
            Effect::Tell(invalidation) => {
                let _nobody_mounted = self.tell.send(invalidation).await;
            }
            Effect::EndSession(session) => chunks::end_session(&self, &session).await,
            Effect::Drop(content) => bytes::drop_data(&self, content).await,
            Effect::Rescue(content) => bytes::rescue(&self, content).await,
            Effect::ToCache(content) => bytes::to_cache(&self, content).await,
        }
    }

    pub(super) async fn report(&self, event: Event) {
        // The engine is gone only while the daemon stops.
        let _stopping = self.events.send(event).await;
    }

    async fn call(&self, call: &Call) -> Result<Answer, ApiError> {
        match call {
            Call::CreateFolder { parent, name } => {
                self.client.create_folder(parent, name).await.map(|item| Answer::Item(Box::new(item)))
            }
            Call::Upload(job) => {
                let result = upload::upload(self, job).await;
                account::count(self, job.size, &result);
                result
            }
            Call::Copy { file_id, version, parent, name, .. } => {
                let item = self.client.copy_file(file_id, parent, Some(name), Some(version)).await?;
                Ok(Answer::Item(Box::new(item)))
            }
            Call::Update { item, name, parent, modified, if_match } => {
                let change = ItemChange {
                    name: name.clone(),
                    parent: parent.clone(),
                    content_modified_at: modified.map(Timestamp::as_box_holds),
                };
                let item = self.client.update(item, &change, if_match.as_deref()).await?;
                Ok(Answer::Item(Box::new(item)))
            }
            Call::Delete { item, recursive, if_match } => {
                self.client.delete(item, *recursive, if_match.as_deref()).await.map(|()| Answer::Deleted)
            }
            Call::Restore { item, name, parent } => {
                let item = self.client.restore(item, Some(name), Some(parent)).await?;
                Ok(Answer::Item(Box::new(item)))
            }
        }
    }

    async fn list(&self, folder: Ino, id: &str, listing: i64) {
        let _place = self.questions.acquire().await;
        let mut marker: Option<String> = None;
        let result = loop {
            match self.client.list_page(id, marker.as_deref()).await {
                Ok(page) => {
                    self.report(Event::Page { folder, listing, items: page.entries }).await;
                    match page.next {
                        Some(next) => marker = Some(next),
                        None => break Ok(()),
                    }
                }
                Err(error) => break Err(error),
            }
        };
        self.report(Event::Listed { folder, listing, result }).await;
    }

    /// Asks Box for one item, and reports what it says.
    pub(super) async fn look(&self, id: BoxId) {
        let _place = self.questions.acquire().await;
        let result = self.client.item(&id).await;
        self.report(Event::Looked { id, result }).await;
    }
}

/// The crash point before a call leaves.
fn leaving(call: &Call) -> &'static str {
    match call {
        Call::CreateFolder { .. } => "folder.leaving",
        Call::Upload(_) => "upload.leaving",
        Call::Copy { .. } => "copy.leaving",
        Call::Update { .. } => "update.leaving",
        Call::Delete { .. } => "delete.leaving",
        Call::Restore { .. } => "restore.leaving",
    }
}

/// The crash point after Box has answered and before anything of the answer is recorded.
fn answered(call: &Call) -> &'static str {
    match call {
        Call::CreateFolder { .. } => "folder.answered",
        Call::Upload(_) => "upload.answered",
        Call::Copy { .. } => "copy.answered",
        Call::Update { .. } => "update.answered",
        Call::Delete { .. } => "delete.answered",
        Call::Restore { .. } => "restore.answered",
    }
}

/// What is reported for an effect whose executor panicked.
enum Fallback {
    Nothing,
    Call { attempt: crate::base::AttemptId, ino: Ino, call: Box<Call> },
    List { folder: Ino, listing: i64 },
    Look(BoxId),
    Seal { ino: Ino, content: crate::base::ContentId, open: bool },
    Complete(Ino),
    EndSession(String),
}

impl Fallback {
    fn of(effect: &Effect) -> Fallback {
        match effect {
            Effect::Call { attempt, ino, call } => {
                Fallback::Call { attempt: *attempt, ino: *ino, call: Box::new(call.clone()) }
            }
            Effect::List { folder, listing, .. } => Fallback::List { folder: *folder, listing: *listing },
            Effect::Look(id) => Fallback::Look(id.clone()),
            Effect::Seal { ino, content, open } => Fallback::Seal { ino: *ino, content: *content, open: *open },
            Effect::Complete { ino, .. } => Fallback::Complete(*ino),
            Effect::EndSession(session) => Fallback::EndSession(session.id.clone()),
            Effect::Follow(_)
            | Effect::Past(_)
            | Effect::Archive(_)
            | Effect::Quota(_)
            | Effect::Fetch(_)
            | Effect::Ahead(_)
            | Effect::Whole { .. }
            | Effect::Tell(_)
            | Effect::Drop(_)
            | Effect::Rescue(_)
            | Effect::ToCache(_) => Fallback::Nothing,
        }
    }

    fn event(self) -> Option<Event> {
        Some(match self {
            Fallback::Nothing => return None,
            Fallback::Call { attempt, ino, call } => Event::Answered { attempt, ino, call, result: Err(lost()) },
            Fallback::List { folder, listing } => Event::Listed { folder, listing, result: Err(lost()) },
            Fallback::Look(id) => Event::Looked { id, result: Err(lost()) },
            Fallback::EndSession(id) => Event::SessionEnded { id, ended: false },
            Fallback::Complete(ino) => Event::Completed { ino, result: Err(AskError::Stopping) },
            Fallback::Seal { ino, content, open } => {
                let result = super::effect::SealResult::Busy;
                Event::Sealed { ino, content, open, result }
            }
        })
    }
}

fn lost() -> ApiError {
    local_error("boxfs", Meaning::OutcomeUnknown, "the call was interrupted by an internal error")
}

/// An error that arose on this machine.
pub fn local_error(call: &'static str, meaning: Meaning, message: &str) -> ApiError {
    ApiError {
        meaning,
        status: None,
        code: None,
        message: message.to_owned(),
        request_id: None,
        call,
        retry_after: None,
    }
}

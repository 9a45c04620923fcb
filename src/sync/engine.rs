//! The engine at work: one thread that feeds the core, tasks that perform its effects.

use super::board::{Board, Reach, Uploading};
use super::core::{Core, OpenProbe, paused_since};
use super::effect::{Effect, Event};
use super::eviction;
use super::executor::{Executor, Line, MAX_PARTS, MAX_QUESTIONS};
use super::executor_account as account;
use super::executor_archive::permits;
use super::planner::{FolderMemory, OpenState, Plan, plan};
use crate::base::{ContentId, Ino, Timestamp, pause};
use crate::content::Content;
use crate::tree::{Ask, AskError, DeletionsAsk, Invalidation, PauseAsk, Picture, Tree, TreeError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Outcomes that wait for the core: executors wait when it is full, so that a listing of a million items stays on the wire.
const MAX_EVENTS: usize = 256;

/// The longest sleep of the loop: a clock that was set back does no harm beyond it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How long the engine rests after its core failed, before it starts again from the database.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// What the engine is made of.
pub struct Parts {
    pub tree: Arc<Tree>,
    pub content: Arc<Content>,
    pub line: Line,
    /// The signed-in user's id.
    pub me: String,
    pub asks: mpsc::Receiver<Ask>,
    /// The other end of `asks`, for the engine's own commands.
    pub ask: mpsc::Sender<Ask>,
    pub tell: mpsc::Sender<Invalidation>,
}

/// A running engine.
pub struct Engine {
    tree: Arc<Tree>,
    content: Arc<Content>,
    asks: mpsc::Sender<Ask>,
    board: Arc<Board>,
    line: Line,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the engine's thread; executors run on `runtime`.
    ///
    /// # Errors
    /// What the database reports, or the thread that cannot be made.
    pub fn start(parts: Parts, runtime: &Handle) -> Result<Engine, TreeError> {
        let now = Timestamp::now();
        parts.tree.attempts_after_start(now)?;
        parts.tree.resume(now)?;
        let board = Arc::new(Board::default());
        let (stop, stopped) = watch::channel(false);
        let line = parts.line.clone();
        let (tree, content, asks) = (parts.tree.clone(), parts.content.clone(), parts.ask.clone());
        let (shown, runtime) = (board.clone(), runtime.clone());
        let thread = std::thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || supervise(parts, shown, runtime, stopped))
            .map_err(|e| TreeError::Damaged(format!("no thread for the engine: {e}")))?;
        Ok(Engine { tree, content, asks, board, line, stop, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    pub(super) fn asks(&self) -> &mpsc::Sender<Ask> {
        &self.asks
    }

    /// Looks at everything that is not in Box at once, without settling.
    pub fn hurry(&self) {
        if self.asks.try_send(Ask::Hurry).is_err() {
            // A full channel wakes the engine anyway; the database remembers what is due.
            log::debug!("the engine is busy; it hurries with the next event");
        }
    }

    /// Drops the bytes below `top` that Box has, and that no pin and no program keeps. How many files and bytes went.
    pub fn evict(&self, top: Ino) -> Result<(u64, u64), String> {
        eviction::evict_below(&self.tree, &self.content, top)
    }

    /// Bytes in the cache and in the spool.
    pub fn usage(&self) -> (u64, u64) {
        use crate::content::Place;
        (self.content.usage(Place::Cache), self.content.usage(Place::Spool))
    }

    /// Why the node is not on its way.
    pub(super) fn reason(&self, picture: &Picture) -> String {
        let open = open_state(&self.content, picture.node.content);
        match plan(picture, open, FolderMemory::default()) {
            Plan::Wait(wait) => wait.reason(),
            _ if self.board.is_paused() => "paused: 'boxfs resume' lets it go".to_owned(),
            _ => "waits for its turn".to_owned(),
        }
    }

    /// Since when nothing is sent because the user says so.
    pub fn paused_since(&self) -> Result<Option<Timestamp>, TreeError> {
        paused_since(&self.tree)
    }

    /// Lets nothing more leave, or everything again.
    pub async fn pause(&self, pause: bool) -> Result<(), AskError> {
        self.tell(|reply| Ask::Pause(PauseAsk { pause, reply })).await
    }

    /// Carries held deletions out, or takes them back; how many they were.
    pub async fn deletions(&self, undo: bool) -> Result<u64, AskError> {
        self.tell(|reply| Ask::Deletions(DeletionsAsk { undo, reply })).await
    }

    async fn tell<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, AskError> {
        let (reply, told) = oneshot::channel();
        self.asks.send(ask(reply)).await.map_err(|_| AskError::Stopping)?;
        told.await.map_err(|_| AskError::Stopping)
    }

    pub fn uploads(&self) -> Vec<Uploading> {
        self.board.uploads()
    }

    /// Bytes that went up since the start.
    pub fn sent_bytes(&self) -> u64 {
        self.board.sent_bytes()
    }

    pub fn reach(&self) -> Reach {
        self.board.reach()
    }

    /// Calls made so far, by kind.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.line.calls()
    }

    pub fn throttled_until(&self) -> Option<Timestamp> {
        self.line.throttled_until()
    }

    /// Stops at once: calls on their way are cut off, and found out about after the next start.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            log::error!("the engine's thread panicked");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Keeps the loop running: a core that failed starts again from the database, which holds all that matters.
fn supervise(mut parts: Parts, board: Arc<Board>, runtime: Handle, mut stopped: watch::Receiver<bool>) {
    loop {
        let run = std::panic::AssertUnwindSafe(|| runtime.block_on(run(&mut parts, &board, &runtime, &mut stopped)));
        match std::panic::catch_unwind(run) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                let error = parts.tree.suspect(error);
                log::error!("the engine stopped and starts again: {error}");
            }
            Err(_) => log::error!("the engine panicked and starts again from the database"),
        }
        if *stopped.borrow() {
            return;
        }
        std::thread::sleep(RESTART_AFTER);
        if let Err(error) = parts.tree.attempts_after_start(Timestamp::now()) {
            log::error!("the database does not answer: {error}");
        }
    }
}

async fn run(
    parts: &mut Parts,
    board: &Arc<Board>,
    runtime: &Handle,
    stopped: &mut watch::Receiver<bool>,
) -> Result<(), TreeError> {
    let (events, mut outcomes) = mpsc::channel(MAX_EVENTS);
    let executor = Executor {
        client: parts.line.client(),
        tree: parts.tree.clone(),
        content: parts.content.clone(),
        board: board.clone(),
        parts: Arc::new(Semaphore::new(MAX_PARTS)),
        questions: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        lanes: Arc::default(),
        archives: permits(),
        evicting: Arc::default(),
        events,
        tell: parts.tell.clone(),
    };
    let jitter = Box::new(fastrand::f64);
    let mut core = Core::new(parts.tree.clone(), parts.me.clone(), open_probe(parts.content.clone()), jitter);
    let mut tasks = JoinSet::new();
    tasks.spawn_on(eviction::keep(executor.clone()), runtime);
    tasks.spawn_on(account::watch(executor.clone()), runtime);
    let mut event = Some(Event::Started);
    while !*stopped.borrow() {
        if let Some(event) = event.take() {
            let now = Timestamp::now();
            let effects = core.apply(event, now)?;
            board.set_paused(core.paused().is_some());
            for effect in effects {
                start(&mut tasks, &executor, effect, runtime);
            }
            let outage = core.outage();
            board.set_reach(outage.and_then(|o| o.reason.clone()), outage.is_some_and(|o| o.sign_in_needed), now);
        }
        let now = Timestamp::now();
        parts.tree.set_flow(core.flow(now));
        let tick = [core.next_tick()?, core.stream.next_doubt(now)].into_iter().flatten().min();
        let sleep = tick.map_or(LONGEST_SLEEP, |at| at.since(now).min(LONGEST_SLEEP));
        event = tokio::select! {
            biased;
            _ = stopped.changed() => None,
            outcome = outcomes.recv() => outcome,
            ask = parts.asks.recv() => match ask {
                Some(ask) => Some(Event::Asked(ask)),
                // The file system is gone; what is on its way is still awaited.
                None => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Some(Event::Tick)
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            () = pause(sleep) => Some(Event::Tick),
        };
    }
    tasks.shutdown().await;
    Ok(())
}

fn start(tasks: &mut JoinSet<()>, executor: &Executor, effect: Effect, runtime: &Handle) {
    tasks.spawn_on(executor.clone().perform(effect), runtime);
}

/// Asks the content room whether a program has the bytes open.
fn open_probe(content: Arc<Content>) -> OpenProbe {
    Box::new(move |id| open_state(&content, id))
}

fn open_state(content: &Content, id: Option<ContentId>) -> OpenState {
    match id.and_then(|id| content.get(id)) {
        Some(file) => OpenState { handles: true, writers: file.writers() > 0, ..OpenState::default() },
        None => OpenState::default(),
    }
}

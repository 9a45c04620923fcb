//! What the requests mean: questions to the engine, turned into replies.

use super::fill::{Wish, fill};
use super::past;
use super::pictures;
use super::protocol::{
    Account, Amount, ApiUse, Conflict, Events, Failure, Notice, Pending, Progress, Reader, Refusal, Reply, Request,
    Space, StatusReport, Troubles, Uploading, Waiting,
};
use super::server::Asked;
use super::speed::Speed;
use super::watch::watch;
use crate::base::{Ino, Timestamp, show_size};
use crate::sync::{self, Engine, Failing, Left, Report};
use crate::vfs::{Vfs, VfsError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often a long request looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long the last word of an unmount may take to its reader.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How often it says how far it is.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// How often it gives a sign of life while nothing moves on: below what a client takes for a hang.
const STILL_HERE_EVERY: Duration = Duration::from_secs(10);

/// Entries in each list of a status that need a person: more than one reads there.
const MAX_IN_STATUS: usize = 100;

/// Programs in a status: those that cost anything worth a thought.
const MAX_READERS: usize = 10;

/// Entries in each list of a `conflicts`: at half a kilobyte each far below what a client reads.
const MAX_TROUBLES: usize = 5_000;

/// What the answers need besides the engine.
pub struct Facts {
    pub mountpoint: String,
    pub account: Option<Account>,
    pub cache_limit: u64,
    pub spool_limit: u64,
    /// Turns the name of an errno into its number; the table is the kernel room's.
    pub errno: fn(&str) -> Option<i32>,
}

/// How often the meters of the uploads are read.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// A sign-in that was just renewed shows within this; whoever waits is told after it that nothing will move.
const SIGN_IN_GRACE: Duration = Duration::from_secs(5);

/// Answers requests of one daemon.
pub struct Answerer {
    engine: Arc<Engine>,
    vfs: Arc<Vfs>,
    facts: Facts,
    /// Told once a client wants the mount gone.
    unmount: mpsc::Sender<()>,
    speed: Mutex<Speed>,
}

impl Answerer {
    pub fn new(engine: Arc<Engine>, vfs: Arc<Vfs>, facts: Facts, unmount: mpsc::Sender<()>) -> Answerer {
        Answerer { engine, vfs, facts, unmount, speed: Mutex::default() }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    fn speed(&self) -> MutexGuard<'_, Speed> {
        self.speed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the meters until the daemon ends.
    async fn watch_speed(self: Arc<Self>) {
        loop {
            let sent = self.engine.sent_bytes();
            self.speed().sample(Instant::now(), sent);
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    }

    /// Answers until nobody asks any more; each request has a task of its own.
    pub async fn run(self: Arc<Self>, mut asked: mpsc::Receiver<Asked>) {
        let meter = tokio::spawn(self.clone().watch_speed());
        while let Some(asked) = asked.recv().await {
            let answerer = self.clone();
            tokio::spawn(async move { answerer.answer(asked).await });
        }
        meter.abort();
    }

    async fn answer(&self, asked: Asked) {
        let Asked { request, reply } = asked;
        let last = match request {
            Request::Status { path } => self.at(&path, |top| self.status(top)),
            Request::Retry { path } => {
                self.at(&path, |top| self.engine.retry(top).map_or_else(|e| failed(&e), |()| Reply::Done))
            }
            Request::Pin { path } => self.pin(&path, &reply).await.unwrap_or_else(|refusal| refusal),
            Request::Unpin { path } => self.unpin(&path).await.unwrap_or_else(|refusal| refusal),
            Request::Evict { path } => self.evict(&path).await.unwrap_or_else(|refusal| refusal),
            Request::Prefetch { path, bytes } => {
                let wish = if bytes { Wish::NamesAndBytes } else { Wish::Names };
                match self.find(&path).await {
                    Ok(top) => self.fill(top, wish, &reply).await,
                    Err(refusal) => refusal,
                }
            }
            Request::Thumbnail { path, side } => match self.find(&path).await {
                Ok(ino) => pictures::thumbnail(&self.engine, ino, side).await,
                Err(refusal) => refusal,
            },
            Request::Watch { path } => match self.find(&path).await {
                Ok(_) => watch(&self.engine, &path, &reply).await,
                Err(refusal) => refusal,
            },
            Request::Versions { path } => match self.find(&path).await {
                Ok(ino) => past::versions(&self.engine, ino).await,
                Err(refusal) => refusal,
            },
            Request::RestoreVersion { path, number } => match self.find(&path).await {
                Ok(ino) => past::restore_version(&self.engine, ino, number).await,
                Err(refusal) => refusal,
            },
            Request::Trash => past::trash(&self.engine).await,
            Request::RestoreTrashed { kind, id } => past::restore_trashed(&self.engine, &kind, id).await,
            Request::Conflicts { path } => self.at(&path, |top| self.troubles(top)),
            Request::Discard { path, act } => self.discard(&path, act).await,
            Request::Locate { path } => self.at(&path, |top| self.locate(top)),
            Request::Pause { pause } => self.engine.pause(pause).await.map_or_else(|e| failed(&e), |()| Reply::Done),
            Request::Deletions { undo } => {
                self.engine.deletions(undo).await.map_or_else(|e| failed(&e), |count| Reply::Count { count })
            }
            Request::Dismiss => self.engine.dismiss_notices().map_or_else(|e| failed(&e), |()| Reply::Done),
            Request::SignedIn => {
                self.engine.hurry();
                Reply::Done
            }
            Request::Wait { path, timeout_ms } => match self.engine.find(&path) {
                Ok(Some(top)) => match self.wait(top, timeout_ms.map(Duration::from_millis), &reply).await {
                    Reply::Pending(_) if self.engine.reach().sign_in_needed => sign_in_needed(),
                    last => last,
                },
                Ok(None) => no_such(&path),
                Err(error) => failed(&error),
            },
            Request::Unmount { timeout_ms } => {
                let last = self.wait(Ino::ROOT, Some(Duration::from_millis(timeout_ms)), &reply).await;
                return self.unmount_after(last, reply).await;
            }
        };
        if reply.send(last).await.is_err() {
            log::debug!("the client did not wait for its answer");
        }
    }

    /// The last word goes out before the daemon ends, unless nobody takes it.
    async fn unmount_after(&self, last: Reply, reply: mpsc::Sender<Reply>) {
        if reply.send(last).await.is_ok() {
            // Closed once it is written.
            let _ = tokio::time::timeout(LAST_WORD, reply.closed()).await;
        }
        if self.unmount.send(()).await.is_err() {
            log::debug!("the daemon is stopping already");
        }
    }

    async fn fill(&self, top: Ino, wish: Wish, reply: &mpsc::Sender<Reply>) -> Reply {
        let mut told = Instant::now();
        let filling = fill(self.vfs.clone(), top, wish, |filling| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                // A slow reader misses a step of the progress.
                let _ = reply.try_send(Reply::Filling(filling.clone()));
            }
            !reply.is_closed()
        });
        let mut filling = std::pin::pin!(filling);
        loop {
            // A transfer may take longer than a client waits for a word.
            match tokio::time::timeout(STILL_HERE_EVERY, &mut filling).await {
                Ok(filling) => return Reply::Filled(filling),
                Err(_) => drop(reply.try_send(Reply::Progress(Progress { online: true, ..Progress::default() }))),
            }
        }
    }

    async fn pin(&self, path: &str, reply: &mpsc::Sender<Reply>) -> Result<Reply, Reply> {
        let top = self.find(path).await?;
        self.vfs.clone().until_answered(move |vfs| vfs.pin(top)).await.map_err(|e| failed(&e))?;
        Ok(self.fill(top, Wish::NamesAndBytes, reply).await)
    }

    async fn unpin(&self, path: &str) -> Result<Reply, Reply> {
        let top = self.find(path).await?;
        let was_pinned = self.vfs.clone().until_answered(move |vfs| vfs.unpin(top)).await.map_err(|e| failed(&e))?;
        if was_pinned { Ok(Reply::Done) } else { Err(not_pinned(path)) }
    }

    async fn evict(&self, path: &str) -> Result<Reply, Reply> {
        let top = self.find(path).await?;
        let engine = self.engine.clone();
        let evicted =
            tokio::task::spawn_blocking(move || engine.evict(top)).await.unwrap_or_else(|e| Err(e.to_string()));
        let (count, bytes) = evicted.map_err(|message| Reply::Error { refusal: Refusal::Failed, message })?;
        Ok(Reply::Evicted(Amount { count, bytes }))
    }

    /// What a path leads to, also where nobody has looked yet.
    async fn find(&self, path: &str) -> Result<Ino, Reply> {
        let wanted = path.to_owned();
        self.vfs.clone().until_answered(move |vfs| vfs.find(&wanted)).await.map_err(|error| match error {
            VfsError::NotFound | VfsError::NotDirectory => no_such(path),
            error => failed(&error),
        })
    }

    fn at(&self, path: &str, answer: impl FnOnce(Ino) -> Reply) -> Reply {
        match self.engine.find(path) {
            Ok(Some(top)) => answer(top),
            Ok(None) => no_such(path),
            Err(error) => failed(&error),
        }
    }

    /// Until Box has everything below `top`, or the time is over, or only what is stuck is left.
    async fn wait(&self, top: Ino, limit: Option<Duration>, reply: &mpsc::Sender<Reply>) -> Reply {
        let started = Instant::now();
        let mut told = started;
        loop {
            let left = match self.engine.left(top) {
                Ok(left) => left,
                Err(error) => return failed(&error),
            };
            if left == Left::default() {
                return Reply::Done;
            }
            let over = limit.is_some_and(|limit| started.elapsed() >= limit);
            let shut_out = self.engine.reach().sign_in_needed && started.elapsed() >= SIGN_IN_GRACE;
            // What a pause keeps here does not move by itself: nobody waits for that.
            let paused = match self.engine.paused_since() {
                Ok(paused) => paused.is_some(),
                Err(error) => return failed(&error),
            };
            if over || shut_out || paused || left.moving.count == 0 {
                return self.pending(top);
            }
            if told.elapsed() >= TELL_EVERY || told == started {
                told = Instant::now();
                self.engine.hurry();
                let progress = self.progress(top, left);
                match reply.try_send(Reply::Progress(progress)) {
                    Err(mpsc::error::TrySendError::Closed(_)) => return Reply::Done,
                    // A slow reader misses a step of the progress.
                    Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn progress(&self, top: Ino, left: Left) -> Progress {
        let uploading = self.engine.report(top).map(|r| uploading(&r)).unwrap_or_default();
        let sent: u64 = uploading.iter().map(|u| u.sent).sum();
        Progress {
            pending: Amount { count: left.moving.count, bytes: left.moving.bytes.saturating_sub(sent) },
            uploading,
            failed: left.stuck,
            online: self.engine.reach().trouble.is_none(),
        }
    }

    fn pending(&self, top: Ino) -> Reply {
        match self.engine.report(top) {
            Ok(report) => Reply::Pending(Pending {
                paused: report.paused.map(|since| since.to_rfc3339()),
                pending: Amount { count: report.pending.count, bytes: report.pending.bytes },
                failed: report.failed.iter().map(|f| self.failure(f)).collect(),
                waiting: being_sent(&report).chain(waiting(&report)).collect(),
            }),
            Err(error) => failed(&error),
        }
    }

    fn status(&self, top: Ino) -> Reply {
        let (report, troubles) = match (self.engine.report(top), self.engine.troubles(top, MAX_IN_STATUS)) {
            (Ok(report), Ok(troubles)) => (report, self.in_words(troubles)),
            (Err(error), _) | (_, Err(error)) => return failed(&error),
        };
        let reach = self.engine.reach();
        let (cache, spool) = self.engine.usage();
        let now = Timestamp::now();
        Reply::Status(Box::new(StatusReport {
            mountpoint: self.facts.mountpoint.clone(),
            account: self.facts.account.clone(),
            paused: report.paused.map(|since| since.to_rfc3339()),
            held_deletions: report.held_deletions,
            online: reach.trouble.is_none(),
            sign_in_needed: reach.sign_in_needed,
            trouble: reach.trouble,
            speed: self.speed().bytes_per_s(Instant::now()),
            pending: Amount { count: report.pending.count, bytes: report.pending.bytes },
            uploading: uploading(&report),
            failed: troubles.failed,
            conflicts: troubles.conflicts,
            cache: Space { bytes: cache, limit: self.facts.cache_limit },
            spool: Space { bytes: spool, limit: self.facts.spool_limit },
            api: ApiUse {
                calls: self.engine.calls().into_iter().map(|(kind, n)| (kind.to_owned(), n)).collect(),
                throttled_until: self.engine.throttled_until().filter(|t| *t > now).map(|t| t.to_rfc3339()),
            },
            readers: self.readers(),
            events: Events {
                position: report.events_position.clone(),
                age: reach.last_answer.map(|t| now.since(t).as_secs()),
                flow: self.engine.hears_news(),
            },
            waiting: waiting(&report),
            local_only: report.local_only,
            notices: troubles.notices,
        }))
    }

    fn readers(&self) -> Vec<Reader> {
        let most = self.vfs.readers(MAX_READERS);
        most.into_iter().map(|r| Reader { program: r.program, calls: r.calls, bytes: r.bytes }).collect()
    }

    fn troubles(&self, top: Ino) -> Reply {
        match self.engine.troubles(top, MAX_TROUBLES) {
            Ok(troubles) => Reply::Troubles(Box::new(self.in_words(troubles))),
            Err(error) => failed(&error),
        }
    }

    fn in_words(&self, troubles: sync::Troubles) -> Troubles {
        let conflict = |c: sync::ConflictCopy| Conflict { path: c.path, copy: c.copy };
        Troubles {
            conflicts: troubles.conflicts.into_iter().map(conflict).collect(),
            failed: troubles.failed.iter().map(|f| self.failure(f)).collect(),
            notices: troubles
                .notices
                .into_iter()
                .map(|n| Notice { at: n.at.to_rfc3339(), path: n.path, what: n.what })
                .collect(),
        }
    }

    fn failure(&self, failing: &Failing) -> Failure {
        Failure {
            path: failing.path.clone(),
            errno: failing.errno.as_deref().and_then(self.facts.errno),
            reason: failing.reason.clone(),
            next_try: failing.next_try.map(|t| t.to_rfc3339()),
        }
    }
}

fn uploading(report: &Report) -> Vec<Uploading> {
    report
        .uploading
        .iter()
        .map(|(path, sent, size)| Uploading { path: path.clone(), sent: *sent, size: *size })
        .collect()
}

fn waiting(report: &Report) -> Vec<Waiting> {
    report.waiting.iter().map(|(path, reason)| Waiting { path: path.clone(), reason: reason.clone() }).collect()
}

/// What is left because its bytes are on their way.
fn being_sent(report: &Report) -> impl Iterator<Item = Waiting> {
    let told = |(path, sent, size): &(String, u64, u64)| {
        let reason = format!("being sent, {} of {}", show_size(*sent), show_size(*size));
        Waiting { path: path.clone(), reason }
    };
    report.uploading.iter().map(told)
}

fn not_pinned(path: &str) -> Reply {
    let message = format!("'{path}' has no pin of its own: unpin the folder above it that has one");
    Reply::Error { refusal: Refusal::Failed, message }
}

pub(super) fn no_such(path: &str) -> Reply {
    Reply::Error { refusal: Refusal::NoSuchPath, message: format!("there is no '{path}' in this mount") }
}

fn sign_in_needed() -> Reply {
    let message = "Box takes no sign-in of this mount, so nothing moves: run 'boxfs login', then wait again".to_owned();
    Reply::Error { refusal: Refusal::SignInNeeded, message }
}

pub(super) fn failed(error: &dyn std::error::Error) -> Reply {
    Reply::Error { refusal: Refusal::Failed, message: error.to_string() }
}

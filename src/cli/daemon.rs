//! The daemon, put together: tree, content, sync, vfs and fuse in one process, until the mount ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::base::{Timestamp, boot_id};
use crate::box_api::BoxClient;
use crate::config::{Passthrough, Settings};
use crate::content::{Content, Dirs, Limits};
use crate::control::{Answerer, ControlServer, Facts, keep_pins};
use crate::desktop::inhibit_while;
use crate::fuse::{self, Mounted};
use crate::sync::{Engine, LastRun, Line, Parts, highest_numbers, rebuild, recover};
use crate::tree::Tree;
use crate::vfs::{self, Vfs};

use super::account::{self, Identity};
use super::exit::Exit;
use super::guard::Guard;
use super::sign_in::Session;
use super::signals::StopSignals;
use super::state_dir::StateDir;

/// Where bytes lie that Box does not have, below the state directory.
pub(super) const SPOOL: &str = "spool";
/// Where bytes lie that belong to no name any more, below the state directory.
pub(super) const RESCUE: &str = "rescue";
/// The database's note of where it is mounted.
pub(super) const MOUNTPOINT_KEY: &str = "mountpoint";
/// Questions of the file system that wait for the engine. A full channel makes programs wait, not memory grow.
const MAX_ASKS: usize = 1024;
/// News for the kernel that wait for its notifier.
const MAX_NEWS: usize = 1024;
/// Requests of commands that wait for an answer.
const MAX_REQUESTS: usize = 64;
/// Threads of the runtime: the network needs little, and blocking work has threads of its own.
const WORKERS: usize = 2;
/// Blocking calls at once (hashing, syncing, reading parts): the disk and two cores gain nothing from more.
const BLOCKING_THREADS: usize = 64;
/// How long the kernel may believe names and attributes: it is told of every change that boxfs learns of.
const LIFETIME: Duration = Duration::from_secs(60);
/// How often files are looked at that the kernel writes by itself: a fast disk takes about a gigabyte in between.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// A file that stays open for writing rests so many settle times before what was written goes: a minute with the default.
const REST: u32 = 60;
/// And within these, whatever the settle time is.
const REST_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_hours(24)];
/// How often it is looked at whether work is on its way: a shutdown begins after a person has pressed a button.
const LOOK_FOR_WORK_EVERY: Duration = Duration::from_secs(1);
/// Free space of the disk that is left to others; less on a small disk.
const DISK_FLOOR_BYTES: u64 = 500_000_000;
/// After a signal everything is put down within five seconds (DESIGN.md section 9); this is the session's part.
const SESSION_ENDS_WITHIN: Duration = Duration::from_secs(3);

/// Why the daemon did not start or ended early.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct DaemonError {
    /// One line that says what to do.
    pub message: String,
    /// As in the contract with scripts.
    pub exit_code: u8,
}

impl DaemonError {
    pub(super) fn new(message: impl Into<String>) -> DaemonError {
        DaemonError { message: message.into(), exit_code: Exit::Failed as u8 }
    }
}

/// Any failure of a room, in its own words.
pub(super) fn failed(error: impl std::fmt::Display) -> DaemonError {
    DaemonError::new(error.to_string())
}

/// Mounts on `mountpoint` and serves until the mount ends. `on_ready` runs once programs can use the mount, with what the user is to
/// be told.
pub(super) fn run(
    mountpoint: &Path,
    settings: Settings,
    session: Session,
    on_ready: impl FnOnce(Option<String>),
) -> Result<(), DaemonError> {
    let state = StateDir::take(&settings.state_dir)?;
    let runtime = runtime()?;
    let client = session.client(&settings).map_err(failed)?;
    let tree = Arc::new(state.open_tree()?);
    let identity = runtime.block_on(account::identify(&client, &session, &tree, &settings, &state))?;
    let content = Arc::new(open_content(&settings)?);
    let told = make_anew(&tree, &content)?;
    prepare(&tree, &content, &settings, state.was_clean() && told.is_none())?;
    tree.set_meta(MOUNTPOINT_KEY, &mountpoint.to_string_lossy()).map_err(failed)?;
    let mut signals = {
        let _in_runtime = runtime.enter();
        StopSignals::listen().map_err(failed)?
    };
    let daemon = Daemon::start(mountpoint, &settings, &runtime, client, &tree, content, identity)?;
    on_ready(told);
    runtime.block_on(daemon.serve(&mut signals));
    // Blocking work that is still under way is cut off: nothing depends on its end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    state.stopped_cleanly(&tree);
    Ok(())
}

fn runtime() -> Result<Runtime, DaemonError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("boxfs-net")
        .enable_all()
        .build()
        .map_err(|e| DaemonError::new(format!("cannot start threads: {e}")))
}

fn open_content(settings: &Settings) -> Result<Content, DaemonError> {
    let dirs = Dirs {
        spool: settings.state_dir.join(SPOOL),
        cache: settings.cache_dir.clone(),
        rescue: settings.state_dir.join(RESCUE),
    };
    let limits = Limits { spool: settings.spool_size_bytes, cache: settings.cache_size_bytes, floor: DISK_FLOOR_BYTES };
    Content::open(dirs, limits).map_err(|e| {
        let (state, cache) = (settings.state_dir.display(), settings.cache_dir.display());
        DaemonError::new(format!(
            "{e}: make {state} and {cache} writable, or choose others with --state-dir and --cache-dir"
        ))
    })
}

/// A database that was begun anew gets its nodes for what lies in the spool; what the user is to be told of that.
fn make_anew(tree: &Tree, content: &Content) -> Result<Option<String>, DaemonError> {
    let Some(why) = tree.rebuilding().map_err(failed)? else { return Ok(None) };
    let now = Timestamp::now();
    let (highest, ino) = highest_numbers(content).map_err(failed)?;
    tree.pass_numbers(highest, ino).map_err(failed)?;
    let found = rebuild(tree, content, now).map_err(failed)?;
    let what = format!(
        "{why}. It is made anew from Box: {} files that were not in Box are under their names again, {} in the folder 'Recovered', {} in \
         {RESCUE}/ of the state directory. Look through what you deleted, renamed or made lately: what had not reached Box is as Box has it",
        found.named, found.recovered, found.rescued
    );
    log::warn!("{what}");
    tree.notice("", &what, now).map_err(failed)?;
    tree.rebuilt().map_err(failed)?;
    Ok(Some(what))
}

/// What the last run left is sorted out before anything new happens. `in_order`: it stopped so, and its database is this one.
fn prepare(tree: &Tree, content: &Content, settings: &Settings, in_order: bool) -> Result<(), DaemonError> {
    tree.set_settle(settings.settle).map_err(failed)?;
    tree.set_delete_guard(settings.delete_guard).map_err(failed)?;
    tree.set_local_only(settings.local_only.clone(), Timestamp::now()).map_err(failed)?;
    let boot = boot_id();
    let same_boot = tree.meta("boot").map_err(failed)?.is_none_or(|last| last == boot);
    let last = match (in_order, same_boot) {
        (true, _) => LastRun::Orderly,
        (false, true) => LastRun::Killed,
        (false, false) => LastRun::PowerCut,
    };
    let found = recover(tree, content, last, Timestamp::now()).map_err(failed)?;
    // Not before: a start that is cut off here must not make the next one take a power cut for less.
    tree.set_meta("boot", &boot).map_err(failed)?;
    if found.closed + found.interrupted + found.rescued > 0 {
        log::warn!(
            "found after the last run: {} closed files to send, {} interrupted, {} moved to rescue",
            found.closed,
            found.interrupted,
            found.rescued
        );
    }
    Ok(())
}

/// The rooms of a running mount.
struct Daemon {
    mounted: Mounted,
    engine: Arc<Engine>,
    unmount_asked: mpsc::Receiver<()>,
    /// Closes with this process, however it ends.
    _guard: Option<Guard>,
}

impl Daemon {
    fn start(
        mountpoint: &Path,
        settings: &Settings,
        runtime: &Runtime,
        client: BoxClient,
        tree: &Arc<Tree>,
        content: Arc<Content>,
        identity: Identity,
    ) -> Result<Daemon, DaemonError> {
        let (ask, asks) = mpsc::channel(MAX_ASKS);
        let (tell, news) = mpsc::channel(MAX_NEWS);
        let vfs = Vfs::new(tree.clone(), content.clone(), ask.clone(), vfs_settings(settings));
        let vfs = Arc::new(vfs.refusing(settings.refuse_readers.clone()));
        vfs.store_links().map_err(failed)?;
        let control = {
            let _in_runtime = runtime.enter();
            ControlServer::bind(&settings.state_dir).map_err(failed)?
        };
        let request = mount_request(mountpoint, settings);
        let mounted = fuse::mount(&request, vfs.clone(), runtime.handle().clone(), news).map_err(failed)?;
        let guard = settings.mount.auto_unmount.then(|| Guard::start(mounted.mount())).transpose();
        let guard = guard.map_err(|e| DaemonError::new(format!("auto_unmount is not possible: {e}")))?;
        runtime.spawn(watch_files(vfs.clone()));
        runtime.spawn(keep_pins(vfs.clone()));
        let parts = Parts { tree: tree.clone(), content, line: Line::new(client), me: identity.me, asks, ask, tell };
        let engine = Arc::new(Engine::start(parts, runtime.handle()).map_err(failed)?);
        let (unmount, unmount_asked) = mpsc::channel(1);
        let (asked_sender, asked) = mpsc::channel(MAX_REQUESTS);
        let facts = Facts {
            mountpoint: mountpoint.display().to_string(),
            account: identity.account,
            cache_limit: settings.cache_size_bytes,
            spool_limit: settings.spool_size_bytes,
            errno: fuse::errno_number,
        };
        let answerer = Arc::new(Answerer::new(engine.clone(), vfs, facts, unmount));
        runtime.spawn(control.run(asked_sender));
        runtime.spawn(answerer.run(asked));
        let (busy, is_busy) = watch::channel(false);
        runtime.spawn(watch_work(engine.clone(), busy));
        runtime.spawn(inhibit_while(is_busy));
        log::info!(
            "mounted on {}, passthrough {}",
            mountpoint.display(),
            if mounted.passthrough() { "on" } else { "off" }
        );
        Ok(Daemon { mounted, engine, unmount_asked, _guard: guard })
    }

    /// Until a signal, a command or somebody's umount ends the mount.
    async fn serve(mut self, signals: &mut StopSignals) {
        tokio::select! {
            () = signals.asked() => log::info!("stopping: a signal"),
            _ = self.unmount_asked.recv() => log::info!("stopping: unmount was asked for"),
            () = self.mounted.ended() => log::info!("stopping: the mount was taken down"),
        }
        self.mounted.stop_waiting();
        if let Err(error) = self.mounted.unmount() {
            log::error!("{error}");
        }
        if tokio::time::timeout(SESSION_ENDS_WITHIN, self.mounted.ended()).await.is_err() {
            log::warn!("programs still have files open; what they write from here on is found at the next start");
        }
        let engine = self.engine.clone();
        if tokio::task::spawn_blocking(move || engine.stop()).await.is_err() {
            log::error!("the engine did not stop in order");
        }
    }
}

/// Open files are looked at as long as the mount lives.
async fn watch_files(vfs: Arc<Vfs>) {
    let mut clock = tokio::time::interval(WATCH_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let vfs = vfs.clone();
        match tokio::task::spawn_blocking(move || vfs.watch()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("open files cannot be watched: {error}"),
            Err(error) => log::error!("watching open files failed: {error}"),
        }
    }
}

/// Says whether work is on its way, as long as somebody wants to know.
async fn watch_work(engine: Arc<Engine>, busy: watch::Sender<bool>) {
    while !busy.is_closed() {
        match engine.is_busy() {
            Ok(is_busy) => drop(busy.send_if_modified(|was| std::mem::replace(was, is_busy) != is_busy)),
            Err(error) => log::debug!("whether work is left is not known: {error}"),
        }
        tokio::time::sleep(LOOK_FOR_WORK_EVERY).await;
    }
}

fn vfs_settings(settings: &Settings) -> vfs::Settings {
    vfs::Settings {
        read_only: settings.mount.read_only,
        passthrough: settings.mount.passthrough != Passthrough::Off && fuse::can_pass_through(),
        lifetime: LIFETIME,
        owner: vfs::ShownOwner { uid: settings.mount.uid, gid: settings.mount.gid, umask: settings.mount.umask },
        durability: match settings.durability {
            crate::config::Durability::Local => vfs::Durability::Local,
            crate::config::Durability::Box => vfs::Durability::Box,
        },
        rest: settings.settle.saturating_mul(REST).clamp(REST_LIMITS[0], REST_LIMITS[1]),
        links: settings.links,
    }
}

fn mount_request(mountpoint: &Path, settings: &Settings) -> fuse::MountRequest {
    fuse::MountRequest {
        mountpoint: mountpoint.to_owned(),
        state_dir: settings.state_dir.clone(),
        data_dirs: vec![settings.state_dir.join(SPOOL), settings.cache_dir.clone()],
        options: settings.mount.clone(),
    }
}

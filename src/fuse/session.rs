//! A session from its first request to its last: threads, notifications, the end.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use fuser::{Config, Session, SessionACL};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use super::Fuse;
use super::adapter::Adapter;
use super::mounting::{self, Mount, MountError};
use super::notify;
use super::panics::contained;
use crate::vfs::Invalidation;

/// fuser's threads. More help mostly by chance of placement (FUSE.md section 2), and none of them ever blocks.
const THREADS: usize = 4;
/// The kernel's read-ahead; its default of 128 KiB costs a third of the rate of sequential reads (FUSE.md section 2).
const READ_AHEAD_KIB: u32 = 1024;

/// A mounted file system. Dropping it takes the mount down.
#[must_use = "dropping it unmounts"]
pub struct Mounted {
    fuse: Arc<Fuse>,
    mount: Mount,
    ended: watch::Receiver<bool>,
    session: Option<JoinHandle<io::Result<()>>>,
}

impl Mounted {
    /// Absolute and without links.
    pub fn mountpoint(&self) -> &Path {
        &self.mount.mountpoint
    }

    /// What tells this mount from all others.
    pub fn mount(&self) -> &Mount {
        &self.mount
    }

    /// Whether the kernel reads and writes whole data files by itself.
    pub fn passthrough(&self) -> bool {
        self.fuse.kernel.passthrough()
    }

    /// Answers every waiting request at once with an error, and from now on each one that would have to wait. For
    /// SIGTERM and `umount --now`.
    pub fn stop_waiting(&self) {
        self.fuse.stopping.send_replace(true);
    }

    /// Takes the mount out of the tree at once. The session ends when the last program has closed its files.
    pub fn unmount(&self) -> Result<(), MountError> {
        if *self.ended.borrow() { Ok(()) } else { mounting::unmount(&self.mount) }
    }

    /// Returns when the session has ended: by [`Mounted::unmount`], or by anybody else's umount.
    pub async fn ended(&self) {
        // An error means that the session's thread is gone, which is an end too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Blocks until the session has ended, and tells how.
    pub fn join(mut self) -> io::Result<()> {
        match self.session.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the FUSE session panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.stop_waiting();
        if let Err(error) = self.unmount() {
            log::warn!("{error}");
        }
    }
}

/// Shakes hands with the kernel on `device` and starts to serve.
pub(super) fn start(
    fuse: Arc<Fuse>,
    device: OwnedFd,
    mount: Mount,
    acl: SessionACL,
    news: Receiver<Invalidation>,
) -> Result<Mounted, MountError> {
    let mut config = Config::default();
    config.n_threads = Some(THREADS);
    config.clone_fd = can_clone_device();
    let session = Session::from_fd(Adapter(Arc::clone(&fuse)), device, acl, config).map_err(session_error)?;
    if fuse.kernel.misses_passthrough() {
        return Err(MountError::NoPassthrough);
    }
    raise_read_ahead(&mount.device);

    let (ended_sender, ended) = watch::channel(false);
    let notifier = notify::start(session.notifier(), news, ended.clone(), fuse.runtime.clone());
    let notifier = notifier.map_err(MountError::Session)?;
    let (shared, ours) = (Arc::clone(&fuse), mount.clone());
    let serve = move || serve(session, &shared, &ours, &ended_sender, notifier);
    let thread = thread::Builder::new().name("fuse-session".to_owned()).spawn(serve).map_err(MountError::Session)?;
    Ok(Mounted { fuse, mount, ended, session: Some(thread) })
}

/// Serves until the kernel ends the connection, and leaves nothing behind.
fn serve(
    session: Session<Adapter>,
    fuse: &Fuse,
    mount: &Mount,
    ended: &watch::Sender<bool>,
    notifier: JoinHandle<()>,
) -> io::Result<()> {
    let result = contained(|| session.run()).unwrap_or_else(|| Err(io::Error::other("the FUSE session panicked")));
    // Whoever waits and the notifier hold the connection open: as long as they live, a mount without a session hangs
    // instead of failing.
    fuse.stopping.send_replace(true);
    ended.send_replace(true);
    if notifier.join().is_err() {
        log::error!("the notifier panicked");
    }
    let cleared = match &result {
        Ok(()) => mounting::unmount_if_dead(mount),
        // The kernel has not ended it, so it is ours still.
        Err(_) => mounting::unmount(mount),
    };
    if let Err(error) = cleared {
        log::warn!("{error}");
    }
    result
}

fn session_error(error: io::Error) -> MountError {
    match error.kind() {
        io::ErrorKind::Unsupported => MountError::KernelTooOld("readdirplus"),
        _ => MountError::Session(error),
    }
}

/// A descriptor for each thread takes opening the device again, which an ordinary user may not everywhere; then the
/// threads share one.
fn can_clone_device() -> bool {
    OpenOptions::new().read(true).write(true).open(mounting::DEVICE).is_ok()
}

/// For root only, and never worth failing for.
fn raise_read_ahead(device: &str) {
    let setting = format!("/sys/class/bdi/{device}/read_ahead_kb");
    if let Err(error) = fs::write(&setting, READ_AHEAD_KIB.to_string()) {
        log::debug!("read-ahead stays as it is: {setting}: {error}");
    }
}

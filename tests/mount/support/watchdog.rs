//! A hang in the kernel cannot be interrupted by a test: after a time limit the watchdog ends the daemon and the mount,
//! and whoever waited gets an error.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::table;

/// Watches one daemon and its mount until dropped.
pub struct Watchdog {
    bitten: Arc<AtomicBool>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub fn start(limit: Duration, daemon: Pid, mountpoint: PathBuf) -> Watchdog {
        let bitten = Arc::new(AtomicBool::new(false));
        let (end, ended) = channel();
        let bite = bitten.clone();
        let watch = move || {
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                bite.store(true, Ordering::SeqCst);
                eprintln!("{} took longer than {limit:?}: ending it", mountpoint.display());
                let _ = kill(daemon, Signal::SIGKILL);
                table::abort(&mountpoint);
                table::detach(&mountpoint);
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch).unwrap();
        Watchdog { bitten, end: Some(end), thread: Some(thread) }
    }

    /// Whether the time was over.
    pub fn has_bitten(&self) -> bool {
        self.bitten.load(Ordering::SeqCst)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

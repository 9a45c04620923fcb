//! A running mount whose daemon is a child of this process.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::mounter::{Mounter, boxfs};
use super::run::{Ran, run};
use super::watchdog::Watchdog;
use super::{PROGRAM_LIMIT, SOON, World, eventually_ok, table};

/// A stopping daemon gets this long; the contract says five seconds, and the machine may be busy.
const END_LIMIT: Duration = Duration::from_secs(15);
/// Lines of the daemon's log that a failed test shows.
const LOG_LINES_SHOWN: usize = 60;

/// Unmounts when dropped, whatever state the daemon is in.
pub struct Mount {
    /// The mount point.
    pub root: PathBuf,
    pub state_dir: PathBuf,
    pub cache_dir: PathBuf,
    pub log: PathBuf,
    home: PathBuf,
    daemon: Child,
    watchdog: Option<Watchdog>,
    /// The mount is somebody else's business from now on.
    left_alone: bool,
}

impl Mount {
    pub(super) fn new(daemon: Child, made_by: &Mounter, limit: Duration) -> Mount {
        let root = made_by.mountpoint();
        let pid = Pid::from_raw(i32::try_from(daemon.id()).unwrap());
        let watchdog = Some(Watchdog::start(limit, pid, root.clone()));
        let (state_dir, cache_dir) = (made_by.state_dir(), made_by.cache_dir());
        let (log, home) = (made_by.log(), made_by.home.clone());
        Mount { root, state_dir, cache_dir, log, home, daemon, watchdog, left_alone: false }
    }

    /// A path in the mount, given relative to its root.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.daemon.id()).unwrap())
    }

    /// Runs `boxfs ARGUMENTS... MOUNTPOINT/path`.
    #[track_caller]
    pub fn command(&self, arguments: &[&str], path: &str) -> Ran {
        run(boxfs(&self.home).args(arguments).arg(self.at(path)), PROGRAM_LIMIT)
    }

    /// Like [`Mount::command`] on the whole mount, for what takes long.
    #[track_caller]
    pub fn command_within(&self, arguments: &[&str], limit: Duration) -> Ran {
        run(boxfs(&self.home).args(arguments).arg(&self.root), limit)
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.daemon.try_wait(), Ok(None))
    }

    /// `boxfs wait` for everything; panics unless Box has it.
    #[track_caller]
    pub fn wait(&self) {
        let ran = self.command(&["wait", "--timeout", "45"], "");
        assert_eq!(ran.code, Some(0), "{}{}\n{:#}", ran.stdout, ran.stderr, self.status());
    }

    /// `boxfs status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.command(&["status", "--json"], "").ok().stdout).unwrap()
    }

    /// `user.box.NAME` of a path.
    #[track_caller]
    pub fn xattr(&self, path: &str, name: &str) -> String {
        let value = xattr::get(self.at(path), format!("user.box.{name}")).unwrap();
        String::from_utf8(value.unwrap_or_else(|| panic!("{path} has no user.box.{name}"))).unwrap()
    }

    /// Waits until Box has received `bytes`; what was closed goes up without anybody's asking.
    #[track_caller]
    pub fn expect_uploading(&self, world: &World, bytes: u64) {
        eventually_ok(SOON, || {
            let come = world.emulator.bytes_received();
            if come >= bytes { Ok(()) } else { Err(format!("Box got {come} bytes; {:#}", self.status())) }
        });
    }

    /// A line of `/proc/PID/status` of the daemon, in bytes.
    pub fn memory_bytes(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let found = status.lines().find(|l| l.starts_with(line)).unwrap();
        found.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// The exit code of a daemon that should end by itself soon; `None` after a signal.
    #[track_caller]
    pub fn ended(&mut self, limit: Duration) -> Option<i32> {
        self.exit_status(limit).code()
    }

    /// How a daemon ended that dies by itself; leaves a dead mount.
    #[track_caller]
    pub fn death(mut self, limit: Duration) -> ExitStatus {
        let status = self.exit_status(limit);
        self.left_alone = true;
        status
    }

    #[track_caller]
    fn exit_status(&mut self, limit: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.daemon.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < limit, "the daemon still runs after {limit:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `boxfs umount`; panics unless Box has everything and the mount is gone.
    #[track_caller]
    pub fn umount(mut self) {
        self.command(&["umount", "--timeout", "45"], "").ok();
        assert!(!table::is_mounted(&self.root));
        assert_eq!(self.ended(END_LIMIT), Some(0));
    }

    /// `kill -9`; leaves a dead mount.
    pub fn kill(mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        self.left_alone = true;
    }

    fn end(&mut self) {
        let _ = kill(self.pid(), Signal::SIGTERM);
        let started = Instant::now();
        while matches!(self.daemon.try_wait(), Ok(None)) && started.elapsed() < END_LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
        if matches!(self.daemon.try_wait(), Ok(None)) {
            eprintln!("the daemon of {} does not end on SIGTERM", self.root.display());
            table::abort(&self.root);
            let _ = self.daemon.kill();
            let _ = self.daemon.wait();
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.left_alone {
            return;
        }
        if matches!(self.daemon.try_wait(), Ok(None)) {
            self.end();
        }
        if table::is_mounted(&self.root) {
            table::detach(&self.root);
        }
        let bitten = self.watchdog.take().is_some_and(|watchdog| watchdog.has_bitten());
        if std::thread::panicking() {
            show_log(&self.log);
        } else {
            assert!(!bitten, "the mount hung");
        }
    }
}

fn show_log(log: &Path) {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("the daemon's log, {} lines, ends with:", lines.len());
    for line in &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..] {
        eprintln!("  {line}");
    }
}

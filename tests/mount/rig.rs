//! A Box, and mounts of it, each in a process of its own, so that a hang hangs that process and not the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const TOKEN: &str = "token-of-the-mount-tests";
/// After this a mount is taken away from under its test, whose calls then fail instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a daemon may take to mount, or to end.
const SOON: Duration = Duration::from_secs(20);
/// Short, so that tests need not wait; long enough that a file is not sent between two writes of a test.
const SETTLE: &str = "200ms";
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until `holds`; fails when it does not within `limit`.
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// Bytes that differ everywhere, the same for each call.
pub fn noise(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(len as u64);
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

/// The command with nothing of the caller's configuration.
fn boxfs(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxfs"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("BOXFS_TOKEN", TOKEN).stdin(Stdio::null());
    command
}

/// An emulated Box.
pub struct Far {
    dir: TempDir,
    url: String,
    process: Child,
}

impl Far {
    pub fn start() -> Far {
        let dir = tempfile::tempdir().unwrap();
        let mut command = boxfs(dir.path());
        command.args(["emulator", "--listen", "127.0.0.1:0", "--token", TOKEN, "--data"]).arg(dir.path().join("box"));
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.split_whitespace().find(|word| word.starts_with("http://")).expect(&first).to_owned();
        // The rest is read on, so that the server never waits for a reader.
        thread::spawn(move || lines.for_each(drop));
        Far { dir, url, process }
    }

    /// A mount point with a state directory of its own, not mounted yet.
    pub fn seat(&self, name: &str) -> Seat {
        let home = self.dir.path().join(name);
        fs::create_dir_all(home.join("mnt")).unwrap();
        Seat { home, url: self.url.clone() }
    }

    /// A mount in an empty state directory.
    pub fn mount(&self, name: &str, options: &str) -> Mount {
        self.seat(name).mount(options)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a mount is, was or will be.
#[derive(Clone)]
pub struct Seat {
    home: PathBuf,
    url: String,
}

impl Seat {
    pub fn path(&self) -> PathBuf {
        self.home.join("mnt")
    }

    /// `boxfs mount --foreground`, not started yet.
    pub fn command(&self, options: &str) -> Command {
        let mut command = boxfs(&self.home);
        command.args(["mount", "--foreground", "--settle", SETTLE, "--server", &self.url, "--state-dir"]);
        command.arg(self.home.join("state")).arg("--cache-dir").arg(self.home.join("cache"));
        if !options.is_empty() {
            command.args(["-o", options]);
        }
        command.arg(self.path());
        command
    }

    pub fn mount(&self, options: &str) -> Mount {
        let log = fs::File::create(self.home.join("log")).unwrap();
        let process = self.command(options).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let process = Arc::new(Mutex::new(process));
        let ended = Arc::new(AtomicBool::new(false));
        let mount = Mount { seat: self.clone(), process: process.clone(), ended: ended.clone() };
        thread::spawn(move || watch(&process, &ended));
        eventually("the mount is there", SOON, || {
            assert!(mount.runs(), "the daemon has ended: {}", mount.log());
            // A dead mount in its place answers that its server is gone.
            self.is_mounted() && fs::metadata(self.path()).is_ok()
        });
        mount
    }

    pub fn is_mounted(&self) -> bool {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        table.lines().any(|line| line.split(' ').nth(4) == self.path().to_str())
    }

    fn detach(&self) {
        for command in [["umount", "-l"], ["fusermount3", "-uz"]] {
            if self.is_mounted() {
                let _ = Command::new(command[0]).arg(command[1]).arg(self.path()).stderr(Stdio::null()).status();
            }
        }
    }
}

/// Kills the daemon when the test takes too long.
fn watch(process: &Mutex<Child>, ended: &AtomicBool) {
    let deadline = Instant::now() + PATIENCE;
    while !ended.load(Ordering::Relaxed) {
        if Instant::now() > deadline {
            let _ = process.lock().unwrap_or_else(PoisonError::into_inner).kill();
            return;
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// A mounted Box; unmounted when dropped.
pub struct Mount {
    pub seat: Seat,
    process: Arc<Mutex<Child>>,
    ended: Arc<AtomicBool>,
}

impl Mount {
    pub fn path(&self, name: &str) -> PathBuf {
        self.seat.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What a command of boxfs says of this mount.
    pub fn ask(&self, command: &[&str]) -> Output {
        boxfs(&self.seat.home).args(command).arg(self.seat.path()).output().unwrap()
    }

    /// Returns when Box has everything.
    pub fn wait_for_box(&self) {
        let output = self.ask(&["wait", "--timeout", "60"]);
        let end = self.child(|child| child.try_wait().unwrap());
        assert!(output.status.success(), "{output:?}\ndaemon: {end:?}\n{}", self.log());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.seat.home.join("log")).unwrap_or_default()
    }

    pub fn runs(&self) -> bool {
        self.child(|child| child.try_wait().unwrap().is_none())
    }

    /// As a power cut would, as far as one process is concerned.
    pub fn kill(&self) {
        self.child(|child| {
            child.kill().unwrap();
            child.wait().unwrap();
        });
    }

    pub fn pid(&self) -> u32 {
        self.child(|child| child.id())
    }

    pub fn ends_soon(&self) {
        eventually("the daemon ends", SOON, || !self.runs());
    }

    fn child<T>(&self, work: impl FnOnce(&mut Child) -> T) -> T {
        work(&mut self.process.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.runs() {
            let _ = self.ask(&["umount", "--now"]);
        }
        let deadline = Instant::now() + SOON;
        while self.runs() && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
        self.ended.store(true, Ordering::Relaxed);
        if self.runs() {
            self.kill();
        }
        self.seat.detach();
    }
}

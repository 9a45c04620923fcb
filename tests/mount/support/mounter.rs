//! How a mount is made: the real binary with a state directory, a cache and a mount point of its own.

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::mount::Mount;
use super::{Mode, Ran, run};

/// Start-up in a debug build on busy cores.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A mount that lasts longer hangs.
const MOUNT_LIMIT: Duration = Duration::from_secs(150);

/// Builds one `boxfs mount`.
pub struct Mounter {
    pub home: PathBuf,
    pub name: String,
    pub mode: Mode,
    state_name: String,
    server: String,
    token: String,
    arguments: Vec<OsString>,
    variables: Vec<(String, String)>,
    limit: Duration,
}

impl Mounter {
    pub fn new(home: &Path, name: &str, mode: Mode, server: String, token: String) -> Mounter {
        let (home, name, state_name) = (home.to_owned(), name.to_owned(), name.to_owned());
        Mounter {
            home,
            name,
            mode,
            state_name,
            server,
            token,
            arguments: Vec::new(),
            variables: Vec::new(),
            limit: MOUNT_LIMIT,
        }
    }

    pub fn token(mut self, token: &str) -> Mounter {
        self.token = token.to_owned();
        self
    }

    pub fn server(mut self, url: &str) -> Mounter {
        self.server = url.to_owned();
        self
    }

    /// With the state directory of another mount.
    pub fn state_dir_of(mut self, name: &str) -> Mounter {
        self.state_name = name.to_owned();
        self
    }

    /// More arguments of `boxfs mount`.
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, arguments: I) -> Mounter {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of the daemon's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Mounter {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For tests that move gigabytes.
    pub fn limit(mut self, limit: Duration) -> Mounter {
        self.limit = limit;
        self
    }

    pub fn mountpoint(&self) -> PathBuf {
        self.home.join(format!("mount-{}", self.name))
    }

    pub fn state_dir(&self) -> PathBuf {
        self.home.join(format!("state-{}", self.state_name))
    }

    pub fn cache_dir(&self) -> PathBuf {
        self.home.join(format!("cache-{}", self.name))
    }

    pub fn log(&self) -> PathBuf {
        self.home.join(format!("log-{}", self.name))
    }

    /// `boxfs mount` with all that it needs, in the background as a user has it.
    pub fn command(&self) -> Command {
        let mut command = boxfs(&self.home);
        command.arg("mount").arg(self.mountpoint()).args(["-o", self.mode.option()]).args(&self.arguments);
        // As variables, so that an argument of a test wins.
        command.env("BOXFS_STATE_DIR", self.state_dir()).env("BOXFS_CACHE_DIR", self.cache_dir());
        command.env("BOXFS_SERVER", &self.server).env("BOXFS_TOKEN", &self.token);
        // The pace of real Box is not what most tests are about.
        command.env("BOXFS_API_LIMITS", "off").env("BOXFS_LOG_LEVEL", "debug");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Mounts in the background by the command alone.
    pub fn run(&self) -> Ran {
        make_dir(&self.mountpoint());
        run(&mut self.command(), START_LIMIT)
    }

    /// Mounts, and keeps the daemon as a child of this process.
    #[track_caller]
    pub fn start(self) -> Mount {
        make_dir(&self.mountpoint());
        let mut command = self.command();
        command.arg("--foreground");
        let child = self.spawn_ready(command);
        Mount::new(child, &self, self.limit)
    }

    /// Starts a daemon in the foreground and waits for its word that it is ready.
    #[track_caller]
    fn spawn_ready(&self, mut command: Command) -> Child {
        let ready = self.home.join(format!("ready-{}", self.name));
        let _ = std::fs::remove_file(&ready);
        let socket = UnixDatagram::bind(&ready).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        command.env("NOTIFY_SOCKET", &ready).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // SAFETY: prctl(2) is async-signal-safe and allocates nothing.
        unsafe {
            // A test process that is killed leaves no daemon.
            command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(Into::into));
        }
        let mut child = command.spawn().unwrap();
        let started = Instant::now();
        let mut word = [0; 64];
        while socket.recv(&mut word).is_err() {
            let ended = child.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > START_LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                panic!("no mount ({ended:?}): {}", std::fs::read_to_string(self.log()).unwrap());
            }
        }
        assert!(word.starts_with(b"READY=1"), "{word:?}");
        child
    }
}

/// The binary with a home of its own and nothing else from the environment.
pub fn boxfs(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxfs"));
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.current_dir(home);
    command
}

fn make_dir(dir: &Path) {
    // A dead mount there is the next mount's business.
    let _ = std::fs::create_dir(dir);
}

//! Starting the daemon in the background: this command again, from its own file, with a pipe to say that it is ready.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{self, PipeReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::base::Secret;
use crate::config::Settings;

use super::daemon::{RESCUE, SPOOL};
use super::exit::{Exit, Failure};
use super::logging::{LOG_NAME, open_log};
use super::ready::{Started, receive};

/// Signing in and looking at the root take a second or two; a slow network gets its retries.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What a daemon that failed needs to end.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How often an ending daemon is looked at.
const END_CHECK: Duration = Duration::from_millis(10);

/// Starts the daemon and waits until it is ready or has failed. Secrets of the environment go through a pipe, so
/// that no environment and no list of processes shows them.
pub(super) fn start(settings: &Settings, secrets: &BTreeMap<String, Secret>) -> Result<Exit, Failure> {
    let made = make_state_dir(&settings.state_dir)?;
    let result = spawn(settings, secrets).map_err(cannot_start).and_then(|(mut child, ready)| {
        let started = wait_for_word(&mut child, ready, &settings.state_dir);
        if started.is_err() {
            end(&mut child);
        }
        started
    });
    if result.is_err() && made {
        leave_nothing(&settings.state_dir);
    }
    result
}

/// Whether the directory was made here.
fn make_state_dir(dir: &Path) -> Result<bool, Failure> {
    let unusable = |e: io::Error| Failure::new(format!("cannot use the state directory {}: {e}", dir.display()));
    if dir.is_dir() {
        return Ok(false);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    Ok(true)
}

/// A first start that failed leaves no directory behind, unless there are bytes of a program in it.
fn leave_nothing(state_dir: &Path) {
    let is_empty = |name: &str| match state_dir.join(name).read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_empty(SPOOL) && is_empty(RESCUE) {
        // What cannot be removed is empty and in nobody's way.
        let _ = std::fs::remove_dir_all(state_dir);
    }
}

fn spawn(settings: &Settings, secrets: &BTreeMap<String, Secret>) -> io::Result<(Child, PipeReader)> {
    let log = open_log(&settings.state_dir.join(LOG_NAME))?;
    let (ready_reader, ready_writer) = io::pipe()?;
    fcntl(ready_writer.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut arguments = std::env::args_os().skip(1);
    let mut child = Command::new("/proc/self/exe")
        .arg0("boxfs")
        .args(arguments.next())
        .arg("--foreground")
        .arg(format!("--ready-fd={}", ready_writer.as_raw_fd()))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A daemon that is gone already has said why through the other pipe.
        let revealed: BTreeMap<&str, &str> = secrets.iter().map(|(k, v)| (k.as_str(), v.reveal())).collect();
        let _ = stdin.write_all(&serde_json::to_vec(&revealed)?);
    }
    Ok((child, ready_reader))
}

fn wait_for_word(child: &mut Child, ready: PipeReader, state_dir: &Path) -> Result<Exit, Failure> {
    let limit = PollTimeout::try_from(START_LIMIT).unwrap_or(PollTimeout::MAX);
    let came = poll(&mut [PollFd::new(ready.as_fd(), PollFlags::POLLIN)], limit);
    let log = state_dir.join(LOG_NAME);
    match came {
        Ok(0) => {
            let secs = START_LIMIT.as_secs();
            return Err(Failure::new(format!("the daemon is not ready after {secs} s: see {}", log.display())));
        }
        Ok(_) => {}
        Err(error) => return Err(cannot_start(error.into())),
    }
    match receive(ready).map_err(cannot_start)? {
        Some(Started::Ready { told }) => {
            told.iter().for_each(|what| eprintln!("boxfs: {what}"));
            Ok(Exit::Done)
        }
        Some(Started::Error { message, exit_code }) => Err(Failure { message, exit: Exit::from_code(exit_code) }),
        None => {
            let status = child.wait().map_err(cannot_start)?;
            Err(Failure::new(format!("the daemon ended at its start ({status}): {}", last_line(&log))))
        }
    }
}

/// A daemon that failed ends by itself, after it has taken its mount away; one that hangs does not.
fn end(child: &mut Child) {
    let started = Instant::now();
    while started.elapsed() < END_LIMIT {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(END_CHECK);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The log may be gone in a moment.
fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next_back().unwrap_or("it said nothing").to_owned()
}

fn cannot_start(error: io::Error) -> Failure {
    Failure::new(format!("cannot start the daemon: {error}"))
}

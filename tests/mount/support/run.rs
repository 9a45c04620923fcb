//! Programs with a time limit.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::PROGRAM_LIMIT;

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What became of a program.
#[derive(Debug)]
pub struct Ran {
    /// `None`: a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Panics unless it succeeded.
    #[track_caller]
    pub fn ok(self) -> Ran {
        self.expect_code(0)
    }
}

/// Runs `command` to its end; kills it and panics after `limit`.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Ran {
    run_told(command, "", limit)
}

/// Runs a program that reads `input`.
#[track_caller]
pub fn run_told(command: &mut Command, input: &str, limit: Duration) -> Ran {
    let started = Instant::now();
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    // A program that reads nothing may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let stdout = read_all(child.stdout.take().unwrap());
    let stderr = read_all(child.stderr.take().unwrap());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > limit {
            end(&mut child);
            panic!("not done within {limit:?}: {shown}\n{}{}", text(stdout), text(stderr));
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let took = started.elapsed();
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr), took }
}

/// Runs a program of the search path in `dir`; panics unless it succeeds.
#[track_caller]
pub fn run_in<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(dir: &Path, program: &str, arguments: I) -> Ran {
    run(Command::new(program).args(arguments).current_dir(dir), PROGRAM_LIMIT).ok()
}

/// The program and all that it started.
fn end(child: &mut Child) {
    let _ = killpg(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL);
    let _ = child.wait();
}

/// A daemon in the background may keep nothing of this: it has its own output.
fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn text(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap()).into_owned()
}

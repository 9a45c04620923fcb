//! Programs with a time limit, whose output is shown when they fail.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

const POLL: Duration = Duration::from_millis(20);

/// What a program said on both its outputs; panics where it failed or took too long.
pub fn run(command: &mut Command, limit: Duration) -> String {
    let what = format!("{command:?}").chars().take(400).collect::<String>();
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = |file: &File| Stdio::from(file.try_clone().unwrap());
    command.stdin(Stdio::null()).stdout(output(log.as_file())).stderr(output(log.as_file()));
    // A group of its own, so that what it starts ends with it.
    let mut child = command.process_group(0).spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
    let status = wait(&mut child, limit);
    let said = String::from_utf8_lossy(&std::fs::read(log.path()).unwrap()).into_owned();
    match status {
        Some(status) if status.success() => said,
        Some(status) => panic!("{what}: {status}\n{said}"),
        None => panic!("{what}: not done within {limit:?}\n{said}"),
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if started.elapsed() > limit {
            // It may have ended by itself meanwhile.
            let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(POLL);
    }
}

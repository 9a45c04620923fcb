//! The programs that the demo runs, shown as a user would type them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli::emulator::SERVER_LABEL;
use crate::cli::exit::Failure;

use super::interrupt::Interrupt;

/// How often a running program and the wish to stop are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs a program to its end, which a wish to stop brings early.
pub(super) fn run(mut command: Command, interrupt: &Interrupt) -> Result<(), Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |e: std::io::Error| Failure::new(format!("cannot run {name}: {e}"));
    let mut child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            interrupt.check()?;
            return expect_success(&command, status);
        }
        if interrupt.check().is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Runs a program that a Ctrl-C at the terminal does not reach: half a mount is worse than none.
pub(super) fn run_to_the_end(mut command: Command) -> Result<(), Failure> {
    command.stdin(Stdio::null()).process_group(0);
    let status = command.status().map_err(|e| Failure::new(format!("cannot run {}: {e}", shown(&command))))?;
    expect_success(&command, status)
}

fn expect_success(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() { Ok(()) } else { Err(Failure::new(format!("'{}' failed: {status}", shown(command)))) }
}

/// Our own program, whatever its file is called by now.
pub(super) fn boxfs<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("boxfs").args(arguments);
    command
}

/// Prints a command as one would type it.
pub(super) fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

fn shown(command: &Command) -> String {
    let program = if command.get_program() == "/proc/self/exe" { OsStr::new("boxfs") } else { command.get_program() };
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// As a shell would need it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A running `boxfs emulator`; ends when dropped unless it is to be kept.
pub(super) struct EmulatorChild {
    child: Child,
    url: String,
    keep: bool,
}

impl EmulatorChild {
    /// What it says goes to `log`: a kept emulator must not hold on to the terminal or to a pipe.
    pub(super) fn start(data: &Path, log: &Path, token: &str) -> Result<EmulatorChild, Failure> {
        let failed = |e: std::io::Error| Failure::new(format!("cannot start the emulator: {e}"));
        let arguments = ["emulator", "--token", token, "--data"].map(OsString::from).into_iter();
        let mut command = boxfs(arguments.chain([data.as_os_str().to_owned()]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log).map_err(failed)?);
        let child = command.process_group(0).spawn().map_err(failed)?;
        let mut emulator = EmulatorChild { child, url: String::new(), keep: false };
        let mut line = String::new();
        if let Some(stdout) = emulator.child.stdout.take() {
            // What it says after its first line is for people.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        match line.trim_end().strip_prefix(SERVER_LABEL) {
            Some(url) => emulator.url = url.to_owned(),
            None => {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(Failure::new(format!("the emulator did not start: {}", said.trim())));
            }
        }
        Ok(emulator)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it outlive the demo.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for EmulatorChild {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_one_would_type_them() {
        assert_eq!(shown(&boxfs(["mount", "/a b", "it's"])), r"boxfs mount '/a b' 'it'\''s'");
    }

    #[test]
    fn a_program_that_fails_is_named() {
        let interrupt = Interrupt::watch().unwrap();
        let error = run(Command::new("false"), &interrupt).unwrap_err();
        assert!(error.message.starts_with("'false' failed"), "{}", error.message);
        assert!(run(Command::new("true"), &interrupt).is_ok());
        assert!(run_to_the_end(Command::new("/nonexistent")).is_err());
    }
}

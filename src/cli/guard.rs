//! `-o auto_unmount`: a process of its own that outlives the daemon, and takes the mount away if the daemon has died.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use crate::fuse::{Mount, clear_if_dead};

use super::exit::{Exit, Failure};

/// The kernel ends a connection a moment after the process that held it; with a machine out of memory, later.
const CLEAR_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Take a mount away once standard input ends, if its daemon has died
#[derive(Args)]
pub(super) struct Arguments {
    mountpoint: PathBuf,
    /// major:minor
    device: String,
    source: OsString,
}

/// The daemon's end of a pipe: it closes with the daemon, however that ends.
pub(super) struct Guard {
    _alive: ChildStdin,
}

impl Guard {
    pub(super) fn start(mount: &Mount) -> io::Result<Guard> {
        let mut child = Command::new("/proc/self/exe")
            .arg0("boxfs")
            .arg("guard-mount")
            .arg(&mount.mountpoint)
            .arg(&mount.device)
            .arg(&mount.source)
            // Where fusermount3 is.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A signal to the daemon's terminal is not meant for it.
            .process_group(0)
            .spawn()?;
        let alive = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Guard { _alive: alive })
    }
}

pub(super) fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { mountpoint, device, source } = arguments;
    let mount = Mount { mountpoint, device, source };
    let failed = |error: &dyn std::error::Error| Failure::new(error.to_string());
    io::copy(&mut io::stdin(), &mut io::sink()).map_err(|e| failed(&e))?;
    let started = Instant::now();
    while !clear_if_dead(&mount).map_err(|e| failed(&e))? {
        if started.elapsed() > CLEAR_WITHIN {
            return Err(Failure::new(format!("{} stays mounted", mount.mountpoint.display())));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(Exit::Done)
}

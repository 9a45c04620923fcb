//! `boxfs umount`: waits for Box, says what is left, takes the mount away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::base::parse_duration;
use crate::control::{Client, ClientError, Mounted, Pending, Reply, Request, mount_at, mounts};

use super::detach::detach;
use super::exit::{Exit, Failure};
use super::progress::{ProgressView, print_left};
use super::wait::in_ms;

/// After its last word a daemon closes its database; a slow disk gets this long.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Wait until Box has everything, then unmount
#[derive(Args)]
pub(super) struct Arguments {
    mountpoint: PathBuf,
    /// Wait this long for Box, then unmount all the same with exit code 3
    #[arg(long, value_name = "SECS", value_parser = parse_duration, default_value = "60")]
    timeout: Duration,
    /// Do not wait for Box: the rest goes up after the next mount
    #[arg(long, conflicts_with = "timeout")]
    now: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mount = mount_at(&arguments.mountpoint)?;
    let mut client = match Client::connect(&mount.state_dir) {
        Ok(client) => client,
        Err(ClientError::NoDaemon { .. }) => return take_dead_mount_away(&mount),
        Err(error) => return Err(error.into()),
    };
    let timeout_ms = if arguments.now { 0 } else { in_ms(arguments.timeout) };
    let mut view = ProgressView::new();
    let last = client.stream(&Request::Unmount { timeout_ms }, |reply| view.show(reply));
    view.end();
    let left = match last? {
        Reply::Done => None,
        Reply::Pending(left) => Some(left),
        other => return Err(other.into()),
    };
    wait_for_end(&client, &mount)?;
    Ok(tell(left, &mount.mountpoint))
}

fn wait_for_end(client: &Client, mount: &Mounted) -> Result<(), Failure> {
    let ended = client.wait_for_its_end(END_LIMIT);
    let still_there = mounts().map_err(|e| Failure::new(e.to_string()))?.contains(mount);
    match (ended, still_there) {
        (true, false) => Ok(()),
        (true, true) => detach(&mount.mountpoint),
        (false, _) => {
            let secs = END_LIMIT.as_secs();
            Err(Failure::new(format!(
                "the daemon has not ended after {secs} s: see {}",
                mount.state_dir.join("log").display()
            )))
        }
    }
}

fn tell(left: Option<Pending>, mountpoint: &Path) -> Exit {
    match left {
        None => Exit::Done,
        Some(left) => {
            print_left(&left);
            println!("Unmounted; the rest goes up when {} is mounted again.", mountpoint.display());
            Exit::Pending
        }
    }
}

fn take_dead_mount_away(mount: &Mounted) -> Result<Exit, Failure> {
    detach(&mount.mountpoint)?;
    println!("The daemon was gone; what it had not sent goes up after the next mount.");
    Ok(Exit::Done)
}

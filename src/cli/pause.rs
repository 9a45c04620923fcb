//! `boxfs pause` and `boxfs resume`: whether anything is sent to Box.

use std::path::PathBuf;

use clap::Args;

use crate::control::{Client, Reply, Request, find};

use super::exit::{Exit, Failure};

/// Send nothing to Box until 'boxfs resume', also after a restart
///
/// Programs go on reading and writing; what they write waits on this machine.
#[derive(Args)]
pub(super) struct Pausing {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
}

/// Send to Box again what waits since 'boxfs pause'
#[derive(Args)]
pub(super) struct Resuming {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
}

pub(super) fn pause(arguments: &Pausing) -> Result<Exit, Failure> {
    tell(arguments.path.as_ref(), true)
}

pub(super) fn resume(arguments: &Resuming) -> Result<Exit, Failure> {
    tell(arguments.path.as_ref(), false)
}

fn tell(path: Option<&PathBuf>, pause: bool) -> Result<Exit, Failure> {
    let place = find(path.map(PathBuf::as_path))?;
    match Client::connect(&place.mount.state_dir)?.ask(&Request::Pause { pause })? {
        Reply::Done => Ok(Exit::Done),
        other => Err(other.into()),
    }
}

//! `boxfs retry`: failed items once more, now.

use std::path::PathBuf;

use clap::Args;

use crate::control::{Client, Reply, Request, find};

use super::exit::{Exit, Failure};

/// Try failed items below PATH again at once
#[derive(Args)]
pub(super) struct Arguments {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let place = find(arguments.path.as_deref())?;
    match Client::connect(&place.mount.state_dir)?.ask(&Request::Retry { path: place.inner })? {
        Reply::Done => Ok(Exit::Done),
        other => Err(other.into()),
    }
}

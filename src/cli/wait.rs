//! `boxfs wait`: until Box has everything.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::base::parse_duration;
use crate::control::{Client, Reply, Request, find};

use super::exit::{Exit, Failure};
use super::progress::{ProgressView, print_left};

/// Wait until Box has everything below PATH
#[derive(Args)]
pub(super) struct Arguments {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
    /// Give up after this time, exit code 3
    #[arg(long, value_name = "SECS", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let place = find(arguments.path.as_deref())?;
    let timeout_ms = arguments.timeout.map(in_ms);
    let request = Request::Wait { path: place.inner, timeout_ms };
    let mut view = ProgressView::new();
    let last = Client::connect(&place.mount.state_dir)?.stream(&request, |reply| view.show(reply));
    view.end();
    match last? {
        Reply::Done => Ok(Exit::Done),
        Reply::Pending(left) => {
            print_left(&left);
            Ok(Exit::Pending)
        }
        other => Err(other.into()),
    }
}

pub(super) fn in_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

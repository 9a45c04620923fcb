//! `boxfs versions` and `boxfs restore`: the past of one file.

use std::path::PathBuf;

use clap::Args;

use crate::base::show_size;
use crate::control::{Client, Reply, Request, Version, find};

use super::exit::{Exit, Failure};

/// List the versions of a file that Box has
#[derive(Args)]
pub(super) struct VersionsArguments {
    /// A file of a mount
    path: PathBuf,
    /// One JSON array for scripts
    #[arg(long)]
    json: bool,
}

/// Make an old version of a file the current one again; nothing is lost, since it becomes a version of its own
#[derive(Args)]
pub(super) struct RestoreArguments {
    /// A file of a mount
    path: PathBuf,
    /// The number that `boxfs versions` shows
    #[arg(long, value_name = "N")]
    version: u64,
}

pub(super) fn versions(arguments: &VersionsArguments) -> Result<Exit, Failure> {
    let place = find(Some(&arguments.path))?;
    let versions = match Client::connect(&place.mount.state_dir)?.ask(&Request::Versions { path: place.inner })? {
        Reply::Versions { versions } => versions,
        other => return Err(other.into()),
    };
    if arguments.json {
        println!("{}", serde_json::json!(versions));
    } else {
        versions.iter().rev().for_each(|version| println!("{}", in_words(version)));
    }
    Ok(Exit::Done)
}

pub(super) fn restore(arguments: &RestoreArguments) -> Result<Exit, Failure> {
    let place = find(Some(&arguments.path))?;
    let request = Request::RestoreVersion { path: place.inner, number: arguments.version };
    match Client::connect(&place.mount.state_dir)?.ask(&request)? {
        Reply::Done => {
            println!("Version {} is the current one again.", arguments.version);
            Ok(Exit::Done)
        }
        other => Err(other.into()),
    }
}

/// `  3  2026-11-23T10:00:00Z  12 kB  ann@example.com  (current)`
fn in_words(version: &Version) -> String {
    let at = version.at.as_deref().unwrap_or("-");
    let by = version.by.as_deref().map(|by| format!("  {by}")).unwrap_or_default();
    let current = if version.current { "  (current)" } else { "" };
    format!("{:>4}  {at}  {}{by}{current}", version.number, show_size(version.size))
}

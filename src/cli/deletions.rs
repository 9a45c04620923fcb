//! `boxfs confirm` and `boxfs undo`: the word on deletions that the guard holds.

use std::path::PathBuf;

use clap::Args;

use crate::control::{Client, Reply, Request, find};

use super::exit::{Exit, Failure};

/// Let deletions go that are held because they are many at once
#[derive(Args)]
pub(super) struct Confirming {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
}

/// Bring back what was deleted where the deletions are held
#[derive(Args)]
pub(super) struct Undoing {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
}

pub(super) fn confirm(arguments: &Confirming) -> Result<Exit, Failure> {
    let count = decide(arguments.path.as_ref(), false)?;
    println!("{}", if count == 0 { "No deletions are held.".to_owned() } else { format!("{count} deletions go.") });
    Ok(Exit::Done)
}

pub(super) fn undo(arguments: &Undoing) -> Result<Exit, Failure> {
    let count = decide(arguments.path.as_ref(), true)?;
    println!("{}", if count == 0 { "No deletions are held.".to_owned() } else { format!("{count} items are back.") });
    Ok(Exit::Done)
}

fn decide(path: Option<&PathBuf>, undo: bool) -> Result<u64, Failure> {
    let place = find(path.map(PathBuf::as_path))?;
    match Client::connect(&place.mount.state_dir)?.ask(&Request::Deletions { undo })? {
        Reply::Count { count } => Ok(count),
        other => Err(other.into()),
    }
}

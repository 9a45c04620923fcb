//! `boxfs pin`, `unpin`, `evict` and `prefetch`: what is on this machine.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::show_size;
use crate::control::{Client, Filling, Reply, Request, find};

use super::exit::{Exit, Failure};
use super::filling::FillingView;
use super::progress::items;

/// Bring everything below PATH here and keep it, also when it changes in Box
#[derive(Args)]
pub(super) struct PinArguments {
    /// Files and folders of a mount
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// Stop keeping what was pinned; its bytes stay as long as there is room
#[derive(Args)]
pub(super) struct UnpinArguments {
    /// Files and folders that were pinned
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// Drop the bytes below PATH that Box has, and that no pin and no program keeps
#[derive(Args)]
pub(super) struct EvictArguments {
    /// Files and folders of a mount
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// Bring the names below PATH here, so that walking them asks Box for nothing
#[derive(Args)]
pub(super) struct PrefetchArguments {
    /// Files and folders of a mount
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The files' bytes too, as far as the cache has room
    #[arg(long)]
    bytes: bool,
}

pub(super) fn pin(arguments: &PinArguments) -> Result<Exit, Failure> {
    each(&arguments.paths, |path| bring(path, |path| Request::Pin { path }))
}

pub(super) fn prefetch(arguments: &PrefetchArguments) -> Result<Exit, Failure> {
    each(&arguments.paths, |path| bring(path, |path| Request::Prefetch { path, bytes: arguments.bytes }))
}

pub(super) fn unpin(arguments: &UnpinArguments) -> Result<Exit, Failure> {
    each(&arguments.paths, |path| match ask(path, |path| Request::Unpin { path })? {
        Reply::Done => Ok(Exit::Done),
        other => Err(other.into()),
    })
}

pub(super) fn evict(arguments: &EvictArguments) -> Result<Exit, Failure> {
    each(&arguments.paths, |path| match ask(path, |path| Request::Evict { path })? {
        Reply::Evicted(gone) => {
            println!("{} evicted, {} freed", items(gone.count), show_size(gone.bytes));
            Ok(Exit::Done)
        }
        other => Err(other.into()),
    })
}

/// All paths, whatever becomes of one; the last exit that is not `Done` counts.
fn each(paths: &[PathBuf], act: impl Fn(&Path) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let exits = paths.iter().map(|path| act(path).unwrap_or_else(Failure::tell));
    Ok(exits.fold(Exit::Done, |last, exit| if exit == Exit::Done { last } else { exit }))
}

fn ask(path: &Path, request: impl FnOnce(String) -> Request) -> Result<Reply, Failure> {
    let place = find(Some(path))?;
    Ok(Client::connect(&place.mount.state_dir)?.ask(&request(place.inner))?)
}

fn bring(path: &Path, request: impl FnOnce(String) -> Request) -> Result<Exit, Failure> {
    let place = find(Some(path))?;
    let mut view = FillingView::new();
    let last = Client::connect(&place.mount.state_dir)?.stream(&request(place.inner), |reply| view.show(reply));
    view.end();
    match last? {
        Reply::Filled(filling) => Ok(tell(&filling)),
        other => Err(other.into()),
    }
}

fn tell(filling: &Filling) -> Exit {
    println!("{}", in_words(filling));
    match &filling.trouble {
        None => Exit::Done,
        Some(trouble) => {
            eprintln!("boxfs: {} could not be had: {trouble}; run the command again to go on", items(filling.failed));
            Exit::Failed
        }
    }
}

/// `3 folders, 12 files, 40.0 MB of 40.0 MB here`
pub(super) fn in_words(filling: &Filling) -> String {
    let (folders, files) = (filling.folders, filling.files);
    format!(
        "{folders} {}, {files} {}, {} of {} here",
        if folders == 1 { "folder" } else { "folders" },
        if files == 1 { "file" } else { "files" },
        show_size(filling.bytes_here),
        show_size(filling.bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_is_told_in_one_line() {
        let filling = Filling { folders: 1, files: 12, bytes: 40_000_000, bytes_here: 1, ..Filling::default() };
        assert_eq!(in_words(&filling), "1 folder, 12 files, 1 byte of 40.0 MB here");
    }
}

//! `boxfs save-as`: the bytes of a file as this machine has them, copied out, whether or not Box takes them and a daemon runs.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use clap::Args;
use nix::fcntl::{Flock, FlockArg};

use crate::base::show_size;
use crate::config::{Settings, Surroundings};
use crate::content::Dirs;
use crate::control::{Client, ClientError, FindError, Located, Place, Reply, Request, find};
use crate::sync;
use crate::tree::{Tree, TreeError};

use super::daemon::{MOUNTPOINT_KEY, RESCUE, SPOOL};
use super::exit::{Exit, Failure};
use super::shared::SharedOptions;
use super::state_dir::{DATABASE, LOCK};

/// Copied at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Copy the bytes of PATH as this machine has them to DEST
///
/// Works while nothing is mounted too: then PATH is as it was in the mount, or relative to its root.
#[derive(Args)]
pub(super) struct Arguments {
    path: PathBuf,
    /// A file to make, or a directory
    dest: PathBuf,
    #[command(flatten)]
    shared: SharedOptions,
}

pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    let dest = destination(&arguments.path, &arguments.dest)?;
    match ask_daemon(&arguments.path)? {
        Some(Some(located)) => copy(&located, &dest, Some(&arguments.path)),
        // Nothing of it is here: the mount fetches it.
        Some(None) => {
            let located = Located { file: arguments.path.clone(), size: 0, missing: Vec::new() };
            copy(&located, &dest, None)
        }
        None => copy(&from_database(&arguments.path, &arguments.shared.settings(around)?)?, &dest, None),
    }
}

fn destination(path: &Path, dest: &Path) -> Result<PathBuf, Failure> {
    let dest = match path.file_name() {
        Some(name) if dest.is_dir() => dest.join(name),
        _ => dest.to_owned(),
    };
    match dest.symlink_metadata() {
        Ok(_) => Err(Failure::new(format!("{} exists: choose another name", dest.display()))),
        Err(_) => Ok(dest),
    }
}

/// What the daemon knows of the file; `None` where there is no daemon to ask.
fn ask_daemon(path: &Path) -> Result<Option<Option<Located>>, Failure> {
    let Place { mount, inner } = match find(Some(path)) {
        Ok(place) => place,
        Err(FindError::NotMounted { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut client = match Client::connect(&mount.state_dir) {
        Ok(client) => client,
        Err(ClientError::NoDaemon { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match client.ask(&Request::Locate { path: inner })? {
        Reply::Located { found } => Ok(Some(found)),
        other => Err(other.into()),
    }
}

/// What the database of a daemon that does not run says.
fn from_database(path: &Path, settings: &Settings) -> Result<Located, Failure> {
    let state = &settings.state_dir;
    let database = state.join(DATABASE);
    let lock = File::open(state.join(LOCK)).map_err(|_| {
        let shown = path.display();
        Failure::new(format!(
            "{shown} is in no mount, and {} holds no state: name it with --state-dir",
            state.display()
        ))
    })?;
    let _lock = Flock::lock(lock, FlockArg::LockSharedNonblock)
        .map_err(|_| Failure::new(format!("a daemon uses {}: give the path as it is in its mount", state.display())))?;
    let unreadable = |error: TreeError| {
        let (shown, spool, rescue) = (database.display(), state.join(SPOOL), state.join(RESCUE));
        Failure::new(format!("{shown}: {error}; unsent bytes are in {} and {}", spool.display(), rescue.display()))
    };
    let tree = Tree::open_to_read(&database).map_err(unreadable)?;
    let inner = inner_path(path, tree.meta(MOUNTPOINT_KEY).map_err(unreadable)?.as_deref());
    let missing = || Failure::new(format!("nothing is known of '{inner}' in {}", state.display()));
    let ino = sync::find(&tree, &inner).map_err(unreadable)?.ok_or_else(missing)?;
    let dirs = Dirs { spool: state.join(SPOOL), cache: settings.cache_dir.clone(), rescue: state.join(RESCUE) };
    let located = sync::locate(&tree, ino, |id| dirs.find(id), |_| None).map_err(unreadable)?;
    let located = located.ok_or_else(|| {
        Failure::new(format!("no bytes of '{inner}' are on this machine: Box has them, mount to read them"))
    })?;
    Ok(Located { file: located.file, size: located.size, missing: located.missing })
}

/// The path below the root: as it was in the mount, or relative.
fn inner_path(path: &Path, mountpoint: Option<&str>) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let below = mountpoint.and_then(|mountpoint| absolute.strip_prefix(mountpoint).ok());
    below.unwrap_or(path).to_string_lossy().into_owned()
}

/// Copies what is here; what is missing comes through the mount, where there is one, and else stays zero and is told.
fn copy(located: &Located, dest: &Path, mounted: Option<&Path>) -> Result<Exit, Failure> {
    let shown = dest.display();
    let failed = |error: io::Error| Failure::new(format!("cannot write {shown}: {error}"));
    let source = File::open(&located.file)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", located.file.display())))?;
    let target = File::options().write(true).create_new(true).open(dest).map_err(failed)?;
    let written = io::copy(&mut &source, &mut &target).and_then(|_| {
        let absent = fill(&target, &located.missing, mounted);
        target.set_modified(source.metadata()?.modified()?)?;
        target.sync_all()?;
        Ok(absent)
    });
    let absent = written.map_err(|error| {
        // Half a copy would look like a whole one.
        let _ = fs::remove_file(dest);
        failed(error)
    })?;
    if absent > 0 {
        return Err(Failure::new(format!(
            "{shown} has all that is here; {} of it are only in Box, and are zeros in the copy",
            show_size(absent)
        )));
    }
    Ok(Exit::Done)
}

/// Fills the gaps from the mount; how many bytes stay missing.
fn fill(target: &File, missing: &[Range<u64>], mounted: Option<&Path>) -> u64 {
    let mount = mounted.and_then(|path| File::open(path).ok());
    let mut absent = 0;
    for gap in missing {
        let filled = mount.as_ref().map_or(0, |mount| copy_range(mount, target, gap).unwrap_or(0));
        absent += (gap.end - gap.start).saturating_sub(filled);
    }
    absent
}

fn copy_range(from: &File, to: &File, range: &Range<u64>) -> io::Result<u64> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = range.start;
    while at < range.end {
        let wanted = usize::try_from(range.end - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let read = match from.read_at(&mut piece[..wanted], at) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        to.write_all_at(&piece[..read], at).map_err(|error| match error.kind() {
            ErrorKind::StorageFull => error,
            _ => io::Error::other(error),
        })?;
        at += read as u64;
    }
    Ok(at - range.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_through_the_mount_or_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (data, mounted) = (dir.path().join("data"), dir.path().join("mounted"));
        fs::write(&data, b"a\0c\0ef").unwrap();
        fs::write(&mounted, b"abcdef").unwrap();
        let located = Located { file: data, size: 6, missing: vec![1..2, 3..4] };
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        copy(&located, &first, Some(&mounted)).unwrap();
        assert_eq!(fs::read(first).unwrap(), b"abcdef");
        let error = copy(&located, &second, None).unwrap_err();
        assert!(error.message.contains("2 bytes of it are only in Box"), "{}", error.message);
        assert_eq!(fs::read(second).unwrap(), b"a\0c\0ef");
    }

    #[test]
    fn a_path_is_as_it_was_in_the_mount_or_relative() {
        assert_eq!(inner_path(Path::new("/mnt/box/a/b"), Some("/mnt/box")), "a/b");
        assert_eq!(inner_path(Path::new("a/b"), Some("/mnt/box")), "a/b");
        assert_eq!(inner_path(Path::new("a/b"), None), "a/b");
    }
}

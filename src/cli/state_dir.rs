//! The state directory: one daemon at a time, private, and with a mark that says how the last run ended.

use std::fs::{DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::tree::{Tree, TreeError};

use super::daemon::{DaemonError, failed};

pub(super) const DATABASE: &str = "boxfs.db";
pub(super) const LOCK: &str = "lock";
/// There while a daemon runs; a run that ends in order takes it away.
const RUNNING: &str = "running";

/// A state directory that is ours alone until this value goes.
pub(super) struct StateDir {
    path: PathBuf,
    clean: bool,
    _lock: Flock<File>,
}

impl StateDir {
    /// Makes the directory if need be and locks it.
    pub(super) fn take(path: &Path) -> Result<StateDir, DaemonError> {
        let shown = path.display();
        let unusable = |e: std::io::Error| {
            DaemonError::new(format!("cannot use the state directory {shown}: {e}; choose another with --state-dir"))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        if std::fs::metadata(path).map_err(unusable)?.uid() != nix::unistd::geteuid().as_raw() {
            return Err(DaemonError::new(format!(
                "the state directory {shown} belongs to another user: choose another with --state-dir"
            )));
        }
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(unusable)?;
        let file = File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(unusable)?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            DaemonError::new(format!(
                "another daemon uses the state directory {shown}: unmount it first, or choose another with --state-dir"
            ))
        })?;
        let running = path.join(RUNNING);
        let clean = !running.exists();
        File::create(&running).map_err(unusable)?;
        Ok(StateDir { path: path.to_owned(), clean, _lock: lock })
    }

    /// Whether the last run ended in order.
    pub(super) fn was_clean(&self) -> bool {
        self.clean
    }

    /// The database, read whole first if the last run did not end in order.
    pub(super) fn open_tree(&self) -> Result<Tree, DaemonError> {
        let path = self.path.join(DATABASE);
        Tree::open(&path, !self.clean).map_err(|error| match error {
            TreeError::Damaged(what) => DaemonError::new(format!(
                "the database {} is damaged ({what}): move it away and mount again; files not yet sent are in {}",
                path.display(),
                self.path.join("spool").display()
            )),
            other => failed(other),
        })
    }

    /// Marks that everything was put down in order.
    pub(super) fn stopped_cleanly(&self, tree: &Tree) {
        let marked =
            tree.sync().map_err(|e| e.to_string()).and_then(|()| match std::fs::remove_file(self.path.join(RUNNING)) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(e.to_string()),
                _ => Ok(()),
            });
        if let Err(error) = marked {
            log::warn!("the next start will check everything: {error}");
        }
    }
}

//! The state directory: one daemon at a time, private, and with a mark that says how the last run ended.

use std::fs::{DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::base::{Timestamp, write_file_durably};
use crate::tree::{Tree, TreeError};

use super::daemon::{DaemonError, SPOOL, failed};

pub(super) const DATABASE: &str = "boxfs.db";
pub(super) const LOCK: &str = "lock";
/// Account and root folder, beside the database that says the same.
const OWNER: &str = "owner";
/// A database of this size is read whole in a fraction of a second.
const CHECKED_BYTES: u64 = 64 << 20;
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

    /// The database, read whole first if the last run did not end in order, or if that is quick. One that is damaged, or gone while
    /// there are bytes in the spool, is set aside and begun anew; its rebuilding is then to be carried out.
    pub(super) fn open_tree(&self) -> Result<Tree, DaemonError> {
        let path = self.path.join(DATABASE);
        let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let why = match size {
            0 if self.holds_bytes() => "the database is gone".to_owned(),
            _ => match Tree::open(&path, !self.clean || size <= CHECKED_BYTES) {
                Err(TreeError::Damaged(what)) => format!("the database is damaged ({what})"),
                opened => return opened.map_err(failed),
            },
        };
        let aside = self.set_aside()?;
        let why = format!("{why}; what was left of it is {}", aside.display());
        log::error!("{why}; it is made anew");
        let tree = Tree::open(&path, false).map_err(failed)?;
        tree.begin_rebuilding(&why).map_err(failed)?;
        Ok(tree)
    }

    /// Whether programs' bytes lie in the spool.
    fn holds_bytes(&self) -> bool {
        self.path.join(SPOOL).read_dir().is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Moves what is there of the database away, with SQLite's files beside it.
    fn set_aside(&self) -> Result<PathBuf, DaemonError> {
        let when = Timestamp::now().to_rfc3339().replace(':', "-");
        let aside = |suffix: &str| self.path.join(format!("{DATABASE}.damaged-{when}{suffix}"));
        for suffix in ["", "-wal", "-shm"] {
            match std::fs::rename(self.path.join(format!("{DATABASE}{suffix}")), aside(suffix)) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(DaemonError::new(format!("the damaged database cannot be moved away: {e}")));
                }
                _ => {}
            }
        }
        Ok(aside(""))
    }

    /// The account and root folder that the bytes here belong to, should the database not say so any more.
    pub(super) fn owner(&self) -> Option<(String, String)> {
        let text = std::fs::read_to_string(self.path.join(OWNER)).ok()?;
        let (account, root) = text.trim().split_once(' ')?;
        Some((account.to_owned(), root.to_owned()))
    }

    /// Notes whose the bytes here are.
    pub(super) fn set_owner(&self, account: &str, root: &str) -> Result<(), DaemonError> {
        if self.owner().is_some_and(|(a, r)| a == account && r == root) {
            return Ok(());
        }
        write_file_durably(&self.path.join(OWNER), format!("{account} {root}\n").as_bytes(), 0o600).map_err(failed)
    }

    /// Marks that everything was put down in order.
    pub(super) fn stopped_cleanly(&self, tree: &Tree) {
        if tree.is_suspect() {
            return log::error!("the database was found damaged: the next start makes it anew");
        }
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

//! The daemon, put together: tree, content, sync, vfs and fuse in one process, until the mount ends.

use std::path::Path;

use crate::base::Secret;
use crate::config::Settings;

/// Why the daemon did not start or ended early.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct DaemonError {
    /// One line that says what to do.
    pub message: String,
    /// As in the contract with scripts.
    pub exit_code: u8,
}

/// Mounts on `mountpoint` and serves until the mount ends. `on_ready` runs once programs can use the mount.
pub(super) fn run(
    mountpoint: &Path,
    settings: Settings,
    token: Secret,
    on_ready: impl FnOnce(),
) -> Result<(), DaemonError> {
    let _ = (mountpoint, settings, token, on_ready);
    Err(DaemonError { message: "not built yet".to_owned(), exit_code: 1 })
}

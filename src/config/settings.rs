//! What one mount runs with.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::{LocalOnlyNames, Secret};

use super::delete_guard::DeleteGuard;
use super::mount_options::MountOptions;
use super::server::Server;

/// Every shared option, read and checked. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names state, cache and sign-in apart: letters, digits, `.`, `_`, `-`.
    pub profile: String,
    /// Database, spool, control socket, log.
    pub state_dir: PathBuf,
    /// Clean contents; may be emptied at any time.
    pub cache_dir: PathBuf,
    /// The profile's sign-in, shared by all its mounts.
    pub sign_in_file: PathBuf,
    /// Whether the desktop's keyring may seal the sign-in.
    pub keyring: bool,
    /// The Box application that a person signs in through.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// The Box folder that the mount shows; `0` is the account's root.
    pub root_folder: String,
    /// `None`: Box itself.
    pub server: Option<Server>,
    /// A certificate authority accepted beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// `None`: the one that the usual variables name, if any. May hold a password.
    pub proxy: Option<Secret>,
    pub durability: Durability,
    /// How long a closed file rests before it goes up.
    pub settle: Duration,
    /// Names that are kept on this machine.
    pub local_only: LocalOnlyNames,
    /// Symbolic links are small files in Box.
    pub links: bool,
    /// Programs that get no bytes that are not here.
    pub refuse_readers: Vec<String>,
    /// Clean contents are evicted above this.
    pub cache_size_bytes: u64,
    /// Contents that Box does not have yet wait for room above this.
    pub spool_size_bytes: u64,
    /// `None`: as fast as the line allows.
    pub upload_limit_bytes_per_s: Option<u64>,
    /// `None`: as fast as the line allows.
    pub download_limit_bytes_per_s: Option<u64>,
    pub api_limits: ApiLimits,
    /// How many deletions at once wait for the user's word.
    pub delete_guard: DeleteGuard,
    pub log_level: log::LevelFilter,
    pub mount: MountOptions,
}

/// What a returned `close()` or `fsync()` promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The bytes are on this machine.
    Local,
    /// Box has the bytes, SHA-1 checked.
    Box,
}

/// The rate of calls that boxfs allows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiLimits {
    /// Under the limits that Box publishes.
    Box,
    /// None of our own; a `429` is obeyed all the same.
    Off,
    PerMinute(u32),
}

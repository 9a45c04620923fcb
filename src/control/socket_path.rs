//! Reaching the socket although its path may be longer than an address can hold.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::SOCKET_NAME;

/// `sun_path` holds 108 bytes with its closing zero (unix(7)).
const MAX_ADDRESS_BYTES: usize = 107;

/// An address of the socket, valid while this value lives.
pub(super) struct SocketPath {
    address: PathBuf,
    /// Keeps the directory's descriptor, through which a long path is reached.
    _dir: Option<File>,
}

impl SocketPath {
    pub(super) fn new(state_dir: &Path) -> io::Result<SocketPath> {
        let plain = state_dir.join(SOCKET_NAME);
        if plain.as_os_str().len() <= MAX_ADDRESS_BYTES {
            return Ok(SocketPath { address: plain, _dir: None });
        }
        let dir = File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(state_dir)?;
        let address = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_NAME}", dir.as_raw_fd()));
        Ok(SocketPath { address, _dir: Some(dir) })
    }

    pub(super) fn address(&self) -> &Path {
        &self.address
    }
}

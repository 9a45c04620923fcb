//! Taking a mount away whose daemon is gone.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, umount2};

use super::exit::Failure;

/// Detaches what is mounted on `mountpoint`, as root by a system call, else by `fusermount3`.
pub(super) fn detach(mountpoint: &Path) -> Result<(), Failure> {
    let Err(refused) = umount2(mountpoint, MntFlags::MNT_DETACH) else { return Ok(()) };
    let helper = Command::new("fusermount3").arg("-uz").arg("--").arg(mountpoint).stdin(Stdio::null()).output();
    match helper {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Failure::new(format!("cannot unmount {}: {}", mountpoint.display(), said.trim())))
        }
        Err(_) => Err(Failure::new(format!("cannot unmount {}: {refused}", mountpoint.display()))),
    }
}

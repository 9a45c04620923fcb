//! The demo's working directory and its mounts, which are all gone when they are dropped.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::statvfs::statvfs;
use tempfile::TempDir;

use crate::base::show_size;
use crate::cli::detach::detach;
use crate::cli::exit::Failure;
use crate::control::mount_at;

use super::children::{announce, boxfs, run_to_the_end};

/// Where everything of one demo is.
pub(super) struct Bench {
    dir: TempDir,
}

impl Bench {
    /// In the first usual place for temporary files with `needed_bytes` to spare.
    pub(super) fn set_up(needed_bytes: u64) -> Result<Bench, Failure> {
        let places = [std::env::temp_dir(), PathBuf::from("/var/tmp"), std::env::current_dir().unwrap_or_default()];
        let roomy = places.iter().find(|place| free_bytes(place) >= needed_bytes).ok_or_else(|| {
            let needed = show_size(needed_bytes);
            Failure::new(format!("the demo needs {needed} in {}: set TMPDIR to a roomier place", places[0].display()))
        })?;
        let dir = tempfile::Builder::new().prefix("boxfs-demo-").tempdir_in(roomy);
        let dir = dir.map_err(|e| Failure::new(format!("cannot make a directory in {}: {e}", roomy.display())))?;
        Ok(Bench { dir })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Leaves everything where it is.
    pub(super) fn keep(self) {
        let _ = self.dir.keep();
    }
}

/// 0 where nobody can write.
fn free_bytes(place: &Path) -> u64 {
    let writable = nix::unistd::access(place, nix::unistd::AccessFlags::W_OK).is_ok();
    // The field's width differs between machines.
    #[allow(clippy::useless_conversion)]
    let free = |stat: nix::sys::statvfs::Statvfs| {
        u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size()))
    };
    if writable { statvfs(place).map(free).unwrap_or(0) } else { 0 }
}

/// One mount of the demo: mount point, state and cache in the working directory.
pub(super) struct DemoMount {
    pub mountpoint: PathBuf,
    mounted: bool,
}

impl DemoMount {
    /// Mounts with an empty state directory.
    pub(super) fn mount(bench: &Bench, number: u32, server: &str, token: &str) -> Result<DemoMount, Failure> {
        let mountpoint = bench.at(&format!("mount-{number}"));
        let failed = |e: io::Error| Failure::new(format!("cannot make {}: {e}", mountpoint.display()));
        std::fs::create_dir(&mountpoint).map_err(failed)?;
        let mut command = boxfs(["mount"]);
        command.arg(&mountpoint).args(["--server", server, "--api-limits", "off", "--state-dir"]);
        command.arg(bench.at(&format!("state-{number}")));
        command.arg("--cache-dir").arg(bench.at(&format!("cache-{number}")));
        announce(&command);
        isolate(&mut command);
        command.env("BOXFS_TOKEN", token);
        let mount = DemoMount { mountpoint, mounted: true };
        run_to_the_end(command)?;
        Ok(mount)
    }

    /// Waits for Box and unmounts.
    pub(super) fn unmount(mut self) -> Result<(), Failure> {
        let mut command = boxfs(["umount"]);
        command.arg(&self.mountpoint);
        announce(&command);
        run_to_the_end(command)?;
        self.mounted = false;
        Ok(())
    }

    /// Lets it outlive the demo.
    pub(super) fn keep(mut self) {
        self.mounted = false;
    }
}

/// The user's own configuration and proxies have nothing to do with the demo; their wish for a chatty log has.
fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BOXFS_") && name != "BOXFS_LOG_LEVEL" {
            command.env_remove(name);
        }
    }
    command.env("BOXFS_CONFIG", "/dev/null").env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
}

impl Drop for DemoMount {
    fn drop(&mut self) {
        if !self.mounted || mount_at(&self.mountpoint).is_err() {
            return;
        }
        let mut command = boxfs(["umount", "--now"]);
        command.arg(&self.mountpoint);
        if run_to_the_end(command).is_err()
            && let Err(failure) = detach(&self.mountpoint)
        {
            eprintln!("boxfs: {}", failure.message);
        }
    }
}

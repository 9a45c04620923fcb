//! What must be true before a daemon is started, each failure one line that says what to do.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};

use crate::config::MountOptions;
use crate::control::{Client, mount_at};
use crate::fuse::probe;

use super::detach::detach;
use super::exit::Failure;

/// The mount point as an absolute path without symbolic links, fit to be mounted on. A dead boxfs mount there is
/// taken away.
pub(super) fn check_mountpoint(given: &Path) -> Result<PathBuf, Failure> {
    let shown = given.display();
    // Asked before anything touches the directory: a daemon that hangs would make us hang too.
    if mount_at(given).is_ok_and(|mount| Client::connect(&mount.state_dir).is_ok()) {
        return Err(already_mounted(given));
    }
    let metadata = match probe(given) {
        Err(error) if error.kind() == ErrorKind::NotConnected => {
            take_dead_mount_away(given)?;
            probe(given)
        }
        other => other,
    };
    match metadata {
        Ok(metadata) if !metadata.is_dir() => return Err(Failure::new(format!("{shown} is not a directory"))),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::new(format!("{shown} does not exist: make it with 'mkdir -p {shown}'")));
        }
        Err(error) => return Err(Failure::new(format!("cannot use {shown}: {error}"))),
    }
    let path = given.canonicalize().map_err(|e| Failure::new(format!("cannot use {shown}: {e}")))?;
    if mount_at(&path).is_ok() {
        return Err(already_mounted(given));
    }
    check_empty(&path)?;
    Ok(path)
}

fn already_mounted(given: &Path) -> Failure {
    let shown = given.display();
    Failure::new(format!("{shown} is already mounted: unmount it with 'boxfs umount {shown}'"))
}

fn take_dead_mount_away(given: &Path) -> Result<(), Failure> {
    let dead = std::path::absolute(given).ok().and_then(|path| mount_at(&path).ok());
    match dead {
        Some(mount) => detach(&mount.mountpoint),
        None => Err(Failure::new(format!(
            "{} is a mount whose server is gone: 'fusermount3 -uz {}' takes it away",
            given.display(),
            given.display()
        ))),
    }
}

fn check_empty(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let mut entries = path.read_dir().map_err(|e| Failure::new(format!("cannot read {shown}: {e}")))?;
    if entries.next().is_some() {
        return Err(Failure::new(format!("{shown} is not empty: mount on an empty directory")));
    }
    if !geteuid().is_root() && access(path, AccessFlags::W_OK).is_err() {
        return Err(Failure::new(format!("{shown} is not yours to mount on: choose a directory you can write to")));
    }
    Ok(())
}

/// What the machine must have.
pub(super) fn check_machine(options: &MountOptions) -> Result<(), Failure> {
    match File::options().read(true).write(true).open("/dev/fuse") {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::new(
                "no /dev/fuse: load the module with 'modprobe fuse', or start the container with \
                 '--device /dev/fuse --cap-add SYS_ADMIN'",
            ));
        }
        // For an ordinary user fusermount3 opens it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && !geteuid().is_root() => {}
        Err(error) => return Err(Failure::new(format!("cannot open /dev/fuse: {error}"))),
    }
    if geteuid().is_root() {
        return Ok(());
    }
    if !in_search_path("fusermount3") {
        return Err(Failure::new(
            "no fusermount3: install it with 'apt-get install fuse3' or its like, or mount as root",
        ));
    }
    if (options.allow_other || options.allow_root) && !others_allowed() {
        return Err(Failure::new(
            "allow_other and allow_root need the line 'user_allow_other' in /etc/fuse.conf, or mount as root",
        ));
    }
    Ok(())
}

fn in_search_path(program: &str) -> bool {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let runs = |path: PathBuf| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    std::env::split_paths(&dirs).any(|dir| runs(dir.join(program)))
}

fn others_allowed() -> bool {
    let text = std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    text.lines().any(|line| line.trim() == "user_allow_other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_that_cannot_be_used_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let message = |path: &Path| check_mountpoint(path).unwrap_err().message;
        assert!(message(&dir.path().join("none")).contains("mkdir -p"));
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(message(&dir.path().join("file")).ends_with("is not a directory"));
        assert!(message(dir.path()).contains("is not empty"));
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("empty", dir.path().join("link")).unwrap();
        let found = check_mountpoint(&dir.path().join("link")).unwrap();
        assert_eq!(found, dir.path().canonicalize().unwrap().join("empty"));
    }
}

//! Mounting and unmounting: our own mount(2) where we may, `fusermount3` where we may not.
//!
//! fuser's own mounting is not used: its unmount is not lazy, forgets a busy mount, and after a foreign umount takes
//! down whatever is mounted at the path since (FUSE.md section 5, traps 1 to 4). Nothing here unmounts a mount that
//! is not the one named by device and source.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{getgid, getuid};

use crate::base::{MOUNT_TYPE, MountRow, mount_table};

use super::errno::is_no_device;
use super::fusermount;
use super::options::MountRequest;

/// The kernel's door.
pub(super) const DEVICE: &str = "/dev/fuse";

/// Why nothing is mounted, or something still is. One line each, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error("the mount point {} does not exist; create the directory first", .0.display())]
    NoMountPoint(PathBuf),
    #[error("the mount point {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("the mount point {} is not empty; choose an empty directory", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is already mounted from {mounted_from}; unmount it first", mountpoint.display())]
    AlreadyMounted { mountpoint: PathBuf, mounted_from: String },
    #[error(
        "{} is a dead mount of another program ({mounted_from}); unmount it first (fusermount3 -u -z, or umount -l as root)",
        mountpoint.display()
    )]
    ForeignDeadMount { mountpoint: PathBuf, mounted_from: String },
    #[error("the mount point {} cannot be used: {source}", mountpoint.display())]
    Unusable { mountpoint: PathBuf, source: io::Error },
    #[error(
        "this machine has no {DEVICE}: load the kernel's fuse module (modprobe fuse), or give the container the device"
    )]
    NoDevice,
    #[error("this user may not open {DEVICE}; as root: chmod 666 {DEVICE}, which is how most systems have it")]
    DeviceNotAllowed,
    #[error("fusermount3 is not installed, and only root mounts without it; install the package fuse3")]
    NoFusermount,
    #[error(
        "allow_other is not allowed for ordinary users here; add the line user_allow_other to /etc/fuse.conf, or mount without it"
    )]
    AllowOtherNotAllowed,
    #[error("not permitted to mount at {}: {why}", mountpoint.display())]
    NotPermitted { mountpoint: PathBuf, why: String },
    #[error("mounting at {} failed: {why}", mountpoint.display())]
    Failed { mountpoint: PathBuf, why: String },
    #[error("this kernel's FUSE is too old for boxfs: it lacks {0}")]
    KernelTooOld(&'static str),
    #[error("the mount at {} cannot be taken down: {why}", mountpoint.display())]
    Stuck { mountpoint: PathBuf, why: String },
    #[error(
        "passthrough=on is not possible here: it takes root (CAP_SYS_ADMIN outside of containers) and Linux 6.9; use passthrough=auto"
    )]
    NoPassthrough,
    #[error("the FUSE session cannot start: {0}")]
    Session(io::Error),
}

/// A mount of a boxfs, as the kernel's table shows it. All of it has to match before anything is unmounted: the kernel
/// gives a device number again as soon as it is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute, without links.
    pub mountpoint: PathBuf,
    /// `major:minor`.
    pub device: String,
    pub source: OsString,
}

impl Mount {
    /// `None`: another program's.
    fn of_boxfs(row: MountRow) -> Option<Mount> {
        row.boxfs_state_dir()?;
        let MountRow { mountpoint, device, source, .. } = row;
        Some(Mount { mountpoint, device, source })
    }

    fn is(&self, row: &MountRow) -> bool {
        Mount::of_boxfs(row.clone()).as_ref() == Some(self)
    }
}

/// What is on top at exactly `mountpoint`, which is absolute and without links.
fn top_at(mountpoint: &Path) -> io::Result<Option<MountRow>> {
    Ok(mount_table()?.into_iter().rfind(|row| row.mountpoint == mountpoint))
}

/// Mounts, and gives the descriptor on which the kernel will send its requests.
pub(super) fn mount_at(request: &MountRequest) -> Result<(OwnedFd, Mount), MountError> {
    let mountpoint = prepare(&request.mountpoint)?;
    let device = match mount_directly(&mountpoint, request)? {
        Some(device) => device,
        None => fusermount::mount(&mountpoint, request)?,
    };
    let failed = |why: String| MountError::Failed { mountpoint: mountpoint.clone(), why };
    let found = top_at(&mountpoint).map_err(|error| failed(error.to_string()))?;
    match found.and_then(Mount::of_boxfs) {
        Some(found) => Ok((device, found)),
        None => Err(failed("it is not in the table of mounts".to_owned())),
    }
}

/// The mount point, absolute and without links, once it is known to be a usable empty directory. A dead mount that an
/// earlier boxfs left there is taken away.
fn prepare(mountpoint: &Path) -> Result<PathBuf, MountError> {
    let resolved = match fs::canonicalize(mountpoint).and_then(|path| probe(&path).map(|found| (path, found))) {
        Ok((path, found)) if found.is_dir() => path,
        Ok((path, _)) => return Err(MountError::NotADirectory(path)),
        Err(error) if is_dead(&error) => {
            remove_dead(&resolve_parent(mountpoint)?)?;
            return prepare_alive(resolve(mountpoint)?);
        }
        Err(error) => return Err(unusable(mountpoint, error)),
    };
    prepare_alive(resolved)
}

fn prepare_alive(mountpoint: PathBuf) -> Result<PathBuf, MountError> {
    let there = top_at(&mountpoint).map_err(|error| unusable(&mountpoint, error))?;
    if let Some(there) = there.filter(|row| row.boxfs_state_dir().is_some()) {
        let mounted_from = there.source.to_string_lossy().into_owned();
        return Err(MountError::AlreadyMounted { mountpoint, mounted_from });
    }
    let mut entries = fs::read_dir(&mountpoint).map_err(|error| unusable(&mountpoint, error))?;
    match entries.next() {
        None => Ok(mountpoint),
        Some(_) => Err(MountError::NotEmpty(mountpoint)),
    }
}

fn resolve(mountpoint: &Path) -> Result<PathBuf, MountError> {
    fs::canonicalize(mountpoint).map_err(|error| unusable(mountpoint, error))
}

/// The path of a mount point that cannot be looked at itself.
fn resolve_parent(mountpoint: &Path) -> Result<PathBuf, MountError> {
    let absolute = std::path::absolute(mountpoint).map_err(|error| unusable(mountpoint, error))?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(resolve(parent)?.join(name)),
        _ => Ok(absolute),
    }
}

fn unusable(mountpoint: &Path, source: io::Error) -> MountError {
    let mountpoint = mountpoint.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => MountError::NoMountPoint(mountpoint),
        io::ErrorKind::NotADirectory => MountError::NotADirectory(mountpoint),
        _ => MountError::Unusable { mountpoint, source },
    }
}

/// Takes away a mount whose daemon is gone. Only one that a boxfs made; the kernel and fusermount3 see to it that it is
/// the caller's own.
fn remove_dead(mountpoint: &Path) -> Result<(), MountError> {
    let there = top_at(mountpoint).map_err(|error| unusable(mountpoint, error))?;
    let Some(there) = there else {
        return Err(unusable(mountpoint, io::ErrorKind::NotConnected.into()));
    };
    let mounted_from = there.source.to_string_lossy().into_owned();
    let Some(dead) = Mount::of_boxfs(there) else {
        return Err(MountError::ForeignDeadMount { mountpoint: mountpoint.to_owned(), mounted_from });
    };
    log::info!("replacing the dead mount at {}", mountpoint.display());
    unmount(&dead)
}

/// Takes `ours` away if its connection has ended and it is still there, as after an abort.
pub(super) fn unmount_if_dead(ours: &Mount) -> Result<(), MountError> {
    let dead = probe(&ours.mountpoint).is_err_and(|error| is_dead(&error));
    if dead { unmount(ours) } else { Ok(()) }
}

/// Takes the mount away if its daemon has died. Returns whether it is gone; one that lives stays.
pub fn clear_if_dead(mount: &Mount) -> Result<bool, MountError> {
    let stuck = |error: io::Error| MountError::Stuck { mountpoint: mount.mountpoint.clone(), why: error.to_string() };
    let is_there = || mount_table().map(|rows| rows.iter().any(|row| mount.is(row))).map_err(stuck);
    if is_there()? {
        unmount_if_dead(mount)?;
    }
    Ok(!is_there()?)
}

/// The metadata of a mount point, once its daemon has answered a question: the attributes alone come from the kernel's memory
/// for as long as it may believe them, whether the daemon lives or not.
pub fn probe(mountpoint: &Path) -> io::Result<fs::Metadata> {
    nix::sys::statvfs::statvfs(mountpoint)?;
    fs::metadata(mountpoint)
}

/// What every call on a mount answers whose daemon is gone ("Transport endpoint is not connected").
fn is_dead(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotConnected
}

/// mount(2) itself. `None`: this process may not, `fusermount3` has to.
fn mount_directly(mountpoint: &Path, request: &MountRequest) -> Result<Option<OwnedFd>, MountError> {
    let device = match OpenOptions::new().read(true).write(true).open(DEVICE) {
        Ok(device) => device,
        Err(error) if is_no_device(&error) => return Err(MountError::NoDevice),
        // Not ours to open; fusermount3 opens it as root.
        Err(_) => return Ok(None),
    };
    let data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},{}",
        device.as_raw_fd(),
        getuid(),
        getgid(),
        request.kernel_options()
    );
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    flags.set(MsFlags::MS_RDONLY, request.options.read_only);
    flags.set(MsFlags::MS_NOEXEC, request.options.no_exec);
    flags.set(MsFlags::MS_NOATIME, request.options.no_atime);
    let source = request.source();
    let mounted = mount(Some(source.as_os_str()), mountpoint, Some(MOUNT_TYPE), flags, Some(data.as_str()));
    match mounted.map_err(io::Error::from) {
        Ok(()) => Ok(Some(device.into())),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) if is_no_device(&error) => Err(MountError::NoDevice),
        Err(error) => Err(MountError::Failed { mountpoint: mountpoint.to_owned(), why: error.to_string() }),
    }
}

/// Takes the mount out of the tree at once; programs that have files open in it keep them until they close them.
/// Nothing happens if somebody else has unmounted it; if another mount covers it, that one is left alone.
pub(super) fn unmount(ours: &Mount) -> Result<(), MountError> {
    let stuck = |why: String| MountError::Stuck { mountpoint: ours.mountpoint.clone(), why };
    let mounts = mount_table().map_err(|error| stuck(error.to_string()))?;
    if !mounts.iter().any(|mount| ours.is(mount)) {
        return Ok(());
    }
    let top = mounts.iter().rfind(|mount| mount.mountpoint == ours.mountpoint);
    if let Some(cover) = top.filter(|mount| !ours.is(mount)) {
        return Err(stuck(format!("{} is mounted over it", cover.source.to_string_lossy())));
    }
    let done = umount2(&ours.mountpoint, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).map_err(io::Error::from);
    let Err(error) = done else { return Ok(()) };
    match error.kind() {
        // No longer a mount point: gone between the look and the call.
        io::ErrorKind::InvalidInput | io::ErrorKind::NotFound => Ok(()),
        io::ErrorKind::PermissionDenied => fusermount::unmount(&ours.mountpoint).map_err(stuck),
        _ => Err(stuck(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_mount_points_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(prepare(&dir.path().join("missing")), Err(MountError::NoMountPoint(_))));
        assert!(matches!(prepare(&file), Err(MountError::NotADirectory(_))));
        assert!(matches!(prepare(&file.join("below")), Err(MountError::NotADirectory(_))));
        assert!(matches!(prepare(dir.path()), Err(MountError::NotEmpty(_))));
    }

    #[test]
    fn an_empty_directory_is_resolved() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(prepare(&link).unwrap(), fs::canonicalize(&real).unwrap());
    }

    #[test]
    fn another_mount_at_the_same_place_is_not_unmounted() {
        let root = top_at(Path::new("/")).unwrap().unwrap();
        let gone = Mount { mountpoint: root.mountpoint, device: root.device, source: "boxfs:/gone".into() };
        unmount(&gone).unwrap();
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = MountError::NoMountPoint("/no/such".into()).to_string();
        assert_eq!(text, "the mount point /no/such does not exist; create the directory first");
    }
}

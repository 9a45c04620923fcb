//! `fusermount3`, the set-uid helper that mounts for ordinary users.
//!
//! It is told a socket in `_FUSE_COMMFD`, opens `/dev/fuse` as root, mounts, and sends the descriptor back.

use std::ffi::OsString;
use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::cmsg_space;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::mounting::MountError;
use super::options::MountRequest;

/// Names another helper than the one on the path.
const PROGRAM_VARIABLE: &str = "FUSERMOUNT_PATH";
const PROGRAM: &str = "fusermount3";
/// By which variable the helper learns its end of the socket.
const SOCKET_VARIABLE: &str = "_FUSE_COMMFD";
/// More than the helper ever says.
const MAX_COMPLAINT_BYTES: u64 = 4096;

fn program() -> OsString {
    std::env::var_os(PROGRAM_VARIABLE).filter(|path| !path.is_empty()).unwrap_or_else(|| PROGRAM.into())
}

/// Mounts at `mountpoint` and gives the kernel's descriptor.
pub(super) fn mount(mountpoint: &Path, request: &MountRequest) -> Result<OwnedFd, MountError> {
    let failed = |error: io::Error| MountError::Failed { mountpoint: mountpoint.to_owned(), why: error.to_string() };
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut child = spawn(mountpoint, request, &theirs).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => MountError::NoFusermount,
        _ => failed(error),
    })?;
    // Without this the wait for a helper that died would never end.
    drop(theirs);
    let device = receive_descriptor(&ours);
    let complaint = finish(&mut child);
    match device {
        Ok(device) => Ok(device),
        Err(error) if complaint.is_empty() => Err(failed(error)),
        Err(_) => Err(meaning(mountpoint, &complaint)),
    }
}

fn spawn(mountpoint: &Path, request: &MountRequest, socket: &UnixStream) -> io::Result<Child> {
    let inherited = socket.as_raw_fd();
    let mut command = Command::new(program());
    command
        .arg("-o")
        .arg(request.fusermount_options())
        .arg("--")
        .arg(mountpoint)
        // Nothing of ours is its business; a proxy's password may stand in what the user exported.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(SOCKET_VARIABLE, inherited.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: between fork and exec only fcntl(2) is called, which is async-signal-safe and allocates nothing; the
    // descriptor is open in the child, since `socket` is borrowed for the call.
    unsafe {
        command.pre_exec(move || {
            let socket = std::os::fd::BorrowedFd::borrow_raw(inherited);
            fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
            Ok(())
        });
    }
    command.spawn()
}

/// The descriptor that the helper sends with a single byte; an end without one is an error.
fn receive_descriptor(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0_u8];
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!(RawFd);
    let message = loop {
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut data, Some(&mut space), flags);
        match received.map_err(io::Error::from) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control
            && let Some(&descriptor) = descriptors.first()
        {
            // SAFETY: the kernel has just installed this descriptor for us, and nobody else knows it.
            return Ok(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "fusermount3 sent no descriptor"))
}

/// Waits for the helper's end and gives what it said.
fn finish(child: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // What cannot be read is not there to be shown; the outcome does not depend on it.
        let _ = stderr.take(MAX_COMPLAINT_BYTES).read_to_end(&mut said);
    }
    let _ = child.wait();
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// The helper tells errors by text alone.
fn meaning(mountpoint: &Path, complaint: &str) -> MountError {
    let line = complaint.lines().next().unwrap_or_default();
    let why = line.strip_prefix("fusermount3: ").unwrap_or(line).to_owned();
    let mountpoint = mountpoint.to_owned();
    if why.contains("user_allow_other") {
        MountError::AllowOtherNotAllowed
    } else if why.contains("device not found") || why.contains("open /dev/fuse: No such") {
        MountError::NoDevice
    } else if why.contains("open /dev/fuse: Permission denied") {
        MountError::DeviceNotAllowed
    } else if why.contains("ermission denied") || why.contains("no write access") || why.contains("not permitted") {
        MountError::NotPermitted { mountpoint, why }
    } else {
        MountError::Failed { mountpoint, why }
    }
}

/// Takes a mount of this user's out of the tree, also a busy or dead one.
pub(super) fn unmount(mountpoint: &Path) -> Result<(), String> {
    let mut command = Command::new(program());
    command.args(["-u", "-z", "--"]).arg(mountpoint).stdin(Stdio::null()).stdout(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(MountError::NoFusermount.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_helper_says_becomes_a_meaning() {
        let at = Path::new("/mnt");
        let text = "fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\n";
        assert!(matches!(meaning(at, text), MountError::AllowOtherNotAllowed));
        let text = "fusermount3: failed to open /dev/fuse: Permission denied";
        assert!(matches!(meaning(at, text), MountError::DeviceNotAllowed));
        let text = "fusermount3: user has no write access to mountpoint /mnt";
        assert!(matches!(meaning(at, text), MountError::NotPermitted { .. }));
        let text = "fusermount3: too many FUSE filesystems mounted; mount_max=N can be set in /etc/fuse.conf";
        assert!(matches!(meaning(at, text), MountError::Failed { why, .. } if why.starts_with("too many")));
    }
}

//! The mount itself: how it comes, how it goes, and what it leaves.

use std::fs;
use std::io::{ErrorKind, Write};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::rig::{Far, eventually};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_killed_daemon_loses_nothing_and_its_dead_mount_is_replaced() {
    let far = Far::start();
    let mount = far.mount("one", "");
    mount.write("file", b"kept");
    mount.kill();
    let seat = mount.seat.clone();
    assert_eq!(fs::metadata(seat.path()).unwrap_err().kind(), ErrorKind::NotConnected);
    let again = seat.mount("");
    assert_eq!(again.read("file"), b"kept");
    again.wait_for_box();
    assert_eq!(far.mount("two", "").read("file"), b"kept");
}

#[test]
fn a_second_mount_at_the_same_place_is_refused() {
    let far = Far::start();
    let mount = far.mount("one", "");
    let output = mount.seat.command("").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("already mounted"), "{output:?}");
    mount.write("file", b"the first still serves");
}

#[test]
fn a_signal_unmounts_also_with_files_open() {
    let far = Far::start();
    let mount = far.mount("one", "");
    let mut open = fs::File::create(mount.path("file")).unwrap();
    open.write_all(b"half").unwrap();
    kill(Pid::from_raw(mount.pid().try_into().unwrap()), Signal::SIGTERM).unwrap();
    eventually("the mount is gone", SOON, || !mount.seat.is_mounted());
    mount.ends_soon();
    assert!(fs::read_dir(mount.seat.path()).unwrap().next().is_none());
}

#[test]
fn an_umount_by_somebody_else_ends_the_daemon() {
    let far = Far::start();
    let mount = far.mount("one", "");
    mount.write("file", b"x");
    let by_root = Command::new("umount").arg(mount.seat.path()).status().is_ok_and(|status| status.success());
    if !by_root {
        assert!(Command::new("fusermount3").arg("-u").arg(mount.seat.path()).status().unwrap().success());
    }
    mount.ends_soon();
}

#[test]
fn a_read_only_mount_takes_nothing() {
    let far = Far::start();
    let mount = far.mount("one", "ro");
    assert_eq!(fs::write(mount.path("file"), "x").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
}

//! The kernel's table of mounts, and taking mounts away for good.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

/// The boxfs mounts at and below `dir`, the latest first. No path of a test has a character that the table escapes.
pub fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let rows = table.lines().filter(|row| row.contains(" - fuse.boxfs "));
    let points = rows.filter_map(|row| row.split(' ').nth(4)).map(PathBuf::from);
    let mut found: Vec<PathBuf> = points.filter(|point| point.starts_with(dir)).collect();
    found.reverse();
    found
}

pub fn is_mounted(mountpoint: &Path) -> bool {
    mounts_below(mountpoint).iter().any(|found| found == mountpoint)
}

/// Takes the mount out of the tree, whoever uses it.
pub fn detach(mountpoint: &Path) {
    if umount2(mountpoint, MntFlags::MNT_DETACH).is_err() {
        // An ordinary user's way. What is left is found at the end of the test run.
        let _ = std::process::Command::new("fusermount3").arg("-uz").arg(mountpoint).output();
    }
}

/// Makes every request of the mount fail at once, so that who hangs in one comes back. For root only.
pub fn abort(mountpoint: &Path) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let row = table.lines().find(|row| row.split(' ').nth(4).is_some_and(|point| Path::new(point) == mountpoint));
    let minor = row.and_then(|row| row.split(' ').nth(2)?.split(':').nth(1));
    if let Some(minor) = minor {
        let _ = std::fs::write(format!("/sys/fs/fuse/connections/{minor}/abort"), "1");
    }
}

//! What is mounted where, as `/proc/self/mountinfo` has it: found and told apart without asking any file system.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The type under which boxfs mounts.
pub(super) const FS_TYPE: &str = "fuse.boxfs";
/// How the source of each mount of boxfs begins; the state directory follows.
pub(super) const SOURCE_PREFIX: &str = "boxfs:";

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountEntry {
    /// `major:minor` of the mounted file system, as in `st_dev` and `/sys/class/bdi`.
    pub device: String,
    pub mountpoint: PathBuf,
    pub fs_type: String,
    pub source: OsString,
}

impl MountEntry {
    /// Whether a boxfs mounted it, alive or dead.
    pub fn is_boxfs(&self) -> bool {
        self.fs_type == FS_TYPE && self.source.as_bytes().starts_with(SOURCE_PREFIX.as_bytes())
    }
}

/// All mounts that this process sees; a later one at the same place covers an earlier one.
pub(super) fn all() -> io::Result<Vec<MountEntry>> {
    Ok(parse(&fs::read("/proc/self/mountinfo")?))
}

/// What is on top at exactly `mountpoint`, which is absolute and without links.
pub(super) fn top_at(mountpoint: &Path) -> io::Result<Option<MountEntry>> {
    Ok(all()?.into_iter().rfind(|mount| mount.mountpoint == mountpoint))
}

/// Lines that are not of the documented form (proc_pid_mountinfo(5)) are passed over.
fn parse(table: &[u8]) -> Vec<MountEntry> {
    table.split(|&byte| byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device = fields.nth(2)?;
    let mountpoint = fields.nth(1)?;
    // Optional fields follow, up to a lone dash.
    fields.find(|field| *field == b"-")?;
    let fs_type = fields.next()?;
    let source = fields.next()?;
    Some(MountEntry {
        device: String::from_utf8(device.to_vec()).ok()?,
        mountpoint: unescape(mountpoint).into(),
        fs_type: String::from_utf8(unescape(fs_type).into_vec()).ok()?,
        source: unescape(source),
    })
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        match after.get(..3).filter(|_| byte == b'\\').and_then(octal) {
            Some(value) => {
                plain.push(value);
                rest = &after[3..];
            }
            None => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    OsString::from_vec(plain)
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n\
        95 28 0:44 / /home/ann/My\\040Box rw,nosuid,nodev shared:50 master:2 - fuse.boxfs boxfs:/home/ann/a\\134b rw,user_id=1000\n\
        garbage\n\
        96 28 0:45 / /home/ann/My\\040Box rw - tmpfs tmpfs rw\n";

    #[test]
    fn mounts_are_read_with_their_escapes() {
        let mounts = parse(TABLE);
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[1].mountpoint, Path::new("/home/ann/My Box"));
        assert_eq!(mounts[1].source, "boxfs:/home/ann/a\\b");
        assert_eq!(mounts[1].device, "0:44");
        assert!(mounts[1].is_boxfs());
        assert!(!mounts[2].is_boxfs());
    }

    #[test]
    fn another_program_cannot_pass_for_boxfs_by_its_type_alone() {
        let mut mount = parse(TABLE).swap_remove(1);
        mount.source = "sshfs".into();
        assert!(!mount.is_boxfs());
    }

    #[test]
    fn the_own_table_can_be_read() {
        assert!(all().unwrap().iter().any(|mount| mount.mountpoint == Path::new("/")));
    }
}

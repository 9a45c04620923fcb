//! What is mounted where, as the kernel's own table has it: read without asking any file system.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The type under which boxfs mounts.
pub const MOUNT_TYPE: &str = "fuse.boxfs";
/// How the source of each mount of boxfs begins; the state directory follows.
pub const SOURCE_PREFIX: &str = "boxfs:";

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRow {
    /// `major:minor` of the mounted file system, as in `st_dev` and `/sys/class/bdi`.
    pub device: String,
    /// The part of the file system that is shown: `/`, except for a bind mount of a part.
    pub root: PathBuf,
    pub mountpoint: PathBuf,
    pub fs_type: String,
    pub source: OsString,
    pub super_options: String,
}

impl MountRow {
    /// The state directory, if a boxfs mounted it, alive or dead.
    pub fn boxfs_state_dir(&self) -> Option<PathBuf> {
        let state_dir = self.source.as_bytes().strip_prefix(SOURCE_PREFIX.as_bytes())?;
        (self.fs_type == MOUNT_TYPE).then(|| OsString::from_vec(state_dir.to_vec()).into())
    }
}

/// All mounts that this process sees, in the order they were made: a later one at the same place covers an earlier one.
pub fn mount_table() -> io::Result<Vec<MountRow>> {
    Ok(parse_mount_table(&std::fs::read("/proc/self/mountinfo")?))
}

/// `36 35 98:0 /root /mnt opts [optional ...] - type source superopts` (proc_pid_mountinfo(5)). Other lines are passed over.
pub fn parse_mount_table(text: &[u8]) -> Vec<MountRow> {
    text.split(|byte| *byte == b'\n').filter_map(parse_row).collect()
}

fn parse_row(line: &[u8]) -> Option<MountRow> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = fields.nth(2)?;
    let root = fields.next()?;
    let mountpoint = fields.next()?;
    // Optional fields follow, up to a lone dash.
    fields.find(|field| *field == b"-")?;
    let fs_type = fields.next()?;
    let source = fields.next()?;
    Some(MountRow {
        device: String::from_utf8_lossy(device).into_owned(),
        root: unescape(root).into(),
        mountpoint: unescape(mountpoint).into(),
        fs_type: unescape(fs_type).into_string().ok()?,
        source: unescape(source),
        super_options: String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned(),
    })
}

/// The kernel writes blanks, newlines and backslashes as `\` and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        match after.get(..3).filter(|_| *byte == b'\\').and_then(octal) {
            Some(value) => {
                plain.push(value);
                rest = &after[3..];
            }
            None => {
                plain.push(*byte);
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
    use std::path::Path;

    const TABLE: &[u8] = b"22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n\
        95 28 0:44 / /home/ann/My\\040Box rw,nosuid shared:50 master:2 - fuse.boxfs boxfs:/home/ann/a\\134b rw,user_id=1000\n\
        garbage\n\
        96 28 0:45 /part /home/ann/My\\040Box rw - fuse.sshfs boxfs:/x\n";

    #[test]
    fn mounts_are_read_with_their_escapes() {
        let rows = parse_mount_table(TABLE);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1].mountpoint, Path::new("/home/ann/My Box"));
        assert_eq!(rows[1].boxfs_state_dir().unwrap(), Path::new("/home/ann/a\\b"));
        assert_eq!((rows[1].device.as_str(), rows[1].super_options.as_str()), ("0:44", "rw,user_id=1000"));
        assert_eq!(rows[2].root, Path::new("/part"));
    }

    #[test]
    fn another_program_cannot_pass_for_boxfs_by_type_or_source_alone() {
        let rows = parse_mount_table(TABLE);
        assert_eq!(rows[2].boxfs_state_dir(), None);
        let renamed = MountRow { source: "sshfs".into(), ..rows[1].clone() };
        assert_eq!(renamed.boxfs_state_dir(), None);
    }

    #[test]
    fn the_own_table_can_be_read() {
        assert!(mount_table().unwrap().iter().any(|row| row.mountpoint == Path::new("/")));
    }
}

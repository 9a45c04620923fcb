//! What a mount can be asked for, and how the kernel and `fusermount3` are told.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::mountinfo::SOURCE_PREFIX;

/// Largest read the kernel may ask for at once. Larger ones gain nothing (FUSE.md section 2), and each waiting one
/// holds its answer in memory.
const MAX_READ_BYTES: u32 = 1 << 20;

/// What a mount is asked to be. `nosuid` and `nodev` always hold.
#[derive(Debug, Clone)]
pub struct MountOptions {
    pub mountpoint: PathBuf,
    /// Names the daemon in the table of mounts.
    pub state_dir: PathBuf,
    /// Where data files live (spool and cache): the kernel has to know on what kind of file system they are.
    pub data_dirs: Vec<PathBuf>,
    pub read_only: bool,
    pub no_exec: bool,
    pub no_atime: bool,
    /// Other users than the mounting one may use it.
    pub allow_other: bool,
    /// The kernel checks modes and owners; else each access is asked for.
    pub default_permissions: bool,
    /// Let the kernel read and write whole data files by itself, where it can.
    pub passthrough: bool,
}

impl MountOptions {
    /// The ordinary mount of `state_dir` at `mountpoint`.
    pub fn new(mountpoint: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> MountOptions {
        MountOptions {
            mountpoint: mountpoint.into(),
            state_dir: state_dir.into(),
            data_dirs: Vec::new(),
            read_only: false,
            no_exec: false,
            no_atime: false,
            allow_other: false,
            default_permissions: true,
            passthrough: true,
        }
    }

    /// The source in the table of mounts, by which a path finds its daemon.
    pub(super) fn source(&self) -> OsString {
        let mut source = OsString::from(SOURCE_PREFIX);
        source.push(&self.state_dir);
        source
    }

    /// What the kernel's own parser is told, beyond the descriptor and its owner.
    pub(super) fn kernel_options(&self) -> String {
        let mut options = format!("max_read={MAX_READ_BYTES}");
        if self.default_permissions {
            options.push_str(",default_permissions");
        }
        if self.allow_other {
            options.push_str(",allow_other");
        }
        options
    }

    /// The `-o` of `fusermount3`.
    pub(super) fn fusermount_options(&self) -> OsString {
        let mut options = b"nosuid,nodev".to_vec();
        for (wanted, word) in [(self.read_only, ",ro"), (self.no_exec, ",noexec"), (self.no_atime, ",noatime")] {
            if wanted {
                options.extend_from_slice(word.as_bytes());
            }
        }
        options.extend_from_slice(b",subtype=boxfs,fsname=");
        options.extend(escape(&self.source()));
        options.push(b',');
        options.extend_from_slice(self.kernel_options().as_bytes());
        OsString::from_vec(options)
    }
}

/// A comma would begin the next option; `fusermount3` takes a backslash before it, and before itself.
fn escape(value: &OsStr) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(value.len());
    for &byte in value.as_bytes() {
        if matches!(byte, b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_only_what_is_wanted() {
        let mut options = MountOptions::new("/mnt", "/state");
        assert_eq!(options.kernel_options(), "max_read=1048576,default_permissions");
        options.default_permissions = false;
        options.allow_other = true;
        assert_eq!(options.kernel_options(), "max_read=1048576,allow_other");
    }

    #[test]
    fn a_comma_in_the_state_directory_is_no_option() {
        let mut options = MountOptions::new("/mnt", "/a,dev\\b");
        options.read_only = true;
        let text = options.fusermount_options().into_string().unwrap();
        assert!(text.starts_with("nosuid,nodev,ro,subtype=boxfs,fsname=boxfs:/a\\,dev\\\\b,max_read="), "{text}");
    }
}

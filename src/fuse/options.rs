//! What a mount can be asked for, and how the kernel and `fusermount3` are told.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use fuser::SessionACL;

use crate::base::SOURCE_PREFIX;
use crate::config::MountOptions;

/// Largest read the kernel may ask for at once. Larger ones gain nothing (FUSE.md section 2), and each waiting one
/// holds its answer in memory.
const MAX_READ_BYTES: u32 = 1 << 20;

/// What is to be mounted where. `nosuid` and `nodev` always hold.
#[derive(Debug, Clone)]
pub struct MountRequest {
    pub mountpoint: PathBuf,
    /// Names the daemon in the table of mounts.
    pub state_dir: PathBuf,
    /// Where data files live (spool and cache): the kernel has to know on what kind of file system they are.
    pub data_dirs: Vec<PathBuf>,
    /// What `-o` says. Owners and umask are not of this room: vfs gives attributes as they are to be shown.
    pub options: MountOptions,
}

impl MountRequest {
    /// The source in the table of mounts, by which a path finds its daemon.
    pub(super) fn source(&self) -> OsString {
        let mut source = OsString::from(SOURCE_PREFIX);
        source.push(&self.state_dir);
        source
    }

    /// What the kernel's own parser is told, beyond the descriptor and its owner. The kernel always checks modes and
    /// owners, as programs expect of a file system: vfs checks none, so that without it `allow_other` would give every
    /// file to everybody.
    pub(super) fn kernel_options(&self) -> String {
        let mut options = format!("max_read={MAX_READ_BYTES},default_permissions");
        if self.options.allow_other || self.options.allow_root {
            options.push_str(",allow_other");
        }
        options
    }

    /// Whom fuser lets in of those whom the kernel lets in: to the kernel, root alone is like all others.
    pub(super) fn acl(&self) -> SessionACL {
        // Without either option the kernel lets in the mounting user only; fuser's own check would refuse that user's
        // set-uid programs too.
        if self.options.allow_root { SessionACL::RootAndOwner } else { SessionACL::All }
    }

    /// The `-o` of `fusermount3`.
    pub(super) fn fusermount_options(&self) -> OsString {
        let mut options = b"nosuid,nodev".to_vec();
        for (wanted, word) in
            [(self.options.read_only, ",ro"), (self.options.no_exec, ",noexec"), (self.options.no_atime, ",noatime")]
        {
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

    fn request(options: &str) -> MountRequest {
        let options = MountOptions::parse(options).unwrap();
        MountRequest { mountpoint: "/mnt".into(), state_dir: "/a,dev\\b".into(), data_dirs: Vec::new(), options }
    }

    #[test]
    fn the_kernel_checks_permissions_whoever_may_come_in() {
        assert_eq!(request("").kernel_options(), "max_read=1048576,default_permissions");
        assert_eq!(request("allow_other").kernel_options(), "max_read=1048576,default_permissions,allow_other");
        assert_eq!(request("allow_root").kernel_options(), "max_read=1048576,default_permissions,allow_other");
        assert_eq!(request("allow_root").acl(), SessionACL::RootAndOwner);
    }

    #[test]
    fn a_comma_in_the_state_directory_is_no_option() {
        let text = request("ro").fusermount_options().into_string().unwrap();
        assert!(text.starts_with("nosuid,nodev,ro,subtype=boxfs,fsname=boxfs:/a\\,dev\\\\b,max_read="), "{text}");
    }
}

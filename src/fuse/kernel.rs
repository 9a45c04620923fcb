//! What is agreed with the kernel when the session begins (FUSE_INIT).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fuser::{InitFlags, KernelConfig};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use crate::config::Passthrough;

/// What boxfs does not work without: folders are listed with attributes only. Without AUTO: `find -size` never
/// triggers the kernel's guess and is six times slower (FUSE.md section 2).
const NEEDED: InitFlags = InitFlags::FUSE_DO_READDIRPLUS;

/// What makes boxfs better where the kernel has it. Deliberately absent:
/// - FUSE_WRITEBACK_CACHE: excludes passthrough, reports a full disk late, and lets the kernel own size and times;
/// - FUSE_OVER_IO_URING: fuser accepts it and every request then hangs;
/// - FUSE_POSIX_LOCKS, FUSE_FLOCK_LOCKS: without them locks are the kernel's own and work between all programs here;
/// - FUSE_EXPORT_SUPPORT: promises lookups of `.` and `..` for NFS servers;
/// - FUSE_DONT_MASK, FUSE_POSIX_ACL: the kernel applies the umask, and Box has no ACLs of this kind;
/// - FUSE_AUTO_INVAL_DATA: the page cache is dropped by notification when a version changes, not by guessing.
const WANTED: InitFlags = InitFlags::FUSE_PARALLEL_DIROPS
    .union(InitFlags::FUSE_ATOMIC_O_TRUNC)
    // Without it the kernel asks for security.capability before every write.
    .union(InitFlags::FUSE_HANDLE_KILLPRIV_V2)
    // Else shared maps of files opened for direct I/O fail with ENODEV.
    .union(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP)
    .union(InitFlags::FUSE_ASYNC_READ)
    .union(InitFlags::FUSE_ASYNC_DIO)
    .union(InitFlags::FUSE_BIG_WRITES)
    .union(InitFlags::FUSE_MAX_PAGES)
    .union(InitFlags::FUSE_CACHE_SYMLINKS);

/// Largest write request. Larger ones gain nothing (FUSE.md section 2), and a waiting one is held in memory.
const MAX_WRITE_BYTES: u32 = 1 << 20;
/// Most read-ahead and asynchronous requests in flight. The kernel's default of 12 is soon used up by reads that wait
/// for Box, and then reads of files that are here wait behind them.
const MAX_BACKGROUND: u16 = 64;
/// CAP_SYS_ADMIN, as a bit of `CapEff`.
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// What this session may do.
pub(super) struct Kernel {
    wish: Passthrough,
    /// The stack depth with which to ask for passthrough, if it is to be asked for.
    depth: Option<u32>,
    passthrough: AtomicBool,
}

/// The first kernel with FUSE passthrough (FUSE.md section 6).
const FIRST_WITH_PASSTHROUGH: (u32, u32) = (6, 9);

impl Kernel {
    /// Passthrough is asked for if it is wanted and this process is privileged enough; `data_dirs` are where the
    /// backing files lie.
    pub(super) fn new(wish: Passthrough, data_dirs: &[PathBuf]) -> Kernel {
        let depth = (wish != Passthrough::Off && can_pass_through()).then(|| stack_depth(data_dirs));
        Kernel { wish, depth, passthrough: AtomicBool::new(false) }
    }

    /// Whether backing files may be registered.
    pub(super) fn passthrough(&self) -> bool {
        self.passthrough.load(Ordering::Relaxed)
    }

    /// Whether it has to be, and is not.
    pub(super) fn misses_passthrough(&self) -> bool {
        self.wish == Passthrough::On && !self.passthrough()
    }

    pub(super) fn negotiate(&self, config: &mut KernelConfig) -> io::Result<()> {
        let offered = config.capabilities();
        if !offered.contains(NEEDED) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let passthrough = self.depth.filter(|_| offered.contains(InitFlags::FUSE_PASSTHROUGH));
        let mut asked = (NEEDED | WANTED) & offered;
        if let Some(depth) = passthrough {
            asked |= InitFlags::FUSE_PASSTHROUGH;
            clamped("stack depth", config.set_max_stack_depth(depth));
        }
        // Only what is offered is asked for.
        let refused = config.add_capabilities(asked).err();
        debug_assert_eq!(refused, None);
        clamped("write size", config.set_max_write(MAX_WRITE_BYTES));
        clamped("background requests", config.set_max_background(MAX_BACKGROUND));
        self.passthrough.store(passthrough.is_some(), Ordering::Relaxed);
        log::info!("passthrough: {}", if passthrough.is_some() { "on" } else { "off, bytes are copied" });
        Ok(())
    }
}

/// A number out of fuser's range leaves its default, which works.
fn clamped<T: std::fmt::Debug>(what: &str, result: Result<T, T>) {
    if let Err(nearest) = result {
        log::warn!("{what}: fuser takes at most {nearest:?}");
    }
}

/// Whether this process may let the kernel read and write data files by itself: that takes CAP_SYS_ADMIN in the initial
/// user namespace. The kernel may still refuse, by its version or for one file.
pub fn can_pass_through() -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    has_sys_admin(&read("/proc/self/status")) && is_initial_namespace(&read("/proc/self/uid_map"))
}

/// Why the kernel will not read and write data files by itself, for a person; `None`: nothing is known against it.
pub fn passthrough_obstacle(release: &str) -> Option<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    if version_of(release).is_some_and(|version| version < FIRST_WITH_PASSTHROUGH) {
        let (major, minor) = FIRST_WITH_PASSTHROUGH;
        return Some(format!("Linux {major}.{minor} is the first that can; this is {release}"));
    }
    if !is_initial_namespace(&read("/proc/self/uid_map")) {
        return Some("this is a user namespace, such as a container's".to_owned());
    }
    (!has_sys_admin(&read("/proc/self/status")))
        .then(|| "it takes root, or a system service with the capability CAP_SYS_ADMIN".to_owned())
}

/// `6.18.5-x` is 6.18.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn has_sys_admin(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    bits.is_some_and(|bits| bits & CAP_SYS_ADMIN != 0)
}

/// Only the initial user namespace maps all ids onto themselves.
fn is_initial_namespace(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// How deep backing files may be stacked: 1 for an ordinary file system; 2, which forbids stacking anything on top of
/// boxfs, only where data files themselves lie on an overlay (a container's root).
fn stack_depth(data_dirs: &[PathBuf]) -> u32 {
    let on_overlay =
        |dir: &PathBuf| statfs(Path::new(dir)).is_ok_and(|fs| fs.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
    if data_dirs.iter().any(on_overlay) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_is_read_from_the_effective_set() {
        assert!(has_sys_admin("Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\n"));
        assert!(has_sys_admin("CapEff:\t0000000000200000\n"));
        assert!(!has_sys_admin("CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000000\n"));
        assert!(!has_sys_admin(""));
    }

    #[test]
    fn an_old_kernel_is_named() {
        assert_eq!(version_of("6.18.5-amd64"), Some((6, 18)));
        assert_eq!(version_of("nonsense"), None);
        assert!(passthrough_obstacle("6.8.0-generic").unwrap().contains("6.9 is the first"));
    }

    #[test]
    fn a_user_namespace_is_not_the_initial_one() {
        assert!(is_initial_namespace("         0          0 4294967295\n"));
        assert!(!is_initial_namespace("         0       1000          1\n"));
    }

    #[test]
    fn what_hangs_or_harms_is_never_asked_for() {
        let asked = NEEDED | WANTED;
        let harmful = InitFlags::FUSE_OVER_IO_URING
            | InitFlags::FUSE_WRITEBACK_CACHE
            | InitFlags::FUSE_READDIRPLUS_AUTO
            | InitFlags::FUSE_POSIX_LOCKS
            | InitFlags::FUSE_FLOCK_LOCKS
            | InitFlags::FUSE_SETXATTR_EXT;
        assert!(!asked.intersects(harmful));
    }
}

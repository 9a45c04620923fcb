//! The mount of a user without privileges, by way of `fusermount3`: run here as another user by `setpriv`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Mode, PROGRAM_LIMIT, Ran, TOKEN, World, bytes_of, is_mounted, run};

/// `nobody`, who is on every system and owns nothing.
const USER: &str = "65534";

/// A copy of the binary and a home that the user can reach.
struct Nobody<'a> {
    world: &'a World,
    home: PathBuf,
}

impl Nobody<'_> {
    fn new(world: &World) -> Nobody<'_> {
        use std::os::unix::fs::{PermissionsExt, chown};
        std::fs::set_permissions(world.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let home = world.make_dir("home");
        std::fs::copy(env!("CARGO_BIN_EXE_boxfs"), world.dir().join("boxfs")).unwrap();
        for dir in ["", "mount", "source"] {
            let dir = home.join(dir);
            std::fs::create_dir_all(&dir).unwrap();
            let user = USER.parse().ok();
            chown(&dir, user, user).unwrap();
        }
        Nobody { world, home }
    }

    fn run(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], limit: std::time::Duration) -> Ran {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program.as_ref()).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &self.home);
        command.env("BOXFS_TOKEN", TOKEN).env("BOXFS_SERVER", self.world.emulator.url()).env("BOXFS_SETTLE", "100ms");
        run(command.current_dir(&self.home), limit)
    }

    fn boxfs(&self, arguments: &[&str]) -> Ran {
        self.run(self.world.dir().join("boxfs"), arguments, PROGRAM_LIMIT)
    }

    /// With the mount point's whole path, by which leftovers are found.
    fn mount(&self, arguments: &[&str]) -> Ran {
        let mountpoint = self.mountpoint();
        self.boxfs(&[&["mount", mountpoint.to_str().unwrap()], arguments].concat())
    }

    fn shell(&self, script: &str) -> Ran {
        self.run("sh", &["-ec", script], PROGRAM_LIMIT)
    }

    fn mountpoint(&self) -> PathBuf {
        self.home.join("mount")
    }
}

impl Drop for Nobody<'_> {
    fn drop(&mut self) {
        if is_mounted(&self.mountpoint()) {
            let _ =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.boxfs(&["umount", "--now", "mount"])));
        }
    }
}

fn only_as_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("NOT RUN: becoming another user takes root; the copying mode runs as this user anyway");
    }
    root
}

#[test]
fn an_ordinary_user_mounts_writes_and_unmounts() {
    if !only_as_root() {
        return;
    }
    let world = World::new(Mode::Copying);
    let nobody = Nobody::new(&world);
    let (small, large) = (bytes_of(12_345, 1), bytes_of(21_000_000, 2));
    std::fs::write(nobody.home.join("source/small"), &small).unwrap();
    std::fs::write(nobody.home.join("source/large"), &large).unwrap();
    nobody.mount(&[]).ok();
    assert!(is_mounted(&nobody.mountpoint()));
    nobody.shell("cp source/small source/large mount; mkdir -p mount/a/b; echo one > mount/a/b/one").ok();
    nobody.shell("cmp source/small mount/small; cmp source/large mount/large").ok();
    nobody.boxfs(&["wait", "mount"]).ok();
    world.expect_bytes("/small", &small);
    world.expect_bytes("/large", &large);
    nobody.shell("echo two >> mount/a/b/one; mv mount/a/b mount/b; rm mount/large; rmdir mount/a").ok();
    nobody.boxfs(&["umount", "mount"]).ok();
    assert!(!is_mounted(&nobody.mountpoint()));
    assert_eq!(world.expect_bytes("/b/one", b"one\ntwo\n").version_ids.len(), 2);
    assert!(world.emulator.find("/large").is_none() && world.emulator.find("/a").is_none());
    crate::refusals::expect_no_process(&world);
    // Cold, from an empty state directory.
    nobody.mount(&["--state-dir", "state-2", "--cache-dir", "cache-2"]).ok();
    nobody.shell("cmp source/small mount/small; test \"$(cat mount/b/one)\" = \"$(printf 'one\\ntwo')\"").ok();
    nobody.boxfs(&["umount", "mount"]).ok();
}

#[test]
fn an_ordinary_users_dead_mount_is_replaced() {
    if !only_as_root() {
        return;
    }
    let world = World::new(Mode::Copying);
    let nobody = Nobody::new(&world);
    nobody.mount(&[]).ok();
    nobody.shell("echo text > mount/doc").ok();
    kill_daemon(&nobody.mountpoint());
    assert_eq!(nobody.shell("cat mount/doc").code, Some(1));
    nobody.mount(&[]).ok();
    nobody.boxfs(&["umount", "mount"]).ok();
    world.expect_bytes("/doc", b"text\n");
}

#[test]
fn an_ordinary_users_dead_mount_goes_away_with_auto_unmount() {
    if !only_as_root() {
        return;
    }
    let world = World::new(Mode::Copying);
    let nobody = Nobody::new(&world);
    nobody.mount(&["-o", "auto_unmount"]).ok();
    nobody.shell("echo text > mount/doc").ok();
    kill_daemon(&nobody.mountpoint());
    crate::support::eventually("nothing is mounted", crate::support::SOON, || !is_mounted(&nobody.mountpoint()));
    nobody.mount(&[]).ok();
    nobody.boxfs(&["umount", "mount"]).ok();
    world.expect_bytes("/doc", b"text\n");
}

/// `kill -9` of the daemon that serves `mountpoint`.
fn kill_daemon(mountpoint: &Path) {
    let mut pids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
    let serves_it = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains(mountpoint.to_str().unwrap()) && !line.contains("guard-mount")
    };
    let daemon: i32 = pids.find(serves_it).expect("the daemon runs");
    let daemon = nix::unistd::Pid::from_raw(daemon);
    nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGKILL).unwrap();
    let gone = || !Path::new(&format!("/proc/{daemon}")).exists();
    crate::support::eventually("the daemon is gone", crate::support::SOON, gone);
}

#[test]
fn without_fusermount3_an_ordinary_user_is_told_what_to_install() {
    if !only_as_root() {
        return;
    }
    let world = World::new(Mode::Copying);
    let nobody = Nobody::new(&world);
    let (boxfs, mountpoint) = (world.dir().join("boxfs"), nobody.mountpoint());
    let ran = nobody.run(
        "/usr/bin/env",
        &["PATH=/nonexistent", boxfs.to_str().unwrap(), "mount", mountpoint.to_str().unwrap()],
        PROGRAM_LIMIT,
    );
    let ran = ran.expect_code(1);
    assert!(ran.stderr.contains("fuse3") && ran.stderr.lines().count() == 1, "{ran:?}");
    assert!(!nobody.home.join(".local").exists(), "nothing is left");
    crate::refusals::expect_no_process(&world);
}

//! The token is nowhere but in the daemon's memory.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{Mode, TOKEN, World, bytes_of};

in_both_modes!(no_token_in_a_whole_runs_log_command_line_environment_or_files);

/// Every file and directory below `dir`, itself included.
fn all_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    if dir.is_dir() {
        for entry in std::fs::read_dir(dir).unwrap() {
            found.extend(all_below(&entry.unwrap().path()));
        }
    }
    found
}

#[track_caller]
fn expect_no_token(what: &str, bytes: &[u8]) {
    let found = memchr::memmem::find(bytes, TOKEN.as_bytes());
    assert_eq!(found, None, "{what} has the token");
}

fn no_token_in_a_whole_runs_log_command_line_environment_or_files(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/cold", &bytes_of(3_000_000, 1)).unwrap();
    let mount = world.mounter("main").args(["--log-level", "trace"]).start();
    std::fs::read(mount.at("cold")).unwrap();
    std::fs::write(mount.at("small"), "small").unwrap();
    std::fs::write(mount.at("large"), bytes_of(21_000_000, 2)).unwrap();
    mount.wait();
    std::fs::write(mount.at("small"), "another version").unwrap();
    std::fs::rename(mount.at("cold"), mount.at("renamed")).unwrap();
    std::fs::remove_file(mount.at("large")).unwrap();
    mount.wait();
    for file in ["cmdline", "environ"] {
        let path = format!("/proc/{}/{file}", mount.pid());
        expect_no_token(&path, &std::fs::read(&path).unwrap());
    }
    let (log, state_dir) = (mount.log.clone(), mount.state_dir.clone());
    mount.umount();
    let text = std::fs::read(log).unwrap();
    assert!(text.len() > 1000, "a log that shows something");
    expect_no_token("the log", &text);
    for path in all_below(&state_dir).into_iter().chain(all_below(&world.dir().join("cache-main"))) {
        let mode = path.symlink_metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
        if path.is_file() {
            expect_no_token(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn no_token_in_the_background_daemon_and_its_log() {
    let world = World::new(Mode::Copying);
    let mounter = world.mounter("main");
    mounter.run().ok();
    let daemon = daemon_of(&mounter.mountpoint());
    for file in ["cmdline", "environ"] {
        let path = format!("/proc/{daemon}/{file}");
        // Only root may look at all: the daemon is not dumpable.
        if let Ok(bytes) = std::fs::read(&path) {
            assert!(file == "environ" || !bytes.is_empty());
            expect_no_token(&path, &bytes);
        }
    }
    let umount = crate::support::boxfs(world.dir()).arg("umount").arg(mounter.mountpoint()).output().unwrap();
    assert!(umount.status.success(), "{umount:?}");
    expect_no_token("the log", &std::fs::read(mounter.state_dir().join("log")).unwrap());
}

/// The process whose command line names the mount point.
fn daemon_of(mountpoint: &Path) -> u32 {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
    let mut daemons = pids.filter(|pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mountpoint.to_str().unwrap())
    });
    daemons.next().expect("the daemon runs")
}

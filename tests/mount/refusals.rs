//! Wrong input to `mount`: one line that says what to do, the exit code of the contract, and nothing left behind.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Mode, SOON, World, eventually, mounts_below, run};

/// A server that takes the connection and then says nothing must be given up before a user does.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);

/// Panics unless `command` fails with `code` and one line that contains `hint`, and leaves no process and no mount but
/// those of before.
#[track_caller]
pub fn expect_refused(world: &World, command: &mut Command, code: i32, hint: &str, mounts: &[&Path]) {
    let before = names_in(world.dir());
    let ran = run(command, SILENCE_LIMIT).expect_code(code);
    assert!(ran.stderr.contains(hint), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert_eq!(mounts_below(world.dir()), mounts);
    assert_eq!(names_in(world.dir()), before, "files are left");
    if mounts.is_empty() {
        expect_no_process(world);
    }
}

/// Panics if a process that knows this test's directory lives on.
#[track_caller]
pub fn expect_no_process(world: &World) {
    let marker = world.dir().to_str().unwrap();
    let knows = |pid: &str| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    };
    eventually("no process is left", SOON, || {
        let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        !entries.filter_map(|entry| entry.file_name().into_string().ok()).any(|pid| knows(&pid))
    });
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What the mode changes about starting is nothing; copying needs no privilege.
fn world() -> World {
    World::new(Mode::Copying)
}

#[test]
fn an_unusable_mount_point_is_refused() {
    let world = world();
    let mounter = world.mounter("main");
    expect_refused(&world, &mut mounter.command(), 1, "does not exist", &[]);
    std::fs::write(mounter.mountpoint(), "a file").unwrap();
    expect_refused(&world, &mut mounter.command(), 1, "is not a directory", &[]);
    std::fs::remove_file(mounter.mountpoint()).unwrap();
    std::fs::create_dir_all(mounter.mountpoint().join("full")).unwrap();
    expect_refused(&world, &mut mounter.command(), 1, "is not empty", &[]);
}

#[test]
fn a_mount_point_in_use_is_refused_and_stays_in_use() {
    let world = world();
    let mount = world.mount();
    let mut command = world.mounter("main").state_dir_of("other").command();
    expect_refused(&world, &mut command, 1, "is already mounted", &[&mount.root]);
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.umount();
    world.expect_bytes("/doc", b"text");
}

#[test]
fn a_wrong_token_is_refused() {
    let world = world();
    let mounter = world.mounter("main").token("wrong");
    std::fs::create_dir(mounter.mountpoint()).unwrap();
    expect_refused(&world, &mut mounter.command(), 5, "BOXFS_TOKEN", &[]);
    let mut foreground = mounter.command();
    foreground.arg("--foreground").env("BOXFS_LOG_LEVEL", "off");
    run(&mut foreground, SILENCE_LIMIT).expect_code(5);
    expect_no_process(&world);
    assert!(mounts_below(world.dir()).is_empty());
}

#[test]
fn a_server_that_is_not_there_is_refused() {
    let world = world();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mounter = world.mounter("main").server(&format!("http://{nobody}"));
    std::fs::create_dir(mounter.mountpoint()).unwrap();
    expect_refused(&world, &mut mounter.command(), 1, "cannot be reached", &[]);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let world = world();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mounter = world.mounter("main").server(&format!("http://{}", silent.local_addr().unwrap()));
    std::fs::create_dir(mounter.mountpoint()).unwrap();
    expect_refused(&world, &mut mounter.command(), 1, "cannot be reached", &[]);
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let world = world();
    let mounter = world.mounter("main").server("http://box.example.org");
    std::fs::create_dir(mounter.mountpoint()).unwrap();
    expect_refused(&world, &mut mounter.command(), 2, "plain http", &[]);
}

#[test]
fn an_unusable_state_or_cache_directory_is_refused() {
    let world = world();
    std::fs::write(world.dir().join("file"), "").unwrap();
    std::fs::create_dir(world.dir().join("mount-main")).unwrap();
    for (option, hint) in [("--cache-dir", "cache"), ("--state-dir", "state")] {
        let mut command = world.mounter("main").command();
        command.arg(option).arg(world.dir().join("file/below"));
        expect_refused(&world, &mut command, 1, hint, &[]);
    }
}

#[test]
fn a_refused_mount_leaves_no_lock() {
    let world = world();
    let mut wrong = world.mounter("main").token("wrong").command();
    std::fs::create_dir(world.dir().join("mount-main")).unwrap();
    std::fs::create_dir(world.dir().join("state-main")).unwrap();
    expect_refused(&world, &mut wrong, 5, "BOXFS_TOKEN", &[]);
    world.mount().umount();
}

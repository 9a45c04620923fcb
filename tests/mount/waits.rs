//! `boxfs wait`, `boxfs status`, and the exit codes that scripts rely on.

use boxfs::emulator::Options;

use crate::support::{Mode, World, bytes_of};

in_both_modes!(
    wait_returns_0_only_when_box_has_everything_below_its_path,
    wait_returns_3_when_its_time_is_over,
    commands_without_a_daemon_return_4,
    status_tells_what_is_on_its_way,
    with_durability_box_close_and_fsync_return_when_box_has_the_bytes,
    with_durability_box_a_sync_of_nothing_new_does_not_hold_up_the_next,
);

fn wait_returns_0_only_when_box_has_everything_below_its_path(mode: Mode) {
    let world = World::with(mode, Options { bandwidth: Some(2_000_000), ..Options::default() });
    let mount = world.mount();
    for folder in ["quick", "slow"] {
        std::fs::create_dir(mount.at(folder)).unwrap();
    }
    let bytes = bytes_of(8_000_000, 1);
    std::fs::write(mount.at("slow/large"), &bytes).unwrap();
    std::fs::write(mount.at("quick/small"), "small").unwrap();
    mount.command(&["wait"], "quick").ok();
    world.expect_bytes("/quick/small", b"small");
    mount.command(&["wait"], "slow/large").ok();
    world.expect_bytes("/slow/large", &bytes);
    // With nothing to do there is nothing to wait for.
    mount.command(&["wait", "--timeout", "0"], "").ok();
    mount.command(&["wait"], "missing").expect_code(1);
}

fn wait_returns_3_when_its_time_is_over(mode: Mode) {
    let world = World::with(mode, Options { bandwidth: Some(1_000_000), ..Options::default() });
    let mount = world.mount();
    std::fs::write(mount.at("doc"), bytes_of(6_000_000, 1)).unwrap();
    let ran = mount.command(&["wait", "--timeout", "1"], "").expect_code(3);
    assert!(ran.stdout.contains("doc"), "{ran:?}");
    assert!(world.emulator.find("/doc").is_none());
    mount.wait();
    assert!(world.emulator.find("/doc").is_some());
}

fn commands_without_a_daemon_return_4(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let root = mount.root.clone();
    mount.kill();
    let boxfs = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_boxfs"));
        crate::support::run(command.args(arguments).arg(&root), crate::support::PROGRAM_LIMIT)
    };
    for command in ["wait", "status", "retry"] {
        let ran = boxfs(&[command]).expect_code(4);
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
    boxfs(&["umount"]).ok();
    for command in ["wait", "status", "retry", "umount"] {
        let ran = boxfs(&[command]).expect_code(4);
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

fn status_tells_what_is_on_its_way(mode: Mode) {
    let world = World::with(mode, Options { bandwidth: Some(2_000_000), ..Options::default() });
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    std::fs::write(mount.at("doc"), bytes_of(1_000_000, 1)).unwrap();
    let status = mount.status();
    assert_eq!(status["pending"]["count"], 1, "{status:#}");
    assert_eq!(status["pending"]["bytes"], 1_000_000, "{status:#}");
    assert_eq!(status["online"], true, "{status:#}");
    assert_eq!(status["mountpoint"], mount.root.to_str().unwrap(), "{status:#}");
    let text = mount.command(&["status"], "").ok().stdout;
    assert!(text.contains("1 file (1.00 MB) on its way"), "{text}");
    mount.wait();
    let status = mount.status();
    assert_eq!(status["pending"]["count"], 0, "{status:#}");
    assert!(mount.command(&["status"], "").ok().stdout.contains("all is in Box"));
}

fn with_durability_box_close_and_fsync_return_when_box_has_the_bytes(mode: Mode) {
    use std::io::Write;
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--durability", "box"]).start();
    std::fs::write(world.dir().join("source"), "closed").unwrap();
    crate::support::run_in(world.dir(), "cp", [&world.dir().join("source"), &mount.at("copied")]);
    world.expect_bytes("/copied", b"closed");
    let mut file = std::fs::File::create(mount.at("synced")).unwrap();
    file.write_all(b"synced").unwrap();
    file.sync_all().unwrap();
    world.expect_bytes("/synced", b"synced");
}

fn with_durability_box_a_sync_of_nothing_new_does_not_hold_up_the_next(mode: Mode) {
    use std::io::Write;
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--durability", "box"]).start();
    let mut file = std::fs::File::create(mount.at("doc")).unwrap();
    file.write_all(b"one").unwrap();
    file.sync_all().unwrap();
    let other = std::fs::File::options().write(true).open(mount.at("doc")).unwrap();
    other.sync_all().unwrap();
    file.write_all(b" two").unwrap();
    file.sync_all().unwrap();
    assert_eq!(world.expect_bytes("/doc", b"one two").version_ids.len(), 2);
}

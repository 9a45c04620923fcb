//! The daemon dies without warning: nothing that was promised is lost, and nothing is guessed.

use std::fs::File;
use std::io::Write;

use boxfs::emulator::Options;

use crate::support::{Mode, World, assert_same_everywhere, bytes_of, eventually, eventually_ok, run_in};

in_both_modes!(
    a_closed_file_survives_a_killed_daemon,
    a_tree_survives_a_killed_daemon,
    a_file_killed_before_its_close_is_told_and_not_sent,
    an_overwritten_file_killed_before_its_close_leaves_box_alone,
    a_file_deleted_while_it_was_written_is_gone_from_box_after_a_kill,
    synced_bytes_survive_a_killed_daemon,
    a_large_upload_goes_on_after_a_kill,
    a_dead_mount_is_replaced_by_the_next,
    with_auto_unmount_no_dead_mount_stays,
    auto_unmount_leaves_alone_what_is_mounted_later,
);

fn a_closed_file_survives_a_killed_daemon(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let bytes = bytes_of(3_000_000, 1);
    std::fs::write(world.dir().join("source"), &bytes).unwrap();
    run_in(world.dir(), "cp", [&world.dir().join("source"), &mount.at("copy")]);
    mount.kill();
    let mount = world.mount();
    assert!(std::fs::read(mount.at("copy")).unwrap() == bytes);
    mount.wait();
    assert_eq!(world.expect_bytes("/copy", &bytes).version_ids.len(), 1);
    assert_eq!(world.emulator.items().len(), 1);
}

fn a_tree_survives_a_killed_daemon(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    run_in(&mount.root, "sh", ["-ec", "mkdir -p a/b c; echo 1 > a/b/one; echo 2 > two; mv two c/zwei"]);
    mount.kill();
    let mount = world.mount();
    run_in(&mount.root, "sh", ["-ec", "mv a/b c/b; rm c/zwei; echo 3 > c/b/three"]);
    mount.kill();
    let mount = world.mount();
    mount.wait();
    assert_same_everywhere(&world, &mount);
    world.expect_bytes("/c/b/one", b"1\n");
    world.expect_bytes("/c/b/three", b"3\n");
}

fn a_file_killed_before_its_close_is_told_and_not_sent(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let bytes = bytes_of(1_000_000, 2);
    let mut file = File::create(mount.at("half")).unwrap();
    file.write_all(&bytes).unwrap();
    mount.kill();
    drop(file);
    let mount = world.mount();
    assert!(std::fs::read(mount.at("half")).unwrap() == bytes, "the bytes are there");
    assert!(mount.xattr("half", "state").contains("interrupted"), "{}", mount.xattr("half", "state"));
    let told = mount.command(&["status"], "").ok().stdout;
    assert!(told.contains("half: interrupted"), "{told}");
    mount.command(&["wait", "--timeout", "20"], "").expect_code(3);
    assert!(world.emulator.items().is_empty(), "{:#?}", world.emulator.items());
    std::fs::write(mount.at("half"), "written again").unwrap();
    mount.wait();
    world.expect_bytes("/half", b"written again");
}

fn an_overwritten_file_killed_before_its_close_leaves_box_alone(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let good = bytes_of(1_000_000, 3);
    std::fs::write(mount.at("doc"), &good).unwrap();
    mount.wait();
    let mut file = File::create(mount.at("doc")).unwrap();
    file.write_all(b"half of it").unwrap();
    mount.kill();
    drop(file);
    let mount = world.mount();
    assert!(mount.xattr("doc", "state").contains("interrupted"), "{}", mount.xattr("doc", "state"));
    mount.command(&["wait", "--timeout", "20"], "").expect_code(3);
    assert_eq!(world.expect_bytes("/doc", &good).version_ids.len(), 1);
    // The user says that it is whole.
    mount.command(&["retry"], "doc").ok();
    mount.wait();
    assert_eq!(world.expect_bytes("/doc", b"half of it").version_ids.len(), 2);
}

fn a_file_deleted_while_it_was_written_is_gone_from_box_after_a_kill(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.wait();
    let mut file = File::options().append(true).open(mount.at("doc")).unwrap();
    file.write_all(b" and more").unwrap();
    std::fs::remove_file(mount.at("doc")).unwrap();
    mount.kill();
    drop(file);
    let mount = world.mount();
    mount.wait();
    let items = world.emulator.items();
    assert!(items.len() == 1 && items[0].trashed && items[0].version_ids.len() == 1, "{items:#?}");
    let told = mount.command(&["status"], "").ok().stdout;
    assert!(!told.contains("interrupted"), "{told}");
}

fn synced_bytes_survive_a_killed_daemon(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let bytes = bytes_of(700_000, 4);
    let mut file = File::create(mount.at("synced")).unwrap();
    file.write_all(&bytes).unwrap();
    file.sync_all().unwrap();
    std::fs::create_dir(mount.at("folder")).unwrap();
    File::open(mount.at("folder")).unwrap().sync_all().unwrap();
    mount.kill();
    drop(file);
    let mount = world.mount();
    assert!(std::fs::read(mount.at("synced")).unwrap() == bytes);
    assert!(mount.at("folder").is_dir());
}

fn a_large_upload_goes_on_after_a_kill(mode: Mode) {
    let part_size = Some(4 * 1024 * 1024);
    let world = World::with(mode, Options { part_size, bandwidth: Some(4_000_000), ..Options::default() });
    let mount = world.mounter("main").args(["--settle", "0s"]).start();
    let bytes = bytes_of(60_000_000, 5);
    std::fs::write(mount.at("large"), &bytes).unwrap();
    mount.expect_uploading(&world, 1_000_000);
    let stored = || world.emulator.sessions().first().map_or(0, |session| session.parts_stored);
    eventually("some parts", crate::support::SOON, || stored() >= 3);
    mount.kill();
    let mount = world.mount();
    mount.wait();
    assert_eq!(world.expect_bytes("/large", &bytes).version_ids.len(), 1);
    assert_eq!(world.emulator.sessions().len(), 1, "the same session");
    let sent = world.emulator.bytes_received();
    assert!(sent < 60_000_000 + 30_000_000, "{sent} bytes for 60,000,000");
}

fn with_auto_unmount_no_dead_mount_stays(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["-o", "auto_unmount"]).start();
    let root = mount.root.clone();
    std::fs::write(mount.at("doc"), "text").unwrap();
    // Busy, too.
    let _open = std::fs::File::open(mount.at("doc")).unwrap();
    mount.kill();
    eventually("the mount point is an empty directory again", crate::support::SOON, || {
        !crate::support::is_mounted(&root) && std::fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_none())
    });
    let mount = world.mount();
    mount.wait();
    world.expect_bytes("/doc", b"text");
}

fn auto_unmount_leaves_alone_what_is_mounted_later(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["-o", "auto_unmount"]).start();
    let guards = || {
        let pids =
            std::fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse::<u32>().ok());
        let line = |pid: u32| {
            String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
        };
        pids.map(line)
            .filter(|line| line.contains("guard-mount") && line.contains(world.dir().to_str().unwrap()))
            .count()
    };
    assert_eq!(guards(), 1);
    mount.umount();
    let mount = world.mount();
    eventually("the guard of the first mount is gone", crate::support::SOON, || guards() == 0);
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.umount();
    world.expect_bytes("/doc", b"text");
}

fn a_dead_mount_is_replaced_by_the_next(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let root = mount.root.clone();
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.kill();
    let error = eventually_ok(crate::support::SOON, || root.metadata().err().ok_or("alive".to_owned()));
    assert_eq!(error.raw_os_error(), Some(libc::ENOTCONN));
    let mount = world.mount();
    assert_eq!(crate::support::mounts_below(world.dir()), [root]);
    assert_eq!(std::fs::read(mount.at("doc")).unwrap(), b"text");
}

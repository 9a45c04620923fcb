//! What is told about files: sizes, times, modes, extended attributes, the quota.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, UNIX_EPOCH};

use boxfs::emulator::Options;

use crate::support::{Mode, World, errno};

in_both_modes!(
    the_quota_is_the_size_of_the_disk,
    every_file_tells_its_id_version_and_state,
    a_programs_own_attributes_stay_here,
    times_are_exact_here_and_whole_seconds_in_box,
    mode_and_links_that_box_cannot_hold_stay_here,
    owners_are_kept_here,
    times_set_at_any_moment_arrive,
    the_time_of_creation_stays_with_the_document,
    box_times_are_shown,
    owner_and_umask_of_the_mount_hold_for_what_was_there_before,
);

fn the_quota_is_the_size_of_the_disk(mode: Mode) {
    let world = World::with(mode, Options { space_amount: 4096 * 1_000_000, ..Options::default() });
    world.emulator.act().write_file("/used", &vec![1; 4096 * 1000]).unwrap();
    let mount = world.mount();
    let disk = nix::sys::statvfs::statvfs(&mount.root).unwrap();
    assert_eq!(disk.blocks() * disk.fragment_size(), 4096 * 1_000_000);
    assert_eq!(disk.blocks_free() * disk.fragment_size(), 4096 * 999_000);
    assert_eq!(disk.name_max(), 255);
}

fn every_file_tells_its_id_version_and_state(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    std::fs::create_dir(mount.at("folder")).unwrap();
    std::fs::write(mount.at("doc"), "text").unwrap();
    assert_eq!(mount.xattr("doc", "state"), "pending");
    assert_eq!(xattr::get(mount.at("doc"), "user.box.id").unwrap(), None);
    mount.wait();
    let item = world.in_box("/doc");
    assert_eq!(mount.xattr("doc", "id"), item.id);
    assert_eq!(mount.xattr("doc", "sha1"), item.sha1);
    assert_eq!(mount.xattr("doc", "version"), item.version_ids[0]);
    assert_eq!(mount.xattr("doc", "state"), "synced");
    assert_eq!(mount.xattr("doc", "url"), format!("https://app.box.com/file/{}", item.id));
    assert_eq!(mount.xattr("folder", "id"), world.in_box("/folder").id);
    assert_eq!(mount.xattr("folder", "state"), "synced");
    let listed: Vec<_> = xattr::list(mount.at("doc")).unwrap().collect();
    assert!(listed.is_empty(), "a program that copies attributes takes none of Box's along: {listed:?}");
    assert_eq!(errno(xattr::set(mount.at("doc"), "user.box.id", b"1")), libc::EPERM);
}

fn a_programs_own_attributes_stay_here(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("doc"), "text").unwrap();
    xattr::set(mount.at("doc"), "user.mine", b"value").unwrap();
    mount.wait();
    let changes = world.changing_requests().len();
    mount.umount();
    let mount = world.mount();
    assert_eq!(xattr::get(mount.at("doc"), "user.mine").unwrap().unwrap(), b"value");
    xattr::remove(mount.at("doc"), "user.mine").unwrap();
    assert_eq!(xattr::get(mount.at("doc"), "user.mine").unwrap(), None);
    mount.wait();
    assert_eq!(world.changing_requests().len(), changes);
}

fn times_are_exact_here_and_whole_seconds_in_box(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let exact = UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    std::fs::write(mount.at("doc"), "text").unwrap();
    File::options().write(true).open(mount.at("doc")).unwrap().set_modified(exact).unwrap();
    let modified = |mount: &crate::support::Mount| mount.at("doc").metadata().unwrap().modified().unwrap();
    assert_eq!(modified(&mount), exact);
    mount.wait();
    assert_eq!(world.in_box("/doc").content_modified_at, 1_600_000_000);
    assert_eq!(world.in_box("/doc").version_ids.len(), 1);
    assert_eq!(modified(&mount), exact);
    mount.umount();
    let mount = world.mount();
    assert_eq!(modified(&mount), exact);
    drop(mount);
    let second = world.second_view();
    assert_eq!(second.at("doc").metadata().unwrap().mtime(), 1_600_000_000);
}

fn mode_and_links_that_box_cannot_hold_stay_here(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("script"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(mount.at("script"), Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("script", mount.at("link")).unwrap();
    mount.wait();
    mount.umount();
    let mount = world.mount();
    assert_eq!(mount.at("script").metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(std::fs::read_link(mount.at("link")).unwrap().to_str(), Some("script"));
    assert_eq!(std::fs::read_to_string(mount.at("link")).unwrap(), "#!/bin/sh\n");
    assert_eq!(errno(std::fs::hard_link(mount.at("script"), mount.at("hard"))), libc::EPERM);
    assert_eq!(world.emulator.items().len(), 1);
}

fn owners_are_kept_here(mode: Mode) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("NOT RUN: giving files away takes root");
        return;
    }
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("file"), "x").unwrap();
    std::fs::create_dir(mount.at("folder")).unwrap();
    mount.wait();
    world.emulator.reset_requests();
    for name in ["file", "folder"] {
        std::os::unix::fs::chown(mount.at(name), Some(1234), Some(56)).unwrap();
        std::fs::set_permissions(mount.at(name), Permissions::from_mode(0o751)).unwrap();
    }
    mount.wait();
    mount.umount();
    let mount = world.mount();
    for name in ["file", "folder"] {
        let found = mount.at(name).metadata().unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (1234, 56, 0o751), "{name}");
    }
    assert_eq!(world.changing_requests(), []);
}

fn times_set_at_any_moment_arrive(mode: Mode) {
    let world = World::with(mode, Options { bandwidth: Some(8_000_000), ..Options::default() });
    let mount = world.mounter("main").args(["--settle", "0s"]).start();
    let set = |name: &str, secs| {
        let at = UNIX_EPOCH + Duration::from_secs(secs);
        File::options().write(true).open(mount.at(name)).unwrap().set_modified(at).unwrap();
    };
    // While it is written.
    let file = File::create(mount.at("before")).unwrap();
    std::io::Write::write_all(&mut &file, b"text").unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_500_000_001)).unwrap();
    drop(file);
    // While it goes up.
    std::fs::write(mount.at("during"), vec![7; 10_000_000]).unwrap();
    mount.expect_uploading(&world, 1_000_000);
    set("during", 1_500_000_002);
    // When Box has it.
    std::fs::write(mount.at("after"), "text").unwrap();
    mount.wait();
    set("after", 1_500_000_003);
    mount.wait();
    for (name, secs) in [("before", 1_500_000_001), ("during", 1_500_000_002), ("after", 1_500_000_003)] {
        let item = world.in_box(&format!("/{name}"));
        assert_eq!((item.content_modified_at, item.version_ids.len()), (secs, 1), "{name}");
        assert_eq!(mount.at(name).metadata().unwrap().mtime(), secs, "{name}");
    }
}

fn the_time_of_creation_stays_with_the_document(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    // Above the border of chunked uploads, whose commit names the time anew.
    for (name, size) in [("small", 1000), ("large", 21_000_000)] {
        let old = UNIX_EPOCH + Duration::from_secs(1_400_000_000);
        std::fs::write(mount.at(name), vec![1; size]).unwrap();
        File::options().write(true).open(mount.at(name)).unwrap().set_modified(old).unwrap();
        mount.wait();
        let path = format!("/{name}");
        assert_eq!(world.in_box(&path).content_created_at, 1_400_000_000);
        std::fs::write(mount.at(name), vec![2; size]).unwrap();
        mount.wait();
        std::fs::write(mount.at("temporary"), vec![3; size]).unwrap();
        std::fs::rename(mount.at("temporary"), mount.at(name)).unwrap();
        mount.wait();
        let item = world.in_box(&path);
        assert_eq!((item.version_ids.len(), item.content_created_at), (3, 1_400_000_000), "{name}");
    }
}

fn box_times_are_shown(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/doc", b"text").unwrap();
    world.emulator.act().set_content_modified_at("/doc", 1_500_000_000).unwrap();
    let mount = world.mount();
    let metadata = mount.at("doc").metadata().unwrap();
    assert_eq!((metadata.mtime(), metadata.len()), (1_500_000_000, 4));
    assert_eq!(std::fs::read(mount.at("doc")).unwrap(), b"text");
    mount.wait();
    assert_eq!(world.changing_requests(), []);
}

fn owner_and_umask_of_the_mount_hold_for_what_was_there_before(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/folder/in box", b"x").unwrap();
    let look = |options: &[&str]| {
        let mount = world.mounter("main").args(options.iter().copied()).start();
        if !mount.at("folder/here").exists() {
            std::fs::write(mount.at("folder/here"), "y").unwrap();
            std::fs::set_permissions(mount.at("folder/here"), Permissions::from_mode(0o754)).unwrap();
        }
        let shown = ["", "folder", "folder/in box", "folder/here"].map(|path| {
            let found = mount.at(path).metadata().unwrap();
            (found.uid(), found.gid(), found.mode() & 0o777)
        });
        mount.wait();
        mount.umount();
        shown
    };
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let plain = [(uid, gid, 0o755), (uid, gid, 0o755), (uid, gid, 0o644), (uid, gid, 0o754)];
    assert_eq!(look(&[]), plain);
    let other = [(uid, 56, 0o700), (uid, 56, 0o700), (uid, 56, 0o600), (uid, 56, 0o700)];
    assert_eq!(look(&["-o", "gid=56,umask=077"]), other);
    if nix::unistd::geteuid().is_root() {
        assert!(look(&["-o", "uid=1234"]).iter().all(|(uid, ..)| *uid == 1234));
    }
    assert_eq!(look(&[]), plain, "what is kept has not changed");
}

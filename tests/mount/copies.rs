//! Copies inside the mount: Box makes them itself.

use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Calls, Mode, World, bytes_of, run_in};

in_both_modes!(
    a_copy_of_a_synced_file_sends_no_bytes,
    a_copy_that_is_changed_goes_up,
    a_copy_of_what_box_does_not_have_goes_up,
    a_copy_over_a_file_is_its_next_version,
    a_copy_of_a_version_that_is_gone_goes_up,
);

const SIZE: usize = 3_000_000;

/// A file that Box has, here too.
fn with_document(world: &World) -> (crate::support::Mount, Vec<u8>) {
    let mount = world.mount();
    let bytes = bytes_of(SIZE, 1);
    std::fs::write(mount.at("doc"), &bytes).unwrap();
    mount.wait();
    world.emulator.reset_requests();
    (mount, bytes)
}

fn a_copy_of_a_synced_file_sends_no_bytes(mode: Mode) {
    let world = World::new(mode);
    let (mount, bytes) = with_document(&world);
    let received = world.emulator.bytes_received();
    std::fs::create_dir(mount.at("folder")).unwrap();
    run_in(&mount.root, "cp", ["-p", "doc", "folder/copy"]);
    mount.wait();
    let copy = world.expect_bytes("/folder/copy", &bytes);
    assert_eq!(copy.version_ids.len(), 1);
    assert_eq!(copy.content_modified_at, world.in_box("/doc").content_modified_at);
    assert_eq!(world.requests("POST", "/2.0/files/*/copy").len(), 1);
    assert_eq!(world.uploads(), Calls::default());
    let came = world.emulator.bytes_received() - received;
    assert!(came < 10_000, "{came} bytes came to Box");
    assert!(std::fs::read(mount.at("folder/copy")).unwrap() == bytes);
    assert_eq!(mount.xattr("folder/copy", "state"), "synced");
    // The copy is a file of its own.
    std::fs::write(mount.at("folder/copy"), "changed").unwrap();
    mount.wait();
    assert_eq!(world.expect_bytes("/folder/copy", b"changed").id, copy.id);
    world.expect_bytes("/doc", &bytes);
}

fn a_copy_that_is_changed_goes_up(mode: Mode) {
    let world = World::new(mode);
    let (mount, mut bytes) = with_document(&world);
    run_in(&mount.root, "sh", ["-ec", "cp doc copy; printf more >> copy"]);
    bytes.extend_from_slice(b"more");
    mount.wait();
    world.expect_bytes("/copy", &bytes);
    assert_eq!(world.uploads().posts, 1);
}

fn a_copy_of_what_box_does_not_have_goes_up(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    let bytes = bytes_of(SIZE, 2);
    std::fs::write(mount.at("doc"), &bytes).unwrap();
    run_in(&mount.root, "cp", ["doc", "copy"]);
    mount.wait();
    for path in ["/doc", "/copy"] {
        world.expect_bytes(path, &bytes);
    }
    assert_eq!(world.uploads().posts, 2);
}

fn a_copy_over_a_file_is_its_next_version(mode: Mode) {
    let world = World::new(mode);
    let (mount, bytes) = with_document(&world);
    std::fs::write(mount.at("other"), "before").unwrap();
    mount.wait();
    let id = world.in_box("/other").id;
    run_in(&mount.root, "cp", ["doc", "other"]);
    mount.wait();
    let after = world.expect_bytes("/other", &bytes);
    assert_eq!((after.id, after.version_ids.len()), (id, 2));
}

fn a_copy_of_a_version_that_is_gone_goes_up(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    let bytes = bytes_of(SIZE, 3);
    std::fs::write(mount.at("doc"), &bytes).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    std::fs::File::options().write(true).open(mount.at("doc")).unwrap().set_modified(time).unwrap();
    mount.wait();
    run_in(&mount.root, "cp", ["-p", "doc", "copy"]);
    world.emulator.act().trash("/doc").unwrap();
    mount.wait();
    assert_eq!(world.expect_bytes("/copy", &bytes).content_modified_at, 1_500_000_000);
}

//! Copies inside the mount: Box makes them itself.

use std::time::{Duration, UNIX_EPOCH};

use boxfs::emulator::{FaultScript, Options};

use crate::support::{Calls, Mode, SOON, World, bytes_of, eventually, run_in};

in_both_modes!(
    a_copy_of_a_synced_file_sends_no_bytes,
    a_copy_that_is_changed_goes_up,
    a_copy_of_what_box_does_not_have_goes_up,
    a_copy_over_a_file_is_its_next_version,
    a_copy_of_a_version_that_is_gone_goes_up,
    a_copy_of_what_is_not_here_moves_no_bytes,
    a_tree_that_is_not_here_is_copied_without_its_bytes,
    a_copy_that_box_refuses_is_read_and_goes_up,
    without_box_a_copy_of_what_is_not_here_says_so,
    a_copy_of_what_is_not_here_can_be_changed_at_once,
    a_copy_keeps_its_bytes_when_the_other_goes,
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

/// A file that Box has, not here.
fn cold_document(world: &World) -> (crate::support::Mount, Vec<u8>) {
    let bytes = bytes_of(SIZE, 4);
    world.emulator.act().write_file("/doc", &bytes).unwrap();
    let mount = world.mount();
    std::fs::metadata(mount.at("doc")).unwrap();
    world.emulator.reset_requests();
    (mount, bytes)
}

fn downloads(world: &World) -> usize {
    world.requests("GET", "/2.0/files/*/content").len()
}

fn a_copy_of_what_is_not_here_moves_no_bytes(mode: Mode) {
    let world = World::new(mode);
    let (mount, bytes) = cold_document(&world);
    run_in(&mount.root, "cp", ["-p", "doc", "copy"]);
    // Acknowledged means that Box has it.
    let copy = world.expect_bytes("/copy", &bytes);
    assert_eq!(std::fs::metadata(mount.at("copy")).unwrap().len(), SIZE as u64);
    mount.wait();
    assert_eq!(mount.xattr("copy", "state"), "synced");
    let sent: Vec<String> = world.changing_requests().iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    assert_eq!(sent.len(), 1, "one copy: {sent:?}");
    assert_eq!(copy.content_modified_at, world.in_box("/doc").content_modified_at);
    assert_eq!((downloads(&world), world.uploads()), (0, Calls::default()));
    let spooled = || std::fs::read_dir(mount.state_dir.join("spool")).unwrap().count();
    eventually("its place is the cache, which may give its bytes up", SOON, || spooled() == 0);
    assert!(std::fs::read(mount.at("copy")).unwrap() == bytes);
    // Without -p the time is that of the copy.
    run_in(&mount.root, "cp", ["copy", "third"]);
    mount.wait();
    let third = world.expect_bytes("/third", &bytes);
    let here = std::fs::metadata(mount.at("third")).unwrap().modified().unwrap();
    let here = here.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(u64::try_from(third.content_modified_at).unwrap(), here);
}

fn a_tree_that_is_not_here_is_copied_without_its_bytes(mode: Mode) {
    let world = World::new(mode);
    for n in 0..20u64 {
        let path = format!("/from/{}/{n}", n % 3);
        world.emulator.act().write_file(&path, &bytes_of(1000 * n as usize, n)).unwrap();
    }
    let mount = world.mount();
    run_in(&mount.root, "cp", ["-a", "from", "to"]);
    mount.wait();
    assert_eq!((downloads(&world), world.uploads().posts), (0, 1), "only the empty file is sent");
    assert_eq!(world.requests("POST", "/2.0/files/*/copy").len(), 19);
    for n in 0..20u64 {
        world.expect_bytes(&format!("/to/{}/{n}", n % 3), &bytes_of(1000 * n as usize, n));
    }
    crate::support::assert_same_everywhere(&world, &mount);
}

fn a_copy_that_box_refuses_is_read_and_goes_up(mode: Mode) {
    let world = World::new(mode);
    let (mount, bytes) = cold_document(&world);
    let refused = r#"{"rules": [{"method": "POST", "path": "*/copy",
        "do": {"kind": "answer", "status": 403, "code": "access_denied_insufficient_permissions"}}]}"#;
    world.emulator.set_faults(FaultScript::parse(refused).unwrap());
    run_in(&mount.root, "cp", ["doc", "copy"]);
    assert!(std::fs::read(mount.at("copy")).unwrap() == bytes);
    world.emulator.set_faults(FaultScript::default());
    mount.wait();
    assert_eq!(world.expect_bytes("/copy", &bytes).version_ids.len(), 1);
    assert_eq!(world.emulator.items().len(), 2);
}

fn without_box_a_copy_of_what_is_not_here_says_so(mode: Mode) {
    let mut world = World::lasting(mode, Options::default());
    let (mount, _) = cold_document(&world);
    world.unplug();
    let cp = std::process::Command::new("cp").arg(mount.at("doc")).arg(mount.at("copy")).output().unwrap();
    // Whatever a file system says to a read that goes through the page cache, the kernel says this.
    assert!(String::from_utf8_lossy(&cp.stderr).contains("Input/output error"), "{cp:?}");
    assert_eq!(std::fs::metadata(mount.at("copy")).unwrap().len(), 0, "no bytes that are not there");
    std::fs::remove_file(mount.at("copy")).unwrap();
    world.plug_in();
    mount.wait();
    assert_eq!(world.emulator.items().iter().filter(|item| !item.trashed).count(), 1);
}

fn a_copy_of_what_is_not_here_can_be_changed_at_once(mode: Mode) {
    let world = World::new(mode);
    let (mount, mut bytes) = cold_document(&world);
    // One program that copies and goes on in the same open file.
    let copy_and_change = "import os, sys\n\
        a = os.open('doc', os.O_RDONLY)\n\
        b = os.open('copy', os.O_RDWR | os.O_CREAT | os.O_EXCL)\n\
        n = os.copy_file_range(a, b, os.fstat(a).st_size, 0, 0)\n\
        assert n == os.fstat(a).st_size, n\n\
        assert os.pread(b, 10, 1000) == os.pread(a, 10, 1000)\n\
        os.pwrite(b, b'new words', 100)\n\
        os.ftruncate(b, n - 5)\n\
        os.close(b)\n";
    run_in(&mount.root, "python3", ["-c", copy_and_change]);
    bytes[100..109].copy_from_slice(b"new words");
    bytes.truncate(SIZE - 5);
    assert!(std::fs::read(mount.at("copy")).unwrap() == bytes);
    mount.wait();
    assert_eq!(world.expect_bytes("/copy", &bytes).version_ids.len(), 2);
    assert_eq!(world.in_box("/doc").version_ids.len(), 1);
}

fn a_copy_keeps_its_bytes_when_the_other_goes(mode: Mode) {
    let world = World::new(mode);
    let (mount, bytes) = cold_document(&world);
    run_in(&mount.root, "sh", ["-ec", "cp doc copy; rm doc"]);
    mount.wait();
    let original = world.emulator.items().into_iter().find(|item| item.trashed).unwrap();
    world.emulator.act().purge_file(&original.id).unwrap();
    assert!(std::fs::read(mount.at("copy")).unwrap() == bytes);
    world.expect_bytes("/copy", &bytes);
}

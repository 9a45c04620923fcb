//! What is kept on this machine: pins, filling ahead, and giving back.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::{Mode, Mount, SOON, World, bytes_of, eventually, sha1_hex};

in_both_modes!(
    a_pinned_folder_is_here_whole_and_stays,
    a_pin_follows_what_others_change,
    a_pin_goes_on_after_a_restart,
    an_attribute_pins_and_unpins,
    names_are_fetched_ahead_and_walking_them_asks_for_nothing,
    evict_gives_back_what_box_has_and_nothing_keeps,
    wrong_paths_are_told,
);

const FILE_BYTES: usize = 700_000;

fn with_tree(mode: Mode) -> World {
    let world = World::new(mode);
    for n in 0..12u64 {
        world.emulator.act().write_file(&format!("/keep/{}/file-{n}", n % 3), &bytes_of(FILE_BYTES, n)).unwrap();
    }
    world.emulator.act().write_file("/other", &bytes_of(FILE_BYTES, 99)).unwrap();
    world
}

fn downloads(world: &World) -> usize {
    world.emulator.requests().iter().filter(|r| r.path.starts_with("/d/")).count()
}

/// Calls that ask for names or bytes.
fn asked(world: &World) -> usize {
    let requests = world.emulator.requests();
    requests.iter().filter(|r| !r.path.contains("/events") && !r.path.contains("/subscribe")).count()
}

/// Every file below, as its SHA-1.
fn digests(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.metadata().unwrap().is_dir() {
            found.extend(digests(&entry.path()));
        } else {
            let name = entry.file_name().into_string().unwrap();
            found.push((name, sha1_hex(&std::fs::read(entry.path()).unwrap())));
        }
    }
    found.sort();
    found
}

fn expected() -> Vec<(String, String)> {
    let mut all: Vec<_> = (0..12u64).map(|n| (format!("file-{n}"), sha1_hex(&bytes_of(FILE_BYTES, n)))).collect();
    all.sort();
    all
}

fn cache_bytes(mount: &Mount) -> u64 {
    let entries = std::fs::read_dir(&mount.cache_dir).unwrap().flatten();
    entries.map(|entry| entry.metadata().map_or(0, |m| m.blocks() * 512)).sum()
}

fn a_pinned_folder_is_here_whole_and_stays(mode: Mode) {
    let world = with_tree(mode);
    world.emulator.act().write_file("/another", &bytes_of(FILE_BYTES, 98)).unwrap();
    // Room for the pinned files and one more, not for two.
    let mount = world.mounter("main").args(["--cache-size", "9.5MB"]).start();
    let told = mount.command(&["pin"], "keep").ok().stdout;
    assert!(told.contains("12 files, 8.40 MB of 8.40 MB here"), "{told}");
    std::fs::read(mount.at("other")).unwrap();
    std::fs::read(mount.at("another")).unwrap();
    world.emulator.reset_requests();
    assert_eq!(digests(&mount.at("keep")), expected());
    assert_eq!(asked(&world), 0, "{:#?}", world.emulator.requests());
}

#[test]
fn a_pin_that_has_no_room_says_so_and_ends() {
    let world = World::new(Mode::Copying);
    world.emulator.act().write_file("/large", &bytes_of(12_000_000, 3)).unwrap();
    let mount = world.mounter("main").args(["--cache-size", "6MB"]).start();
    let told = mount.command(&["pin"], "large").expect_code(1);
    assert!(told.stderr.contains("1 item could not be had: no space left"), "{told:?}");
    // What is fetched is not given back to be fetched again.
    assert!(downloads(&world) <= 3, "{} requests for bytes", downloads(&world));
}

fn a_pin_follows_what_others_change(mode: Mode) {
    let world = with_tree(mode);
    let mount = world.mount();
    mount.command(&["pin"], "keep").ok();
    let changed = bytes_of(FILE_BYTES + 1, 50);
    world.emulator.act().write_file("/keep/0/file-0", &changed).unwrap();
    world.emulator.act().write_file("/keep/new", b"made by others").unwrap();
    // One for each, since both are small enough for one request or two.
    let wanted = (FILE_BYTES * 12 + 1 + 14) as u64;
    eventually("the pin has what is new", SOON, || {
        let told = mount.command(&["prefetch"], "keep").ok().stdout;
        told.contains("13 files") && cache_bytes(&mount) >= wanted
    });
    world.emulator.reset_requests();
    assert!(std::fs::read(mount.at("keep/0/file-0")).unwrap() == changed);
    assert_eq!(std::fs::read(mount.at("keep/new")).unwrap(), b"made by others");
    assert_eq!(downloads(&world), 0);
}

fn a_pin_goes_on_after_a_restart(mode: Mode) {
    let world = with_tree(mode);
    let mount = world.mount();
    xattr::set(mount.at("keep"), "user.box.pin", b"1").unwrap();
    drop(mount);
    let mount = world.mount();
    assert_eq!(mount.xattr("keep", "pin"), "pinned");
    eventually("all of it is here", SOON, || cache_bytes(&mount) >= (FILE_BYTES * 12) as u64);
}

fn an_attribute_pins_and_unpins(mode: Mode) {
    let world = with_tree(mode);
    let mount = world.mount();
    assert!(xattr::get(mount.at("keep"), "user.box.pin").unwrap().is_none());
    xattr::set(mount.at("keep"), "user.box.pin", b"").unwrap();
    assert_eq!(mount.xattr("keep/0/file-0", "pin"), "pinned above");
    let refused = mount.command(&["unpin"], "keep/0");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("unpin the folder above"), "{}", refused.stderr);
    xattr::remove(mount.at("keep"), "user.box.pin").unwrap();
    assert!(xattr::get(mount.at("keep/0/file-0"), "user.box.pin").unwrap().is_none());
}

fn names_are_fetched_ahead_and_walking_them_asks_for_nothing(mode: Mode) {
    let world = with_tree(mode);
    let mount = world.mount();
    let told = mount.command(&["prefetch"], "").ok().stdout;
    assert!(told.contains("5 folders, 13 files, 0 bytes of 9.10 MB here"), "{told}");
    assert_eq!(downloads(&world), 0);
    world.emulator.reset_requests();
    let walk = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
    assert_eq!(walk(&mount.at("keep/0")) + walk(&mount.at("keep/1")) + walk(&mount.at("keep/2")), 12);
    assert_eq!(asked(&world), 0);
}

fn evict_gives_back_what_box_has_and_nothing_keeps(mode: Mode) {
    let world = with_tree(mode);
    let mount = world.mount();
    mount.command(&["prefetch", "--bytes"], "").ok();
    mount.command(&["pin"], "keep/0").ok();
    let told = mount.command(&["evict"], "keep").ok().stdout;
    assert!(told.starts_with("8 items evicted"), "{told}");
    assert!(cache_bytes(&mount) < (FILE_BYTES * 6) as u64);
    mount.command(&["unpin"], "keep/0").ok();
    mount.command(&["evict"], "").ok();
    assert_eq!(cache_bytes(&mount), 0);
    assert_eq!(digests(&mount.at("keep")), expected());
}

fn wrong_paths_are_told(mode: Mode) {
    let world = with_tree(mode);
    let mount = world.mount();
    for command in ["pin", "unpin", "evict", "prefetch"] {
        let ran = mount.command(&[command], "nothing");
        assert_ne!(ran.code, Some(0));
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

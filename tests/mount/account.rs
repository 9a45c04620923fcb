//! Names of large folders and of changes while nobody was mounted: by the number of calls.

use std::path::Path;
use std::time::Duration;

use boxfs::emulator::RequestRecord;

use crate::support::{Mode, World, at_full_size, eventually};

/// Entries of one page of a listing.
const PAGE: usize = 1000;
/// The mount is up to date within this.
const CAUGHT_UP: Duration = Duration::from_secs(60);

/// Copying alone: names come the same way in both modes.
const MODE: Mode = Mode::Copying;

/// Calls that ask Box for names or news, the long poll aside.
fn asked(world: &World) -> Vec<RequestRecord> {
    let mut requests = world.emulator.requests();
    requests.retain(|r| r.door == "api" && r.method == "GET");
    requests
}

fn listings(world: &World) -> usize {
    world.requests("GET", "/2.0/folders/*/items").len()
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_folder_costs_one_call_for_each_thousand_entries_and_is_listed_once() {
    let entries = if at_full_size() { 100_000 } else { 3_500 };
    let world = World::new(MODE);
    let act = world.emulator.act();
    (0..entries).for_each(|n| drop(act.write_file(&format!("/many/file-{n}"), b"").unwrap()));
    let mount = world.mount();
    mount.at("many").metadata().unwrap();
    world.emulator.reset_requests();
    let before = mount.memory_bytes("VmRSS");
    assert_eq!(count(&mount.at("many")), entries);
    assert_eq!(listings(&world), entries.div_ceil(PAGE));
    let grown = mount.memory_bytes("VmRSS").saturating_sub(before);
    assert!(grown < 100_000_000, "{grown} bytes more for {entries} names");
    world.emulator.reset_requests();
    for _ in 0..3 {
        assert_eq!(count(&mount.at("many")), entries);
    }
    assert_eq!(listings(&world), 0);
}

#[test]
fn what_others_changed_while_nobody_was_mounted_costs_a_call_for_each_page_of_news() {
    let changes = if at_full_size() { 10_000 } else { 2_500 };
    let world = World::new(MODE);
    let act = world.emulator.act();
    let write = |n: usize, bytes: &[u8]| drop(act.write_file(&format!("/here/file-{n}"), bytes).unwrap());
    (0..changes).for_each(|n| write(n, b"before"));
    let mount = world.mount();
    mount.command(&["prefetch"], "").ok();
    drop(mount);
    (0..changes).for_each(|n| write(n, b"changed meanwhile"));
    world.emulator.reset_requests();
    let mount = world.mount();
    let last = mount.at(&format!("here/file-{}", changes - 1));
    eventually("the last change is here", CAUGHT_UP, || last.metadata().is_ok_and(|m| m.len() == 17));
    assert_eq!(count(&mount.at("here")), changes);
    assert_eq!(listings(&world), 0, "a folder was listed again");
    let calls = asked(&world);
    assert!(calls.len() <= changes / 500 + 5, "{} calls for {changes} changes: {calls:#?}", calls.len());
}

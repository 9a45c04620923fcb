//! Files of which this machine has nothing yet.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;

use crate::support::{Mode, World, bytes_of, tree_at, tree_in_box};

const SIZE: usize = 5_000_000;

in_both_modes!(
    a_cold_file_reads_as_it_is_in_box,
    a_piece_of_a_cold_file_costs_a_piece,
    a_write_into_a_cold_file_gives_the_right_whole,
    a_cold_file_can_be_cut_and_grown,
    appending_to_a_cold_file_keeps_its_beginning,
    a_cold_file_that_is_replaced_is_not_fetched,
    a_tree_of_cold_files_is_whole,
);

/// A world in which Box has `/cold`.
fn with_cold_file(mode: Mode) -> (World, Vec<u8>) {
    let world = World::new(mode);
    let bytes = bytes_of(SIZE, 3);
    world.emulator.act().write_file("/cold", &bytes).unwrap();
    (world, bytes)
}

fn expect_version(world: &World, bytes: &[u8]) {
    let item = world.expect_bytes("/cold", bytes);
    assert_eq!(item.version_ids.len(), 2, "{item:?}");
    assert_eq!(world.emulator.items().len(), 1);
}

fn a_cold_file_reads_as_it_is_in_box(mode: Mode) {
    let (world, bytes) = with_cold_file(mode);
    let mount = world.mount();
    assert!(std::fs::read(mount.at("cold")).unwrap() == bytes);
    let fetched = world.requests("GET", "/2.0/files/*/content").len();
    assert!(std::fs::read(mount.at("cold")).unwrap() == bytes);
    assert_eq!(world.requests("GET", "/2.0/files/*/content").len(), fetched, "what is here is not fetched again");
    assert_eq!(world.changing_requests(), []);
}

fn a_piece_of_a_cold_file_costs_a_piece(mode: Mode) {
    let world = World::new(mode);
    let bytes = bytes_of(100_000_000, 3);
    world.emulator.act().write_file("/cold", &bytes).unwrap();
    let mount = world.mount();
    let mut piece = vec![0; 10_000];
    File::open(mount.at("cold")).unwrap().read_exact_at(&mut piece, 50_000_123).unwrap();
    assert!(piece == bytes[50_000_123..50_010_123]);
    let sent: u64 = world.emulator.requests().iter().map(|r| r.bytes_out).sum();
    assert!(sent < 20_000_000, "{sent} bytes for 10,000");
}

fn a_write_into_a_cold_file_gives_the_right_whole(mode: Mode) {
    let (world, mut bytes) = with_cold_file(mode);
    let mount = world.mount();
    File::options().write(true).open(mount.at("cold")).unwrap().write_all_at(b"middle", 2_000_000).unwrap();
    bytes[2_000_000..2_000_006].copy_from_slice(b"middle");
    assert!(std::fs::read(mount.at("cold")).unwrap() == bytes);
    mount.wait();
    expect_version(&world, &bytes);
}

fn a_cold_file_can_be_cut_and_grown(mode: Mode) {
    let (world, mut bytes) = with_cold_file(mode);
    let mount = world.mount();
    let file = File::options().write(true).open(mount.at("cold")).unwrap();
    file.set_len(1_000_000).unwrap();
    file.write_all_at(b"further out", 3_000_000).unwrap();
    drop(file);
    bytes.truncate(1_000_000);
    bytes.resize(3_000_000, 0);
    bytes.extend_from_slice(b"further out");
    mount.wait();
    expect_version(&world, &bytes);
    assert!(std::fs::read(mount.at("cold")).unwrap() == bytes);
}

fn appending_to_a_cold_file_keeps_its_beginning(mode: Mode) {
    let (world, mut bytes) = with_cold_file(mode);
    let mount = world.mount();
    File::options().append(true).open(mount.at("cold")).unwrap().write_all(b"the end").unwrap();
    bytes.extend_from_slice(b"the end");
    mount.wait();
    expect_version(&world, &bytes);
}

fn a_cold_file_that_is_replaced_is_not_fetched(mode: Mode) {
    let (world, _) = with_cold_file(mode);
    let mount = world.mount();
    std::fs::write(mount.at("cold"), b"all new").unwrap();
    mount.wait();
    expect_version(&world, b"all new");
    assert_eq!(world.requests("GET", "/2.0/files/*/content"), []);
}

fn a_tree_of_cold_files_is_whole(mode: Mode) {
    let world = World::new(mode);
    for n in 0..40 {
        let bytes = bytes_of(n * 1000, n as u64);
        world.emulator.act().write_file(&format!("/deep/er/{}/file-{n}", n % 4), &bytes).unwrap();
    }
    let mount = world.mount();
    assert_eq!(tree_at(&mount.root), tree_in_box(&world));
    let mut text = String::new();
    assert_eq!(File::open(mount.at("deep/er/0/file-0")).unwrap().read_to_string(&mut text).unwrap(), 0);
}

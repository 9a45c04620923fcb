//! Files that are in Box already and change: one version each, the same id.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use boxfs::emulator::ItemReport;

use crate::support::{Mode, Mount, SOON, World, bytes_of, eventually};

const SMALL_BYTES: usize = 100_000;
/// Above the border of chunked uploads.
const LARGE_BYTES: usize = 21_500_000;

in_both_modes!(
    writing_to_the_middle_makes_one_version,
    appending_makes_one_version,
    truncating_makes_one_version,
    a_large_file_that_changes_makes_one_version,
    rewriting_the_same_bytes_sends_nothing,
    touching_a_file_sends_the_time_alone,
    a_save_by_rename_over_keeps_the_id,
    a_save_with_a_backup_keeps_the_id,
    a_save_that_deletes_first_keeps_the_id,
    a_file_rewritten_while_it_uploads_arrives_as_last_written,
    a_file_that_is_saved_more_often_than_it_goes_up_arrives,
);

/// A file that Box has, and its bytes.
fn uploaded(world: &World, mount: &Mount, size: usize) -> (ItemReport, Vec<u8>) {
    let bytes = bytes_of(size, 1);
    std::fs::write(mount.at("doc"), &bytes).unwrap();
    mount.wait();
    (world.expect_bytes("/doc", &bytes), bytes)
}

/// Makes a change to an uploaded file, as the file sees it and as its bytes should be.
fn expect_one_version(mode: Mode, size: usize, change: impl Fn(&Path), expected: impl Fn(&mut Vec<u8>)) {
    let world = World::new(mode);
    let mount = world.mount();
    let (before, mut bytes) = uploaded(&world, &mount, size);
    change(&mount.at("doc"));
    expected(&mut bytes);
    assert!(std::fs::read(mount.at("doc")).unwrap() == bytes, "the mount shows other bytes");
    mount.wait();
    let after = world.expect_bytes("/doc", &bytes);
    assert_eq!(after.id, before.id);
    assert_eq!(after.version_ids.len(), 2, "{after:?}");
}

fn writing_to_the_middle_makes_one_version(mode: Mode) {
    let change = |path: &Path| File::options().write(true).open(path).unwrap().write_all_at(b"middle", 50_000).unwrap();
    expect_one_version(mode, SMALL_BYTES, change, |bytes| bytes[50_000..50_006].copy_from_slice(b"middle"));
}

fn appending_makes_one_version(mode: Mode) {
    let change = |path: &Path| File::options().append(true).open(path).unwrap().write_all(b"the end").unwrap();
    expect_one_version(mode, SMALL_BYTES, change, |bytes| bytes.extend_from_slice(b"the end"));
}

fn truncating_makes_one_version(mode: Mode) {
    let change = |path: &Path| File::options().write(true).open(path).unwrap().set_len(777).unwrap();
    expect_one_version(mode, SMALL_BYTES, change, |bytes| bytes.truncate(777));
}

fn a_large_file_that_changes_makes_one_version(mode: Mode) {
    let change = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(b"middle", 9_000_000).unwrap();
        file.set_len(21_400_000).unwrap();
    };
    expect_one_version(mode, LARGE_BYTES, change, |bytes| {
        bytes[9_000_000..9_000_006].copy_from_slice(b"middle");
        bytes.truncate(21_400_000);
    });
}

fn rewriting_the_same_bytes_sends_nothing(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let (before, bytes) = uploaded(&world, &mount, SMALL_BYTES);
    let time = mount.at("doc").metadata().unwrap().modified().unwrap();
    world.emulator.reset_requests();
    std::fs::write(mount.at("doc"), &bytes).unwrap();
    File::options().write(true).open(mount.at("doc")).unwrap().set_modified(time).unwrap();
    mount.wait();
    assert_eq!(world.changing_requests(), []);
    assert_eq!(world.in_box("/doc"), before);
}

fn touching_a_file_sends_the_time_alone(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let (before, bytes) = uploaded(&world, &mount, SMALL_BYTES);
    world.emulator.reset_requests();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
    File::options().write(true).open(mount.at("doc")).unwrap().set_modified(time).unwrap();
    mount.wait();
    let after = world.expect_bytes("/doc", &bytes);
    assert_eq!(after.content_modified_at, 1_234_567_890);
    assert_eq!(after.version_ids, before.version_ids);
    assert_eq!(world.changing_requests().len(), 1, "{:#?}", world.changing_requests());
}

fn a_save_by_rename_over_keeps_the_id(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let (before, _) = uploaded(&world, &mount, SMALL_BYTES);
    let saved = bytes_of(SMALL_BYTES + 5, 2);
    let mut temporary = File::create(mount.at("doc.tmp")).unwrap();
    temporary.write_all(&saved).unwrap();
    temporary.sync_all().unwrap();
    drop(temporary);
    std::fs::rename(mount.at("doc.tmp"), mount.at("doc")).unwrap();
    mount.wait();
    expect_saved(&world, &before, &saved);
}

fn a_save_with_a_backup_keeps_the_id(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let (before, _) = uploaded(&world, &mount, SMALL_BYTES);
    let saved = bytes_of(SMALL_BYTES + 5, 2);
    std::fs::rename(mount.at("doc"), mount.at("doc~")).unwrap();
    std::fs::write(mount.at("doc"), &saved).unwrap();
    std::fs::remove_file(mount.at("doc~")).unwrap();
    mount.wait();
    expect_saved(&world, &before, &saved);
}

fn a_save_that_deletes_first_keeps_the_id(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let (before, _) = uploaded(&world, &mount, SMALL_BYTES);
    let saved = bytes_of(SMALL_BYTES + 5, 2);
    std::fs::remove_file(mount.at("doc")).unwrap();
    // Whoever waits cuts the time short that Box keeps the file: it is in the trash when the name is taken again.
    mount.wait();
    assert!(world.emulator.find("/doc").is_none());
    std::fs::write(mount.at("doc"), &saved).unwrap();
    mount.wait();
    expect_saved(&world, &before, &saved);
}

/// One more version of the same document, and nothing else in Box, its trash included.
fn expect_saved(world: &World, before: &ItemReport, saved: &[u8]) {
    let after = world.expect_bytes("/doc", saved);
    assert_eq!(after.id, before.id);
    assert_eq!(after.version_ids.len(), 2, "{after:?}");
    assert_eq!(world.emulator.items().len(), 1, "{:#?}", world.emulator.items());
}

fn a_file_rewritten_while_it_uploads_arrives_as_last_written(mode: Mode) {
    let options = boxfs::emulator::Options { bandwidth: Some(8_000_000), ..Default::default() };
    let world = World::with(mode, options);
    let mount = world.mounter("main").args(["--settle", "0s"]).start();
    std::fs::write(mount.at("doc"), bytes_of(LARGE_BYTES, 1)).unwrap();
    mount.expect_uploading(&world, 1_000_000);
    let last = bytes_of(LARGE_BYTES, 2);
    std::fs::write(mount.at("doc"), &last).unwrap();
    mount.wait();
    let item = world.expect_bytes("/doc", &last);
    assert_eq!(world.emulator.items().len(), 1);
    assert!(item.version_ids.len() <= 2, "{item:?}");
}

fn a_file_that_is_saved_more_often_than_it_goes_up_arrives(mode: Mode) {
    let options = boxfs::emulator::Options { bandwidth: Some(3_000_000), ..Default::default() };
    let world = World::with(mode, options);
    let mount = world.mounter("main").args(["--settle", "0s"]).start();
    let save = |n| {
        let file = File::options().write(true).create(true).truncate(false).open(mount.at("doc")).unwrap();
        file.write_all_at(&bytes_of(LARGE_BYTES, n), 0).unwrap();
    };
    for n in 1..=3 {
        save(n);
        eventually("it is on its way", SOON, || {
            world.requests("POST", "/api/2.0/files/upload_sessions").len() as u64 == n
        });
    }
    save(4);
    mount.wait();
    // The third went from a copy, since two others had come to nothing.
    let item = world.expect_bytes("/doc", &bytes_of(LARGE_BYTES, 4));
    assert_eq!(item.version_ids.len(), 2, "{item:?}");
    assert_eq!(world.emulator.read(&item.id, Some(&item.version_ids[0])).unwrap(), bytes_of(LARGE_BYTES, 3));
}

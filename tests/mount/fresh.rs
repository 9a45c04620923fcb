//! What somebody else does in Box is seen through the mount soon, by plain system calls, and does not disturb who has a file open.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Mode, Mount, World, bytes_of, eventually};

/// From Box's announcement to the mount.
const SOON: Duration = Duration::from_secs(2);
const SIZE: usize = 3_000_000;

in_both_modes!(
    what_others_make_rename_move_edit_and_delete_is_seen_within_two_seconds,
    a_reader_reads_the_version_it_opened_to_the_end,
    a_cold_reader_reads_the_version_it_opened_to_the_end,
    a_map_shows_the_version_that_was_mapped,
    a_writable_map_keeps_its_stores_beside_somebodys_version,
    a_file_being_written_follows_somebodys_rename,
    a_file_being_written_and_deleted_by_others_is_not_lost,
);

/// A mount that has seen the root, so that the kernel has its names and attributes.
fn mounted(mode: Mode) -> (World, Mount) {
    let world = World::new(mode);
    world.emulator.act().create_folder("/folder").unwrap();
    world.emulator.act().write_file("/doc", &bytes_of(SIZE, 1)).unwrap();
    let mount = world.mount();
    assert_eq!(names(&mount.root), ["doc", "folder"]);
    assert!(names(&mount.at("folder")).is_empty());
    (world, mount)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn has(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|found| found == bytes)
}

fn what_others_make_rename_move_edit_and_delete_is_seen_within_two_seconds(mode: Mode) {
    let (world, mount) = mounted(mode);
    let (doc, other) = (mount.at("doc"), bytes_of(SIZE + 7, 2));
    assert!(has(&doc, &bytes_of(SIZE, 1)) && mount.at("made").metadata().is_err());
    let act = world.emulator.act();
    act.write_file("/made", b"made").unwrap();
    eventually("a file is made", SOON, || has(&mount.at("made"), b"made"));
    act.write_file("/doc", &other).unwrap();
    eventually("its size", SOON, || doc.metadata().unwrap().len() == other.len() as u64);
    eventually("its bytes", SOON, || has(&doc, &other));
    act.rename("/doc", "renamed").unwrap();
    eventually("a rename", SOON, || doc.metadata().is_err() && mount.at("renamed").metadata().is_ok());
    act.move_to("/renamed", "/folder").unwrap();
    eventually("a move", SOON, || {
        names(&mount.root) == ["folder", "made"] && names(&mount.at("folder")) == ["renamed"]
    });
    assert!(has(&mount.at("folder/renamed"), &other));
    act.rename("/folder", "elsewhere").unwrap();
    eventually("a folder's rename", SOON, || mount.at("elsewhere/renamed").metadata().is_ok());
    act.trash("/elsewhere/renamed").unwrap();
    eventually("a deletion", SOON, || names(&mount.at("elsewhere")).is_empty());
    act.trash("/elsewhere").unwrap();
    eventually("a folder's deletion", SOON, || mount.at("elsewhere").metadata().is_err());
}

fn a_reader_reads_the_version_it_opened_to_the_end(mode: Mode) {
    let (world, mount) = mounted(mode);
    assert!(has(&mount.at("doc"), &bytes_of(SIZE, 1)));
    reads_on_to_the_end(&world, &mount);
}

fn a_cold_reader_reads_the_version_it_opened_to_the_end(mode: Mode) {
    let (world, mount) = mounted(mode);
    reads_on_to_the_end(&world, &mount);
}

fn reads_on_to_the_end(world: &World, mount: &Mount) {
    let (old, new) = (bytes_of(SIZE, 1), bytes_of(SIZE / 2, 2));
    let mut reader = File::open(mount.at("doc")).unwrap();
    let mut read = vec![0; 1000];
    reader.read_exact(&mut read).unwrap();
    world.emulator.act().write_file("/doc", &new).unwrap();
    eventually("the next version under the name", SOON, || has(&mount.at("doc"), &new));
    assert_eq!(reader.metadata().unwrap().size(), SIZE as u64);
    reader.read_to_end(&mut read).unwrap();
    assert!(read == old, "another version in the middle");
    drop(reader);
    assert!(has(&mount.at("doc"), &new));
}

/// A shared map of a whole file.
struct Map {
    start: *mut libc::c_void,
    len: usize,
}

impl Map {
    fn of(file: &File, writable: bool) -> Map {
        let len = file.metadata().unwrap().len() as usize;
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        // SAFETY: a new map at an address of the kernel's choice; nothing else knows it.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(start, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Map { start, len }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the map is `len` bytes long and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        // SAFETY: the map is writable, `len` bytes long, and borrowed mutably.
        let all: &mut [u8] = unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len) };
        all[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the map is ours, and no slice of it is alive.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

fn a_map_shows_the_version_that_was_mapped(mode: Mode) {
    let (world, mount) = mounted(mode);
    let (old, new) = (bytes_of(SIZE, 1), bytes_of(SIZE, 2));
    let map = Map::of(&File::open(mount.at("doc")).unwrap(), false);
    assert_eq!(map.bytes()[..10], old[..10]);
    world.emulator.act().write_file("/doc", &new).unwrap();
    eventually("the next version under the name", SOON, || has(&mount.at("doc"), &new));
    assert!(map.bytes() == old);
}

fn a_writable_map_keeps_its_stores_beside_somebodys_version(mode: Mode) {
    let (world, mount) = mounted(mode);
    let (mut ours, theirs) = (bytes_of(SIZE, 1), bytes_of(SIZE, 2));
    let file = File::options().read(true).write(true).open(mount.at("doc")).unwrap();
    let mut map = Map::of(&file, true);
    map.store(5, b"ours");
    ours[5..9].copy_from_slice(b"ours");
    world.emulator.act().write_file("/doc", &theirs).unwrap();
    // What the program sees is its own, whatever Box says.
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        assert!(map.bytes() == ours);
        std::thread::sleep(Duration::from_millis(20));
    }
    drop((map, file));
    mount.wait();
    eventually("somebody's version under the name", SOON, || has(&mount.at("doc"), &theirs));
    let copies: Vec<_> = names(&mount.root).into_iter().filter(|name| name.contains("conflict")).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert!(has(&mount.at(&copies[0]), &ours));
    world.expect_bytes(&format!("/{}", copies[0]), &ours);
}

fn a_file_being_written_follows_somebodys_rename(mode: Mode) {
    let (world, mount) = mounted(mode);
    let file = File::options().write(true).open(mount.at("doc")).unwrap();
    file.write_all_at(b"first", 0).unwrap();
    world.emulator.act().rename("/doc", "called otherwise").unwrap();
    eventually("the name", SOON, || {
        mount.at("called otherwise").metadata().is_ok() && mount.at("doc").metadata().is_err()
    });
    file.write_all_at(b"second", 100).unwrap();
    drop(file);
    mount.wait();
    let mut expected = bytes_of(SIZE, 1);
    expected[..5].copy_from_slice(b"first");
    expected[100..106].copy_from_slice(b"second");
    assert_eq!(world.expect_bytes("/called otherwise", &expected).version_ids.len(), 2);
}

fn a_file_being_written_and_deleted_by_others_is_not_lost(mode: Mode) {
    let (world, mount) = mounted(mode);
    assert!(has(&mount.at("doc"), &bytes_of(SIZE, 1)));
    let mut file = File::options().append(true).open(mount.at("doc")).unwrap();
    file.write_all(b"the end").unwrap();
    world.emulator.act().trash("/doc").unwrap();
    file.write_all(b", after all").unwrap();
    drop(file);
    mount.wait();
    let mut expected = bytes_of(SIZE, 1);
    expected.extend_from_slice(b"the end, after all");
    eventually("the bytes are in Box", SOON, || world.emulator.find("/doc").is_some());
    world.expect_bytes("/doc", &expected);
}

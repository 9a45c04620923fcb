//! Shared memory maps, which outlive close and whose stores nobody announces.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::support::{Mode, World};

const SIZE: usize = 1_000_000;

in_both_modes!(bytes_stored_through_a_map_after_close_arrive_complete);

/// A writable shared map of a whole file.
struct Map {
    start: *mut libc::c_void,
}

impl Map {
    fn of(file: &File) -> Map {
        // SAFETY: a new map of SIZE bytes at an address of the kernel's choice; nothing else knows it.
        let start = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(std::ptr::null_mut(), SIZE, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        assert_ne!(start, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Map { start }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the map is SIZE bytes long, lives as long as `self`, and is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), SIZE) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the map is ours, and no slice of it is alive.
        unsafe { libc::munmap(self.start, SIZE) };
    }
}

fn bytes_stored_through_a_map_after_close_arrive_complete(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--settle", "100ms"]).start();
    let file = File::options().read(true).write(true).create(true).truncate(true).open(mount.at("map")).unwrap();
    file.set_len(SIZE as u64).unwrap();
    let mut map = Map::of(&file);
    map.bytes()[..5].copy_from_slice(b"early");
    drop(file);
    // The settle time is over many times; the map keeps the file from being complete.
    let closed = Instant::now();
    while closed.elapsed() < Duration::from_secs(1) {
        assert!(world.emulator.items().is_empty(), "sent while somebody could still write");
        std::thread::sleep(Duration::from_millis(20));
    }
    map.bytes()[SIZE - 4..].copy_from_slice(b"late");
    drop(map);
    mount.wait();
    let mut expected = vec![0; SIZE];
    expected[..5].copy_from_slice(b"early");
    expected[SIZE - 4..].copy_from_slice(b"late");
    assert_eq!(world.expect_bytes("/map", &expected).version_ids.len(), 1);
}

//! A daemon that dies while the cache makes room.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;

use crate::support::{Mode, SOON, World, bytes_of, eventually_ok};

/// The row of a content that was in the cache is gone, its data file is not.
pub const POINT: &str = "evict.recorded";

const LIMIT_BYTES: u64 = 20_000_000;
const FILE_BYTES: usize = 4_000_000;
/// More than the limit holds.
const FILES: u64 = 8;

#[test]
fn a_kill_while_the_cache_makes_room_leaves_no_file_that_nobody_counts() {
    let world = World::new(Mode::Copying);
    let files: Vec<_> = (0..FILES).map(|n| (format!("file-{n}"), bytes_of(FILE_BYTES, n))).collect();
    for (name, bytes) in &files {
        world.emulator.act().write_file(&format!("/{name}"), bytes).unwrap();
    }
    let mounter = || world.mounter("main").args(["--cache-size", "20MB"]);
    let mount = mounter().variable("BOXFS_FAILPOINTS", &format!("{POINT}=kill@1")).start();
    let read = files.iter().try_for_each(|(name, _)| std::fs::read(mount.at(name)).map(drop));
    assert!(read.is_err(), "the cache held more than its limit");
    let status = mount.death(SOON);
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{status:?}");
    let mount = mounter().start();
    for (name, bytes) in &files {
        assert!(std::fs::read(mount.at(name)).unwrap() == *bytes, "{name}");
    }
    eventually_ok(SOON, || {
        let blocks = |entry: std::fs::DirEntry| entry.metadata().map_or(0, |m| m.blocks() * 512);
        let taken: u64 = std::fs::read_dir(&mount.cache_dir).unwrap().flatten().map(blocks).sum();
        let told = mount.status()["cache"]["bytes"].as_u64().unwrap();
        if taken <= LIMIT_BYTES && taken == told { Ok(()) } else { Err(format!("{taken} bytes, {told} told")) }
    });
    mount.umount();
}

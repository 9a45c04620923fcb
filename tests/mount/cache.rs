//! The cache: within its limit at every moment, what was used last stays, and no wrong byte counts as Box's.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{Mode, Mount, World, bytes_of};

const LIMIT_BYTES: u64 = 20_000_000;
const FILE_BYTES: usize = 4_000_000;
/// How often the directory is looked at: a file system on this machine fills the limit in no less.
const LOOK_EVERY: Duration = Duration::from_millis(5);

in_both_modes!(
    many_files_never_take_more_than_the_limit,
    a_file_larger_than_the_cache_is_read_whole,
    what_a_long_read_gave_back_is_fetched_again_after_a_kill,
    an_open_file_is_never_evicted,
    a_renamed_file_keeps_its_cache,
);

fn small_cache(world: &World) -> Mount {
    world.mounter("main").args(["--cache-size", "20MB"]).start()
}

/// Disk blocks of what lies in `dir`, in bytes. A file that vanishes meanwhile takes nothing.
fn taken(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries.map(|entry| entry.metadata().map_or(0, |m| m.blocks() * 512)).sum()
}

/// The most that the cache took while `work` ran.
fn most_taken(mount: &Mount, work: impl FnOnce()) -> u64 {
    let (most, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(taken(&mount.cache_dir), Ordering::Relaxed);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        work();
        over.store(true, Ordering::Relaxed);
    });
    most.into_inner()
}

/// Requests for bytes; the address that they go to is asked for once.
fn fetches(world: &World) -> usize {
    world.emulator.requests().iter().filter(|r| r.path.starts_with("/d/")).count()
}

fn many_files_never_take_more_than_the_limit(mode: Mode) {
    let world = World::new(mode);
    let files: Vec<_> = (0..12).map(|n| bytes_of(FILE_BYTES, n)).collect();
    for (n, bytes) in files.iter().enumerate() {
        world.emulator.act().write_file(&format!("/file-{n}"), bytes).unwrap();
    }
    let mount = small_cache(&world);
    let most = most_taken(&mount, || {
        for (n, bytes) in files.iter().enumerate() {
            assert!(std::fs::read(mount.at(&format!("file-{n}"))).unwrap() == *bytes, "file-{n}");
        }
    });
    assert!(most <= LIMIT_BYTES, "{most} bytes");
    assert!(most >= LIMIT_BYTES / 4, "only {most} bytes: nothing is kept");
    let before = fetches(&world);
    assert!(std::fs::read(mount.at("file-11")).unwrap() == files[11]);
    assert_eq!(fetches(&world), before, "what was used last stays");
    assert!(std::fs::read(mount.at("file-0")).unwrap() == files[0]);
    assert!(fetches(&world) > before, "what was not used for longest went");
}

fn a_file_larger_than_the_cache_is_read_whole(mode: Mode) {
    let world = World::new(mode);
    let bytes = bytes_of(60_000_000, 5);
    world.emulator.act().write_file("/large", &bytes).unwrap();
    let mount = small_cache(&world);
    let most = most_taken(&mount, || assert!(std::fs::read(mount.at("large")).unwrap() == bytes));
    assert!(most <= LIMIT_BYTES, "{most} bytes");
}

fn what_a_long_read_gave_back_is_fetched_again_after_a_kill(mode: Mode) {
    let world = World::new(mode);
    let bytes = bytes_of(60_000_000, 6);
    world.emulator.act().write_file("/large", &bytes).unwrap();
    let mount = small_cache(&world);
    let large = File::open(mount.at("large")).unwrap();
    let mut seen = vec![0; 10_000_000];
    large.read_exact_at(&mut seen, 0).unwrap();
    assert!(seen == bytes[..10_000_000]);
    // Another handle that closes has noted what is here.
    File::open(mount.at("large")).unwrap().read_exact_at(&mut seen[..1_000], 0).unwrap();
    large.read_exact_at(&mut seen, 40_000_000).unwrap();
    let mut rest = vec![0; 30_000_000];
    large.read_exact_at(&mut rest, 10_000_000).unwrap();
    mount.kill();
    let mount = small_cache(&world);
    assert!(std::fs::read(mount.at("large")).unwrap() == bytes);
}

fn an_open_file_is_never_evicted(mode: Mode) {
    let world = World::new(mode);
    let files: Vec<_> = (0..8).map(|n| bytes_of(FILE_BYTES, n)).collect();
    for (n, bytes) in files.iter().enumerate() {
        world.emulator.act().write_file(&format!("/file-{n}"), bytes).unwrap();
    }
    let mount = small_cache(&world);
    let mut first = File::open(mount.at("file-0")).unwrap();
    let mut seen = Vec::new();
    first.read_to_end(&mut seen).unwrap();
    assert!(seen == files[0]);
    for (n, bytes) in files.iter().enumerate().skip(1) {
        assert!(std::fs::read(mount.at(&format!("file-{n}"))).unwrap() == *bytes, "file-{n}");
    }
    let before = fetches(&world);
    assert!(before >= files.len());
    let mut piece = vec![0; 100_000];
    first.read_exact_at(&mut piece, 3_000_000).unwrap();
    assert!(piece == files[0][3_000_000..3_100_000]);
    assert!(std::fs::read(mount.at("file-0")).unwrap() == files[0]);
    assert_eq!(fetches(&world), before);
}

fn a_renamed_file_keeps_its_cache(mode: Mode) {
    let world = World::new(mode);
    let bytes = bytes_of(FILE_BYTES, 9);
    world.emulator.act().write_file("/before", &bytes).unwrap();
    let mount = world.mount();
    assert!(std::fs::read(mount.at("before")).unwrap() == bytes);
    let before = fetches(&world);
    std::fs::rename(mount.at("before"), mount.at("after")).unwrap();
    mount.wait();
    world.expect_bytes("/after", &bytes);
    assert!(std::fs::read(mount.at("after")).unwrap() == bytes);
    assert_eq!(fetches(&world), before);
}

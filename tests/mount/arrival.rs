//! Files of every size arrive whole, by the calls that their size asks for.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use boxfs::emulator::Options;

use crate::support::{
    Calls, Mode, Mount, SOON, World, at_full_size, bytes_of, eventually_ok, run, run_in, sha1_hex, write_large,
};

/// The border between simple and chunked uploads.
const BORDER_BYTES: usize = 20_000_000;
const MIB: u64 = 1024 * 1024;
const LARGE_LIMIT: Duration = Duration::from_secs(600);

in_both_modes!(
    small_files_arrive_with_one_post_each,
    large_files_arrive_with_session_parts_and_commit,
    a_file_between_the_two_borders_costs_one_refused_session_and_one_post,
    a_large_file_has_at_least_four_parts_in_flight,
    memory_stays_small_while_four_large_files_upload,
);

fn world_with_border(mode: Mode, min_session_bytes: u64) -> World {
    World::with(mode, Options { min_session_bytes, part_size: Some(4 * MIB), ..Options::default() })
}

/// Copies a file of `size` bytes into the mount with `cp`.
fn copy_in(world: &World, mount: &Mount, name: &str, size: usize) -> Vec<u8> {
    let bytes = bytes_of(size, size as u64);
    let source = world.dir().join(name);
    std::fs::write(&source, &bytes).unwrap();
    run_in(world.dir(), "cp", [&source, &mount.at(name)]);
    bytes
}

/// Size, digest and time in Box are those of the file in the mount.
fn expect_arrival(world: &World, mount: &Mount, name: &str, bytes: &[u8]) {
    let item = world.expect_bytes(&format!("/{name}"), bytes);
    assert_eq!(item.content_modified_at, mount.at(name).metadata().unwrap().mtime(), "{name}");
    assert_eq!(item.version_ids.len(), 1, "{name}");
}

/// Copies files of these sizes in, and waits until Box has them as they are here.
#[track_caller]
fn expect_arrivals<const N: usize>(world: &World, mount: &Mount, sizes: [usize; N]) {
    let files = sizes.map(|size| {
        let name = format!("file-{size}");
        let bytes = copy_in(world, mount, &name, size);
        (name, bytes)
    });
    mount.wait();
    for (name, bytes) in &files {
        expect_arrival(world, mount, name, bytes);
    }
}

fn small_files_arrive_with_one_post_each(mode: Mode) {
    let world = world_with_border(mode, BORDER_BYTES as u64);
    let mount = world.mount();
    expect_arrivals(&world, &mount, [0, 1, BORDER_BYTES - 1]);
    assert_eq!(world.uploads(), Calls { posts: 3, ..Calls::default() });
    assert_eq!(world.changing_requests().len(), 3, "{:#?}", world.changing_requests());
}

fn large_files_arrive_with_session_parts_and_commit(mode: Mode) {
    let world = world_with_border(mode, BORDER_BYTES as u64);
    let mount = world.mount();
    let exactly_six_parts = 24 * MIB as usize;
    expect_arrivals(&world, &mount, [BORDER_BYTES, BORDER_BYTES + 1, exactly_six_parts]);
    let expected = Calls { sessions: 3, parts: 5 + 5 + 6, commits: 3, ..Calls::default() };
    assert_eq!(world.uploads(), expected);
}

fn a_file_between_the_two_borders_costs_one_refused_session_and_one_post(mode: Mode) {
    let world = world_with_border(mode, 20 * MIB);
    let mount = world.mount();
    let bytes = copy_in(&world, &mount, "between", BORDER_BYTES + 1);
    mount.wait();
    expect_arrival(&world, &mount, "between", &bytes);
    assert_eq!(world.uploads(), Calls { posts: 1, refused_sessions: 1, ..Calls::default() });
}

fn a_large_file_has_at_least_four_parts_in_flight(mode: Mode) {
    let size = if at_full_size() { 1024 * MIB } else { 128 * MIB };
    // A part takes a while, as it does on any line.
    let latency = Duration::from_millis(30);
    let world = World::with(mode, Options { latency, part_size: Some(8 * MIB), ..Options::default() });
    let mount = world.mounter("main").limit(LARGE_LIMIT).start();
    let source = world.dir().join("source");
    let sha1 = write_large(&source, size, 7);
    run(std::process::Command::new("cp").arg(&source).arg(mount.at("large")), LARGE_LIMIT).ok();
    std::fs::remove_file(source).unwrap();
    mount.command(&["wait", "--timeout", "500"], "").ok();
    let item = world.in_box("/large");
    assert_eq!((item.size, &item.sha1), (size, &sha1));
    assert_eq!(item.content_modified_at, mount.at("large").metadata().unwrap().mtime());
    let session = &world.emulator.sessions()[0];
    assert!(session.total_parts >= 8, "{session:?}");
    assert!(session.most_parts_in_flight >= 4, "{session:?}");
    assert_eq!(world.uploads().sessions, 1);
}

fn memory_stays_small_while_four_large_files_upload(mode: Mode) {
    let size = if at_full_size() { 1024 * MIB } else { 256 * MIB };
    let world = World::new(mode);
    let mount = world.mounter("main").limit(LARGE_LIMIT).args(["--settle", "0s"]).start();
    let digests: Vec<String> = std::thread::scope(|scope| {
        let mount = &mount;
        let writers: Vec<_> =
            (0..4).map(|n| scope.spawn(move || write_large(&mount.at(&format!("large-{n}")), size, n))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    eventually_ok(SOON, || {
        let sessions = world.emulator.sessions().len();
        if sessions == 4 { Ok(()) } else { Err(format!("{sessions} of 4 sessions; {:#}", mount.status())) }
    });
    mount.command(&["wait", "--timeout", "500"], "").ok();
    let most = mount.memory_bytes("VmHWM");
    for (n, sha1) in digests.iter().enumerate() {
        assert_eq!(&world.in_box(&format!("/large-{n}")).sha1, sha1);
    }
    assert!(most < 100_000_000, "the daemon took {most} bytes");
}

#[test]
fn the_pattern_of_the_tests_differs_everywhere() {
    let bytes = bytes_of(3 * MIB as usize + 5, 1);
    assert_eq!(bytes.len() as u64, 3 * MIB + 5);
    assert_ne!(bytes[..MIB as usize], bytes[MIB as usize..2 * MIB as usize]);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(write_large(&dir.path().join("f"), bytes.len() as u64, 1), sha1_hex(&bytes));
}

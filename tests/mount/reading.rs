//! What cold reads cost: connections, requests and bytes, and what heals on the way.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use boxfs::emulator::{FaultScript, Options, RequestRecord};

use crate::support::{Mode, SOON, World, bytes_of, eventually};

const MIB: usize = 1 << 20;
/// Longer than a request and its piece take on the slow line.
const QUIET: Duration = Duration::from_secs(2);

in_both_modes!(
    a_sequential_reader_is_served_over_several_connections_and_not_a_byte_too_many,
    a_jumping_reader_fetches_little,
    two_readers_of_a_file_share_what_is_fetched,
    the_address_of_a_content_is_asked_for_once,
    an_address_that_expires_in_the_middle_is_replaced,
    what_breaks_in_the_middle_heals,
    wrong_bytes_are_not_taken_for_the_file,
    a_reader_that_stops_early_costs_a_part,
    a_small_file_is_one_request,
);

fn with_file(mode: Mode, options: Options, len: usize) -> (World, Vec<u8>) {
    let world = World::with(mode, options);
    let bytes = bytes_of(len, 11);
    world.emulator.act().write_file("/file", &bytes).unwrap();
    (world, bytes)
}

fn slow() -> Options {
    Options { latency: Duration::from_millis(50), bandwidth: Some(8_000_000), ..Options::default() }
}

fn faults(text: &str) -> FaultScript {
    serde_json::from_str(text).unwrap()
}

/// Requests for bytes.
fn fetches(world: &World) -> Vec<RequestRecord> {
    world.emulator.requests().into_iter().filter(|r| r.path.starts_with("/d/")).collect()
}

fn fetched_bytes(world: &World) -> u64 {
    fetches(world).iter().map(|r| r.bytes_out).sum()
}

/// The most requests that were under way at one time.
fn most_at_once(requests: &[RequestRecord]) -> usize {
    let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let spans: Vec<_> = requests.iter().map(|r| (ms(&r.time), ms(&r.time) + r.duration_ms as i64)).collect();
    spans.iter().map(|(at, _)| spans.iter().filter(|(start, end)| start <= at && at < end).count()).max().unwrap_or(0)
}

fn a_sequential_reader_is_served_over_several_connections_and_not_a_byte_too_many(mode: Mode) {
    let (world, bytes) = with_file(mode, slow(), 60 * MIB);
    let mount = world.mount();
    assert!(std::fs::read(mount.at("file")).unwrap() == bytes);
    let fetches = fetches(&world);
    assert!(most_at_once(&fetches) >= 8, "{fetches:#?}");
    assert_eq!(fetched_bytes(&world), bytes.len() as u64);
}

fn a_jumping_reader_fetches_little(mode: Mode) {
    let (world, bytes) = with_file(mode, Options::default(), 200 * MIB);
    let mount = world.mount();
    let file = File::open(mount.at("file")).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let mut piece = [0; 4096];
    for _ in 0..100 {
        let at = random.usize(..bytes.len() - 4096);
        file.read_exact_at(&mut piece, at as u64).unwrap();
        assert!(piece == bytes[at..at + 4096]);
    }
    let each = fetched_bytes(&world) / 100;
    assert!(each <= 128 << 10, "{each} bytes for each read");
}

fn two_readers_of_a_file_share_what_is_fetched(mode: Mode) {
    let (world, bytes) = with_file(mode, slow(), 20 * MIB);
    let mount = world.mount();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!(std::fs::read(mount.at("file")).unwrap() == bytes));
        }
    });
    assert_eq!(fetched_bytes(&world), bytes.len() as u64);
}

fn the_address_of_a_content_is_asked_for_once(mode: Mode) {
    let (world, bytes) = with_file(mode, Options::default(), 30 * MIB);
    let mount = world.mount();
    std::thread::scope(|scope| {
        for n in 0..8u64 {
            let (mount, bytes) = (&mount, &bytes);
            scope.spawn(move || {
                let (mut piece, at) = ([0; 10], n * 3_000_000);
                File::open(mount.at("file")).unwrap().read_exact_at(&mut piece, at).unwrap();
                assert!(piece == bytes[at as usize..at as usize + 10]);
            });
        }
    });
    assert!(std::fs::read(mount.at("file")).unwrap() == bytes);
    assert_eq!(world.requests("GET", "/2.0/files/*/content").len(), 1);
}

fn an_address_that_expires_in_the_middle_is_replaced(mode: Mode) {
    let (world, bytes) = with_file(mode, Options::default(), 30 * MIB);
    let mount = world.mount();
    let file = File::open(mount.at("file")).unwrap();
    let mut piece = vec![0; 4096];
    file.read_exact_at(&mut piece, 20_000_000).unwrap();
    world.emulator.advance_clock(Duration::from_secs(3600));
    file.read_exact_at(&mut piece, 10_000_000).unwrap();
    assert!(piece == bytes[10_000_000..10_004_096]);
    assert_eq!(world.requests("GET", "/2.0/files/*/content").len(), 2);
    assert!(std::fs::read(mount.at("file")).unwrap() == bytes);
}

fn what_breaks_in_the_middle_heals(mode: Mode) {
    let scripts = [
        r#"{"rules": [{"path": "/d/*", "times": 6, "do": {"kind": "cut", "bytes": 100000}}]}"#,
        r#"{"rules": [{"path": "/d/*", "times": 2, "do": {"kind": "close_before"}}]}"#,
        r#"{"rules": [{"path": "/d/*", "nth": 3, "do": {"kind": "answer", "status": 500}}]}"#,
        r#"{"rules": [{"path": "/d/*", "nth": 2, "do": {"kind": "answer", "status": 416}}]}"#,
        r#"{"rules": [{"path": "/d/*", "nth": 4, "do": {"kind": "answer", "status": 403}}]}"#,
        r#"{"rules": [{"path": "/d/*", "nth": 2, "do": {"kind": "answer", "status": 429, "retry_after": 1}}]}"#,
        r#"{"rules": [{"path": "*/content", "times": 2, "do": {"kind": "answer", "status": 202, "retry_after": 1}}]}"#,
        r#"{"rules": [{"path": "*/content*", "nth": 1, "do": {"kind": "close_after"}}]}"#,
    ];
    let world = World::new(mode);
    let bytes = bytes_of(12 * MIB, 11);
    (0..scripts.len()).for_each(|n| drop(world.emulator.act().write_file(&format!("/file-{n}"), &bytes).unwrap()));
    let mount = world.mount();
    for (n, script) in scripts.into_iter().enumerate() {
        std::fs::metadata(mount.at(&format!("file-{n}"))).unwrap();
        world.emulator.set_faults(faults(script));
        assert!(std::fs::read(mount.at(&format!("file-{n}"))).unwrap() == bytes, "{script}");
        world.emulator.set_faults(FaultScript::default());
    }
}

fn wrong_bytes_are_not_taken_for_the_file(mode: Mode) {
    let (world, bytes) = with_file(mode, Options::default(), 5 * MIB);
    let mount = world.mount();
    let script = r#"{"rules": [{"path": "/d/*", "nth": 1, "do": {"kind": "corrupt", "at": 1000}}]}"#;
    world.emulator.set_faults(faults(script));
    let mut wrong = Vec::new();
    assert!(File::open(mount.at("file")).unwrap().read_to_end(&mut wrong).is_err(), "an error, not an end");
    eventually("the right bytes are there", SOON, || std::fs::read(mount.at("file")).unwrap() == bytes);
}

fn a_reader_that_stops_early_costs_a_part(mode: Mode) {
    let (world, bytes) = with_file(mode, slow(), 200 * MIB);
    let mount = world.mount();
    let mut beginning = vec![0; 2 * MIB];
    File::open(mount.at("file")).unwrap().read_exact(&mut beginning).unwrap();
    assert!(beginning == bytes[..2 * MIB]);
    // Transfers under way are in the log when they end.
    let (mut last, mut since) = (0, Instant::now());
    eventually("nothing more comes", SOON, || {
        let now = fetched_bytes(&world);
        if std::mem::replace(&mut last, now) != now {
            since = Instant::now();
        }
        since.elapsed() > QUIET
    });
    assert!(last < 60 * MIB as u64, "{last} bytes for two megabytes");
}

fn a_small_file_is_one_request(mode: Mode) {
    let world = World::new(mode);
    let bytes = bytes_of(100_000, 1);
    world.emulator.act().write_file("/small", &bytes).unwrap();
    let mount = world.mount();
    let mut byte = [0];
    File::open(mount.at("small")).unwrap().read_exact_at(&mut byte, 90_000).unwrap();
    assert!(std::fs::read(mount.at("small")).unwrap() == bytes);
    assert_eq!(fetches(&world).len(), 1);
}

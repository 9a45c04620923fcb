//! Reading while one request in twenty goes wrong: slower, but the bytes and names are right, and nothing hangs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use boxfs::emulator::{FaultScript, Options};

use crate::support::{
    Mode, Mount, World, at_full_size, bytes_of, eventually, eventually_ok, sha1_hex, tree_at, tree_in_box,
};

const MIB: usize = 1 << 20;
/// What a reader may have to wait while several tries in a row go wrong.
const PATIENCE: Duration = Duration::from_secs(60);

in_both_modes!(
    a_sequential_read_among_faults_is_right,
    random_reads_among_faults_are_right,
    walks_and_prefetch_among_faults_find_every_name,
    a_pin_among_faults_has_every_byte,
    what_others_do_among_faults_is_seen,
    small_files_in_archives_and_old_versions_among_faults_are_right,
);

/// Every kind of fault, together in one request of twenty. Bytes alone come wrong: the rest is protected by TLS.
fn faults(seed: u64) -> FaultScript {
    let any = [
        r#"{"kind": "answer", "status": 500}"#,
        r#"{"kind": "answer", "status": 503, "retry_after": 1}"#,
        r#"{"kind": "answer", "status": 429, "retry_after": 1}"#,
        r#"{"kind": "close_before"}"#,
        r#"{"kind": "close_after"}"#,
        r#"{"kind": "stall", "ms": 1500}"#,
        r#"{"kind": "cut", "bytes": 200}"#,
    ];
    let of_bytes = [
        r#"{"kind": "cut", "bytes": 50000}"#,
        r#"{"kind": "drip", "bytes_per_second": 300000}"#,
        r#"{"kind": "corrupt", "at": 1000}"#,
        r#"{"kind": "answer", "status": 403}"#,
        r#"{"kind": "answer", "status": 416}"#,
    ];
    let rule =
        |path, probability, fault| format!(r#"{{"path": "{path}", "probability": {probability}, "do": {fault}}}"#);
    let mut rules: Vec<String> = of_bytes.iter().map(|fault| rule("/d/*", 0.004, fault)).collect();
    rules.push(rule("*/content", 0.01, &r#"{"kind": "answer", "status": 202, "retry_after": 1}"#));
    rules.extend(any.iter().map(|fault| rule("*", 0.0045, fault)));
    serde_json::from_str(&format!(r#"{{"seed": {seed}, "rules": [{}]}}"#, rules.join(","))).unwrap()
}

/// Faults begin when the mount is there.
fn with_faults(world: &World, seed: u64) -> Mount {
    let mount = world.mounter("main").limit(3 * PATIENCE).start();
    world.emulator.set_faults(faults(seed));
    mount
}

fn small_box() -> Options {
    Options { latency: Duration::from_millis(5), ..Options::default() }
}

/// What `read` gives once it gives anything: a reader of bytes that came wrong has an error, and tries again.
fn in_the_end<T>(read: impl Fn() -> std::io::Result<T>) -> T {
    eventually_ok(PATIENCE, || read().map_err(|error| error.to_string()))
}

fn a_sequential_read_among_faults_is_right(mode: Mode) {
    let world = World::with(mode, small_box());
    let len = if at_full_size() { 1 << 30 } else { 100 * MIB };
    let digests: Vec<_> = (0..3u64)
        .map(|n| {
            let bytes = bytes_of(len, n);
            world.emulator.act().write_file(&format!("/{n}"), &bytes).unwrap();
            sha1_hex(&bytes)
        })
        .collect();
    let mount = with_faults(&world, 1);
    for (n, digest) in digests.iter().enumerate() {
        let read = in_the_end(|| std::fs::read(mount.at(&n.to_string())));
        assert_eq!(sha1_hex(&read), *digest);
    }
}

fn random_reads_among_faults_are_right(mode: Mode) {
    let world = World::with(mode, small_box());
    let bytes = bytes_of(150 * MIB, 4);
    world.emulator.act().write_file("/file", &bytes).unwrap();
    let mount = with_faults(&world, 2);
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..300 {
        let at = random.usize(..bytes.len() - 4096);
        let piece = in_the_end(|| {
            let mut piece = vec![0; 4096];
            File::open(mount.at("file"))?.read_exact_at(&mut piece, at as u64)?;
            Ok(piece)
        });
        // Bytes that came wrong are found when all are here, and no reader has read all of them.
        let differing = piece.iter().zip(&bytes[at..]).filter(|(a, b)| a != b).count();
        assert!(differing <= 1, "{differing} wrong bytes at {at}");
    }
    assert_eq!(sha1_hex(&in_the_end(|| std::fs::read(mount.at("file")))), sha1_hex(&bytes));
}

fn with_tree(mode: Mode) -> World {
    let world = World::with(mode, small_box());
    for n in 0..400u64 {
        let path = format!("/top/{}/{}/file-{n}", n % 5, n % 20);
        world.emulator.act().write_file(&path, &bytes_of(3000 + n as usize * 50, n)).unwrap();
    }
    world
}

/// Names and kinds below, once a walk comes to its end.
fn names(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, path: &str, found: &mut Vec<String>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
            if entry.metadata()?.is_dir() {
                walk(&entry.path(), &path, found)?;
            }
            found.push(path);
        }
        Ok(())
    }
    let mut found = in_the_end(|| {
        let mut found = Vec::new();
        walk(dir, "", &mut found).map(|()| found)
    });
    found.sort();
    found
}

fn walks_and_prefetch_among_faults_find_every_name(mode: Mode) {
    let world = with_tree(mode);
    let expected: Vec<String> = tree_in_box(&world).into_keys().collect();
    let mount = with_faults(&world, 3);
    assert_eq!(names(&mount.root), expected);
    assert_eq!(names(&mount.root), expected);
    drop(mount);
    world.emulator.set_faults(FaultScript::default());
    let mount = world.mounter("other").limit(3 * PATIENCE).start();
    world.emulator.set_faults(faults(4));
    eventually("prefetch comes to its end", PATIENCE, || mount.command(&["prefetch"], "").code == Some(0));
    assert_eq!(names(&mount.root), expected);
}

fn a_pin_among_faults_has_every_byte(mode: Mode) {
    let world = with_tree(mode);
    let mount = with_faults(&world, 5);
    let whole = || mount.command_within(&["pin"], PATIENCE).stdout.contains("400 files");
    eventually("everything is here", PATIENCE, whole);
    world.emulator.set_faults(FaultScript::default());
    mount.command_within(&["pin"], PATIENCE).ok();
    world.emulator.reset_requests();
    assert_eq!(tree_at(&mount.root), tree_in_box(&world));
    assert!(world.emulator.requests().iter().all(|r| !r.path.starts_with("/d/")), "bytes were not here");
}

fn what_others_do_among_faults_is_seen(mode: Mode) {
    let world = with_tree(mode);
    let mount = with_faults(&world, 6);
    assert_eq!(names(&mount.root).len(), 426);
    let act = world.emulator.act();
    for n in 0..20 {
        let file = |n: u64| format!("/top/{}/{}/file-{n}", n % 5, n % 20);
        act.write_file(&format!("/top/made {n}"), format!("by others {n}").as_bytes()).unwrap();
        act.write_file(&file(n), format!("edited {n}").as_bytes()).unwrap();
        act.rename(&file(n + 100), &format!("renamed {n}")).unwrap();
        act.move_to(&file(n + 200), "/top").unwrap();
        act.trash(&file(n + 300)).unwrap();
        let made = mount.at(&format!("top/made {n}"));
        eventually("the latest of them", PATIENCE, || made.metadata().is_ok());
    }
    let expected = tree_in_box(&world);
    let all: Vec<String> = expected.keys().cloned().collect();
    eventually("all names", PATIENCE, || names(&mount.root) == all);
    for (path, digest) in expected.iter().filter(|(_, digest)| *digest != "folder") {
        let read = || in_the_end(|| std::fs::read(mount.at(&path[1..])));
        eventually(path, PATIENCE, || sha1_hex(&read()) == *digest);
    }
}

fn small_files_in_archives_and_old_versions_among_faults_are_right(mode: Mode) {
    let world = World::with(mode, small_box());
    for n in 0..450_u64 {
        let path = format!("/small/{}/{n}", n % 7);
        world.emulator.act().write_file(&path, &bytes_of(900 + n as usize, 1_000 + n)).unwrap();
        world.emulator.act().write_file(&path, &bytes_of(1_000 + n as usize, n)).unwrap();
    }
    let mount = with_faults(&world, 6);
    let wanted = "450 files";
    eventually("all of the pin is here", PATIENCE, || {
        let ran = mount.command(&["pin"], "small");
        ran.code == Some(0) && ran.stdout.contains(wanted)
    });
    for n in (0..450_u64).step_by(15) {
        let path = format!("small/{}/{n}", n % 7);
        assert!(in_the_end(|| std::fs::read(mount.at(&path))) == bytes_of(1_000 + n as usize, n), "{path}");
        let versions = mount.at(".boxfs-versions").join(&path);
        let old = in_the_end(|| std::fs::read_dir(&versions)?.next().ok_or(std::io::ErrorKind::NotFound)?);
        assert!(in_the_end(|| std::fs::read(old.path())) == bytes_of(900 + n as usize, 1_000 + n), "{path}");
    }
    assert!(!world.requests("POST", "/2.0/zip_downloads").is_empty());
}

//! Box is away for hours while thousands of files are copied: all of them arrive, once, and Box is never asked more often than it
//! permits. Hours pass in minutes: the daemon and the emulator share a faster clock (`BOXFS_TIME_SCALE`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use boxfs::base::Timestamp;
use boxfs::emulator::Options;
use serde_json::Value;

use crate::support::{Mode, Tree, World, at_full_size, eventually, eventually_ok, run, sha1_hex, tree_in_box};

/// API.md 1.6, calls of one user in a minute.
const CALLS_A_MINUTE: usize = 1000;
const UPLOADS_A_MINUTE: usize = 240;

/// How much is copied, how long Box is away, and how many seconds of the daemon pass in one of ours.
struct Size {
    files: usize,
    away: Duration,
    scale: u32,
}

/// As the contract says.
const FULL: Size = Size { files: 10_000, away: Duration::from_secs(4 * 3600), scale: 60 };
/// The limits bind at 120 uploads a second, which a debug build comes near to.
const SMALL: Size = Size { files: 600, away: Duration::from_secs(15 * 60), scale: 30 };

/// Longer than either takes.
const LIMIT: Duration = Duration::from_secs(1500);

#[test]
fn a_copy_through_an_outage_of_hours_arrives_within_the_limits_of_box() {
    let size = if at_full_size() { FULL } else { SMALL };
    let dir = tempfile::tempdir().unwrap();
    let (log, source) = (dir.path().join("requests"), dir.path().join("source"));
    let expected = fill(&source, size.files);
    let options = Options { request_log: Some(log.clone()), time_scale: size.scale, ..Options::default() };
    let mut world = World::lasting(Mode::Copying, options);
    let mounter = world.mounter("main").args(["--api-limits", "box", "--settle", "1s"]).limit(LIMIT);
    let mount = mounter.variable("BOXFS_TIME_SCALE", &size.scale.to_string()).start();
    let target = mount.at("copy");
    std::thread::scope(|scope| {
        let copy = scope.spawn(|| run(Command::new("cp").arg("-r").args([&source, &target]), LIMIT).ok());
        eventually("a part is there", LIMIT, || world.emulator.items().len() > size.files / 10);
        world.unplug();
        // Nothing is waited for: hours go by.
        std::thread::sleep(size.away / size.scale);
        world.plug_in();
        copy.join().unwrap();
    });
    eventually_ok(LIMIT, || {
        let found = tree_in_box(&world).len();
        if found == expected.len() { Ok(()) } else { Err(format!("{found} of {}", expected.len())) }
    });
    mount.command_within(&["wait", "--timeout", "60"], LIMIT).ok();
    assert!(tree_in_box(&world) == expected, "Box has something else");
    assert!(world.emulator.items().iter().all(|item| item.version_ids.len() <= 1), "a second version");
    expect_within_limits(&log, size.scale);
}

/// Makes files of one line each; the tree that Box should have of them.
fn fill(source: &Path, files: usize) -> Tree {
    let mut expected = Tree::from([("/copy".to_owned(), "folder".to_owned())]);
    for n in 0..files {
        let folder = format!("{:02}", n % 40);
        fs::create_dir_all(source.join(&folder)).unwrap();
        let text = format!("file {n}\n");
        fs::write(source.join(&folder).join(format!("{n}.txt")), &text).unwrap();
        expected.insert(format!("/copy/{folder}"), "folder".to_owned());
        expected.insert(format!("/copy/{folder}/{n}.txt"), sha1_hex(text.as_bytes()));
    }
    expected
}

/// In no minute of the emulator's clock did more calls come than Box permits.
fn expect_within_limits(log: &Path, scale: u32) {
    let mut calls: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let path = record["path"].as_str().unwrap();
        // Tokens, downloads and the long poll are not calls of the API.
        if record["door"] != "api" || path.starts_with("/oauth2") {
            continue;
        }
        let at = Timestamp::parse_rfc3339(record["time"].as_str().unwrap()).unwrap();
        let minute = at.to_nanos() / 1_000_000 * i64::from(scale) / 60_000;
        let (all, uploads) = calls.entry(minute).or_default();
        *all += 1;
        *uploads += usize::from(record["method"] == "POST" && path.contains("/files/content"));
    }
    let most = |of: fn(&(usize, usize)) -> usize| calls.values().map(of).max().unwrap();
    let (all, uploads) = (most(|calls| calls.0), most(|calls| calls.1));
    println!("{} minutes with calls; at most {all} calls, of these {uploads} uploads, in one", calls.len());
    assert!(all <= CALLS_A_MINUTE, "{all} calls in a minute");
    assert!(uploads <= UPLOADS_A_MINUTE, "{uploads} uploads in a minute");
}

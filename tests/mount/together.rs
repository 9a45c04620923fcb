//! Many small files of a pin come in one archive: two calls in the place of two for each. Whatever is wrong with an archive, the right
//! bytes are here afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use boxfs::emulator::{Fault, FaultAnswer, FaultRule, FaultScript};

use crate::support::{Mode, Mount, World, bytes_of, sha1_hex};

in_both_modes!(
    small_files_come_in_one_archive,
    few_files_come_one_by_one,
    an_archive_with_a_wrong_byte_gives_right_files,
    an_archive_that_is_cut_off_is_completed,
    files_come_one_by_one_where_box_makes_no_archive,
);

const FILES: usize = 60;
/// Files of this size come over connections of their own.
const LARGE: usize = 600_000;

/// Names that are the same in several folders, or but for their case; nothing in a file; one large file.
fn world(mode: Mode) -> (World, BTreeMap<String, String>) {
    let world = World::new(mode);
    let mut expected = BTreeMap::new();
    let mut add = |path: String, bytes: Vec<u8>| {
        world.emulator.act().write_file(&format!("/keep/{path}"), &bytes).unwrap();
        expected.insert(path, sha1_hex(&bytes));
    };
    for n in 0..FILES {
        add(format!("{}/file-{n}", n % 3), bytes_of(1_000 + 37 * n, n as u64));
    }
    for n in 0..3 {
        add(format!("{n}/index.html"), bytes_of(2_000 + n, 100 + n as u64));
    }
    add("1/INDEX.html.d/Index.HTML".to_owned(), bytes_of(2_500, 200));
    add("nothing".to_owned(), Vec::new());
    add("large".to_owned(), bytes_of(LARGE, 300));
    (world, expected)
}

/// Every file below, by its path, as its SHA-1.
fn digests(top: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                found.insert(name, sha1_hex(&std::fs::read(path).unwrap()));
            }
        }
    }
    found
}

/// Archives made and fetched, and files fetched by themselves.
fn calls(world: &World) -> (usize, usize, usize) {
    let made = world.requests("POST", "/2.0/zip_downloads").len();
    let fetched = world.requests("GET", "/2.0/zip_downloads/*/content").len();
    (made, fetched, world.requests("GET", "/2.0/files/*/content").len())
}

fn fails(world: &World, path: &str, fault: Fault) {
    let rule = FaultRule { method: None, path: path.to_owned(), nth: None, times: None, probability: None, fault };
    world.emulator.set_faults(FaultScript { seed: 1, rules: vec![rule] });
}

/// Pins, and reads everything without a call.
#[track_caller]
fn pinned(world: &World, expected: &BTreeMap<String, String>) -> (Mount, (usize, usize, usize)) {
    let mount = world.mount();
    mount.command(&["pin"], "keep").ok();
    let calls = calls(world);
    world.emulator.reset_requests();
    assert_eq!(&digests(&mount.at("keep")), expected);
    assert_eq!(self::calls(world), (0, 0, 0), "{:#?}", world.emulator.requests());
    (mount, calls)
}

fn small_files_come_in_one_archive(mode: Mode) {
    let (world, expected) = world(mode);
    let (mount, calls) = pinned(&world, &expected);
    // The large one alone.
    assert_eq!(calls, (1, 1, 1));
    let told = mount.command(&["pin"], "keep").ok().stdout;
    assert!(told.contains(&format!("{} files", expected.len())), "{told}");
    // What it cost is told as boxfs' own.
    let readers = &mount.status()["readers"];
    assert_eq!((&readers[0]["program"], &readers[0]["calls"]), (&"boxfs".into(), &2.into()), "{readers}");
}

fn few_files_come_one_by_one(mode: Mode) {
    let (world, expected) = world(mode);
    let mount = world.mount();
    for path in expected.keys().filter(|path| path.starts_with("0/file-") && *path != "0/file-3") {
        std::fs::read(mount.at("keep").join(path)).unwrap();
    }
    world.emulator.reset_requests();
    mount.command(&["pin"], "keep/0").ok();
    assert_eq!(calls(&world), (0, 0, 2));
}

fn an_archive_with_a_wrong_byte_gives_right_files(mode: Mode) {
    let (world, expected) = world(mode);
    // Within a file's bytes: headers are a small part.
    fails(&world, "/2.0/zip_downloads/*/content", Fault::Corrupt { at: 30_500 });
    let (_mount, (made, fetched, alone)) = pinned(&world, &expected);
    assert!((made, fetched) == (1, 1) && (2..10).contains(&alone), "{alone}");
}

fn an_archive_that_is_cut_off_is_completed(mode: Mode) {
    let (world, expected) = world(mode);
    fails(&world, "/2.0/zip_downloads/*/content", Fault::Cut { bytes: 50_000 });
    let (_mount, (_, _, alone)) = pinned(&world, &expected);
    assert!((10..FILES).contains(&alone), "{alone}");
}

fn files_come_one_by_one_where_box_makes_no_archive(mode: Mode) {
    let (world, expected) = world(mode);
    let code = Some("access_denied_insufficient_permissions".to_owned());
    fails(&world, "/2.0/zip_downloads", Fault::Answer(FaultAnswer { status: 403, code, retry_after: None }));
    let (_mount, calls) = pinned(&world, &expected);
    // All but the empty one.
    assert_eq!(calls, (1, 0, expected.len() - 1));
}

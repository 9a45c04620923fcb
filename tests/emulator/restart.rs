//! What was answered is there after a restart, a kill -9 included.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use boxfs::emulator::{Emulator, Options};
use serde_json::json;

use crate::wire::{Caller, noise};
use crate::{chunked, start};

fn options(dir: &std::path::Path) -> Options {
    Options { data: Some(dir.to_owned()), min_session_bytes: 2000, part_size: Some(1000), ..Options::default() }
}

#[test]
fn a_killed_emulator_has_all_that_it_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_boxfs"))
        .args(["emulator", "--min-session", "2000", "--part-size", "1000", "--data"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut banner = BufReader::new(child.stdout.take().unwrap()).lines();
    let base = banner.find_map(|line| line.unwrap().strip_prefix("server: ").map(str::to_owned)).unwrap();
    let caller = Caller { base, token: Options::default().token };
    let folder = caller.new_folder("folder", "0");
    for index in 0..20 {
        let body = json!({"name": format!("f{index}"), "parent": {"id": folder}});
        assert_eq!(caller.upload("/api/2.0/files/content", body, &noise(index, 5000), &[]).status, 201);
    }
    let bytes = noise(99, 2500);
    let session = chunked::open(&caller, "large", bytes.len());
    assert_eq!(chunked::put(&caller, &session, &bytes, 1000, 1000).status, 200);
    child.kill().unwrap();
    child.wait().unwrap();

    let (emulator, caller) = start(options(dir.path()));
    for index in 0..20 {
        let file = emulator.find(&format!("/folder/f{index}")).unwrap();
        assert_eq!(emulator.read(&file.id, None).unwrap(), noise(index, 5000));
    }
    let url = format!("{}/api/2.0/files/upload_sessions/{}", caller.base, session.id);
    assert_eq!(caller.get(&url).json()["num_parts_processed"], 1);
    let me = caller.get("/2.0/users/me").json();
    assert_eq!(me["space_used"], 20 * 5000);
    let next = caller.new_file("next", b"x");
    assert!(emulator.items().iter().filter(|item| item.id == next["id"]).count() == 1, "ids are not given twice");
}

#[test]
fn a_torn_last_line_is_dropped_and_two_emulators_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (emulator, caller) = start(options(dir.path()));
    caller.new_file("a", b"x");
    assert!(Emulator::start(options(dir.path())).is_err());
    emulator.stop();
    let journal = dir.path().join("journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes.extend_from_slice(b"{\"items\":[[{\"kind\":\"f\"");
    std::fs::write(&journal, bytes).unwrap();
    let (emulator, caller) = start(options(dir.path()));
    assert!(emulator.find("/a").is_some());
    caller.new_file("b", b"x");
    emulator.stop();
    let (emulator, _) = start(options(dir.path()));
    assert_eq!(emulator.items().len(), 2);
}

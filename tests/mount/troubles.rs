//! What needs a person: conflict copies, work that Box refuses, and what boxfs did about it, by command.

use std::fs;
use std::os::unix::fs::MetadataExt;

use boxfs::emulator::FaultScript;
use serde_json::Value;

use crate::support::{Mode, Mount, SOON, World, eventually, eventually_ok, tree_at, tree_in_box};

/// What `boxfs conflicts --json` says.
#[track_caller]
fn conflicts(mount: &Mount) -> Value {
    serde_json::from_str(&mount.command(&["conflicts", "--json"], "").ok().stdout).unwrap()
}

/// Box forbids calls of this method on these paths.
fn forbid(world: &World, method: &str, path: &str) {
    let code = "access_denied_insufficient_permissions";
    let answer = format!(r#"{{"kind": "answer", "status": 403, "code": "{code}"}}"#);
    let script = format!(r#"{{"rules": [{{"method": "{method}", "path": "{path}", "do": {answer}}}]}}"#);
    world.emulator.set_faults(FaultScript::parse(&script).unwrap());
}

/// Waits for the notice of a path; its text.
#[track_caller]
fn noticed(mount: &Mount, path: &str) -> String {
    let find = || {
        let status = mount.status();
        let notice = status["notices"].as_array().unwrap().iter().find(|n| n["path"] == path).cloned();
        notice.ok_or(format!("{status:#}"))
    };
    eventually_ok(SOON, || find().map(drop));
    find().unwrap()["what"].as_str().unwrap().to_owned()
}

#[test]
fn conflicts_and_the_place_in_the_stream_of_events_are_told() {
    let world = World::new(Mode::Copying);
    let mount = world.mounter("main").args(["--settle", "100s"]).start();
    fs::create_dir(mount.at("folder")).unwrap();
    fs::write(mount.at("folder/doc.txt"), "before").unwrap();
    mount.wait();
    assert_eq!(mount.command(&["conflicts"], "").ok().stdout, "No conflicts: nothing needs you.\n");
    fs::write(mount.at("folder/doc.txt"), "ours").unwrap();
    world.emulator.act().write_file("/folder/doc.txt", b"theirs").unwrap();
    mount.wait();
    let told = conflicts(&mount);
    let copy = told["conflicts"][0]["copy"].as_str().unwrap().to_owned();
    assert_eq!(told["conflicts"][0]["path"], "folder/doc.txt");
    world.expect_bytes(&format!("/{copy}"), b"ours");
    world.expect_bytes("/folder/doc.txt", b"theirs");
    let status = mount.status();
    assert_eq!(status["conflicts"], told["conflicts"]);
    eventually("the stream is followed", SOON, || mount.status()["events"]["position"].is_string());
    let words = mount.command(&["conflicts"], "folder").ok().stdout;
    assert!(words.contains(&format!("your version is {copy}: keep what you want")), "{words}");
    // Renaming the copy settles it.
    fs::rename(mount.at(&copy), mount.at("folder/mine.txt")).unwrap();
    assert_eq!(conflicts(&mount)["conflicts"], serde_json::json!([]));
}

#[test]
fn work_that_box_refuses_is_listed_with_what_to_do() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    forbid(&world, "POST", "*/content*");
    fs::write(mount.at("doc"), "precious").unwrap();
    eventually("the refusal is listed", SOON, || conflicts(&mount)["failed"][0]["path"] == "doc");
    let failed = conflicts(&mount)["failed"][0].clone();
    assert_eq!(failed["errno"], libc::EACCES, "{failed}");
    assert!(failed["advice"].as_str().unwrap().contains("ask the folder's owner"), "{failed}");
    assert!(mount.command(&["conflicts"], "").ok().stdout.starts_with("Not in Box:\n  doc: failed: "));
}

#[test]
fn a_delete_that_box_refuses_is_rolled_back_and_told() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    fs::create_dir(mount.at("folder")).unwrap();
    fs::write(mount.at("folder/doc"), "precious").unwrap();
    mount.wait();
    let before = fs::metadata(mount.at("folder/doc")).unwrap().ino();
    forbid(&world, "DELETE", "*");
    fs::remove_dir_all(mount.at("folder")).unwrap();
    let what = noticed(&mount, "folder/doc");
    assert!(what.contains("Box refused to delete it"), "{what}");
    assert!(noticed(&mount, "folder").contains("Box refused to delete it"));
    eventually("all is back", SOON, || tree_at(&mount.root) == tree_in_box(&world));
    assert_eq!(fs::read(mount.at("folder/doc")).unwrap(), b"precious");
    assert_eq!(fs::metadata(mount.at("folder/doc")).unwrap().ino(), before);
    mount.wait();
    world.expect_bytes("/folder/doc", b"precious");
    // Told until dismissed.
    assert!(mount.command(&["conflicts", "--dismiss"], "").ok().stdout.contains("Notices:\n"));
    assert_eq!(mount.status()["notices"], serde_json::json!([]));
}

#[test]
fn a_rename_that_box_refuses_is_rolled_back_and_told() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    fs::create_dir(mount.at("folder")).unwrap();
    fs::write(mount.at("doc"), "precious").unwrap();
    mount.wait();
    forbid(&world, "PUT", "/2.0/files/*");
    fs::rename(mount.at("doc"), mount.at("folder/paper")).unwrap();
    // Somebody needs the name meanwhile: both are kept.
    fs::create_dir(mount.at("doc")).unwrap();
    fs::write(mount.at("doc/note"), "another").unwrap();
    let what = noticed(&mount, "doc");
    assert!(what.contains("Box refused to make it 'folder/paper'"), "{what}");
    mount.wait();
    eventually("both show the same", SOON, || tree_at(&mount.root) == tree_in_box(&world));
    world.expect_bytes("/doc", b"precious");
    assert!(world.emulator.find("/folder/paper").is_none());
    let copy = conflicts(&mount)["conflicts"][0]["copy"].as_str().unwrap().to_owned();
    world.expect_bytes(&format!("/{copy}/note"), b"another");
}

#[test]
fn a_notice_outlives_the_daemon() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    fs::write(mount.at("doc"), "precious").unwrap();
    mount.wait();
    forbid(&world, "DELETE", "*");
    fs::remove_file(mount.at("doc")).unwrap();
    mount.wait();
    noticed(&mount, "doc");
    mount.kill();
    let mount = world.mount();
    assert!(noticed(&mount, "doc").contains("Box refused to delete it"));
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"precious");
}

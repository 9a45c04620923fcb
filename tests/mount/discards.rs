//! The user's hand on what Box does not have: `discard` throws it away, `save-as` copies it out.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::process::Command;

use boxfs::emulator::FaultScript;

use crate::support::{Mode, Mount, PROGRAM_LIMIT, Ran, SOON, World, boxfs, eventually, is_mounted, run, run_told};

in_both_modes!(
    a_discarded_change_goes_back_to_boxs_version,
    a_discarded_file_that_box_never_had_goes_away,
    a_reader_keeps_the_bytes_that_are_discarded,
    a_file_open_for_writing_is_not_discarded,
);

/// Longer than a test: nothing goes up unless the test says so.
const HELD_BACK: [&str; 2] = ["--settle", "100s"];

fn refuse_uploads(world: &World) {
    let script = r#"{"rules": [{"method": "POST", "path": "*/content*",
        "do": {"kind": "answer", "status": 403, "code": "access_denied_insufficient_permissions"}}]}"#;
    world.emulator.set_faults(FaultScript::parse(script).unwrap());
}

/// A mount that sends nothing by itself, of a Box with `/doc`.
fn with_doc(world: &World) -> Mount {
    world.emulator.act().write_file("/doc", b"in Box").unwrap();
    let mount = world.mounter("main").args(HELD_BACK).start();
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"in Box");
    mount
}

fn discard(mount: &Mount, path: &str) -> Ran {
    mount.command(&["discard", "--yes"], path)
}

fn a_discarded_change_goes_back_to_boxs_version(mode: Mode) {
    let world = World::new(mode);
    let mount = with_doc(&world);
    fs::write(mount.at("doc"), "mine, and longer").unwrap();
    let refused = mount.command(&["discard"], "doc").expect_code(2);
    assert!(refused.stderr.contains("its 16 bytes that Box does not have are thrown away"), "{refused:?}");
    assert!(refused.stderr.contains("no terminal to ask on") && refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"mine, and longer");
    discard(&mount, "doc").ok();
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"in Box");
    mount.wait();
    assert_eq!(world.expect_bytes("/doc", b"in Box").version_ids.len(), 1);
    assert!(discard(&mount, "doc").ok().stdout.contains("nothing to discard"));
    // It is an ordinary file again.
    fs::write(mount.at("doc"), "the next").unwrap();
    mount.wait();
    world.expect_bytes("/doc", b"the next");
    eventually("no bytes are left in the spool", SOON, || spool_is_empty(&mount));
}

fn spool_is_empty(mount: &Mount) -> bool {
    fs::read_dir(mount.state_dir.join("spool")).unwrap().next().is_none()
}

fn a_discarded_file_that_box_never_had_goes_away(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    refuse_uploads(&world);
    fs::write(mount.at("doc"), "refused").unwrap();
    eventually("the refusal is told", SOON, || mount.status()["failed"][0]["path"] == "doc");
    discard(&mount, "doc").ok();
    assert!(!mount.at("doc").exists());
    mount.wait();
    assert!(world.emulator.items().is_empty());
    eventually("no bytes are left in the spool", SOON, || spool_is_empty(&mount));
    discard(&mount, "doc").expect_code(1);
}

fn a_reader_keeps_the_bytes_that_are_discarded(mode: Mode) {
    let world = World::new(mode);
    let mount = with_doc(&world);
    fs::write(mount.at("doc"), "mine").unwrap();
    let mut reader = File::open(mount.at("doc")).unwrap();
    discard(&mount, "doc").ok();
    let mut bytes = String::new();
    reader.read_to_string(&mut bytes).unwrap();
    assert_eq!(bytes, "mine");
    // The kernel hears of it a moment later.
    eventually("the name leads to Box's bytes", SOON, || fs::read(mount.at("doc")).unwrap() == b"in Box");
    drop(reader);
    eventually("no bytes are left in the spool", SOON, || spool_is_empty(&mount));
}

fn a_file_open_for_writing_is_not_discarded(mode: Mode) {
    let world = World::new(mode);
    let mount = with_doc(&world);
    let mut writer = OpenOptions::new().append(true).open(mount.at("doc")).unwrap();
    writer.write_all(b" and more").unwrap();
    let refused = discard(&mount, "doc").expect_code(1);
    assert!(refused.stderr.contains("a program has it open for writing"), "{refused:?}");
    drop(writer);
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"in Box and more");
    eventually("it is discarded once it is closed", SOON, || discard(&mount, "doc").code == Some(0));
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"in Box");
}

#[test]
fn a_discarded_rename_or_delete_is_taken_back() {
    let world = World::new(Mode::Copying);
    let mount = with_doc(&world);
    fs::create_dir(mount.at("folder")).unwrap();
    fs::rename(mount.at("doc"), mount.at("folder/paper")).unwrap();
    let refused = discard(&mount, "folder").expect_code(1);
    assert!(refused.stderr.contains("it is not empty"), "{refused:?}");
    discard(&mount, "folder/paper").ok();
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"in Box");
    discard(&mount, "folder").ok();
    assert!(!mount.at("folder").exists());
    fs::remove_file(mount.at("doc")).unwrap();
    assert!(!mount.at("doc").exists());
    discard(&mount, "doc").ok();
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"in Box");
    mount.wait();
    assert!(world.changing_requests().is_empty(), "{:?}", world.changing_requests());
}

#[test]
fn on_a_terminal_discarding_asks() {
    let world = World::new(Mode::Copying);
    let mount = with_doc(&world);
    fs::write(mount.at("doc"), "mine").unwrap();
    let line = format!("{} discard {}", env!("CARGO_BIN_EXE_boxfs"), mount.at("doc").display());
    let ask = |answer: &str| run_told(Command::new("script").args(["-qec", &line, "/dev/null"]), answer, PROGRAM_LIMIT);
    let no = ask("n\n").expect_code(1);
    assert!(no.stdout.contains("Go on? [y/N]") && no.stdout.contains("Nothing is discarded"), "{no:?}");
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"mine");
    ask("y\n").ok();
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"in Box");
}

#[test]
fn refused_bytes_can_be_copied_out() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    refuse_uploads(&world);
    fs::write(mount.at("doc"), "precious").unwrap();
    eventually("the refusal is told", SOON, || mount.status()["failed"][0]["path"] == "doc");
    let out = world.make_dir("out");
    let save = |dest: &str| {
        let mut command = boxfs(world.dir());
        run(command.arg("save-as").arg(mount.at("doc")).arg(out.join(dest)), PROGRAM_LIMIT)
    };
    save("copy").ok();
    save("").ok();
    assert_eq!(fs::read(out.join("copy")).unwrap(), b"precious");
    assert_eq!(fs::read(out.join("doc")).unwrap(), b"precious");
    let again = save("copy").expect_code(1);
    assert!(again.stderr.contains("exists: choose another name"), "{again:?}");
    // What Box has comes through the mount.
    world.emulator.act().write_file("/theirs", b"from Box").unwrap();
    eventually("the news is here", SOON, || mount.at("theirs").exists());
    run(boxfs(world.dir()).arg("save-as").arg(mount.at("theirs")).arg(out.join("theirs")), PROGRAM_LIMIT).ok();
    assert_eq!(fs::read(out.join("theirs")).unwrap(), b"from Box");
}

#[test]
fn unsent_bytes_can_be_copied_out_without_a_daemon() {
    let world = World::new(Mode::Copying);
    let mount = with_doc(&world);
    fs::create_dir(mount.at("folder")).unwrap();
    fs::write(mount.at("folder/new"), "unsent").unwrap();
    let (root, state, cache) = (mount.root.clone(), mount.state_dir.clone(), mount.cache_dir.clone());
    mount.kill();
    let out = world.make_dir("out");
    let save = |path: &std::path::Path, dest: &str| {
        let mut command = boxfs(world.dir());
        command.arg("save-as").arg(path).arg(out.join(dest)).arg("--state-dir").arg(&state);
        run(command.arg("--cache-dir").arg(&cache), PROGRAM_LIMIT)
    };
    // The dead mount is still there, then it is gone.
    save(&root.join("folder/new"), "first").ok();
    run(Command::new("umount").arg("-l").arg(&root), PROGRAM_LIMIT).ok();
    assert!(!is_mounted(&root));
    save(&root.join("folder/new"), "second").ok();
    save("folder/new".as_ref(), "third").ok();
    for copy in ["first", "second", "third"] {
        assert_eq!(fs::read(out.join(copy)).unwrap(), b"unsent", "{copy}");
    }
    let unknown = save("folder/none".as_ref(), "fourth").expect_code(1);
    assert!(unknown.stderr.contains("nothing is known of 'folder/none'"), "{unknown:?}");
    // Nothing of this hinders the next mount.
    let mount = world.mount();
    mount.wait();
    world.expect_bytes("/folder/new", b"unsent");
}

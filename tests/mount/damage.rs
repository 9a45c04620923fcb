//! A damaged database: set aside at the start, made anew from Box and the spool's own files, and told.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::support::{Mode, Mount, SOON, World, bytes_of, eventually, tree_at, tree_in_box};

/// A mount that sends nothing by itself.
fn mount(world: &World) -> Mount {
    world.mounter("main").args(["--settle", "100s"]).start()
}

/// Unsent work of every kind that a spool file can tell of.
fn work(mount: &Mount) {
    fs::write(mount.at("folder/doc"), "changed here").unwrap();
    fs::write(mount.at("folder/new"), "made here").unwrap();
    fs::create_dir_all(mount.at("fresh/deep")).unwrap();
    fs::write(mount.at("fresh/deep/file"), bytes_of(300_000, 1)).unwrap();
    fs::write(mount.at("save.tmp"), "saved").unwrap();
    fs::rename(mount.at("save.tmp"), mount.at("saved")).unwrap();
    // Opened, and not changed: of one the bytes are here, of the other none.
    for name in ["folder/same", "folder/cold"] {
        drop(fs::OpenOptions::new().append(true).open(mount.at(name)).unwrap());
    }
}

/// Damages the database in one way, and sees all unsent bytes arrive in Box all the same.
#[track_caller]
fn survives(killed: bool, damage: impl Fn(&Path)) {
    let world = World::new(Mode::Copying);
    world.emulator.act().create_folder("/folder").unwrap();
    let doc = world.emulator.act().write_file("/folder/doc", b"in Box").unwrap();
    world.emulator.act().write_file("/folder/same", b"the same").unwrap();
    world.emulator.act().write_file("/folder/cold", b"never read").unwrap();
    let first = mount(&world);
    assert_eq!(fs::read(first.at("folder/doc")).unwrap(), b"in Box");
    assert_eq!(fs::read(first.at("folder/same")).unwrap(), b"the same");
    work(&first);
    let state = first.state_dir.clone();
    if killed {
        first.kill();
    } else {
        first.command(&["umount", "--now"], "").expect_code(3);
        drop(first);
    }
    damage(&state);
    let second = mount(&world);
    let status = second.status();
    let what = status["notices"][0]["what"].as_str().unwrap_or_else(|| panic!("{status:#}"));
    assert!(what.contains("is made anew from Box"), "{what}");
    assert!(fs::read_to_string(&second.log).unwrap().contains("is made anew from Box"));
    second.wait();
    assert_eq!(world.expect_bytes("/folder/doc", b"changed here").id, doc, "a version of the same file");
    assert_eq!(world.in_box("/folder/doc").version_ids.len(), 2);
    world.expect_bytes("/folder/new", b"made here");
    world.expect_bytes("/fresh/deep/file", &bytes_of(300_000, 1));
    world.expect_bytes("/saved", b"saved");
    assert_eq!(world.expect_bytes("/folder/same", b"the same").version_ids.len(), 1);
    assert_eq!(world.expect_bytes("/folder/cold", b"never read").version_ids.len(), 1);
    assert_eq!(tree_in_box(&world).len(), 9, "nothing twice: {:#?}", tree_in_box(&world));
    eventually("the mount shows what Box has", SOON, || tree_at(&second.root) == tree_in_box(&world));
    second.umount();
    // It is told until it is dismissed, and an ordinary database again.
    let third = mount(&world);
    third.command(&["conflicts", "--dismiss"], "").ok();
    assert_eq!(third.status()["notices"], serde_json::json!([]));
}

fn database(state: &Path) -> std::path::PathBuf {
    state.join("boxfs.db")
}

/// Writes garbage from `from` on, to the end.
fn garbage(path: &Path, from: u64) {
    let size = fs::metadata(path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&bytes_of(usize::try_from(size - from).unwrap(), 7)).unwrap();
}

#[test]
fn a_database_cut_short_is_made_anew() {
    survives(false, |state| {
        let size = fs::metadata(database(state)).unwrap().len();
        fs::OpenOptions::new().write(true).open(database(state)).unwrap().set_len(size / 2).unwrap();
    });
}

#[test]
fn a_database_with_garbage_in_its_pages_is_made_anew() {
    survives(false, |state| garbage(&database(state), 4096 * 2));
}

#[test]
fn a_database_that_is_none_is_made_anew() {
    survives(false, |state| garbage(&database(state), 0));
}

#[test]
fn an_empty_database_is_made_anew() {
    survives(false, |state| fs::write(database(state), "").unwrap());
}

#[test]
fn a_deleted_database_is_made_anew() {
    survives(false, |state| fs::remove_file(database(state)).unwrap());
}

#[test]
fn a_database_damaged_in_a_crash_is_made_anew() {
    survives(true, |state| {
        garbage(&database(state), 0);
        garbage(&state.join("boxfs.db-wal"), 0);
    });
}

#[test]
fn bytes_that_say_nothing_of_themselves_are_recovered() {
    let world = World::new(Mode::Copying);
    let first = mount(&world);
    fs::write(first.at("doc"), "precious").unwrap();
    let state = first.state_dir.clone();
    first.kill();
    let spooled = fs::read_dir(state.join("spool")).unwrap().next().unwrap().unwrap().path();
    xattr::remove(&spooled, "user.boxfs.identity").unwrap();
    fs::remove_file(database(&state)).unwrap();
    let second = mount(&world);
    second.wait();
    let name = format!("/Recovered/unnamed {}", spooled.file_name().unwrap().to_str().unwrap());
    world.expect_bytes(&name, b"precious");
}

#[test]
fn another_account_does_not_get_what_the_spool_holds() {
    let world = World::new(Mode::Copying);
    let first = mount(&world);
    fs::write(first.at("doc"), "precious").unwrap();
    let state = first.state_dir.clone();
    first.command(&["umount", "--now"], "").expect_code(3);
    drop(first);
    fs::remove_file(database(&state)).unwrap();
    let other = world.emulator.add_user("Other", "other@example.org").unwrap();
    let (token, _) = world.emulator.issue_tokens(&other).unwrap();
    let refused = world.mounter("main").token(&token).run().expect_code(1);
    assert!(refused.stderr.contains("belongs to the account"), "{refused:?}");
    let second = mount(&world);
    second.wait();
    world.expect_bytes("/doc", b"precious");
}

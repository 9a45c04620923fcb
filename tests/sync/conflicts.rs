//! Somebody else was there first, at the same time, or afterwards.

use crate::rig::{Rig, eventually};
use boxfs::base::{Ino, is_conflict_name};
use boxfs::emulator::{Emulator, Fault, FaultRule, FaultScript, Options};
use boxfs::tree::{ContentState, RenameHow};
use std::collections::BTreeMap;

fn conflict_copies(rig: &Rig) -> Vec<Option<Vec<u8>>> {
    rig.in_box().into_iter().filter(|(path, _)| is_conflict_name(path)).map(|(_, bytes)| bytes).collect()
}

#[test]
fn a_name_taken_by_the_same_bytes_is_adopted() {
    let mut rig = Rig::new(Options::default());
    rig.kill();
    rig.save("doc.txt", b"the same");
    rig.emulator().act().write_file("/doc.txt", b"the same").unwrap();
    rig.start();
    rig.settled();
    assert_eq!((rig.names(), rig.versions("/doc.txt")), (vec!["/doc.txt".to_owned()], 1));
    assert_eq!(rig.node("doc.txt").unwrap().box_id, Some(rig.id("/doc.txt")));
}

#[test]
fn a_name_taken_by_others_makes_ours_a_copy() {
    let mut rig = Rig::new(Options::default());
    rig.kill();
    let ours = rig.save("doc.txt", b"ours");
    rig.emulator().act().write_file("/doc.txt", b"theirs").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"theirs"[..]));
    assert_eq!(conflict_copies(&rig), [Some(b"ours".to_vec())]);
    assert!(is_conflict_name(&rig.tree.node(ours.ino).unwrap().name), "the inode keeps its bytes");
    assert_eq!(rig.node("doc.txt").unwrap().box_id, Some(rig.id("/doc.txt")));
}

#[test]
fn a_folder_that_others_made_too_is_one_folder() {
    let mut rig = Rig::new(Options::default());
    rig.kill();
    rig.expect_one_folder_of_both("d");
}

#[test]
fn an_edit_of_both_keeps_theirs_under_the_name_and_ours_beside_it() {
    let mut rig = Rig::new(Options::default());
    rig.save("doc.txt", b"base");
    rig.settled();
    rig.kill();
    rig.save("doc.txt", b"ours");
    rig.emulator().act().write_file("/doc.txt", b"theirs").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"theirs"[..]));
    assert_eq!(conflict_copies(&rig), [Some(b"ours".to_vec())]);
    assert_eq!(rig.versions("/doc.txt"), 2);
}

#[test]
fn another_etag_of_the_same_version_is_no_conflict() {
    let mut rig = Rig::new(Options::default());
    rig.save("doc.txt", b"base");
    rig.settled();
    rig.kill();
    rig.save("doc.txt", b"ours");
    rig.emulator().act().describe("/doc.txt", "a remark").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"ours"[..]));
    assert_eq!((rig.names().len(), rig.versions("/doc.txt")), (1, 2));
}

#[test]
fn an_edit_of_what_others_deleted_is_in_box_again() {
    let mut rig = Rig::new(Options::default());
    rig.mkdir("d");
    rig.save("d/doc.txt", b"base");
    rig.settled();
    rig.kill();
    rig.save("d/doc.txt", b"ours");
    rig.emulator().act().trash("/d").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.in_box()["/d/doc.txt"].as_deref(), Some(&b"ours"[..]));
}

fn post_fails(path: &str, times: Option<u64>, fault: Fault) -> FaultScript {
    let method = Some("POST".to_owned());
    let rule = FaultRule { method, path: path.to_owned(), nth: None, times, probability: None, fault };
    FaultScript { seed: 1, rules: vec![rule] }
}

/// A file with one version in Box and an edit that Box has not heard of, while the engine does not run.
fn edited(rig: &mut Rig) -> String {
    rig.save("doc.txt", b"base");
    rig.settled();
    rig.kill();
    rig.save("doc.txt", b"ours");
    rig.id("/doc.txt")
}

/// The edit went into the file of before, whose id it is; nothing else is there.
#[track_caller]
fn expect_next_version(rig: &Rig, id: &str) {
    assert_eq!((rig.names(), rig.versions("/doc.txt")), (vec!["/doc.txt".to_owned()], 2));
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"ours"[..]));
    assert_eq!(rig.id("/doc.txt"), id);
    assert_eq!(rig.node("doc.txt").unwrap().box_id.as_deref(), Some(id));
}

#[test]
fn what_was_set_aside_for_another_file_and_edited_by_others_has_its_name_again() {
    let mut rig = Rig::new(Options::default());
    rig.save("doc.txt", b"base");
    rig.settled();
    rig.emulator().act().rename("/doc.txt", "doc.txt.boxfs-swap-99").unwrap();
    rig.list(Ino::ROOT);
    rig.kill();
    rig.rename("doc.txt.boxfs-swap-99", "doc.txt", RenameHow::Replace);
    rig.save("doc.txt", b"ours");
    rig.emulator().act().write_file("/doc.txt.boxfs-swap-99", b"theirs").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"theirs"[..]));
    assert_eq!((rig.names().len(), conflict_copies(&rig)), (2, vec![Some(b"ours".to_vec())]));
}

#[test]
fn a_backup_with_the_name_that_another_mount_gave_it_for_a_moment_is_a_conflict_copy() {
    let mut rig = Rig::new(Options::default());
    rig.save("doc.saving", b"first");
    rig.rename("doc.saving", "doc.txt", RenameHow::Replace);
    rig.settled();
    let id = rig.id("/doc.txt");
    rig.emulator().act().rename("/doc.txt", "doc.txt.boxfs-swap-99").unwrap();
    rig.list(Ino::ROOT);
    rig.kill();
    rig.save("doc.saving", b"second");
    rig.rename("doc.saving", "doc.txt", RenameHow::Replace);
    rig.start();
    rig.settled();
    assert_eq!((rig.id("/doc.txt"), rig.in_box()["/doc.txt"].as_deref()), (id, Some(&b"second"[..])));
    assert_eq!((rig.names().len(), conflict_copies(&rig)), (2, vec![Some(b"first".to_vec())]));
}

/// `part.txt` is in Box, its bytes are not here, and it is renamed over `doc.txt` while others do `meanwhile`.
fn renamed_over_before_it_was_fetched(meanwhile: impl Fn(&Emulator)) -> Rig {
    let mut rig = Rig::new(Options::default());
    rig.emulator().act().write_file("/doc.txt", b"document").unwrap();
    rig.emulator().act().write_file("/part.txt", b"part").unwrap();
    rig.list(Ino::ROOT);
    rig.kill();
    rig.rename("part.txt", "doc.txt", RenameHow::Replace);
    meanwhile(rig.emulator());
    rig.start();
    rig.settled();
    eventually("it is told", || rig.tree.notices().unwrap().iter().any(|n| n.what.contains("in Box's trash")));
    rig
}

#[test]
fn a_delete_by_others_beats_a_rename_of_what_is_not_here() {
    let rig = renamed_over_before_it_was_fetched(|emulator| emulator.act().trash("/part.txt").unwrap());
    assert_eq!(rig.in_box(), BTreeMap::from([("/doc.txt".to_owned(), Some(b"document".to_vec()))]));
    let doc = rig.node("doc.txt").unwrap();
    assert_eq!((doc.box_id, doc.hold, doc.attr.size), (Some(rig.id("/doc.txt")), None, 8));
}

#[test]
fn a_delete_of_both_by_others_beats_a_rename_of_what_is_not_here() {
    let rig = renamed_over_before_it_was_fetched(|emulator| {
        emulator.act().trash("/part.txt").unwrap();
        emulator.act().trash("/doc.txt").unwrap();
    });
    let shown = rig.node("doc.txt").map(|doc| doc.attr.size);
    assert_eq!(shown, rig.in_box().get("/doc.txt").map(|_| 8));
}

#[test]
fn a_backup_of_what_others_deleted_before_it_was_fetched_arrives() {
    let mut rig = Rig::new(Options::default());
    rig.emulator().act().write_file("/doc.txt", b"document").unwrap();
    rig.list(Ino::ROOT);
    rig.kill();
    rig.rename("doc.txt", "doc.bak", RenameHow::Replace);
    rig.save("doc.txt", b"edited");
    rig.emulator().act().trash("/doc.txt").unwrap();
    rig.start();
    rig.settled();
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let expected = [("/doc.bak".to_owned(), bytes("document")), ("/doc.txt".to_owned(), bytes("edited"))];
    assert_eq!(rig.in_box(), BTreeMap::from(expected));
}

#[test]
fn a_rename_of_what_others_moved_to_where_the_name_is_taken_brings_it_back() {
    let mut rig = Rig::new(Options::default());
    rig.mkdir("x");
    rig.mkdir("y");
    rig.save("x/a", b"ours");
    rig.save("y/b", b"theirs");
    rig.settled();
    let id = rig.id("/x/a");
    rig.kill();
    rig.rename("x/a", "x/b", RenameHow::Replace);
    rig.emulator().act().move_to("/x/a", "/y").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.names(), ["/x", "/x/b", "/y", "/y/b"]);
    assert_eq!(rig.id("/x/b"), id, "the last local rename wins");
}

#[test]
fn an_edit_of_what_another_mount_set_aside_and_deleted_has_its_name_again() {
    let mut rig = Rig::new(Options::default());
    rig.save("doc.txt", b"base");
    rig.settled();
    let id = rig.id("/doc.txt");
    // The name of what waits to be deleted, until its successor is in Box.
    rig.emulator().act().rename("/doc.txt", "doc.txt.boxfs-swap-32").unwrap();
    rig.list(Ino::ROOT);
    assert!(rig.node("doc.txt.boxfs-swap-32").is_some());
    rig.kill();
    rig.save("doc.txt.boxfs-swap-32", b"ours");
    rig.emulator().act().trash("/doc.txt.boxfs-swap-32").unwrap();
    rig.start();
    rig.settled();
    expect_next_version(&rig, &id);
}

#[test]
fn an_edit_of_what_lies_in_the_trash_brings_it_back_as_its_next_version() {
    let mut rig = Rig::new(Options::default());
    let id = edited(&mut rig);
    rig.emulator().act().trash("/doc.txt").unwrap();
    rig.start();
    rig.settled();
    expect_next_version(&rig, &id);
    assert_eq!(rig.requests("POST", &format!("/files/{id}")), 2, "restored once, and one version");
}

#[test]
fn an_edit_and_a_rename_of_what_lies_in_the_trash_bring_it_back_under_the_new_name() {
    let mut rig = Rig::new(Options::default());
    rig.mkdir("d");
    let id = edited(&mut rig);
    rig.rename("doc.txt", "d/renamed.txt", RenameHow::Replace);
    rig.emulator().act().trash("/doc.txt").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.names(), ["/d", "/d/renamed.txt"]);
    assert_eq!((rig.id("/d/renamed.txt"), rig.versions("/d/renamed.txt")), (id, 2));
}

#[test]
fn a_restore_whose_answer_is_lost_is_not_sent_again() {
    let mut rig = Rig::new(Options::default());
    let id = edited(&mut rig);
    rig.emulator().act().trash("/doc.txt").unwrap();
    rig.emulator().set_faults(post_fails(&format!("*/2.0/files/{id}?*"), Some(1), Fault::CloseAfter));
    rig.start();
    rig.settled();
    expect_next_version(&rig, &id);
    let restores = rig
        .emulator()
        .requests()
        .iter()
        .filter(|r| r.method == "POST" && r.path.contains(&format!("/2.0/files/{id}?")))
        .count();
    assert_eq!(restores, 1);
}

#[test]
fn an_edit_of_what_was_purged_is_a_new_file() {
    let mut rig = Rig::new(Options { delete_forever: true, ..Options::default() });
    let id = edited(&mut rig);
    rig.emulator().act().trash("/doc.txt").unwrap();
    rig.start();
    rig.settled();
    assert_eq!((rig.names(), rig.versions("/doc.txt")), (vec!["/doc.txt".to_owned()], 1));
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"ours"[..]));
    assert_ne!(rig.id("/doc.txt"), id);
}

#[test]
fn an_edit_of_what_lies_in_the_trash_keeps_clear_of_who_took_its_name() {
    let mut rig = Rig::new(Options::default());
    edited(&mut rig);
    rig.emulator().act().trash("/doc.txt").unwrap();
    rig.emulator().act().write_file("/doc.txt", b"theirs").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"theirs"[..]));
    assert_eq!(conflict_copies(&rig), [Some(b"ours".to_vec())]);
    assert_eq!(rig.node("doc.txt").unwrap().box_id, Some(rig.id("/doc.txt")));
}

#[test]
fn a_database_that_fell_back_behind_an_upload_makes_no_copy_of_equal_bytes() {
    let mut rig = Rig::new(Options::default());
    let id = edited(&mut rig);
    rig.emulator().set_faults(post_fails("*/content*", None, Fault::CloseBefore));
    rig.start();
    eventually("the bytes are sealed", || {
        let row = rig.node("doc.txt").and_then(|n| n.content).and_then(|id| rig.tree.content(id).unwrap());
        row.is_some_and(|row| matches!(row.state, ContentState::Sealed { .. }))
    });
    rig.kill();
    let before = rig.copy_of_the_database();
    rig.emulator().set_faults(FaultScript::default());
    rig.start();
    rig.settled();
    rig.kill();
    rig.put_back(&before);
    rig.start();
    rig.settled();
    expect_next_version(&rig, &id);
}

#[test]
fn the_bytes_of_before_saved_again_by_others_are_no_conflict() {
    let mut rig = Rig::new(Options::default());
    edited(&mut rig);
    rig.emulator().act().write_file("/doc.txt", b"base").unwrap();
    rig.start();
    rig.settled();
    assert_eq!((rig.names(), rig.versions("/doc.txt")), (vec!["/doc.txt".to_owned()], 3));
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"ours"[..]));
}

#[test]
fn an_edit_by_others_beats_our_delete() {
    let mut rig = Rig::new(Options::default());
    rig.save("doc.txt", b"base");
    rig.settled();
    rig.kill();
    rig.unlink("doc.txt");
    rig.emulator().act().write_file("/doc.txt", b"theirs").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.in_box()["/doc.txt"].as_deref(), Some(&b"theirs"[..]));
    assert_eq!(rig.node("doc.txt").unwrap().box_id, Some(rig.id("/doc.txt")));
}

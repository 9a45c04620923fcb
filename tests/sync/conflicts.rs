//! Somebody else was there first, at the same time, or afterwards.

use crate::rig::Rig;
use boxfs::base::is_conflict_name;
use boxfs::emulator::Options;

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

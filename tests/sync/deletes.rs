//! Deleting files and folders.

use crate::rig::{Rig, eventually};
use boxfs::emulator::Options;

fn filled(rig: &Rig) {
    rig.mkdir("d");
    rig.mkdir("d/e");
    for name in ["d/a", "d/b", "d/e/c"] {
        rig.save(name, name.as_bytes());
    }
    rig.settled();
}

fn remove_all(rig: &Rig) {
    for name in ["d/e/c", "d/b", "d/a"] {
        rig.unlink(name);
    }
    rig.rmdir("d/e");
    rig.rmdir("d");
}

#[test]
fn a_deleted_file_is_in_the_trash_and_forgotten_here() {
    let rig = Rig::new(Options::default());
    let node = rig.save("doc", b"bytes");
    rig.settled();
    rig.unlink("doc");
    rig.settled();
    assert_eq!(rig.names(), Vec::<String>::new());
    assert!(rig.emulator().items()[0].trashed);
    eventually("the row is gone", || rig.tree.node(node.ino).is_err());
}

#[test]
fn a_folder_deleted_with_all_in_it_is_one_call_for_each_folder() {
    let mut rig = Rig::new(Options::default());
    filled(&rig);
    rig.kill();
    remove_all(&rig);
    rig.emulator().reset_requests();
    rig.start();
    rig.settled();
    assert_eq!(rig.names(), Vec::<String>::new());
    assert_eq!((rig.requests("DELETE", "/files/"), rig.requests("DELETE", "/folders/")), (0, 2));
}

#[test]
fn a_folder_into_which_somebody_put_something_stays_for_that() {
    let mut rig = Rig::new(Options::default());
    filled(&rig);
    rig.kill();
    remove_all(&rig);
    rig.emulator().act().write_file("/d/theirs", b"theirs").unwrap();
    rig.start();
    rig.settled();
    assert_eq!(rig.names(), ["/d", "/d/theirs"]);
    let folder = rig.node("d").expect("the folder is back");
    rig.list(folder.ino);
    assert!(rig.node("d/theirs").is_some());
}

#[test]
fn a_file_that_others_deleted_goes_here_too() {
    let rig = Rig::new(Options::default());
    let node = rig.save("doc", b"bytes");
    rig.settled();
    rig.emulator().act().trash("/doc").unwrap();
    eventually("it is gone here", || rig.node("doc").is_none() && rig.is_gone(node.ino));
}

#[test]
fn a_file_moved_into_a_folder_that_is_deleted_before_box_hears_of_it_is_deleted_where_it_was() {
    let mut rig = Rig::new(Options::default());
    rig.mkdir("from");
    rig.mkdir("to");
    rig.save("from/doc", b"bytes");
    rig.settled();
    rig.kill();
    rig.rename("from/doc", "to/doc", boxfs::tree::RenameHow::Replace);
    rig.unlink("to/doc");
    rig.rmdir("to");
    rig.start();
    rig.settled();
    assert_eq!(rig.names(), ["/from"]);
}

#[test]
fn a_folder_deleted_and_made_again_around_a_file_that_moved_out_is_one_folder() {
    let mut rig = Rig::new(Options::default());
    rig.mkdir("d");
    rig.save("d/doc", b"bytes");
    rig.save("d/other", b"goes");
    rig.settled();
    let id = rig.id("/d/doc");
    rig.kill();
    rig.rename("d/doc", "doc", boxfs::tree::RenameHow::Replace);
    rig.unlink("d/other");
    rig.rmdir("d");
    rig.mkdir("d");
    rig.rename("doc", "d/doc", boxfs::tree::RenameHow::Replace);
    rig.start();
    rig.settled();
    assert_eq!((rig.names(), rig.id("/d/doc")), (vec!["/d".to_owned(), "/d/doc".to_owned()], id));
}

#[test]
fn a_folder_made_again_and_what_somebody_put_into_the_old_one_are_one_folder() {
    let mut rig = Rig::new(Options::default());
    filled(&rig);
    rig.kill();
    remove_all(&rig);
    rig.expect_one_folder_of_both("d");
}

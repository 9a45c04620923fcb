//! Open files: what is written, when it is known, and how the kernel is told to go about it.

use super::*;
use crate::content::STAMP_PROVES_AFTER;
use std::os::unix::fs::FileExt;

#[test]
fn what_is_written_is_read_and_seen_at_once() {
    let rig = rig();
    let (ino, opened) = rig.create("a.txt", WRITE);
    rig.write(opened.fh, 0, b"hello");
    assert_eq!(rig.read(opened.fh, 1, 100), b"ello");
    assert_eq!(rig.call(|vfs| vfs.getattr(ino, None)).unwrap().0.size, 5);
    rig.close(opened.fh);
    assert_eq!(rig.look("a.txt").unwrap().size, 5);
    assert_eq!(rig.bytes(ino), b"hello");
    rig.eventually(|far| far.released == [ino]);
}

#[test]
fn close_notes_what_was_written_before_it_answers() {
    let rig = rig();
    let (ino, opened) = rig.create("a", WRITE);
    let noted = || {
        let node = rig.tree.node(ino).unwrap();
        rig.tree.content(node.content.unwrap()).unwrap().unwrap().stamp
    };
    assert_eq!(noted(), None);
    rig.write(opened.fh, 0, b"hello");
    rig.call(|vfs| vfs.flush(opened.fh)).unwrap();
    let file = rig.content.get(rig.tree.node(ino).unwrap().content.unwrap()).unwrap();
    let stamp = file.stamp().unwrap();
    let first = noted().unwrap();
    assert_eq!((first.size, first.mtime_ns, first.ctime_ns), (stamp.size, stamp.mtime_ns, stamp.ctime_ns));
    assert_eq!(rig.tree.node(ino).unwrap().attr.size, 5);
    rig.write(opened.fh, 5, b"!");
    rig.close(opened.fh);
    assert_eq!(noted().unwrap().size, 6);
}

#[test]
fn an_unlinked_file_lives_until_its_last_release() {
    let rig = rig();
    let (ino, opened) = rig.create("a", WRITE);
    rig.write(opened.fh, 0, b"hello");
    rig.call(|vfs| vfs.unlink(ROOT, name("a"))).unwrap();
    assert!(rig.look("a").is_none());
    rig.write(opened.fh, 5, b"!");
    assert_eq!(rig.read(opened.fh, 0, 100), b"hello!");
    assert_eq!(rig.call(|vfs| vfs.getattr(ino, Some(opened.fh))).unwrap().0.nlink, 0);
    rig.close(opened.fh);
    rig.eventually(|far| far.released.contains(&ino));
    assert!(matches!(rig.call(|vfs| vfs.open(ino, READ, &ME)), Err(VfsError::Stale)));
}

#[test]
fn a_file_that_everybody_has_forgotten_can_still_be_written_by_who_has_it_open() {
    let rig = rig();
    let (ino, opened) = rig.create("a", WRITE);
    rig.call(|vfs| vfs.unlink(ROOT, name("a"))).unwrap();
    for id in rig.tree.forget(ino, Timestamp::now()).unwrap().contents {
        rig.content.remove(id).unwrap();
    }
    rig.write(opened.fh, 0, b"hello");
    let attr = rig.call(|vfs| vfs.getattr(ino, None)).unwrap().0;
    assert_eq!((attr.size, attr.nlink), (5, 0));
    rig.close(opened.fh);
    assert!(matches!(rig.call(|vfs| vfs.getattr(ino, None)), Err(VfsError::Stale)));
}

#[test]
fn a_handle_for_reading_cannot_write() {
    let rig = rig();
    let ino = rig.file("a", b"hello");
    let fh = rig.open(ino, READ).fh;
    assert!(matches!(rig.call(|vfs| vfs.write(fh, 0, b"x")), Err(VfsError::BadHandle)));
    assert!(matches!(rig.call(|vfs| vfs.read(Fh(999), 0, 1)), Err(VfsError::BadHandle)));
}

#[test]
fn opening_to_truncate_empties_the_file_for_all_who_have_it() {
    let rig = rig();
    let ino = rig.file("a", b"hello");
    let fh = rig.open(ino, TRUNCATE).fh;
    assert_eq!(rig.look("a").unwrap().size, 0);
    rig.write(fh, 0, b"yo");
    rig.close(fh);
    assert_eq!(rig.bytes(ino), b"yo");

    let reader = rig.open(ino, READ).fh;
    let writer = rig.open(ino, TRUNCATE).fh;
    rig.write(writer, 0, b"third");
    assert_eq!(rig.read(reader, 0, 100), b"third");
    rig.close(writer);
    rig.close(reader);
    assert_eq!(std::fs::read_dir(rig.dir.path().join("spool")).unwrap().count(), 1);
}

#[test]
fn without_passthrough_writers_go_past_the_page_cache() {
    let rig = rig();
    let (ino, created) = rig.create("a", WRITE);
    assert!(matches!(created.way, Way::Direct));
    assert!(matches!(rig.open(ino, READ).way, Way::Direct));
}

#[test]
fn pages_are_kept_between_readers_and_not_across_a_writer() {
    let rig = unlisted(settings(), limits());
    rig.in_box("7", "old", b"bytes of box");
    let ino = rig.look("old").unwrap().ino;
    let keep = |how| {
        let opened = rig.open(ino, how);
        rig.close(opened.fh);
        matches!(opened.way, Way::Cached { keep: true })
    };
    assert!(!keep(READ));
    assert!(keep(READ));
    keep(WRITE);
    assert!(!keep(READ));
}

#[test]
fn with_passthrough_all_handles_of_an_inode_share_one_backing() {
    let rig = passing();
    let (ino, created) = rig.create("a", WRITE);
    let Way::Passthrough(backing) = &created.way else { panic!("not passthrough") };
    // As the kernel does it: the same file again, with the program's flags.
    let kernel = std::fs::File::options().write(true).open(rig.spool_file(ino)).unwrap();
    kernel.write_all_at(b"behind our back", 0).unwrap();
    let Way::Passthrough(second) = rig.open(ino, READ).way else { panic!("two modes") };
    assert!(Arc::ptr_eq(backing, &second));
    assert_eq!(rig.call(|vfs| vfs.getattr(ino, None)).unwrap().0.size, 15);
    drop(kernel);
    rig.close(created.fh);
    assert_eq!(rig.tree.node(ino).unwrap().attr.size, 15);
}

#[test]
fn an_inode_whose_backing_is_refused_copies_until_its_last_release() {
    let rig = passing();
    let (ino, created) = rig.create("a", WRITE);
    assert!(matches!(rig.vfs.cannot_pass_through(created.fh).unwrap(), Way::Direct));
    let second = rig.open(ino, READ);
    assert!(matches!(second.way, Way::Direct));
    rig.write(created.fh, 0, b"x");
    rig.close(created.fh);
    let third = rig.open(ino, READ);
    assert!(matches!(third.way, Way::Cached { .. }));
    rig.close(second.fh);
    rig.close(third.fh);
    assert!(matches!(rig.open(ino, READ).way, Way::Passthrough(_)));
}

#[test]
fn fsync_makes_bytes_and_names_durable_and_notes_them() {
    let rig = rig();
    let (ino, opened) = rig.create("a", WRITE);
    rig.write(opened.fh, 0, b"hello");
    rig.call(|vfs| vfs.fsync(opened.fh, true)).unwrap();
    assert_eq!(rig.tree.node(ino).unwrap().attr.size, 5);
    rig.call(|vfs| vfs.fsyncdir(ROOT)).unwrap();
}

#[test]
fn with_durability_box_close_waits_for_box_once_per_state_of_the_bytes() {
    let rig = unlisted(Settings { durability: Durability::Box, ..settings() }, limits());
    let (_, opened) = rig.create("a", WRITE);
    rig.call(|vfs| vfs.flush(opened.fh)).unwrap();
    assert_eq!(rig.far.lock().unwrap().pushed, 0);
    rig.write(opened.fh, 0, b"hello");
    rig.call(|vfs| vfs.fsync(opened.fh, false)).unwrap();
    rig.call(|vfs| vfs.flush(opened.fh)).unwrap();
    assert_eq!(rig.far.lock().unwrap().pushed, 1);
    std::thread::sleep(STAMP_PROVES_AFTER);
    rig.write(opened.fh, 0, b"again");
    rig.far.lock().unwrap().offline = true;
    assert!(matches!(rig.call(|vfs| vfs.flush(opened.fh)), Err(VfsError::Unreachable)));
}

#[test]
fn holes_are_made_and_found() {
    let rig = rig();
    let (ino, opened) = rig.create("a", WRITE);
    rig.write(opened.fh, 0, &[1; 100_000]);
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    rig.call(|vfs| vfs.fallocate(opened.fh, 0, 65_536, punch)).unwrap();
    assert_eq!(rig.call(|vfs| vfs.lseek(opened.fh, 0, Seek::Data)).unwrap(), 65_536);
    assert!(matches!(rig.call(|vfs| vfs.lseek(opened.fh, 100_000, Seek::Data)), Err(VfsError::BeyondEnd)));
    rig.call(|vfs| vfs.fallocate(opened.fh, 0, 200_000, 0)).unwrap();
    assert_eq!(rig.call(|vfs| vfs.getattr(ino, None)).unwrap().0.size, 200_000);
    let collapse = libc::FALLOC_FL_COLLAPSE_RANGE;
    assert!(matches!(rig.call(|vfs| vfs.fallocate(opened.fh, 0, 4096, collapse)), Err(VfsError::NotSupported)));
}

#[test]
fn a_file_made_without_being_opened_is_closed_and_empty() {
    let rig = rig();
    let entry = rig.call(|vfs| vfs.mknod(ROOT, name("a"), 0o100_644, &ME)).unwrap();
    assert_eq!(entry.attr.size, 0);
    let node = rig.tree.node(entry.attr.ino).unwrap();
    assert!(rig.tree.content(node.content.unwrap()).unwrap().unwrap().stamp.is_some());
    assert!(matches!(rig.call(|vfs| vfs.mknod(ROOT, name("p"), 0o010_644, &ME)), Err(VfsError::NotPermitted)));
    let (ino, opened) = rig.create("b", READ);
    rig.close(opened.fh);
    assert_eq!(rig.bytes(ino), b"");
    rig.eventually(|far| far.released.contains(&ino));
}

#[test]
fn a_bookmark_is_a_small_text() {
    let rig = unlisted(settings(), limits());
    let id = BoxId { kind: crate::base::ItemKind::WebLink, id: "9".to_owned() };
    let link = Remote { url: Some("https://example.org/".to_owned()), sha1: None, ..remote(id, "site", b"") };
    rig.far.lock().unwrap().items.push(link);
    let attr = rig.look("site.url").or_else(|| rig.look("site")).unwrap();
    let text = rig.bytes(attr.ino);
    assert_eq!(text, b"[InternetShortcut]\r\nURL=https://example.org/\r\n");
    assert_eq!(attr.size, text.len() as u64);
    assert!(matches!(rig.call(|vfs| vfs.open(attr.ino, WRITE, &ME)), Err(VfsError::Denied)));
}

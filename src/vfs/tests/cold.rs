//! Files whose bytes are in Box.

use super::*;

/// A mount with one file in Box.
fn with(bytes: &[u8]) -> (Rig, Ino) {
    with_settings(settings(), bytes)
}

fn with_settings(settings: Settings, bytes: &[u8]) -> (Rig, Ino) {
    let rig = unlisted(settings, limits());
    rig.in_box("7", "far", bytes);
    let ino = rig.look("far").unwrap().ino;
    (rig, ino)
}

fn big() -> Vec<u8> {
    (0..2_000_000u32).map(|i| (i / 7) as u8).collect()
}

#[test]
fn a_cold_file_is_fetched_where_it_is_read() {
    let bytes = big();
    let (rig, ino) = with(&bytes);
    let fh = rig.open(ino, READ).fh;
    assert!(rig.far.lock().unwrap().fetched.is_empty());
    assert_eq!(rig.read(fh, 1_000_000, 4096), bytes[1_000_000..1_004_096]);
    assert_eq!(rig.read(fh, 1_000_100, 4096), bytes[1_000_100..1_004_196]);
    let fetched = rig.far.lock().unwrap().fetched.clone();
    assert_eq!(fetched, vec![983_040..1_048_576], "the block around it, once");
    assert_eq!(rig.read(fh, 1_999_990, 4096), bytes[1_999_990..]);
}

#[test]
fn what_was_fetched_is_not_fetched_again_by_a_later_reader() {
    let bytes = big();
    let (rig, ino) = with(&bytes);
    assert_eq!(rig.bytes(ino).len(), 1 << 20);
    let first = rig.far.lock().unwrap().fetched.len();
    assert_eq!(rig.bytes(ino), bytes[..1 << 20]);
    assert_eq!(rig.far.lock().unwrap().fetched.len(), first);
}

#[test]
fn a_partial_file_is_never_passed_through_and_a_whole_one_is() {
    let (rig, ino) = with_settings(Settings { passthrough: true, ..settings() }, b"hello");
    let opened = rig.open(ino, READ);
    assert!(matches!(opened.way, Way::Cached { .. }));
    assert_eq!(rig.read(opened.fh, 0, 100), b"hello");
    assert!(matches!(rig.open(ino, READ).way, Way::Cached { .. }));
    let (rig, ino) = with_settings(Settings { passthrough: true, ..settings() }, b"hello");
    assert_eq!(rig.bytes(ino), b"hello");
    assert!(matches!(rig.open(ino, READ).way, Way::Passthrough(_)));
}

#[test]
fn the_first_write_to_a_cold_file_fetches_the_rest_around_it() {
    let bytes = big();
    let (rig, ino) = with(&bytes);
    let fh = rig.open(ino, WRITE).fh;
    rig.write(fh, 500_000, b"MINE");
    rig.eventually(|far| !far.fetched.is_empty());
    let mut expected = bytes.clone();
    expected[500_000..500_004].copy_from_slice(b"MINE");
    assert_eq!(rig.read(fh, 0, 1 << 20), expected[..1 << 20]);
    rig.close(fh);
    assert_eq!(rig.call(|vfs| vfs.getattr(ino, None)).unwrap().0.size, bytes.len() as u64);
    let node = rig.tree.node(ino).unwrap();
    assert!(node.unsealed && node.content_dirty());
    assert!(rig.spool_file(ino).exists());
}

#[test]
fn own_bytes_in_a_cold_file_are_known_before_the_write_returns() {
    let (rig, ino) = with(&big());
    rig.far.lock().unwrap().offline = true;
    let fh = rig.open(ino, WRITE).fh;
    rig.write(fh, 500_000, b"MINE");
    let row = rig.tree.content(rig.tree.node(ino).unwrap().content.unwrap()).unwrap().unwrap();
    let saved = crate::content::Ranges::from_bytes(&row.ranges.unwrap()).unwrap();
    assert!(saved.covers(&(500_000..500_004)) && !saved.covers(&(0..1)));
    assert_eq!(rig.read(fh, 500_000, 4), b"MINE");
    assert!(matches!(rig.call(|vfs| vfs.read(fh, 0, 4)), Err(VfsError::Unreachable)));
}

#[test]
fn cutting_a_cold_file_needs_no_bytes_beyond_the_cut() {
    let bytes = big();
    let (rig, ino) = with(&bytes);
    let size = |size| SetAttr { size: Some(size), ..SetAttr::default() };
    assert_eq!(rig.call(|vfs| vfs.setattr(ino, None, &size(10), &ME)).unwrap().size, 10);
    assert_eq!(rig.call(|vfs| vfs.setattr(ino, None, &size(20), &ME)).unwrap().size, 20);
    let mut expected = bytes[..10].to_vec();
    expected.extend([0; 10]);
    assert_eq!(rig.bytes(ino), expected);
    assert!(rig.far.lock().unwrap().fetched.iter().all(|range| range.end <= 10));
    rig.eventually(|far| far.released.contains(&ino));
}

#[test]
fn emptying_a_cold_file_fetches_nothing() {
    let (rig, ino) = with(&big());
    let fh = rig.open(ino, TRUNCATE).fh;
    rig.write(fh, 0, b"anew");
    rig.close(fh);
    assert_eq!(rig.bytes(ino), b"anew");
    assert!(rig.far.lock().unwrap().fetched.is_empty());
}

#[test]
fn a_clean_file_that_is_opened_for_writing_moves_to_the_spool_and_keeps_its_time() {
    let (rig, ino) = with(b"hello");
    let before = rig.look("far").unwrap();
    assert_eq!(rig.bytes(ino), b"hello");
    let fh = rig.open(ino, WRITE).fh;
    assert!(rig.spool_file(ino).exists());
    rig.close(fh);
    assert_eq!(rig.look("far").unwrap().mtime, before.mtime);
    let fh = rig.open(ino, WRITE).fh;
    rig.write(fh, 5, b"!");
    rig.close(fh);
    assert!(rig.look("far").unwrap().mtime > before.mtime);
    assert_eq!(rig.bytes(ino), b"hello!");
}

#[test]
fn a_cache_file_that_vanished_is_fetched_again() {
    let (rig, ino) = with(b"hello");
    assert_eq!(rig.bytes(ino), b"hello");
    let id = rig.tree.node(ino).unwrap().content.unwrap();
    rig.eventually(|_| rig.content.get(id).is_none());
    std::fs::remove_dir_all(rig.dir.path().join("cache")).unwrap();
    std::fs::create_dir(rig.dir.path().join("cache")).unwrap();
    assert_eq!(rig.bytes(ino), b"hello");
    assert_eq!(rig.far.lock().unwrap().fetched.len(), 2);
}

#[test]
fn without_box_what_is_not_here_is_an_error_and_what_is_here_is_not() {
    let (rig, ino) = with(b"hello");
    let fh = rig.open(ino, READ).fh;
    rig.far.lock().unwrap().offline = true;
    assert!(matches!(rig.call(|vfs| vfs.read(fh, 0, 5)), Err(VfsError::Unreachable)));
    rig.far.lock().unwrap().offline = false;
    assert_eq!(rig.read(fh, 0, 5), b"hello");
    rig.far.lock().unwrap().offline = true;
    assert_eq!(rig.read(fh, 0, 5), b"hello");
}

#[test]
fn a_request_given_up_before_it_was_sent_leaves_no_claim() {
    let (rig, ino) = with(b"hello");
    let fh = rig.open(ino, READ).fh;
    let Err(VfsError::Wait(need)) = rig.vfs.read(fh, 0, 5) else { panic!("not cold") };
    drop(need);
    assert_eq!(rig.read(fh, 0, 5), b"hello");
}

#[test]
fn a_new_version_gets_another_inode_while_the_old_one_is_read() {
    let (rig, ino) = with(b"hello");
    let fh = rig.open(ino, READ).fh;
    assert_eq!(rig.read(fh, 0, 5), b"hello");
    rig.far.lock().unwrap().bytes.insert("7".to_owned(), b"changed".to_vec());
    let news =
        Remote { version: Some("v2".to_owned()), sequence: Some(1), ..remote(BoxId::file("7"), "far", b"changed") };
    rig.tree.learn(&news, Timestamp::now(), |id| rig.in_use(id), Timestamp::now()).unwrap();
    let now = rig.look("far").unwrap().ino;
    assert_ne!(now, ino);
    assert_eq!(rig.bytes(now), b"changed");
    assert_eq!(rig.read(fh, 0, 9), b"hello");
    rig.close(fh);
}

#[test]
fn a_new_version_of_a_closed_file_is_read_at_its_next_open() {
    let (rig, ino) = with(b"hello");
    assert_eq!(rig.bytes(ino), b"hello");
    let id = rig.tree.node(ino).unwrap().content;
    rig.eventually(|_| !rig.in_use(id));
    rig.far.lock().unwrap().bytes.insert("7".to_owned(), b"changed".to_vec());
    let news =
        Remote { version: Some("v2".to_owned()), sequence: Some(1), ..remote(BoxId::file("7"), "far", b"changed") };
    rig.tree.learn(&news, Timestamp::now(), |id| rig.in_use(id), Timestamp::now()).unwrap();
    assert_eq!(rig.look("far").unwrap().ino, ino);
    assert_eq!(rig.bytes(ino), b"changed");
}

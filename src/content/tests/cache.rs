//! What the cache does with bytes that were not compared, and with room.

use super::super::*;
use crate::base::{ContentId, Sha1Digest};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

const ID: ContentId = ContentId(7);
const MIB: u64 = 1 << 20;

fn content(root: &Path, cache: u64) -> Content {
    let dirs = Dirs { spool: root.join("spool"), cache: root.join("cache"), rescue: root.join("rescue") };
    Content::open(dirs, Limits { spool: 1 << 40, cache, floor: 0 }).unwrap()
}

/// A file of 20 MiB, the first 16 of which are here.
fn partial(root: &Path) -> (Content, Arc<DataFile>) {
    let content = content(root, 1 << 40);
    let file = content.create_cold(ID, 20 * MIB).unwrap();
    file.fill(0, &vec![7; 16 * MIB as usize]).unwrap();
    (content, file)
}

#[test]
fn the_last_piece_counts_only_when_the_digest_is_right() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path(), 1 << 40).create_cold(ID, 10).unwrap();
    file.expect(Sha1Digest::of(b"0123456789"));
    file.fill(5, b"56789").unwrap();
    file.digest_ahead().unwrap();
    assert_eq!(file.check().unwrap(), Checked::NotDue);
    file.fill(0, b"01234").unwrap();
    assert!(!file.is_whole());
    assert_eq!(file.check().unwrap(), Checked::Right);
    assert!(file.is_whole());
}

#[test]
fn a_piece_that_is_not_the_last_does_not_wait_for_a_digest() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path(), 1 << 40).create_cold(ID, 10).unwrap();
    file.expect(Sha1Digest::of(b"0123456789"));
    file.fill(5, b"56789").unwrap();
    let _somebody_digests = file.check.lock().unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let other = file.clone();
    std::thread::spawn(move || told.send(other.check().unwrap()).unwrap());
    assert_eq!(heard.recv_timeout(std::time::Duration::from_secs(10)), Ok(Checked::NotDue));
}

#[test]
fn what_was_compared_is_not_digested_again() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path(), 1 << 40).create_cold(ID, 10).unwrap();
    file.expect(Sha1Digest::of(b"0123456789"));
    file.fill(0, b"01234").unwrap();
    file.digest_ahead().unwrap();
    assert_eq!(file.digested(), 5);
    file.fill(5, b"56789").unwrap();
    assert_eq!(file.check().unwrap(), Checked::Right);
    file.digest_ahead().unwrap();
    assert_eq!(file.digested(), 0);
}

#[test]
fn chunks_fill_the_gaps_between_what_a_program_wrote() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path(), 1 << 40).create_cold(ID, 10).unwrap();
    let writer = file.open_writer();
    writer.write(2, b"ab").unwrap();
    writer.write(7, b"c").unwrap();
    file.fill_with(1, &[b"1234".as_slice(), b"", b"5", b"6789"]).unwrap();
    file.fill(0, b"0").unwrap();
    assert!(file.is_whole());
    assert_eq!(file.read(0, 10).unwrap(), Read::Bytes(b"01ab456c89".to_vec()));
}

#[test]
fn wrong_bytes_are_gone_and_can_be_fetched_again() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path(), 1 << 40).create_cold(ID, 10).unwrap();
    file.expect(Sha1Digest::of(b"0123456789"));
    file.fill(0, b"01234").unwrap();
    file.fill(5, b"5678X").unwrap();
    assert_eq!(file.check().unwrap(), Checked::Wrong);
    assert!(matches!(file.read(0, 10).unwrap(), Read::Missing(gaps) if gaps[0] == (0..10)));
    file.fill(0, b"0123456789").unwrap();
    assert_eq!(file.check().unwrap(), Checked::Right);
    assert_eq!(file.read(0, 10).unwrap(), Read::Bytes(b"0123456789".to_vec()));
}

#[test]
fn bytes_that_become_a_programs_own_are_not_compared() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path(), 1 << 40).create_cold(ID, 5).unwrap();
    file.expect(Sha1Digest::of(b"hello"));
    file.fill(0, b"hellX").unwrap();
    let writer = file.open_writer();
    assert!(file.is_whole());
    writer.write(4, b"!").unwrap();
    assert_eq!(file.read(0, 5).unwrap(), Read::Bytes(b"hell!".to_vec()));
}

#[test]
fn room_that_is_set_aside_is_taken() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path(), 10 * MIB);
    let first = content.reserve(6 * MIB).unwrap().ok().unwrap();
    assert!(content.reserve(6 * MIB).unwrap().is_err());
    drop(first);
    assert!(content.reserve(6 * MIB).unwrap().is_ok());
}

#[test]
fn a_partial_file_gives_back_what_lies_far_from_its_last_read() {
    let root = tempfile::tempdir().unwrap();
    let (content, file) = partial(root.path());
    let before = content.usage(Place::Cache);
    assert_eq!(file.read(15 * MIB, 1).unwrap(), Read::Bytes(vec![7]));
    content.give_back(MIB, MIB, |_, _| Ok(())).unwrap();
    assert!(content.usage(Place::Cache) + 13 * MIB <= before);
    assert!(matches!(file.read(0, 1).unwrap(), Read::Missing(_)));
}

#[test]
fn what_is_given_back_is_noted_before_it_goes_and_stays_where_it_cannot_be_noted() {
    let root = tempfile::tempdir().unwrap();
    let (content, file) = partial(root.path());
    file.read(15 * MIB, 1).unwrap();
    let still_here = |at| matches!(file.read(at, 1), Ok(Read::Bytes(bytes)) if bytes == [7]);
    content.give_back(MIB, MIB, |_, _| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
    assert!(still_here(0));
    file.read(15 * MIB, 1).unwrap();
    let noted = Mutex::new(Vec::new());
    let note = |id, left: &Ranges| {
        assert!(file.ranges().covers(&(0..16 * MIB)), "gone before it was noted");
        noted.lock().unwrap().push((id, left.clone()));
        Ok(())
    };
    content.give_back(MIB, MIB, note).unwrap();
    let noted = noted.into_inner().unwrap();
    assert_eq!(noted, [(ID, file.ranges())]);
    assert!(!noted[0].1.touches(&(0..14 * MIB)) && noted[0].1.covers(&(14 * MIB..16 * MIB)));
}

#[test]
fn what_somebody_keeps_gives_nothing_back() {
    let root = tempfile::tempdir().unwrap();
    let (content, file) = partial(root.path());
    let kept = file.keep();
    content.give_back(0, 0, |_, _| panic!("nothing goes")).unwrap();
    assert!(file.ranges().covers(&(0..16 * MIB)));
    drop(kept);
    content.give_back(0, 0, |_, _| Ok(())).unwrap();
    assert!(!file.ranges().touches(&(0..20 * MIB)));
}

#[test]
fn bytes_that_come_again_are_digested_again() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path(), 1 << 40);
    let file = content.create_cold(ID, 3 * MIB).unwrap();
    let right = vec![7; 3 * MIB as usize];
    file.expect(Sha1Digest::of(&right));
    file.fill(0, &right[..2 * MIB as usize]).unwrap();
    file.digest_ahead().unwrap();
    assert_eq!(file.digested(), 2 * MIB);
    file.read(2 * MIB - 1, 1).unwrap();
    content.give_back(MIB, MIB, |_, _| Ok(())).unwrap();
    file.fill(0, &vec![8; MIB as usize]).unwrap();
    file.fill(2 * MIB, &right[..MIB as usize]).unwrap();
    assert_eq!(file.check().unwrap(), Checked::Wrong);
}

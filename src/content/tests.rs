//! The room as its callers see it, on real files.

// A vector of one range is what is meant here.
#![allow(clippy::single_range_in_vec_init)]

mod cache;

use super::*;
use crate::base::{ContentId, Ino, Sha1Digest, Timestamp};
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ID: ContentId = ContentId(0xabc);
const LIMITS: Limits = Limits { spool: 1 << 40, cache: 1 << 40, floor: 0 };

fn dirs(root: &Path) -> Dirs {
    Dirs { spool: root.join("spool"), cache: root.join("cache"), rescue: root.join("rescue") }
}

fn content(root: &Path) -> Content {
    Content::open(dirs(root), LIMITS).unwrap()
}

fn identity() -> Identity {
    Identity {
        ino: Ino(2),
        name: "a.txt".into(),
        box_id: None,
        base_version: None,
        base_sha1: None,
        above: Vec::new(),
        whole: true,
    }
}

fn spool_path(root: &Path) -> PathBuf {
    root.join("spool").join(ID.to_string())
}

fn written(content: &Content, bytes: &[u8]) -> Arc<DataFile> {
    let file = content.create(ID, &identity()).unwrap();
    file.open_writer().write(0, bytes).unwrap();
    file
}

fn bytes(read: Read) -> Vec<u8> {
    match read {
        Read::Bytes(bytes) => bytes,
        Read::Missing(missing) => panic!("missing {missing:?}"),
    }
}

/// A writable shared mapping of the first page of `file`, as a program makes it.
struct Map(*mut libc::c_void);

impl Map {
    fn of(file: &File) -> Map {
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(at, libc::MAP_FAILED);
        Map(at)
    }

    fn store(&self, byte: u8) {
        // SAFETY: the first byte of a writable mapping of a file that is not empty.
        unsafe { *self.0.cast::<u8>() = byte };
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length.
        unsafe { libc::munmap(self.0, 4096) };
    }
}

#[test]
fn a_created_content_reads_back_and_knows_whose_it_is() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = written(&content, b"hello");
    assert_eq!(bytes(file.read(1, 100).unwrap()), b"ello");
    assert_eq!(bytes(file.read(5, 1).unwrap()), b"");
    let found: Vec<_> = content.spool_files().unwrap().map(|f| f.unwrap()).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, ID);
    assert_eq!(found[0].identity, Some(identity()));
    assert_eq!(found[0].stamp, file.stamp().unwrap());
    assert!(matches!(content.create(ID, &identity()), Err(ContentError::Exists { id: ID })));
}

#[test]
fn all_users_of_a_content_share_one_data_file() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let cold = content.create_cold(ID, 10).unwrap();
    let saved = || Saved { place: Place::Cache, ranges: Some(Ranges::from(10)) };
    assert!(Arc::ptr_eq(&cold, &content.load(ID, saved()).unwrap()));
    cold.fill(0, b"0123456789").unwrap();
    assert!(content.load(ID, saved()).unwrap().is_whole());
    drop(cold);
    assert!(content.get(ID).is_none());
}

#[test]
fn a_cold_content_says_what_is_missing_until_it_is_filled() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = content.create_cold(ID, 100).unwrap();
    assert!(content.passthrough_file(&file).is_none());
    assert_eq!(file.read(90, 50).unwrap(), Read::Missing(vec![90..100]));
    assert_eq!(bytes(file.read(100, 50).unwrap()), b"");
    file.fill(50, &[7; 50]).unwrap();
    assert_eq!(bytes(file.read(90, 50).unwrap()), [7; 10]);
    assert_eq!(file.read(0, 100).unwrap(), Read::Missing(vec![0..50]));
    file.fill(0, &[7; 50]).unwrap();
    assert!(file.is_whole());
    assert!(content.passthrough_file(&file).is_some());
}

#[test]
fn a_fill_never_covers_what_a_program_wrote() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = content.create_cold(ID, 10).unwrap();
    let writer = file.open_writer();
    writer.write(3, b"WW").unwrap();
    file.truncate(8).unwrap();
    writer.write(9, b"Z").unwrap();
    file.fill(0, b"0123456789").unwrap();
    assert_eq!(bytes(file.read(0, 100).unwrap()), b"012WW567\0Z");
    assert!(file.is_whole());
}

#[test]
fn a_fill_keeps_the_time_of_the_last_write() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = content.create_cold(ID, 10).unwrap();
    file.set_mtime(Timestamp::new(1_000_000, 5)).unwrap();
    file.fill(0, b"0123456789").unwrap();
    assert_eq!(file.stamp().unwrap().mtime(), Timestamp::new(1_000_000, 5));
}

#[test]
fn ranges_outlive_the_process_and_the_shorter_size_counts() {
    let root = tempfile::tempdir().unwrap();
    let mut saved = None;
    let first = content(root.path());
    let file = first.create_cold(ID, 100).unwrap();
    file.fill(0, &[1; 10]).unwrap();
    file.save_ranges(|ranges| {
        saved = Some(ranges.to_bytes());
        Ok::<_, ()>(())
    })
    .unwrap();
    file.save_ranges(|_| Err("nothing changed since")).unwrap();
    file.truncate(50).unwrap();
    drop((file, first));

    let ranges = Some(Ranges::from_bytes(&saved.unwrap()).unwrap());
    let file = content(root.path()).load(ID, Saved { place: Place::Cache, ranges }).unwrap();
    assert_eq!(file.ranges().missing(&(0..200)), vec![10..50]);
}

#[test]
fn ranges_that_could_not_be_saved_are_saved_next_time() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path()).create_cold(ID, 100).unwrap();
    file.fill(0, b"x").unwrap();
    file.save_ranges(|_| Err("disk full")).unwrap_err();
    file.save_ranges(|_| Err("asked again")).unwrap_err();
}

#[tokio::test]
async fn readers_of_one_range_wait_for_one_fetch() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path()).create_cold(ID, 100).unwrap();
    assert_eq!(file.claim(0..100), vec![0..100]);
    assert_eq!(file.claim(0..100), vec![]);
    let waits = [file.wait_for(0..10), file.wait_for(90..100)];
    file.fill(0, &[1; 100]).unwrap();
    file.release_claim(0..100, Ok(()));
    for wait in waits {
        assert_eq!(wait.await, Arrived::Present);
    }
}

#[test]
fn a_content_with_a_writer_is_busy_and_without_is_sealed() {
    let root = tempfile::tempdir().unwrap();
    let file = written(&content(root.path()), b"hello");
    let writer = file.open_writer();
    assert_eq!(file.seal(None).unwrap(), Sealing::Busy);
    writer.write(5, b"!").unwrap();
    drop(writer);
    let Sealing::Sealed { stamp, sha1, size } = file.seal(None).unwrap() else { panic!("not sealed") };
    assert_eq!((sha1, size), (Sha1Digest::of(b"hello!"), 6));
    assert!(file.still(&stamp).unwrap());
    assert_eq!(file.seal(Some(stamp)).unwrap(), Sealing::Unchanged(stamp));
    file.open_writer().write(0, b"H").unwrap();
    assert!(!file.still(&stamp).unwrap());
}

#[test]
fn somebody_elses_descriptor_keeps_a_content_from_being_sealed() {
    let root = tempfile::tempdir().unwrap();
    let file = written(&content(root.path()), b"hello");
    let theirs = OpenOptions::new().write(true).open(spool_path(root.path())).unwrap();
    assert_eq!(file.seal(None).unwrap(), Sealing::Busy);
    drop(theirs);
    assert!(matches!(file.seal(None).unwrap(), Sealing::Sealed { .. }));
}

#[test]
fn a_mapping_that_outlives_close_keeps_a_content_from_being_sealed() {
    let root = tempfile::tempdir().unwrap();
    let file = written(&content(root.path()), b"hello");
    let theirs = OpenOptions::new().read(true).write(true).open(spool_path(root.path())).unwrap();
    let map = Map::of(&theirs);
    drop(theirs);
    assert_eq!(file.seal(None).unwrap(), Sealing::Busy);
    map.store(b'J');
    drop(map);
    let Sealing::Sealed { sha1, .. } = file.seal(None).unwrap() else { panic!("not sealed") };
    assert_eq!(sha1, Sha1Digest::of(b"Jello"));
}

#[test]
fn a_store_through_a_mapping_made_after_sealing_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let file = written(&content(root.path()), b"hello");
    let Sealing::Sealed { stamp, .. } = file.seal(None).unwrap() else { panic!("not sealed") };
    let theirs = OpenOptions::new().read(true).write(true).open(spool_path(root.path())).unwrap();
    let map = Map::of(&theirs);
    map.store(b'J');
    assert!(!file.still(&stamp).unwrap());
    let after = file.stamp().unwrap();
    assert!(!file.is_at_rest().unwrap());
    map.store(b'K');
    assert!(!file.still(&after).unwrap());
}

#[test]
fn a_partial_content_is_not_sealed() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path()).create_cold(ID, 5).unwrap();
    assert_eq!(file.seal(None).unwrap(), Sealing::Incomplete);
    file.fill(0, b"hello").unwrap();
    assert!(matches!(file.seal(None).unwrap(), Sealing::Sealed { .. }));
}

#[test]
fn a_content_keeps_its_bytes_and_descriptors_across_moves() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = written(&content, b"hello");
    let writer = file.open_writer();
    content.to_cache(&file).unwrap();
    assert_eq!(file.place(), Place::Cache);
    assert!(!spool_path(root.path()).exists());
    assert_eq!(content.usage(Place::Spool), 0);
    assert!(content.usage(Place::Cache) > 0);
    writer.write(0, b"J").unwrap();
    let stamp = content.to_spool(&file, &identity()).unwrap();
    assert_eq!(stamp, file.stamp().unwrap());
    assert_eq!(fs::read(spool_path(root.path())).unwrap(), b"Jello");
    assert_eq!(content.usage(Place::Cache), 0);
}

#[test]
fn a_content_on_another_disk_moves_by_copy() {
    let root = tempfile::tempdir().unwrap();
    // Where shared memory is on the same disk as the temporary directory this shows the same as the test above.
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut dirs = dirs(root.path());
    dirs.cache = other.path().join("cache");
    let content = Content::open(dirs, LIMITS).unwrap();
    let file = written(&content, b"hello");
    file.set_mtime(Timestamp::new(1_000_000, 0)).unwrap();
    content.to_cache(&file).unwrap();
    assert!(!spool_path(root.path()).exists());
    assert_eq!(file.stamp().unwrap().mtime(), Timestamp::new(1_000_000, 0));
    let reader = file.clone();
    content.to_spool(&file, &identity()).unwrap();
    file.open_writer().write(0, b"J").unwrap();
    assert_eq!(bytes(reader.read(0, 9).unwrap()), b"Jello");
    assert_eq!(fs::read(spool_path(root.path())).unwrap(), b"Jello");
    assert_eq!(content.usage(Place::Cache), 0);
}

#[test]
fn a_crash_between_a_move_and_its_note_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let first = content(root.path());
    let file = written(&first, b"hello");
    first.to_cache(&file).unwrap();
    drop((file, first));
    let second = content(root.path());
    let file = second.load(ID, Saved { place: Place::Spool, ranges: None }).unwrap();
    assert_eq!(file.place(), Place::Spool);
    assert_eq!(fs::read(spool_path(root.path())).unwrap(), b"hello");
    let lost = second.load(ContentId(1), Saved { place: Place::Spool, ranges: None });
    assert!(matches!(lost, Err(ContentError::Lost { .. })));
}

#[test]
fn a_removed_content_can_be_read_by_who_has_it() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = written(&content, b"hello");
    content.remove(ID).unwrap();
    content.remove(ID).unwrap();
    assert_eq!(content.usage(Place::Spool), 0);
    file.open_writer().write(5, b"!").unwrap();
    assert_eq!(bytes(file.read(0, 9).unwrap()), b"hello!");
    drop(file);
    assert_eq!(content.usage(Place::Spool), 0);
}

#[test]
fn a_rescued_content_bears_its_name() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    drop(written(&content, b"hello"));
    let path = content.to_rescue(ID).unwrap();
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), "0000000000000abc a.txt");
    assert_eq!(fs::read(path).unwrap(), b"hello");
    assert!(!spool_path(root.path()).exists());
    assert_eq!(content.usage(Place::Spool), 0);
}

#[test]
fn a_steady_copy_does_not_follow_its_original_and_counts_while_it_is_there() {
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = written(&content, &[b'h'; 10_000]);
    let (used, names) = (content.usage(Place::Spool), || fs::read_dir(root.path().join("spool")).unwrap().count());
    let before = names();
    let copy = content.steady_copy(&file).unwrap().unwrap();
    assert_eq!((content.usage(Place::Spool), names()), (2 * used, before));
    file.open_writer().write(0, b"J").unwrap();
    let mut bytes = [0; 10_000];
    copy.reader().read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [b'h'; 10_000]);
    drop(copy);
    assert_eq!(content.usage(Place::Spool), used);
}

#[test]
fn without_room_there_is_no_steady_copy() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits { spool: 30_000, ..LIMITS };
    let content = Content::open(dirs(root.path()), limits).unwrap();
    let file = written(&content, &[1; 20_000]);
    let used = content.usage(Place::Spool);
    assert!(content.steady_copy(&file).unwrap().is_none());
    assert_eq!(content.usage(Place::Spool), used);
}

#[test]
fn usage_is_counted_again_at_start_and_unfinished_copies_go() {
    let root = tempfile::tempdir().unwrap();
    let first = content(root.path());
    drop(written(&first, &[1; 100_000]));
    let used = first.usage(Place::Spool);
    assert!(used >= 100_000);
    drop(first);
    let part = root.path().join("cache").join("0000000000000001.part");
    fs::write(&part, b"half").unwrap();
    let second = content(root.path());
    assert_eq!(second.usage(Place::Spool), used);
    assert!(!part.exists());
    assert_eq!(second.room_for(Place::Spool, 1 << 41).unwrap(), Room::Full);
    assert_eq!(second.room_for(Place::Spool, 0).unwrap(), Room::Fits);
}

#[test]
fn zeroed_ranges_count_as_present() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path()).create_cold(ID, 100_000).unwrap();
    file.allocate(0, 50_000, Allocate::Reserve).unwrap();
    assert_eq!(file.read(0, 1).unwrap(), Read::Missing(vec![0..1]));
    file.allocate(0, 50_000, Allocate::PunchHole).unwrap();
    assert_eq!(bytes(file.read(0, 1).unwrap()), [0]);
    file.allocate(50_000, 50_001, Allocate::Zero).unwrap();
    assert_eq!(file.size().unwrap(), 100_001);
    assert!(file.is_whole());
}

#[test]
fn holes_are_found_where_everything_is_present() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path()).create(ID, &identity()).unwrap();
    file.truncate(1_000_000).unwrap();
    file.open_writer().write(500_000, b"x").unwrap();
    let data = file.seek(0, Seek::Data).unwrap().unwrap();
    assert!(data > 0 && data <= 500_000);
    assert_eq!(file.seek(0, Seek::Hole).unwrap(), Some(0));
    assert_eq!(file.seek(1_000_000, Seek::Data).unwrap(), None);
}

#[test]
fn a_content_torn_into_too_many_pieces_waits_for_its_fetch() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path()).create_cold(ID, 1 << 20).unwrap();
    let writer = file.open_writer();
    let torn = (0u64..1 << 19).map(|i| writer.write(i * 2, b"x")).find(|written| written.is_err());
    assert!(matches!(torn, Some(Err(ContentError::Scattered))));
    writer.write(1, b"y").unwrap();
    file.fill(0, &vec![0; 1 << 20]).unwrap();
    writer.write(1 << 19, b"z").unwrap();
}

#[test]
fn absurd_sizes_are_errors() {
    let root = tempfile::tempdir().unwrap();
    let file = content(root.path()).create_cold(ID, 10).unwrap();
    assert!(matches!(file.truncate(u64::MAX), Err(ContentError::TooBig)));
    assert!(matches!(file.open_writer().write(u64::MAX, b"x"), Err(ContentError::TooBig)));
    assert!(matches!(file.allocate(0, u64::MAX, Allocate::Reserve), Err(ContentError::TooBig)));
}

#[test]
fn the_kernel_can_write_through_a_read_only_registration() {
    // What fuse passthrough does with the registered descriptor: open the same file again with the program's flags.
    let root = tempfile::tempdir().unwrap();
    let content = content(root.path());
    let file = written(&content, b"hello");
    let registered = content.passthrough_file(&file).unwrap();
    let by_path = OpenOptions::new().write(true).open(format!("/proc/self/fd/{}", registered.as_raw_fd())).unwrap();
    by_path.write_all_at(b"J", 0).unwrap();
    assert!(!file.is_at_rest().unwrap());
    drop(by_path);
    assert!(file.is_at_rest().unwrap());
}

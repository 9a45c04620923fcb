//! What programs expect of any file system, in both modes.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread;

use crate::rig::{Far, Mount, noise};

/// Runs `check` on a mount where the kernel may pass through, and on one that copies.
fn in_both_modes(check: impl Fn(&Mount)) {
    check(&Far::start().mount("passing", ""));
    check(&Far::start().mount("copying", "passthrough=off"));
}

fn read_write(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn read_to_end(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_rename_over_an_open_file_leaves_its_readers_the_old_bytes() {
    in_both_modes(|mount| {
        mount.write("r", b"old");
        mount.write("r.new", b"new");
        let mut open = File::open(mount.path("r")).unwrap();
        fs::rename(mount.path("r.new"), mount.path("r")).unwrap();
        assert_eq!(read_to_end(&mut open), b"old");
        assert_eq!(mount.read("r"), b"new");
        assert!(!mount.path("r.new").exists());
    });
}

#[test]
fn a_removed_file_lives_until_it_is_closed() {
    in_both_modes(|mount| {
        mount.write("u", b"one");
        let mut open = read_write(&mount.path("u"));
        fs::remove_file(mount.path("u")).unwrap();
        open.write_all_at(b" and two", 3).unwrap();
        assert_eq!(read_to_end(&mut open), b"one and two");
        assert_eq!(open.metadata().unwrap().len(), 11);
        assert!(!mount.path("u").exists());
    });
}

#[test]
fn appending_truncating_and_writing_ahead_work() {
    in_both_modes(|mount| {
        mount.write("t", b"abc");
        OpenOptions::new().append(true).open(mount.path("t")).unwrap().write_all(b"def").unwrap();
        assert_eq!(mount.read("t"), b"abcdef");
        let file = read_write(&mount.path("t"));
        file.set_len(2).unwrap();
        file.write_all_at(b"z", 5).unwrap();
        assert_eq!(mount.read("t"), b"ab\0\0\0z");
        file.sync_all().unwrap();
        File::create(mount.path("t")).unwrap();
        assert_eq!(fs::metadata(mount.path("t")).unwrap().len(), 0);
    });
}

#[test]
fn a_shared_map_writes_after_its_file_is_closed() {
    in_both_modes(|mount| {
        mount.write("m", &[0; 8192]);
        let file = read_write(&mount.path("m"));
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh map of 8192 bytes of an open file of that size; the kernel chooses the place.
        let map = unsafe { libc::mmap(std::ptr::null_mut(), 8192, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(map, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        drop(file);
        // SAFETY: inside the map, which nothing else uses, and which is unmapped once, last.
        unsafe {
            map.cast::<u8>().add(5000).write(b'!');
            assert_eq!(libc::msync(map, 8192, libc::MS_SYNC), 0);
            assert_eq!(libc::munmap(map, 8192), 0);
        }
        assert_eq!(mount.read("m")[5000], b'!');
    });
}

#[test]
fn names_are_found_listed_and_refused_as_elsewhere() {
    in_both_modes(|mount| {
        fs::create_dir(mount.path("d")).unwrap();
        let mut expected: Vec<String> = (0..1500).map(|i| format!("a rather long name, number {i:04}")).collect();
        for name in &expected {
            File::create(mount.path("d").join(name)).unwrap();
        }
        assert_eq!(mount.names("d"), expected);
        assert_eq!(fs::remove_dir(mount.path("d")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        assert_eq!(fs::create_dir(mount.path("d")).unwrap_err().kind(), ErrorKind::AlreadyExists);
        fs::remove_file(mount.path("d").join(expected.remove(700))).unwrap();
        assert_eq!(mount.names("d"), expected);
        fs::remove_dir_all(mount.path("d")).unwrap();
        assert_eq!(File::open(mount.path("d")).unwrap_err().kind(), ErrorKind::NotFound);
        let long = "n".repeat(256);
        assert_eq!(File::create(mount.path(&long)).unwrap_err().kind(), ErrorKind::InvalidFilename);
        mount.write("linked", b"x");
        symlink("linked", mount.path("link")).unwrap();
        assert_eq!(mount.read("link"), b"x");
        let refused = fs::hard_link(mount.path("linked"), mount.path("hard")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_rename_that_must_not_replace_does_not() {
    in_both_modes(|mount| {
        mount.write("from", b"from");
        mount.write("to", b"to");
        let text = |name: &str| CString::new(mount.path(name).as_os_str().as_bytes()).unwrap();
        let (from, to) = (text("from"), text("to"));
        // SAFETY: both paths end in a zero byte and outlive the call.
        let rename =
            |flags| unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) };
        assert_eq!(rename(libc::RENAME_NOREPLACE), -1);
        assert_eq!(std::io::Error::last_os_error().kind(), ErrorKind::AlreadyExists);
        assert_eq!((mount.read("from"), mount.read("to")), (b"from".to_vec(), b"to".to_vec()));
    });
}

#[test]
fn times_and_modes_are_kept() {
    in_both_modes(|mount| {
        mount.write("t", b"x");
        let file = read_write(&mount.path("t"));
        let before_1970 = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1700);
        file.set_modified(before_1970).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
        let now = fs::metadata(mount.path("t")).unwrap();
        assert_eq!((now.mtime(), now.mtime_nsec()), (-2, 300_000_000));
        assert_eq!(now.mode() & 0o7777, 0o640);
    });
}

#[test]
fn many_threads_open_and_close_one_file() {
    in_both_modes(|mount| {
        let expected = noise(1 << 20);
        mount.write("shared", &expected);
        thread::scope(|scope| {
            for number in 0..8_usize {
                let (path, expected) = (mount.path("shared"), &expected);
                scope.spawn(move || {
                    for round in 0..100 {
                        let writer = (number + round).is_multiple_of(2);
                        let file = OpenOptions::new().read(true).write(writer).open(&path).unwrap();
                        let offset = (round * 4099 + number) % (expected.len() - 100);
                        let mut bytes = [0; 100];
                        file.read_exact_at(&mut bytes, offset as u64).unwrap();
                        assert_eq!(bytes, expected[offset..offset + 100]);
                    }
                });
            }
        });
    });
}

#[test]
fn threads_that_create_the_same_names_all_get_the_file() {
    in_both_modes(|mount| {
        thread::scope(|scope| {
            for number in 0..6_u64 {
                scope.spawn(move || {
                    for round in 0..50 {
                        let path = mount.path(&format!("same {round}"));
                        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
                        file.write_all_at(b"x", number).unwrap();
                    }
                });
            }
        });
        for round in 0..50 {
            assert_eq!(mount.read(&format!("same {round}")), b"xxxxxx", "round {round}");
        }
    });
}

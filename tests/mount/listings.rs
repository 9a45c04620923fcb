//! Folders whose names the kernel has and reads again by itself: it never shows what is not so any more.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::support::{Mode, Mount, World, eventually};

/// From Box's announcement to the mount.
const SOON: Duration = Duration::from_secs(2);

in_both_modes!(
    what_others_do_reaches_a_listing_that_the_kernel_has,
    what_others_do_reaches_a_folder_that_is_open,
    what_programs_do_is_in_the_next_listing,
    a_listing_says_the_inode_numbers_of_now,
    a_reader_in_the_middle_of_a_folder_spoils_nothing_for_the_next,
);

/// Names with the inode numbers that the listing itself says, in the order of names.
fn listed(folder: &Path) -> Vec<(String, u64)> {
    use std::os::unix::fs::DirEntryExt;
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut all: Vec<_> = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.ino())).collect();
    all.sort();
    all
}

fn names(folder: &Path) -> Vec<String> {
    listed(folder).into_iter().map(|(name, _)| name).collect()
}

/// A mount of which the kernel has the names: the first look fetches them, the second one is its own.
fn mounted(mode: Mode) -> (World, Mount) {
    let world = World::new(mode);
    for name in ["a", "b", "c", "sub/d"] {
        world.emulator.act().write_file(&format!("/folder/{name}"), name.as_bytes()).unwrap();
    }
    let mount = world.mount();
    (0..3).for_each(|_| assert_eq!(names(&mount.at("folder")), ["a", "b", "c", "sub"]));
    (world, mount)
}

fn what_others_do_reaches_a_listing_that_the_kernel_has(mode: Mode) {
    let (world, mount) = mounted(mode);
    let (folder, act) = (mount.at("folder"), world.emulator.act());
    act.write_file("/folder/made", b"by others").unwrap();
    eventually("a file is made", SOON, || names(&folder) == ["a", "b", "c", "made", "sub"]);
    act.rename("/folder/a", "renamed").unwrap();
    eventually("a rename", SOON, || names(&folder) == ["b", "c", "made", "renamed", "sub"]);
    act.trash("/folder/b").unwrap();
    eventually("a deletion", SOON, || names(&folder) == ["c", "made", "renamed", "sub"]);
    act.move_to("/folder/c", "/folder/sub").unwrap();
    eventually("a move", SOON, || {
        names(&folder) == ["made", "renamed", "sub"] && names(&folder.join("sub")) == ["c", "d"]
    });
    act.rename("/folder/sub", "over there").unwrap();
    eventually("a folder's rename", SOON, || names(&folder) == ["made", "over there", "renamed"]);
    assert_eq!(names(&folder.join("over there")), ["c", "d"]);
}

/// An open folder that is read from its beginning again and again.
struct Stream(*mut libc::DIR);

impl Stream {
    fn open(folder: &Path) -> Stream {
        let file = File::open(folder).unwrap();
        // SAFETY: the descriptor is of a folder and stays open: the duplicate belongs to the stream from here on.
        let stream = unsafe { libc::fdopendir(libc::dup(file.as_raw_fd())) };
        assert!(!stream.is_null());
        Stream(stream)
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        // SAFETY: the stream is open, and used by this thread alone.
        unsafe { libc::rewinddir(self.0) };
        loop {
            // SAFETY: as above; an entry is valid until the next call.
            let entry = unsafe { libc::readdir(self.0) };
            if entry.is_null() {
                names.sort();
                return names;
            }
            // SAFETY: the name of an entry ends with NUL.
            let name = unsafe { std::ffi::CStr::from_ptr((*entry).d_name.as_ptr()) }.to_str().unwrap();
            if !name.starts_with('.') {
                names.push(name.to_owned());
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: opened by fdopendir, closed once.
        unsafe { libc::closedir(self.0) };
    }
}

fn what_others_do_reaches_a_folder_that_is_open(mode: Mode) {
    let (world, mount) = mounted(mode);
    let (stream, act) = (Stream::open(&mount.at("folder")), world.emulator.act());
    assert_eq!(stream.names(), ["a", "b", "c", "sub"]);
    act.write_file("/folder/made", b"by others").unwrap();
    eventually("a file is made", SOON, || stream.names() == ["a", "b", "c", "made", "sub"]);
    act.trash("/folder/b").unwrap();
    eventually("a deletion", SOON, || stream.names() == ["a", "c", "made", "sub"]);
    std::fs::rename(mount.at("folder/a"), mount.at("folder/z")).unwrap();
    assert_eq!(stream.names(), ["c", "made", "sub", "z"]);
}

fn what_programs_do_is_in_the_next_listing(mode: Mode) {
    let (_world, mount) = mounted(mode);
    let folder = mount.at("folder");
    for round in 0..20 {
        let new = folder.join(format!("new-{round}"));
        std::fs::write(&new, "x").unwrap();
        assert_eq!(names(&folder).len(), 5);
        std::fs::rename(&new, folder.join("a")).unwrap();
        assert_eq!(names(&folder), ["a", "b", "c", "sub"]);
        std::fs::remove_file(folder.join("b")).unwrap();
        assert_eq!(names(&folder), ["a", "c", "sub"]);
        std::fs::create_dir(folder.join("b")).unwrap();
        assert!(listed(&folder).iter().any(|(name, _)| name == "b"));
        std::fs::remove_dir(folder.join("b")).unwrap();
        std::fs::write(folder.join("b"), "y").unwrap();
        assert_eq!(names(&folder), ["a", "b", "c", "sub"]);
    }
}

fn a_listing_says_the_inode_numbers_of_now(mode: Mode) {
    let (world, mount) = mounted(mode);
    let folder = mount.at("folder");
    let right = || listed(&folder).iter().all(|(name, ino)| folder.join(name).metadata().unwrap().ino() == *ino);
    std::fs::write(folder.join("new"), "x").unwrap();
    std::fs::rename(folder.join("new"), folder.join("a")).unwrap();
    assert!(right());
    // A file that is open gets a successor under its name.
    let held = File::open(folder.join("c")).unwrap();
    world.emulator.act().write_file("/folder/c", b"the next version").unwrap();
    eventually("the next version", SOON, || std::fs::read(folder.join("c")).unwrap() == b"the next version");
    eventually("its number", SOON, right);
    drop(held);
}

fn a_reader_in_the_middle_of_a_folder_spoils_nothing_for_the_next(mode: Mode) {
    let (world, act) = {
        let world = World::new(mode);
        let act = world.emulator.act();
        (world, act)
    };
    let mut expected: Vec<_> = (0..1200).map(|n| format!("file-{n:04}")).collect();
    expected.iter().for_each(|name| drop(act.write_file(&format!("/folder/{name}"), b"x").unwrap()));
    let mount = world.mount();
    let folder = mount.at("folder");
    // More names than one answer to the kernel holds.
    let mut halfway = std::fs::read_dir(&folder).unwrap();
    (0..600).for_each(|_| drop(halfway.next().unwrap().unwrap()));
    act.trash("/folder/file-0100").unwrap();
    act.trash("/folder/file-1100").unwrap();
    act.write_file("/folder/file-2000", b"x").unwrap();
    expected.retain(|name| name != "file-0100" && name != "file-1100");
    expected.push("file-2000".to_owned());
    eventually("the changes", SOON, || names(&folder) == expected);
    halfway.for_each(|entry| drop(entry.unwrap()));
    (0..3).for_each(|_| assert_eq!(names(&folder), expected));
}

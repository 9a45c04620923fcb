//! Bytes and names get to Box and back, in both modes.

use std::fs;

use crate::rig::{Far, noise};

/// Written through one mount, read through another with an empty state directory.
fn arrives(options: &str) {
    let far = Far::start();
    let sizes = [0, 1, 4096, 70_000, 3_000_001];
    {
        let mount = far.mount("writer", options);
        fs::create_dir_all(mount.path("a/b")).unwrap();
        for size in sizes {
            mount.write(&format!("a/b/{size} bytes"), &noise(size));
        }
        mount.write("changed", b"first");
        mount.wait_for_box();
        mount.write("changed", b"second");
        fs::rename(mount.path("a/b/1 bytes"), mount.path("moved")).unwrap();
        fs::remove_file(mount.path("a/b/0 bytes")).unwrap();
        mount.wait_for_box();
    }
    let mount = far.mount("reader", options);
    assert_eq!(mount.names(""), ["a", "changed", "moved"]);
    assert_eq!(mount.names("a/b"), ["3000001 bytes", "4096 bytes", "70000 bytes"]);
    assert_eq!(mount.read("changed"), b"second");
    assert_eq!(mount.read("moved"), noise(1));
    for size in [4096, 70_000, 3_000_001] {
        assert!(mount.read(&format!("a/b/{size} bytes")) == noise(size), "{size} bytes");
    }
}

#[test]
fn what_one_mount_writes_another_reads() {
    arrives("");
}

#[test]
fn what_one_mount_writes_another_reads_copying() {
    arrives("passthrough=off");
}

#[test]
fn a_file_of_another_mount_is_changed_in_the_middle() {
    use std::os::unix::fs::FileExt;
    let far = Far::start();
    let mut expected = noise(300_000);
    {
        let mount = far.mount("writer", "");
        mount.write("file", &expected);
        mount.wait_for_box();
    }
    {
        let mount = far.mount("changer", "");
        let file = fs::OpenOptions::new().write(true).open(mount.path("file")).unwrap();
        file.write_all_at(b"changed", 150_000).unwrap();
        drop(file);
        expected[150_000..150_007].copy_from_slice(b"changed");
        assert!(mount.read("file") == expected);
        mount.wait_for_box();
    }
    let mount = far.mount("reader", "");
    assert!(mount.read("file") == expected);
}

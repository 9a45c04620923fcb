//! Symbolic links as small files in Box (`--links`), and kept here without it.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Mode, Mount, SOON, World, errno, eventually, run_in, sha1_hex};

in_both_modes!(
    links_stay_here_unless_they_are_stored,
    stored_links_are_links_in_every_mount_with_links,
    a_stored_link_keeps_its_id_when_it_is_renamed_and_led_elsewhere,
    links_from_before_go_up_when_they_are_stored,
    a_link_never_takes_a_name_that_a_file_has,
    a_file_that_is_no_link_is_shown_as_it_is,
    links_follow_what_others_do_in_box,
    a_link_and_a_file_replace_each_other,
    rsync_takes_stored_links_both_ways,
    an_editors_lock_is_not_stored,
);

fn with_links(world: &World, name: &str) -> Mount {
    world.mounter(name).args(["--links"]).start()
}

fn target(path: PathBuf) -> String {
    std::fs::read_link(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_str().unwrap().to_owned()
}

fn is_link(path: &Path) -> bool {
    path.is_symlink()
}

fn listed(mount: &Mount, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(mount.at(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn links_stay_here_unless_they_are_stored(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    symlink("anywhere", mount.at("link")).unwrap();
    mount.wait();
    assert_eq!(mount.status()["local_only"], serde_json::json!(["link"]));
    assert!(world.emulator.items().is_empty());
    assert_eq!(target(mount.at("link")), "anywhere");
}

fn stored_links_are_links_in_every_mount_with_links(mode: Mode) {
    let world = World::new(mode);
    let mount = with_links(&world, "main");
    std::fs::create_dir(mount.at("folder")).unwrap();
    std::fs::write(mount.at("file"), "bytes").unwrap();
    let longest = "x/".repeat(2047) + "x";
    let links = [("a", "file"), ("folder/b c", "../file"), ("dangling", "no/where/ü"), ("long", longest.as_str())];
    for (name, to) in links {
        symlink(to, mount.at(name)).unwrap();
    }
    mount.wait();
    for (name, to) in links {
        assert_eq!(world.expect_bytes(&format!("/{name}.rclonelink"), to.as_bytes()).version_ids.len(), 1);
        assert_eq!(target(mount.at(name)), to);
    }
    assert_eq!(mount.status()["local_only"], serde_json::json!([]));
    assert_eq!(std::fs::read_to_string(mount.at("a")).unwrap(), "bytes");
    let second = with_links(&world, "second");
    assert_eq!(listed(&second, ""), ["a", "dangling", "file", "folder", "long"]);
    for (name, to) in links {
        let metadata = second.at(name).symlink_metadata().unwrap();
        assert!(metadata.is_symlink() && metadata.len() == to.len() as u64, "{name}");
        assert_eq!(target(second.at(name)), to);
    }
    assert_eq!(std::fs::read_to_string(second.at("folder/b c")).unwrap(), "bytes");
    assert_eq!(errno(std::fs::metadata(second.at("a.rclonelink"))), libc::ENOENT);
    let plain = world.second_view();
    assert_eq!(listed(&plain, "folder"), ["b c.rclonelink"]);
    assert_eq!(std::fs::read_to_string(plain.at("folder/b c.rclonelink")).unwrap(), "../file");
    assert_eq!(errno(plain.at("a").symlink_metadata()), libc::ENOENT);
}

fn a_stored_link_keeps_its_id_when_it_is_renamed_and_led_elsewhere(mode: Mode) {
    let world = World::new(mode);
    let mount = with_links(&world, "main");
    std::fs::create_dir(mount.at("folder")).unwrap();
    symlink("one", mount.at("link")).unwrap();
    mount.wait();
    let id = world.in_box("/link.rclonelink").id;
    std::fs::rename(mount.at("link"), mount.at("folder/moved")).unwrap();
    mount.wait();
    assert_eq!(world.expect_bytes("/folder/moved.rclonelink", b"one").id, id);
    // Another link renamed over it, as coreutils do it; then deleted and made again.
    run_in(&mount.root, "ln", ["-sfn", "two", "folder/moved"]);
    mount.wait();
    let after = world.expect_bytes("/folder/moved.rclonelink", b"two");
    assert_eq!((after.id, after.version_ids.len()), (id.clone(), 2));
    run_in(&mount.root, "sh", ["-ec", "rm folder/moved; ln -s three folder/moved"]);
    mount.wait();
    let after = world.expect_bytes("/folder/moved.rclonelink", b"three");
    assert_eq!((after.id, after.version_ids.len()), (id.clone(), 3));
    assert_eq!(target(mount.at("folder/moved")), "three");
    // Its own time, not that of what it leads to.
    run_in(&mount.root, "touch", ["-h", "-d", "@1500000000", "folder/moved"]);
    mount.wait();
    assert_eq!(world.in_box("/folder/moved.rclonelink").content_modified_at, 1_500_000_000);
    std::fs::remove_file(mount.at("folder/moved")).unwrap();
    mount.wait();
    assert!(world.emulator.items().iter().any(|item| item.id == id && item.trashed));
    assert!(listed(&mount, "folder").is_empty());
}

fn links_from_before_go_up_when_they_are_stored(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::create_dir(mount.at("folder")).unwrap();
    symlink("there", mount.at("folder/link")).unwrap();
    run_in(&mount.root, "touch", ["-h", "-d", "@1500000000", "folder/link"]);
    // No text: it cannot be a file that others read.
    symlink(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff"), mount.at("bytes")).unwrap();
    std::fs::write(mount.at("taken.rclonelink"), "a file\0").unwrap();
    symlink("here", mount.at("taken")).unwrap();
    mount.umount();
    assert_eq!(world.emulator.items().len(), 2);

    let mount = with_links(&world, "main");
    mount.wait();
    let stored = world.expect_bytes("/folder/link.rclonelink", b"there");
    assert_eq!(stored.content_modified_at, 1_500_000_000);
    assert_eq!(target(mount.at("folder/link")), "there");
    assert_eq!(mount.status()["local_only"], serde_json::json!(["bytes", "taken"]));
    assert_eq!(target(mount.at("taken")), "here");
    world.expect_bytes("/taken.rclonelink", b"a file\0");
    mount.umount();

    // And back: the small file is there, and stays.
    let mount = world.mount();
    assert_eq!(listed(&mount, "folder"), ["link.rclonelink"]);
    assert_eq!(std::fs::read_to_string(mount.at("folder/link.rclonelink")).unwrap(), "there");
    mount.umount();
    let mount = with_links(&world, "main");
    assert_eq!(target(mount.at("folder/link")), "there");
    mount.wait();
    assert_eq!(world.in_box("/folder/link.rclonelink").version_ids, stored.version_ids);
}

fn a_link_never_takes_a_name_that_a_file_has(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/a.rclonelink", b"no\0link").unwrap();
    world.emulator.act().write_file("/b.rclonelink", b"link").unwrap();
    world.emulator.act().write_file("/c.rclonelink", b"would be a link").unwrap();
    world.emulator.act().write_file("/c", b"and is not").unwrap();
    let mount = with_links(&world, "main");
    assert_eq!(listed(&mount, ""), ["a.rclonelink", "b", "c", "c.rclonelink"]);
    for name in ["a", "b", "c", "B"] {
        assert_eq!(errno(symlink("x", mount.at(name))), libc::EEXIST, "{name}");
    }
    symlink("x", mount.at("d")).unwrap();
    assert_eq!(errno(File::create_new(mount.at("d"))), libc::EEXIST);
    assert_eq!(errno(std::fs::create_dir(mount.at("d"))), libc::EEXIST);
    assert_eq!(errno(std::fs::rename(mount.at("d"), mount.at("a"))), libc::EEXIST);
    // A link's name is for links; one of which nothing is left for the ending is no name.
    assert_eq!(errno(File::create(mount.at("new.rclonelink"))), libc::EINVAL);
    assert_eq!(errno(std::fs::rename(mount.at("c"), mount.at("e.rclonelink"))), libc::EINVAL);
    let longest = "n".repeat(255 - ".rclonelink".len());
    symlink("x", mount.at(&longest)).unwrap();
    assert_eq!(errno(symlink("x", mount.at(&(longest.clone() + "n")))), libc::ENAMETOOLONG);
    mount.wait();
    world.expect_bytes("/a.rclonelink", b"no\0link");
    world.expect_bytes("/c", b"and is not");
    world.expect_bytes("/c.rclonelink", b"would be a link");
    world.expect_bytes(&format!("/{longest}.rclonelink"), b"x");
    assert_eq!(world.emulator.items().len(), 6);
}

fn a_file_that_is_no_link_is_shown_as_it_is(mode: Mode) {
    let world = World::new(mode);
    let long = vec![b'x'; 5000];
    let files: [(&str, &[u8]); 6] = [
        ("empty.rclonelink", b""),
        ("nul.rclonelink", b"a\0b"),
        ("binary.rclonelink", b"\xff\xfe\x00"),
        ("latin.rclonelink", b"caf\xe9"),
        ("long.rclonelink", &long),
        (".rclonelink", b"no name"),
    ];
    for (name, bytes) in files {
        world.emulator.act().write_file(&format!("/{name}"), bytes).unwrap();
    }
    world.emulator.act().write_file("/good.rclonelink", b"empty.rclonelink").unwrap();
    let mount = with_links(&world, "main");
    let mut names: Vec<&str> = files.iter().map(|(name, _)| *name).chain(["good"]).collect();
    names.sort_unstable();
    assert_eq!(listed(&mount, ""), names);
    for (name, bytes) in files {
        assert!(mount.at(name).symlink_metadata().unwrap().is_file(), "{name}");
        assert!(std::fs::read(mount.at(name)).unwrap() == bytes, "{name}");
    }
    // They are written, renamed and deleted like any file.
    std::fs::write(mount.at("nul.rclonelink"), b"b\0c").unwrap();
    std::fs::rename(mount.at("latin.rclonelink"), mount.at("latin.txt")).unwrap();
    std::fs::remove_file(mount.at("empty.rclonelink")).unwrap();
    mount.wait();
    assert_eq!(world.expect_bytes("/nul.rclonelink", b"b\0c").version_ids.len(), 2);
    world.expect_bytes("/latin.txt", b"caf\xe9");
    assert!(world.emulator.find("/empty.rclonelink").is_none());
}

fn links_follow_what_others_do_in_box(mode: Mode) {
    let world = World::new(mode);
    let act = world.emulator.act();
    act.write_file("/link.rclonelink", b"one").unwrap();
    let mount = with_links(&world, "main");
    assert_eq!(target(mount.at("link")), "one");
    act.write_file("/link.rclonelink", b"another").unwrap();
    eventually("it leads elsewhere", SOON, || target(mount.at("link")) == "another");
    assert_eq!(mount.at("link").symlink_metadata().unwrap().len(), 7);
    act.write_file("/link.rclonelink", b"no\0link").unwrap();
    eventually("it is a file", SOON, || mount.at("link.rclonelink").is_file() && !is_link(&mount.at("link")));
    act.write_file("/link.rclonelink", b"again").unwrap();
    eventually("it is a link again", SOON, || is_link(&mount.at("link")) && target(mount.at("link")) == "again");
    act.rename("/link.rclonelink", "other.rclonelink").unwrap();
    eventually("it has another name", SOON, || is_link(&mount.at("other")) && !is_link(&mount.at("link")));
    act.trash("/other.rclonelink").unwrap();
    eventually("it is gone", SOON, || !is_link(&mount.at("other")));
    assert!(listed(&mount, "").is_empty());
}

fn a_link_and_a_file_replace_each_other(mode: Mode) {
    let world = World::new(mode);
    let mount = with_links(&world, "main");
    std::fs::write(mount.at("file"), "bytes").unwrap();
    symlink("x", mount.at("link")).unwrap();
    mount.wait();
    let id = world.in_box("/file").id;
    std::fs::rename(mount.at("file"), mount.at("link")).unwrap();
    assert_eq!(std::fs::read_to_string(mount.at("link")).unwrap(), "bytes");
    mount.wait();
    assert_eq!(world.expect_bytes("/link", b"bytes").id, id);
    assert_eq!(listed(&mount, ""), ["link"]);
    assert!(world.emulator.find("/link.rclonelink").is_none());
    symlink("y", mount.at("other")).unwrap();
    std::fs::rename(mount.at("other"), mount.at("link")).unwrap();
    assert_eq!(target(mount.at("link")), "y");
    mount.wait();
    world.expect_bytes("/link.rclonelink", b"y");
    assert!(world.emulator.find("/link").is_none());
    std::fs::create_dir(mount.at("folder")).unwrap();
    assert_eq!(errno(std::fs::rename(mount.at("link"), mount.at("folder"))), libc::EISDIR);
    assert_eq!(errno(std::fs::rename(mount.at("folder"), mount.at("link"))), libc::ENOTDIR);
}

fn rsync_takes_stored_links_both_ways(mode: Mode) {
    let world = World::new(mode);
    let source = world.make_dir("source");
    std::fs::create_dir(source.join("folder")).unwrap();
    std::fs::write(source.join("file"), "bytes").unwrap();
    symlink("file", source.join("link")).unwrap();
    symlink("../file", source.join("folder/link")).unwrap();
    symlink("nowhere", source.join("dangling")).unwrap();
    let mount = with_links(&world, "main");
    run_in(world.dir(), "rsync", ["-a", "source/", mount.root.to_str().unwrap()]);
    mount.wait();
    for (path, to) in [("link", "file"), ("folder/link", "../file"), ("dangling", "nowhere")] {
        let item = world.in_box(&format!("/{path}.rclonelink"));
        assert_eq!(item.sha1, sha1_hex(to.as_bytes()));
        let local = source.join(path).symlink_metadata().unwrap().modified().unwrap();
        let secs = local.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        assert_eq!(item.content_modified_at.unsigned_abs(), secs, "the link's own time");
    }
    // Nothing is left to do, and nothing is done.
    world.emulator.reset_requests();
    let again = run_in(world.dir(), "rsync", ["-ai", "source/", mount.root.to_str().unwrap()]);
    assert_eq!(again.stdout, "", "what rsync would change");
    mount.wait();
    assert!(world.changing_requests().is_empty(), "{:?}", world.changing_requests());
    let second = with_links(&world, "second");
    let back = world.make_dir("back");
    run_in(world.dir(), "rsync", ["-a", &format!("{}/", second.root.display()), "back"]);
    for (path, to) in [("link", "file"), ("folder/link", "../file"), ("dangling", "nowhere")] {
        assert_eq!(target(back.join(path)), to);
    }
    assert_eq!(std::fs::read_to_string(back.join("link")).unwrap(), "bytes");
}

fn an_editors_lock_is_not_stored(mode: Mode) {
    let world = World::new(mode);
    let mount = with_links(&world, "main");
    symlink("me@here.17:1", mount.at(".#doc")).unwrap();
    mount.wait();
    assert!(world.emulator.items().is_empty());
    assert_eq!(mount.status()["local_only"], serde_json::json!([".#doc"]));
    assert_eq!(target(mount.at(".#doc")), "me@here.17:1");
}

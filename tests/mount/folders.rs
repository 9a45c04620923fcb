//! Names that come, go and move: Box's side ends up the same.

use std::collections::BTreeSet;

use crate::support::{Mode, World, assert_same_everywhere, bytes_of, run_in, tree_at};

in_both_modes!(
    folders_and_moves_end_up_the_same_in_box,
    removed_files_and_folders_go_to_the_trash,
    moves_keep_their_ids,
    a_file_that_comes_and_goes_makes_no_call,
    three_thousand_entries_can_be_deleted_while_they_are_read,
    a_folder_with_entries_is_not_removed,
);

fn folders_and_moves_end_up_the_same_in_box(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let at = |arguments: &str| run_in(&mount.root, "sh", ["-ec", arguments]);
    at("mkdir -p a/b/c d && echo one > a/one && echo two > a/b/two && echo three > a/b/c/three");
    mount.wait();
    assert_same_everywhere(&world, &mount);
    at("mv a/one a/uno && mv a/b/two d/two && mv a/b/c d/c && mkdir -p e/f && echo four > e/f/four && rm d/two");
    mount.wait();
    assert_same_everywhere(&world, &mount);
    let expected = ["/a", "/a/b", "/a/uno", "/d", "/d/c", "/d/c/three", "/e", "/e/f", "/e/f/four"];
    assert_eq!(tree_at(&mount.root).keys().collect::<Vec<_>>(), expected);
}

fn removed_files_and_folders_go_to_the_trash(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    run_in(&mount.root, "sh", ["-ec", "mkdir -p a/b/c && echo x > a/b/c/x && echo y > a/y && echo z > z"]);
    mount.wait();
    assert_eq!(world.emulator.items().len(), 6);
    run_in(&mount.root, "rm", ["-r", "a", "z"]);
    mount.wait();
    assert_same_everywhere(&world, &mount);
    let items = world.emulator.items();
    assert!(items.iter().all(|item| item.trashed), "{items:#?}");
    assert_eq!(items.iter().filter(|item| item.kind == "file").count(), 3, "{items:#?}");
}

fn moves_keep_their_ids(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    run_in(&mount.root, "sh", ["-ec", "mkdir -p from/sub to && echo x > from/sub/x && echo y > from/y"]);
    mount.wait();
    let before = ["/from/sub", "/from/sub/x", "/from/y"].map(|path| world.in_box(path).id);
    world.emulator.reset_requests();
    run_in(&mount.root, "sh", ["-ec", "mv from/sub to/sub && mv from/y to/z"]);
    mount.wait();
    assert_eq!(["/to/sub", "/to/sub/x", "/to/z"].map(|path| world.in_box(path).id), before);
    assert_eq!(world.changing_requests().len(), 2, "{:#?}", world.changing_requests());
}

fn a_file_that_comes_and_goes_makes_no_call(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    std::fs::write(mount.at("kept"), "kept").unwrap();
    for n in 0..10 {
        std::fs::write(mount.at(&format!("temporary-{n}")), bytes_of(1000, n)).unwrap();
        std::fs::remove_file(mount.at(&format!("temporary-{n}"))).unwrap();
    }
    mount.wait();
    assert_eq!(world.changing_requests().len(), 1, "{:#?}", world.changing_requests());
    assert_eq!(world.emulator.items().len(), 1);
}

fn three_thousand_entries_can_be_deleted_while_they_are_read(mode: Mode) {
    const COUNT: usize = 3000;
    let world = World::new(mode);
    for n in 0..COUNT {
        world.emulator.act().write_file(&format!("/many/file-{n}"), b"").unwrap();
    }
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(mount.at("many")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::remove_file(&path).unwrap();
        assert!(seen.insert(path.clone()), "{} came twice", path.display());
    }
    assert_eq!(seen.len(), COUNT);
    assert_eq!(std::fs::read_dir(mount.at("many")).unwrap().count(), 0);
    std::fs::remove_dir(mount.at("many")).unwrap();
    mount.command(&["wait", "--timeout", "50"], "").ok();
    assert!(world.emulator.items().iter().all(|item| item.trashed));
}

fn a_folder_with_entries_is_not_removed(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/full/file", b"x").unwrap();
    world.emulator.act().create_folder("/empty").unwrap();
    let mount = world.mount();
    // Nobody has listed either of them.
    assert_eq!(crate::support::errno(std::fs::remove_dir(mount.at("full"))), libc::ENOTEMPTY);
    std::fs::remove_dir(mount.at("empty")).unwrap();
    mount.wait();
    assert!(world.emulator.find("/full/file").is_some());
    assert!(world.emulator.find("/empty").is_none());
}

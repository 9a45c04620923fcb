//! Names in Box that Linux cannot hold, or that Box would not take today: shown reversibly, and as good as any other.

use std::collections::BTreeMap;
use std::fs::File;

use boxfs::emulator::ItemReport;

use crate::support::{Mode, Mount, World, errno, sha1_hex};

in_both_modes!(
    names_that_linux_cannot_hold_are_shown_reversibly,
    a_file_with_an_escaped_name_is_written_renamed_moved_and_deleted,
    a_folder_with_an_escaped_name_is_as_good_as_any,
    an_escaped_name_has_one_spelling_alone,
    a_name_too_long_for_the_kernel_hides_nothing_else,
);

/// Names as Box has them, and as a listing shows them.
fn odd_names() -> BTreeMap<String, String> {
    let longest = "\u{1f600}".repeat(255);
    let names = [
        (".", "\\x2e"),
        ("..", "\\x2e\\x2e"),
        ("", "\\x"),
        ("/", "\\x2f"),
        ("a/b", "a\\x2fb"),
        // Spelled like the escape of the one before.
        ("a\\x2fb", "a\\x5cx2fb"),
        ("back\\slash", "back\\x5cslash"),
        ("nul\0", "nul\\x00"),
        ("end ", "end "),
        ("new\nline", "new\nline"),
        ("tab\there", "tab\there"),
        (&longest, &longest),
    ];
    names.into_iter().map(|(name, shown)| (name.to_owned(), shown.to_owned())).collect()
}

/// A file or folder; Box numbers each kind by itself.
fn by_id(world: &World, kind: &str, id: &str) -> ItemReport {
    world.emulator.items().into_iter().find(|item| item.kind == kind && item.id == id).unwrap()
}

fn listed(mount: &Mount, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(mount.at(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn names_that_linux_cannot_hold_are_shown_reversibly(mode: Mode) {
    let world = World::new(mode);
    let names = odd_names();
    for name in names.keys() {
        world.emulator.act().plant_file("/", name, format!("bytes of {name:?}").as_bytes()).unwrap();
    }
    let mount = world.mount();
    let mut shown: Vec<String> = names.values().cloned().collect();
    shown.sort();
    assert_eq!(listed(&mount, ""), shown);
    for (name, shown) in &names {
        assert_eq!(std::fs::read_to_string(mount.at(shown)).unwrap(), format!("bytes of {name:?}"), "{shown}");
        assert!(std::fs::metadata(mount.at(shown)).unwrap().is_file());
    }
    // What comes while it is mounted is shown like what was there.
    world.emulator.act().plant_file("/", "late/r", b"late").unwrap();
    crate::support::eventually("the name is there", crate::support::SOON, || mount.at("late\\x2fr").exists());
}

fn a_file_with_an_escaped_name_is_written_renamed_moved_and_deleted(mode: Mode) {
    let world = World::new(mode);
    let names = odd_names();
    let plant = |name: &String| world.emulator.act().plant_file("/", name, b"before").unwrap();
    let ids: BTreeMap<&String, String> = names.keys().map(|name| (name, plant(name))).collect();
    world.emulator.act().create_folder("/folder").unwrap();
    let mount = world.mount();
    for (name, shown) in &names {
        std::fs::write(mount.at(shown), format!("bytes of {name:?}")).unwrap();
    }
    mount.wait();
    for (name, id) in &ids {
        let item = by_id(&world, "file", id);
        assert_eq!((&item.name, item.version_ids.len()), (*name, 2), "a version of the same item, and its name");
        assert_eq!(item.sha1, sha1_hex(format!("bytes of {name:?}").as_bytes()));
    }
    std::fs::rename(mount.at("a\\x2fb"), mount.at("a-b")).unwrap();
    std::fs::rename(mount.at("\\x2e\\x2e"), mount.at("folder/\\x2e\\x2e")).unwrap();
    std::fs::remove_file(mount.at("\\x2e")).unwrap();
    mount.wait();
    let item = |name: &str| by_id(&world, "file", &ids[&name.to_owned()]);
    assert_eq!(item("a/b").path, "/a-b");
    assert_eq!(item("..").path, "/folder/..");
    assert!(item(".").trashed && !item("..").trashed);
    assert_eq!(listed(&mount, "folder"), ["\\x2e\\x2e"]);
    // The one that is spelled like an escape is another file, and has stayed.
    assert_eq!(item("a\\x2fb").name, "a\\x2fb");
    assert_eq!(std::fs::read_to_string(mount.at("a\\x5cx2fb")).unwrap(), "bytes of \"a\\\\x2fb\"");
    let second = world.second_view();
    assert_eq!(listed(&second, ""), listed(&mount, ""));
}

fn a_folder_with_an_escaped_name_is_as_good_as_any(mode: Mode) {
    let world = World::new(mode);
    let id = world.emulator.act().plant_folder("/", "in/out").unwrap();
    let mount = world.mount();
    std::fs::write(mount.at("in\\x2fout/file"), "inside").unwrap();
    std::fs::create_dir(mount.at("in\\x2fout/below")).unwrap();
    mount.wait();
    let inside = world.emulator.items().into_iter().filter(|item| item.parent_id == id);
    let mut names: Vec<String> = inside.map(|item| item.name).collect();
    names.sort();
    assert_eq!(names, ["below", "file"]);
    std::fs::rename(mount.at("in\\x2fout"), mount.at("both")).unwrap();
    mount.wait();
    assert_eq!(by_id(&world, "folder", &id).path, "/both");
    world.expect_bytes("/both/file", b"inside");
}

fn an_escaped_name_has_one_spelling_alone(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().plant_file("/", "a/b", b"one").unwrap();
    world.emulator.act().write_file("/A", b"two").unwrap();
    let mount = world.mount();
    for other in ["\\x41", "a\\x2Fb", "a\\/b", "a\\"] {
        assert!(matches!(errno(std::fs::metadata(mount.at(other))), libc::ENOENT | libc::ENOTDIR), "{other}");
        assert!(std::fs::remove_file(mount.at(other)).is_err(), "{other}");
    }
    // Nobody can make such a name: Box would not take it.
    assert_eq!(errno(File::create(mount.at("c\\x2fd"))), libc::EINVAL);
    assert_eq!(errno(std::fs::rename(mount.at("A"), mount.at("\\x2e"))), libc::EINVAL);
    // Where it is there, it is there.
    assert_eq!(errno(File::create_new(mount.at("a\\x2fb"))), libc::EEXIST);
    assert_eq!(listed(&mount, ""), ["A", "a\\x2fb"]);
}

fn a_name_too_long_for_the_kernel_hides_nothing_else(mode: Mode) {
    let world = World::new(mode);
    let name = "\u{1f600}".repeat(300);
    let id = world.emulator.act().plant_file("/folder", &name, b"cannot be shown").unwrap();
    world.emulator.act().write_file("/folder/other", b"can be").unwrap();
    let mount = world.mount();
    assert_eq!(listed(&mount, "folder"), ["other"]);
    // And is not deleted with the folder.
    assert_eq!(errno(std::fs::remove_dir(mount.at("folder"))), libc::ENOTEMPTY);
    std::fs::write(mount.at("folder/third"), "x").unwrap();
    mount.wait();
    assert!(!by_id(&world, "file", &id).trashed);
    world.expect_bytes("/folder/third", b"x");
}

//! Versions and the trash by command.

use serde_json::Value;

use crate::support::{Mode, Mount, SOON, World, eventually};

in_both_modes!(
    versions_are_listed_and_an_old_one_is_made_current_again,
    what_cannot_be_restored_is_told,
    the_trash_is_listed_and_its_items_come_back,
);

fn with_versions(mode: Mode) -> (World, Mount) {
    let world = World::new(mode);
    for bytes in ["one", "number two", "the third"] {
        world.emulator.act().write_file("/doc", bytes.as_bytes()).unwrap();
    }
    let mount = world.mount();
    (world, mount)
}

fn shows(mount: &Mount, name: &str, text: &str) -> bool {
    std::fs::read_to_string(mount.at(name)).is_ok_and(|found| found == text)
}

fn versions_are_listed_and_an_old_one_is_made_current_again(mode: Mode) {
    let (world, mount) = with_versions(mode);
    let list: Value = serde_json::from_str(&mount.command(&["versions", "--json"], "doc").ok().stdout).unwrap();
    let told: Vec<_> = list.as_array().unwrap().iter().map(|v| (v["number"].as_u64(), v["size"].as_u64())).collect();
    assert_eq!(told, [(Some(1), Some(3)), (Some(2), Some(10)), (Some(3), Some(9))]);
    assert_eq!(list[2]["current"], true);
    let shown = mount.command(&["versions"], "doc").ok().stdout;
    assert!(shown.lines().next().unwrap().contains("(current)"), "{shown}");
    assert!(shows(&mount, "doc", "the third"));
    mount.command(&["restore", "--version", "1"], "doc").ok();
    assert_eq!(world.expect_bytes("/doc", b"one").version_ids.len(), 4);
    eventually("the mount shows it", SOON, || shows(&mount, "doc", "one"));
}

fn what_cannot_be_restored_is_told(mode: Mode) {
    let (world, mount) = with_versions(mode);
    for (number, why) in [("9", "it has versions 1 to 3"), ("0", "it has versions"), ("3", "is the current one")] {
        let ran = mount.command(&["restore", "--version", number], "doc").expect_code(1);
        assert!(ran.stderr.contains(why) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    }
    world.emulator.act().create_folder("/folder").unwrap();
    eventually("the folder is there", SOON, || mount.at("folder").is_dir());
    let ran = mount.command(&["versions"], "folder").expect_code(1);
    assert!(ran.stderr.contains("only files have versions"), "{}", ran.stderr);
    let held = std::fs::File::options().append(true).open(mount.at("doc")).unwrap();
    std::io::Write::write_all(&mut &held, b" and more").unwrap();
    let ran = mount.command(&["restore", "--version", "1"], "doc").expect_code(1);
    assert!(ran.stderr.contains("boxfs wait"), "{}", ran.stderr);
}

fn the_trash_is_listed_and_its_items_come_back(mode: Mode) {
    let (world, mount) = with_versions(mode);
    assert!(shows(&mount, "doc", "the third"));
    std::fs::remove_file(mount.at("doc")).unwrap();
    mount.wait();
    eventually("it is in the trash", SOON, || world.emulator.find("/doc").is_none());
    let list = mount.command(&["trash", "list", "--json", "--mount"], "").ok().stdout;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["kind"]), (&"doc".into(), &"file".into()));
    let ran = mount.command(&["trash", "restore", "nothing", "--mount"], "").expect_code(1);
    assert!(ran.stderr.contains("boxfs trash list"), "{}", ran.stderr);
    mount.command(&["trash", "restore", "doc", "--mount"], "").ok();
    world.expect_bytes("/doc", b"the third");
    eventually("the mount shows it again", SOON, || shows(&mount, "doc", "the third"));
}

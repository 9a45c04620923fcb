//! Names that stay on this machine, and those that look as if they could.

use std::fs::File;
use std::io::Write;

use crate::support::{Mode, World, assert_same_everywhere, errno, eventually, eventually_ok, run_in};

in_both_modes!(
    swap_and_lock_files_stay_here,
    a_local_only_file_renamed_to_an_ordinary_name_goes_to_box,
    what_box_has_is_never_local_only,
    a_repository_copied_in_arrives_whole,
    when_their_folder_vanishes_local_only_files_are_rescued,
    more_names_can_be_kept_here,
    with_durability_box_close_does_not_wait_for_what_stays_here,
    a_trash_directory_is_refused,
);

const STAYING: [&str; 6] = [".doc.swp", ".~lock.doc.odt#", "~$doc.docx", ".DS_Store", "._doc", "Thumbs.db"];

fn swap_and_lock_files_stay_here(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    for name in STAYING {
        std::fs::write(mount.at(name), name).unwrap();
    }
    std::os::unix::fs::symlink("me@here.17:1", mount.at(".#doc")).unwrap();
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.wait();
    let items: Vec<_> = world.emulator.items().into_iter().map(|item| item.name).collect();
    assert_eq!(items, ["doc"]);
    assert_eq!(mount.xattr(".doc.swp", "state"), "local-only");
    let told = mount.status();
    assert_eq!(told["pending"]["count"], 0, "{told:#}");
    assert_eq!(told["local_only"].as_array().unwrap().len(), STAYING.len() + 1, "{told:#}");
    let words = mount.command(&["status"], "").ok().stdout;
    assert!(words.contains("all is in Box") && words.contains("On this machine only:\n  "), "{words}");
    mount.kill();
    let mount = world.mount();
    for name in STAYING {
        assert_eq!(std::fs::read_to_string(mount.at(name)).unwrap(), name);
        std::fs::remove_file(mount.at(name)).unwrap();
    }
    mount.wait();
    assert_eq!(mount.status()["local_only"], serde_json::json!([".#doc"]));
    assert_eq!(world.changing_requests().len(), 1, "{:#?}", world.changing_requests());
}

fn a_local_only_file_renamed_to_an_ordinary_name_goes_to_box(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    std::fs::write(mount.at(".doc.swp"), "promoted").unwrap();
    std::fs::write(mount.at("plain"), "demoted").unwrap();
    std::fs::rename(mount.at("plain"), mount.at("~$plain")).unwrap();
    mount.kill();
    let mount = world.mounter("main").args(["--settle", "600s"]).start();
    std::fs::rename(mount.at(".doc.swp"), mount.at("doc")).unwrap();
    assert_eq!(["doc", "~$plain"].map(|name| mount.xattr(name, "state")), ["pending", "local-only"]);
    mount.wait();
    assert_eq!(world.expect_bytes("/doc", b"promoted").version_ids.len(), 1);
    assert_eq!(world.emulator.items().len(), 1, "{:#?}", world.emulator.items());
    std::fs::rename(mount.at("~$plain"), mount.at("plain")).unwrap();
    mount.wait();
    world.expect_bytes("/plain", b"demoted");
}

fn what_box_has_is_never_local_only(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/Thumbs.db", b"of others").unwrap();
    let mount = world.mount();
    std::fs::write(mount.at("Thumbs.db"), "changed here").unwrap();
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.wait();
    assert_eq!(world.expect_bytes("/Thumbs.db", b"changed here").version_ids.len(), 2);
    let id = world.in_box("/doc").id;
    std::fs::rename(mount.at("doc"), mount.at("~$doc")).unwrap();
    mount.wait();
    assert_eq!(world.in_box("/~$doc").id, id);
    assert_eq!(mount.xattr("~$doc", "state"), "synced");
    assert_same_everywhere(&world, &mount);
}

fn a_repository_copied_in_arrives_whole(mode: Mode) {
    let world = World::new(mode);
    let source = world.make_dir("source");
    let mount = world.mount();
    let make = "git init -q repo; cd repo; git config user.name A; git config user.email a@example.org; \
                echo '*.tmp' > .gitignore; echo x > index.lock; echo y > notes.bak; echo z > .hidden~; mkdir .config; \
                echo c > .config/settings.tmp; echo 4 > 4913; git add -f .; git commit -qm first; git gc -q";
    run_in(&source, "sh", ["-ec", make]);
    run_in(&source, "cp", ["-a".as_ref(), source.join("repo").as_os_str(), mount.root.as_os_str()]);
    run_in(&source, "diff", ["-r".as_ref(), source.join("repo").as_os_str(), mount.at("repo").as_os_str()]);
    mount.wait();
    assert_same_everywhere(&world, &mount);
    assert_eq!(mount.status()["local_only"], serde_json::json!([]));
}

fn when_their_folder_vanishes_local_only_files_are_rescued(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::create_dir(mount.at("folder")).unwrap();
    std::fs::write(mount.at("folder/doc"), "text").unwrap();
    std::fs::write(mount.at("folder/.doc.swp"), "swap").unwrap();
    mount.wait();
    world.emulator.act().trash("/folder").unwrap();
    let rescue = mount.state_dir.join("rescue");
    let found = eventually_ok(crate::support::SOON, || {
        let files = std::fs::read_dir(&rescue).map_err(|e| e.to_string())?;
        files.map(|entry| entry.unwrap().path()).next().ok_or("nothing rescued".to_owned())
    });
    assert_eq!(std::fs::read_to_string(found).unwrap(), "swap");
    eventually("the folder goes", crate::support::SOON, || !mount.at("folder").exists());
    mount.wait();
    assert!(world.emulator.find("/folder").is_none(), "nothing brings it back");
}

fn more_names_can_be_kept_here(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--local-only", "*.part"]).start();
    std::fs::write(mount.at("film.part"), "half").unwrap();
    mount.wait();
    assert!(world.emulator.items().is_empty());
    mount.umount();
    let mount = world.mount();
    mount.wait();
    world.expect_bytes("/film.part", b"half");
}

fn with_durability_box_close_does_not_wait_for_what_stays_here(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--durability", "box"]).start();
    let mut file = File::create(mount.at(".doc.swp")).unwrap();
    file.write_all(b"swap").unwrap();
    file.sync_all().unwrap();
    drop(file);
    assert!(world.emulator.items().is_empty());
}

fn a_trash_directory_is_refused(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    for name in [".Trash", ".Trash-0", ".Trash-1000"] {
        assert_eq!(errno(std::fs::create_dir(mount.at(name))), libc::EPERM);
    }
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.wait();
    // A file manager deletes where there is no trash, and then Box has the item in its own.
    std::fs::remove_file(mount.at("doc")).unwrap();
    mount.wait();
    assert!(world.emulator.items().iter().all(|item| item.trashed));
}

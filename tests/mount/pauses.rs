//! The user's word on what may leave: `pause` and `resume`, and the guard against many deletions at once.

use std::fs;
use std::path::Path;
use std::time::Duration;

use boxfs::emulator::Options;

use crate::support::{Mode, Mount, SOON, World, bytes_of, eventually, run_in, tree_at, tree_in_box, write_large};

#[test]
fn a_pause_lets_nothing_leave_and_outlives_the_daemon() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    fs::write(mount.at("before"), "before").unwrap();
    mount.wait();
    mount.command(&["pause"], "").ok();
    world.emulator.reset_requests();
    fs::write(mount.at("doc"), "written in a pause").unwrap();
    fs::remove_file(mount.at("before")).unwrap();
    let waited = mount.command(&["wait", "--timeout", "30"], "").expect_code(3);
    assert!(waited.stdout.starts_with("Paused since 20"), "{waited:?}");
    assert!(waited.stdout.contains("doc: paused: 'boxfs resume' lets it go"), "{waited:?}");
    assert!(waited.took < Duration::from_secs(10), "{waited:?}");
    assert!(mount.status()["paused"].is_string());
    let first = mount.command(&["status"], "").ok().stdout.lines().next().unwrap().to_owned();
    assert!(first.contains("paused since") && first.contains("'boxfs resume' goes on"), "{first}");
    let unmounted = mount.command(&["umount"], "").expect_code(3);
    assert!(unmounted.stdout.starts_with("Paused since 20"), "{unmounted:?}");
    drop(mount);
    let mount = world.mount();
    assert_eq!(mount.command(&["wait", "--timeout", "30"], "").code, Some(3));
    assert!(world.changing_requests().is_empty(), "{:?}", world.changing_requests());
    mount.command(&["resume"], "").ok();
    mount.wait();
    world.expect_bytes("/doc", b"written in a pause");
    assert!(world.emulator.find("/before").is_none());
    assert_eq!(mount.status()["paused"], serde_json::Value::Null);
}

#[test]
fn a_pause_reads_and_hears_news_all_the_same() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    mount.command(&["pause"], "").ok();
    world.emulator.act().write_file("/theirs", b"from Box").unwrap();
    eventually("the news is here", SOON, || mount.at("theirs").exists());
    assert_eq!(fs::read(mount.at("theirs")).unwrap(), b"from Box");
}

#[test]
fn a_pause_stops_a_large_upload_between_its_parts() {
    let world =
        World::with(Mode::Copying, Options { line: Some(10_000_000), part_size: Some(4 << 20), ..Options::default() });
    let mount = world.mount();
    let source = world.dir().join("large");
    let sha1 = write_large(&source, 100_000_000, 1);
    run_in(world.dir(), "cp", [source.as_os_str(), mount.at("large").as_os_str()]);
    mount.expect_uploading(&world, 10_000_000);
    mount.command(&["pause"], "").ok();
    let parts = || world.uploads().parts;
    // Parts on their way arrive; then nothing moves.
    eventually("the upload has stopped", SOON, || {
        let status = mount.status();
        status["uploading"].as_array().unwrap().is_empty() && parts() > 0
    });
    let sent = parts();
    assert!(sent < 20, "{sent} of 24 parts");
    assert_eq!(world.uploads().commits, 0);
    mount.command(&["resume"], "").ok();
    mount.wait();
    assert_eq!(world.in_box("/large").sha1, sha1);
    assert_eq!(world.uploads().sessions, 1, "parts are not sent again");
}

/// A mount that guards deletions, of a Box with `/folder/0` to `/folder/19`.
fn guarded(world: &World, guard: &str) -> Mount {
    world.emulator.act().create_folder("/folder").unwrap();
    for n in 0..20 {
        world.emulator.act().write_file(&format!("/folder/{n}"), &bytes_of(100, n)).unwrap();
    }
    let mount = world.mounter("main").args(["--delete-guard", guard]).start();
    assert_eq!(fs::read_dir(mount.at("folder")).unwrap().count(), 20);
    mount
}

fn remove_all(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
}

/// Waits until the guard holds everything of `/folder`.
#[track_caller]
fn expect_held(mount: &Mount, world: &World) {
    eventually("the deletions are held", SOON, || mount.status()["held_deletions"] == 21);
    assert_eq!(world.emulator.items().iter().filter(|item| !item.trashed).count(), 21);
    let waited = mount.command(&["wait", "--timeout", "30"], "").expect_code(3);
    assert!(waited.stdout.contains("'boxfs confirm' lets them go, 'boxfs undo' brings the items back"), "{waited:?}");
    let words = mount.command(&["status"], "").ok().stdout;
    assert!(words.contains("21 deletions at once are held"), "{words}");
}

#[test]
fn many_deletions_at_once_are_held_and_can_be_undone() {
    let world = World::new(Mode::Copying);
    let mount = guarded(&world, "10");
    let before = tree_at(&mount.root);
    remove_all(&mount.at("folder"));
    assert!(!mount.at("folder").exists());
    expect_held(&mount, &world);
    // They are held over a restart too.
    mount.kill();
    let mount = world.mounter("main").args(["--delete-guard", "10"]).start();
    assert!(!mount.at("folder").exists());
    expect_held(&mount, &world);
    assert_eq!(mount.command(&["undo"], "").ok().stdout, "21 items are back.\n");
    assert_eq!(tree_at(&mount.root), before);
    mount.wait();
    assert_eq!(tree_in_box(&world), before);
    assert!(world.requests("DELETE", "/2.0/*/*").is_empty());
    assert_eq!(mount.command(&["undo"], "").ok().stdout, "No deletions are held.\n");
}

#[test]
fn held_deletions_go_when_they_are_confirmed() {
    let world = World::new(Mode::Copying);
    let mount = guarded(&world, "50%");
    remove_all(&mount.at("folder"));
    expect_held(&mount, &world);
    // Other work is not held.
    fs::write(mount.at("doc"), "text").unwrap();
    eventually("other work goes on", SOON, || world.emulator.find("/doc").is_some());
    assert_eq!(mount.command(&["confirm"], "").ok().stdout, "21 deletions go.\n");
    mount.wait();
    assert!(world.emulator.find("/folder").is_none());
    world.expect_bytes("/doc", b"text");
}

#[test]
fn few_deletions_are_not_held() {
    let world = World::new(Mode::Copying);
    let mount = guarded(&world, "10");
    for n in 0..5 {
        fs::remove_file(mount.at(&format!("folder/{n}"))).unwrap();
    }
    mount.wait();
    assert_eq!(tree_in_box(&world).len(), 16);
    assert_eq!(tree_at(&mount.root), tree_in_box(&world));
}

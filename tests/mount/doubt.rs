//! While Box's events do not come, what others do is seen all the same: names are believed for a moment only, and folders are listed
//! again when they are used.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use boxfs::emulator::{Fault, FaultAnswer, FaultRule, FaultScript, Options};

use crate::support::{Mode, Mount, SOON, World, eventually};

/// A minute of the daemon is a second.
const SCALE: u32 = 60;
/// Between a change and its sight: what the kernel believes, the rest between two listings, and a busy machine.
const SEEN: Duration = Duration::from_secs(10);

in_both_modes!(
    what_others_do_is_seen_while_events_fail,
    what_others_do_is_seen_without_the_realtime_server,
    without_box_what_is_known_stays_and_nobody_waits,
);

/// As long as this is played, calls of these paths fail; everything else works.
fn fail(world: &World, paths: &[&str]) {
    let rule = |path: &&str| FaultRule {
        method: None,
        path: (*path).to_owned(),
        nth: None,
        times: None,
        probability: None,
        fault: Fault::Answer(FaultAnswer { status: 500, code: None, retry_after: None }),
    };
    world.emulator.set_faults(FaultScript { seed: 1, rules: paths.iter().map(rule).collect() });
}

fn in_doubt(world: &World) -> Mount {
    fail(world, &["/2.0/events*", "/subscribe*"]);
    let mount = world.mounter("main").variable("BOXFS_TIME_SCALE", &SCALE.to_string()).start();
    eventually("the daemon knows that no news come", SOON, || mount.status()["events"]["flow"] == false);
    mount
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

fn listings(world: &World) -> usize {
    world.requests("GET", "/2.0/folders/*/items").len()
}

/// Looks again and again, for longer than a listing counts.
fn for_six_seconds(look: impl Fn()) {
    let started = Instant::now();
    eventually("six seconds", SEEN, || {
        look();
        started.elapsed() > Duration::from_secs(6)
    });
}

fn what_others_do_is_seen_while_events_fail(mode: Mode) {
    let world = World::with(mode, Options { time_scale: SCALE, ..Options::default() });
    world.emulator.act().write_file("/docs/file", b"one").unwrap();
    world.emulator.act().write_file("/docs/goes", b"goes").unwrap();
    let mount = in_doubt(&world);
    assert_eq!(names(&mount.at("docs")), ["file", "goes"]);
    assert_eq!(fs::read(mount.at("docs/file")).unwrap(), b"one");
    let told = mount.command(&["status"], "").ok().stdout;
    assert!(told.contains("Box's news do not come"), "{told}");

    let act = world.emulator.act();
    act.write_file("/docs/made", b"made").unwrap();
    eventually("a file is made", SEEN, || names(&mount.at("docs")).contains(&"made".to_owned()));
    act.write_file("/docs/file", b"one and two").unwrap();
    eventually("its size", SEEN, || mount.at("docs/file").metadata().unwrap().len() == 11);
    eventually("its bytes", SEEN, || fs::read(mount.at("docs/file")).unwrap() == b"one and two");
    act.rename("/docs/file", "renamed").unwrap();
    eventually("a rename", SEEN, || mount.at("docs/renamed").exists() && !mount.at("docs/file").exists());
    act.trash("/docs/goes").unwrap();
    eventually("a deletion", SEEN, || !mount.at("docs/goes").exists());

    // A program that looks all the time lists a folder once in five seconds.
    world.emulator.reset_requests();
    for_six_seconds(|| assert!(mount.at("docs/renamed").exists()));
    let asked = listings(&world);
    assert!((1..=6).contains(&asked), "{asked} listings of two folders in six seconds");

    // News again: no listing any more.
    world.emulator.set_faults(FaultScript::default());
    eventually("news come", Duration::from_secs(60), || mount.status()["events"]["flow"] == true);
    world.emulator.reset_requests();
    for_six_seconds(|| assert_eq!(names(&mount.at("docs")), ["made", "renamed"]));
    assert_eq!(listings(&world), 0);
    act.write_file("/docs/more", b"more").unwrap();
    eventually("news are seen", SEEN, || mount.at("docs/more").exists());
    assert_eq!(listings(&world), 0);
}

fn what_others_do_is_seen_without_the_realtime_server(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/docs/file", b"one").unwrap();
    fail(&world, &["/subscribe*"]);
    let mount = world.mount();
    assert_eq!(names(&mount.at("docs")), ["file"]);
    world.emulator.reset_requests();
    world.emulator.act().write_file("/docs/made", b"made").unwrap();
    eventually("a file is made", SEEN, || names(&mount.at("docs")).contains(&"made".to_owned()));
    assert_eq!(mount.status()["events"]["flow"], true);
    assert_eq!(listings(&world), 0);
}

fn without_box_what_is_known_stays_and_nobody_waits(mode: Mode) {
    let mut world = World::lasting(mode, Options { time_scale: SCALE, ..Options::default() });
    world.emulator.act().write_file("/docs/file", b"one").unwrap();
    let mount = in_doubt(&world);
    assert_eq!(fs::read(mount.at("docs/file")).unwrap(), b"one");
    world.unplug();
    eventually("the daemon knows that Box is away", SOON, || mount.status()["online"] == false);
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(names(&mount.at("docs")), ["file"]);
        assert_eq!(fs::read(mount.at("docs/file")).unwrap(), b"one");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

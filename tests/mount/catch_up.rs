//! What happened in Box while nothing was mounted is learned from a few pages of events, not by asking for each item.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use boxfs::emulator::{Actor, Options};

use crate::support::{Mode, Mount, World, at_full_size, eventually};

/// Of the contract; a page of events has 500.
const MOST_CALLS: usize = 25;
/// Ten thousand transactions in a debug build on busy cores.
const LIMIT: Duration = Duration::from_secs(100);

in_both_modes!(
    thousands_of_changes_by_others_cost_a_few_pages_of_events,
    events_out_of_order_and_twice_come_to_the_same,
    what_was_made_and_deleted_meanwhile_leaves_nothing,
);

/// Items of the generated account, and changes of each of the five kinds.
fn sizes() -> (u64, usize) {
    if at_full_size() { (12_012, 2000) } else { (3003, 500) }
}

fn file(n: usize) -> String {
    format!("/generated/shelf 000/folder {:05}", n / 1000) + &format!("/file {:07}.txt", n + 3 + n / 1000)
}

/// Everything below, with its size.
fn walk(dir: &Path, path: &str, found: &mut BTreeSet<(String, u64)>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                walk(&entry.path(), &path, found);
                found.insert((path, 0));
            }
            Ok(metadata) => drop(found.insert((path, metadata.len()))),
            // It went meanwhile.
            Err(_) => {}
        }
    }
}

fn seen(mount: &Mount) -> BTreeSet<(String, u64)> {
    let mut found = BTreeSet::new();
    walk(&mount.root, "", &mut found);
    found
}

fn in_box(world: &World) -> BTreeSet<(String, u64)> {
    let items = world.emulator.items().into_iter().filter(|item| !item.trashed);
    items.map(|item| (item.path, if item.kind == "folder" { 0 } else { item.size })).collect()
}

/// Files that exist, shared out over the kinds of change so that each is changed once.
fn change_all(act: &Actor, each: usize) {
    for n in 0..each {
        let of = |kind: usize| file(kind * each + n);
        act.write_file(&of(0), format!("edited, number {n}").as_bytes()).unwrap();
        act.write_file(&format!("/generated/made {n}"), b"by others").unwrap();
        act.rename(&of(1), &format!("renamed {n}")).unwrap();
        act.move_to(&of(2), "/generated").unwrap();
        act.trash(&of(3)).unwrap();
    }
}

/// Times in the emulator's events are whole seconds. What happens in the second in which a mount began to follow them may be of before, so
/// that what is new or deleted then is asked for item by item.
fn a_second_begins() {
    let second = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = second();
    eventually("a second begins", LIMIT, || second() > now);
}

fn calls(world: &World) -> Vec<String> {
    world.emulator.requests().into_iter().map(|r| format!("{} {}", r.method, r.path)).collect()
}

/// Mounts what was mounted before, and tells the calls until it shows what Box has.
fn caught_up(world: &World) -> (Mount, Vec<String>) {
    world.emulator.reset_requests();
    let begun = Instant::now();
    let mount = world.mounter("main").limit(2 * LIMIT).start();
    let wanted = in_box(world);
    eventually("all of it is seen", LIMIT, || seen(&mount) == wanted);
    let calls = calls(world);
    println!("caught up in {:.1} s with {} calls", begun.elapsed().as_secs_f64(), calls.len());
    (mount, calls)
}

fn thousands_of_changes_by_others_cost_a_few_pages_of_events(mode: Mode) {
    let (items, each) = sizes();
    let world = World::with(mode, Options { generate: items, ..Options::default() });
    let mount = world.mounter("main").limit(2 * LIMIT).start();
    assert_eq!(seen(&mount), in_box(&world));
    drop(mount);
    a_second_begins();
    change_all(&world.emulator.act(), each);
    let (_mount, calls) = caught_up(&world);
    assert!(calls.len() <= MOST_CALLS, "{} calls: {calls:#?}", calls.len());
    assert!(calls.iter().all(|call| !call.contains("/items")), "{calls:#?}");
}

fn events_out_of_order_and_twice_come_to_the_same(mode: Mode) {
    let options = Options { generate: 1003, events_shuffled: true, events_repeated: 100, ..Options::default() };
    let world = World::with(mode, options);
    let mount = world.mounter("main").limit(2 * LIMIT).start();
    assert_eq!(seen(&mount), in_box(&world));
    drop(mount);
    let act = world.emulator.act();
    change_all(&act, 100);
    // Names go round: what had one has the next, and the last one's is the first's.
    for n in (0..30).step_by(3) {
        let made = |n: usize| format!("made {n}");
        act.rename(&format!("/generated/{}", made(n)), "aside").unwrap();
        act.rename(&format!("/generated/{}", made(n + 1)), &made(n)).unwrap();
        act.rename(&format!("/generated/{}", made(n + 2)), &made(n + 1)).unwrap();
        act.rename("/generated/aside", &made(n + 2)).unwrap();
        act.write_file(&format!("/generated/{}", made(n + 2)), format!("the {n}th").as_bytes()).unwrap();
    }
    let (_mount, calls) = caught_up(&world);
    assert!(calls.iter().all(|call| !call.contains("/items")), "{calls:#?}");
}

fn what_was_made_and_deleted_meanwhile_leaves_nothing(mode: Mode) {
    let options = Options { events_shuffled: true, events_repeated: 50, ..Options::default() };
    let world = World::with(mode, options);
    let act = world.emulator.act();
    act.create_folder("/folder").unwrap();
    let mount = world.mount();
    assert_eq!(seen(&mount), in_box(&world));
    drop(mount);
    // Box's times are of whole seconds: what happens in the mount's first one may have been before it, and is asked for.
    let since = Instant::now();
    eventually("the first second is over", LIMIT, || since.elapsed() > Duration::from_secs(1));
    for n in 0..100 {
        act.write_file(&format!("/folder/{n}"), b"once").unwrap();
        act.trash(&format!("/folder/{n}")).unwrap();
        act.write_file(&format!("/folder/{n}"), b"and again").unwrap();
    }
    act.trash("/folder/7").unwrap();
    let (mount, calls) = caught_up(&world);
    assert!(calls.len() <= MOST_CALLS, "{calls:#?}");
    assert_eq!(std::fs::read_dir(mount.at("folder")).unwrap().count(), 99);
}

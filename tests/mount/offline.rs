//! Without network, on a dead network, and suspended: what is here works, what is not fails soon, and everything goes up later.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use boxfs::emulator::{Fault, FaultRule, FaultScript, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Mode, Mount, SOON, World, bytes_of, errno, eventually, sha1_hex};

/// What needs nothing of Box, or fails because it does, takes no longer, on a busy machine too.
const PROMPT: Duration = Duration::from_secs(10);
/// The contract for a program that is killed while it waits for a dead network.
const GONE: Duration = Duration::from_secs(30);

in_both_modes!(
    without_box_a_mount_starts_and_works_and_everything_goes_up_later,
    a_reader_on_a_dead_network_is_gone_soon_after_it_was_interrupted_or_killed,
    a_file_that_stalls_holds_up_no_other,
    the_daemon_and_its_programs_may_be_suspended_in_a_transfer,
);

/// Every name and byte of a small tree that this machine has seen, and `cold`, of which it has the name alone.
fn before(world: &World) {
    world.emulator.act().write_file("/cold", b"never read here").unwrap();
    let mount = world.mount();
    fs::create_dir(mount.at("folder")).unwrap();
    for name in ["kept", "edited", "renamed", "goes", "folder/inner"] {
        fs::write(mount.at(name), name).unwrap();
    }
    assert_eq!(names(&mount), ["cold", "edited", "folder", "goes", "kept", "renamed"]);
    mount.wait();
    mount.umount();
}

fn names(mount: &Mount) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(&mount.root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn without_box_a_mount_starts_and_works_and_everything_goes_up_later(mode: Mode) {
    let mut world = World::lasting(mode, Options::default());
    before(&world);
    let id = world.in_box("/renamed").id;
    world.unplug();
    let mount = world.mount();
    assert_eq!(names(&mount), ["cold", "edited", "folder", "goes", "kept", "renamed"]);
    assert_eq!(fs::read(mount.at("kept")).unwrap(), b"kept");
    assert_eq!(fs::read(mount.at("folder/inner")).unwrap(), b"folder/inner");
    expect_unreachable(&mount);
    fs::write(mount.at("new"), "new").unwrap();
    fs::write(mount.at("edited"), "edited offline").unwrap();
    fs::rename(mount.at("renamed"), mount.at("folder/moved")).unwrap();
    fs::remove_file(mount.at("goes")).unwrap();
    fs::create_dir(mount.at("made")).unwrap();
    fs::write(mount.at("made/inner"), "made/inner").unwrap();
    mount.command(&["wait", "--timeout", "1"], "").expect_code(3);
    // A daemon that starts again without network has it all.
    mount.kill();
    let mount = world.mount();
    assert_eq!(names(&mount), ["cold", "edited", "folder", "kept", "made", "new"]);
    assert_eq!(fs::read(mount.at("edited")).unwrap(), b"edited offline");
    world.plug_in();
    mount.wait();
    world.expect_bytes("/new", b"new");
    assert_eq!(world.expect_bytes("/edited", b"edited offline").version_ids.len(), 2);
    assert_eq!(world.expect_bytes("/folder/moved", b"renamed").id, id);
    world.expect_bytes("/made/inner", b"made/inner");
    assert!(world.emulator.find("/goes").is_none() && world.emulator.find("/renamed").is_none());
    assert_eq!(fs::read(mount.at("cold")).unwrap(), b"never read here");
    assert_eq!(mount.status()["online"], true);
}

/// What is not here fails soon, with an error that says so, and `status` knows why.
#[track_caller]
fn expect_unreachable(mount: &Mount) {
    let asked = Instant::now();
    assert_eq!(errno(fs::read(mount.at("cold"))), libc::EIO);
    assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
    eventually("status says that Box is away", SOON, || mount.status()["online"] == false);
    let told = mount.command(&["status"], "").ok().stdout;
    assert!(told.contains("cannot be reached"), "{told}");
}

fn stall(path: &str, times: Option<u64>, fault: Fault, world: &World) {
    let method = Some("GET".to_owned());
    let rule = FaultRule { method, path: path.to_owned(), nth: None, times, probability: None, fault };
    world.emulator.set_faults(FaultScript { seed: 1, rules: vec![rule] });
}

/// From here on, bytes of downloads come one a second: the connection lives, and nobody will see the end of it.
fn stall_downloads(world: &World, times: Option<u64>) {
    stall("/d/1/*", times, Fault::Drip { bytes_per_second: 1 }, world);
}

/// Starts `program path`, whose output nobody sees.
fn start(program: &str, mount: &Mount, path: &str) -> Child {
    Command::new(program).arg(mount.at(path)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Panics unless the program ends within `limit`.
#[track_caller]
fn expect_gone(child: &mut Child, limit: Duration) {
    eventually("the program is gone", limit, || child.try_wait().unwrap().is_some());
}

/// Downloads that have begun.
fn downloads(world: &World) -> usize {
    world.requests("GET", "/2.0/files/*/content").len()
}

fn a_reader_on_a_dead_network_is_gone_soon_after_it_was_interrupted_or_killed(mode: Mode) {
    let world = World::new(mode);
    let bytes = bytes_of(3_000_000, 1);
    world.emulator.act().write_file("/cold", &bytes).unwrap();
    let mount = world.mount();
    stall_downloads(&world, None);
    for (with, limit) in [(Signal::SIGINT, PROMPT), (Signal::SIGKILL, GONE)] {
        let mut reader = start("cat", &mount, "cold");
        eventually("a download", SOON, || downloads(&world) > 0);
        assert!(reader.try_wait().unwrap().is_none(), "it waits");
        signal(&reader, with);
        expect_gone(&mut reader, limit);
    }
    // The network is back.
    world.emulator.set_faults(FaultScript::default());
    mount.kill();
    let mount = world.mount();
    assert_eq!(sha1_hex(&fs::read(mount.at("cold")).unwrap()), sha1_hex(&bytes));
}

/// A listing is the same in both modes, and takes the whole time that a request may wait.
#[test]
fn a_lister_on_a_dead_network_is_gone_soon_after_it_was_killed() {
    let world = World::new(Mode::Copying);
    world.emulator.act().write_file("/folder/doc", b"text").unwrap();
    let mount = world.mount();
    assert_eq!(names(&mount), ["folder"]);
    let folder = world.in_box("/folder").id;
    stall(&format!("/2.0/folders/{folder}/items*"), None, Fault::Stall { ms: 600_000 }, &world);
    let mut lister = start("ls", &mount, "folder");
    eventually("it waits for the listing", SOON, || is_in_a_call_of("ls", lister.id()));
    signal(&lister, Signal::SIGKILL);
    expect_gone(&mut lister, GONE + PROMPT);
    assert_eq!(names(&mount), ["folder"], "the mount lives");
}

/// Whether the process runs `program`, and stands in one of the calls that a listing takes.
fn is_in_a_call_of(program: &str, id: u32) -> bool {
    let told = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
    let listing = [libc::SYS_openat, libc::SYS_getdents64, libc::SYS_statx, libc::SYS_newfstatat];
    let call = told("syscall");
    told("comm").trim() == program && listing.iter().any(|number| call.starts_with(&format!("{number} ")))
}

fn a_file_that_stalls_holds_up_no_other(mode: Mode) {
    let world = World::new(mode);
    let cold = bytes_of(3_000_000, 1);
    for name in ["/stalls", "/cold"] {
        world.emulator.act().write_file(name, &cold).unwrap();
    }
    let mount = world.mount();
    fs::write(mount.at("here"), "here").unwrap();
    mount.wait();
    stall_downloads(&world, Some(1));
    let mut reader = start("cat", &mount, "stalls");
    eventually("a download", SOON, || downloads(&world) > 0);
    let began = Instant::now();
    assert_eq!(fs::read(mount.at("here")).unwrap(), b"here");
    assert_eq!(names(&mount), ["cold", "here", "stalls"]);
    assert_eq!(fs::metadata(mount.at("stalls")).unwrap().len(), 3_000_000);
    fs::write(mount.at("new"), "new").unwrap();
    fs::rename(mount.at("new"), mount.at("newer")).unwrap();
    assert_eq!(sha1_hex(&fs::read(mount.at("cold")).unwrap()), sha1_hex(&cold));
    mount.wait();
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    world.expect_bytes("/newer", b"new");
    assert!(reader.try_wait().unwrap().is_none(), "it waits still");
    signal(&reader, Signal::SIGKILL);
    expect_gone(&mut reader, GONE);
}

fn the_daemon_and_its_programs_may_be_suspended_in_a_transfer(mode: Mode) {
    let world = World::with(mode, Options { bandwidth: Some(3_000_000), ..Options::default() });
    let bytes = bytes_of(9_000_000, 1);
    world.emulator.act().write_file("/cold", &bytes).unwrap();
    let mount = world.mounter("main").args(["--settle", "0s"]).start();
    fs::write(mount.at("up"), &bytes).unwrap();
    mount.expect_uploading(&world, 500_000);
    suspend(|with| mount.signal(with), &world);
    mount.wait();
    assert_eq!(world.expect_bytes("/up", &bytes).version_ids.len(), 1);
    let copy = world.dir().join("copy");
    let mut reader = Command::new("cp").args([&mount.at("cold"), &copy]).spawn().unwrap();
    eventually("it reads", SOON, || fs::metadata(&copy).is_ok_and(|copy| copy.len() > 0));
    suspend(|with| signal(&reader, with), &world);
    suspend(|with| mount.signal(with), &world);
    assert!(reader.wait().unwrap().success());
    assert!(fs::read(&copy).unwrap() == bytes);
}

/// Stops a process until nothing more has come to Box for a while, and lets it go on.
fn suspend(send: impl Fn(Signal), world: &World) {
    /// Far more than a packet's way on this machine.
    const STILL: Duration = Duration::from_secs(1);
    send(Signal::SIGSTOP);
    let (mut seen, mut since) = (world.emulator.bytes_received(), Instant::now());
    eventually("nothing moves", SOON, || {
        let now = world.emulator.bytes_received();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        since.elapsed() > STILL
    });
    send(Signal::SIGCONT);
}

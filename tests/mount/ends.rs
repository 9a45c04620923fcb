//! How a mount ends: by umount, by a signal, by somebody else's hand.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use boxfs::emulator::Options;
use nix::sys::signal::Signal;

use crate::support::{Mode, SOON, World, bytes_of, eventually, is_mounted};

/// The contract: put down within five seconds of a signal. One more for a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(6);

in_both_modes!(
    umount_waits_until_box_has_everything,
    umount_says_what_is_left_and_it_goes_up_later,
    umount_now_does_not_wait,
    a_signal_stops_within_five_seconds,
    a_signal_stops_while_a_program_waits_for_a_cold_file,
    a_lazy_umount_by_hand_ends_the_daemon,
    the_background_daemon_is_ready_when_the_command_returns,
);

fn slow(mode: Mode) -> World {
    World::with(mode, Options { bandwidth: Some(2_000_000), ..Options::default() })
}

fn umount_waits_until_box_has_everything(mode: Mode) {
    let world = slow(mode);
    let mount = world.mount();
    let bytes = bytes_of(6_000_000, 1);
    std::fs::write(mount.at("doc"), &bytes).unwrap();
    mount.umount();
    world.expect_bytes("/doc", &bytes);
}

fn umount_says_what_is_left_and_it_goes_up_later(mode: Mode) {
    let world = slow(mode);
    let mut mount = world.mount();
    let bytes = bytes_of(15_000_000, 1);
    std::fs::write(mount.at("doc"), &bytes).unwrap();
    let ran = mount.command(&["umount", "--timeout", "1"], "").expect_code(3);
    assert!(ran.stdout.contains("doc"), "{ran:?}");
    assert!(!is_mounted(&mount.root));
    assert_eq!(mount.ended(STOP_LIMIT), Some(0));
    drop(mount);
    assert!(world.emulator.find("/doc").is_none());
    let mount = world.mount();
    mount.wait();
    assert_eq!(world.expect_bytes("/doc", &bytes).version_ids.len(), 1);
}

fn umount_now_does_not_wait(mode: Mode) {
    let world = slow(mode);
    let mut mount = world.mount();
    std::fs::write(mount.at("doc"), bytes_of(15_000_000, 1)).unwrap();
    let ran = mount.command(&["umount", "--now"], "").expect_code(3);
    assert!(ran.took < STOP_LIMIT, "{ran:?}");
    assert!(!is_mounted(&mount.root));
    assert_eq!(mount.ended(STOP_LIMIT), Some(0));
}

fn a_signal_stops_within_five_seconds(mode: Mode) {
    let world = slow(mode);
    let mut mount = world.mounter("main").args(["--settle", "0s"]).start();
    std::fs::write(mount.at("large"), bytes_of(40_000_000, 1)).unwrap();
    let mut open = File::create(mount.at("open")).unwrap();
    open.write_all(b"open").unwrap();
    mount.expect_uploading(&world, 500_000);
    mount.signal(Signal::SIGTERM);
    let asked = Instant::now();
    assert_eq!(mount.ended(STOP_LIMIT), Some(0));
    assert!(asked.elapsed() < STOP_LIMIT);
    assert!(!is_mounted(&mount.root));
    drop(open);
    drop(mount);
    let mount = world.mount();
    assert_eq!(std::fs::read(mount.at("open")).unwrap(), b"open");
}

fn a_signal_stops_while_a_program_waits_for_a_cold_file(mode: Mode) {
    let world = World::with(mode, Options { bandwidth: Some(50_000), ..Options::default() });
    world.emulator.act().write_file("/cold", &bytes_of(5_000_000, 1)).unwrap();
    let mut mount = world.mount();
    let path = mount.at("cold");
    assert!(path.exists());
    let reader = std::thread::spawn(move || std::fs::read(path));
    let fetching = || world.emulator.requests().iter().any(|r| r.path.contains("/content"));
    eventually("a fetch", SOON, fetching);
    mount.signal(Signal::SIGTERM);
    assert_eq!(mount.ended(STOP_LIMIT), Some(0));
    assert!(reader.join().unwrap().is_err());
}

fn a_lazy_umount_by_hand_ends_the_daemon(mode: Mode) {
    let world = World::new(mode);
    let mut mount = world.mount();
    std::fs::write(mount.at("doc"), "text").unwrap();
    if nix::unistd::geteuid().is_root() {
        nix::mount::umount2(&mount.root, nix::mount::MntFlags::MNT_DETACH).unwrap();
    } else {
        crate::support::run_in(world.dir(), "fusermount3", ["-uz".as_ref(), mount.root.as_os_str()]);
    }
    assert_eq!(mount.ended(SOON), Some(0));
    drop(mount);
    let mount = world.mount();
    mount.wait();
    world.expect_bytes("/doc", b"text");
}

fn the_background_daemon_is_ready_when_the_command_returns(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/there", b"text").unwrap();
    let mounter = world.mounter("main");
    let root = mounter.mountpoint();
    let ran = mounter.run().ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert_eq!(std::fs::read(root.join("there")).unwrap(), b"text");
    std::fs::write(root.join("doc"), "written").unwrap();
    let umount = crate::support::run(
        std::process::Command::new(env!("CARGO_BIN_EXE_boxfs")).arg("umount").arg(&root),
        crate::support::PROGRAM_LIMIT,
    );
    umount.ok();
    assert!(!is_mounted(&root));
    world.expect_bytes("/doc", b"written");
    crate::refusals::expect_no_process(&world);
}

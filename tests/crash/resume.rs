//! A large upload that was almost there when the daemon was killed.

use std::time::Duration;

use boxfs::emulator::Options;

use crate::support::{Mode, World, at_full_size, eventually, sha1_hex, write_large};

/// The contract's size, and one that shows the same: with six parts at a time, one is left for the last turn.
const FULL_BYTES: u64 = 2 << 30;
const SHORT_BYTES: u64 = 62 << 20;
/// Box takes parts of 32 MiB for the full size.
const SHORT_PART_BYTES: u64 = 2 << 20;
/// Bytes per second and connection: slow enough that nine tenths can be told from all.
const SHORT_RATE: u64 = 6_000_000;
const FULL_RATE: u64 = 60_000_000;
/// Parts that can be on their way when the daemon dies.
const PARTS_IN_FLIGHT: u64 = 6;
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn a_kill_at_nine_tenths_of_a_large_upload_costs_the_last_tenth() {
    let (size, part_size, rate) = match at_full_size() {
        true => (FULL_BYTES, None, FULL_RATE),
        false => (SHORT_BYTES, Some(SHORT_PART_BYTES), SHORT_RATE),
    };
    let world = World::with(Mode::Copying, Options { part_size, bandwidth: Some(rate), ..Options::default() });
    let mounter = || world.mounter("main").args(["--settle", "0s"]).limit(LIMIT * 3);
    let mount = mounter().start();
    let sha1 = write_large(&mount.at("large"), size, 9);
    let session = || world.emulator.sessions().into_iter().next();
    let nearly = || session().is_some_and(|s| s.parts_stored * 10 >= s.total_parts * 9);
    eventually("nine tenths are stored", LIMIT, nearly);
    mount.kill();
    let session = session().unwrap();
    assert_eq!(session.committed, None, "it was killed too late to show anything");
    world.emulator.reset_requests();
    let mount = mounter().start();
    let waited = mount.command_within(&["wait", "--timeout", "600"], LIMIT * 2);
    assert_eq!(waited.code, Some(0), "{}{}", waited.stdout, waited.stderr);
    let parts = world.requests("PUT", "/api/2.0/files/upload_sessions/*");
    let again: u64 = parts.iter().map(|part| part.bytes_in).sum();
    println!("resume: {again} of {size} bytes in {} parts after the kill", parts.len());
    assert!(again <= size / 10 + PARTS_IN_FLIGHT * session.part_size, "{again} bytes were sent again");
    assert_eq!(world.emulator.sessions().len(), 1, "the same session");
    let item = world.in_box("/large");
    assert_eq!((item.size, item.sha1, item.version_ids.len()), (size, sha1, 1));
    // What Box holds, not what it says of it; too much at once for the full size.
    let held = || sha1_hex(&world.emulator.read(&item.id, None).unwrap());
    assert!(at_full_size() || held() == world.in_box("/large").sha1);
    mount.umount();
}

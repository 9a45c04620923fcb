//! Files on their way to Box: new, changed, large, and large with the engine killed in the middle.

use crate::rig::{Rig, eventually, noise};
use boxfs::base::Sha1Digest;
use boxfs::emulator::{Fault, FaultAnswer, FaultRule, FaultScript, Options};
use boxfs::tree::RenameHow;

const PART: u64 = 1 << 20;
/// Large enough for an upload session, with a last part that is not full.
const LARGE: usize = 21 * PART as usize + 12_345;
const PARTS: usize = 22;

fn chunked() -> Options {
    Options { min_session_bytes: 20_000_000, part_size: Some(PART), ..Options::default() }
}

/// Every part from the `from`-th on stays on the wire until the connection ends. A rule counts the calls that those before it
/// left alone.
fn stalled(from: u64) -> FaultScript {
    let rule = |_| FaultRule {
        method: Some("PUT".to_owned()),
        path: "*/upload_sessions/*".to_owned(),
        nth: Some(from),
        times: None,
        probability: None,
        fault: Fault::Stall { ms: 600_000 },
    };
    FaultScript { seed: 1, rules: (from..=PARTS as u64).map(rule).collect() }
}

#[test]
fn a_closed_file_is_in_box_and_its_bytes_move_to_the_cache() {
    let rig = Rig::new(Options::default());
    rig.mkdir("d");
    rig.save("d/doc.txt", b"one");
    rig.settled();
    assert_eq!(rig.in_box()["/d/doc.txt"].as_deref(), Some(&b"one"[..]));
    eventually("its bytes are in the cache", || rig.is_cached("d/doc.txt"));
    let id = rig.id("/d/doc.txt");
    rig.save("d/doc.txt", b"two");
    rig.settled();
    assert_eq!(rig.in_box()["/d/doc.txt"].as_deref(), Some(&b"two"[..]));
    assert_eq!((rig.id("/d/doc.txt"), rig.versions("/d/doc.txt")), (id, 2));
}

#[test]
fn equal_bytes_are_not_sent_again() {
    let rig = Rig::new(Options::default());
    rig.save("doc", b"same");
    rig.settled();
    rig.save("doc", b"same");
    rig.settled();
    assert_eq!((rig.versions("/doc"), rig.requests("POST", "/content")), (1, 1));
}

#[test]
fn an_empty_file_is_a_file_in_box() {
    let rig = Rig::new(Options::default());
    rig.save("empty", b"");
    rig.settled();
    assert_eq!(rig.in_box()["/empty"].as_deref(), Some(&b""[..]));
}

#[test]
fn a_large_file_goes_up_in_parts() {
    let rig = Rig::new(chunked());
    let bytes = noise(1, LARGE);
    rig.save("large", &bytes);
    rig.settled();
    assert_eq!(rig.emulator().find("/large").unwrap().sha1, Sha1Digest::of(&bytes).to_hex());
    assert_eq!(rig.requests("PUT", "/upload_sessions/"), PARTS);
    let other = noise(2, LARGE);
    rig.save("large", &other);
    rig.settled();
    assert_eq!(rig.emulator().find("/large").unwrap().sha1, Sha1Digest::of(&other).to_hex());
    assert_eq!(rig.versions("/large"), 2);
}

#[test]
fn an_engine_killed_in_mid_upload_sends_only_the_rest() {
    let mut rig = Rig::new(chunked());
    let bytes = noise(3, LARGE);
    rig.emulator().set_faults(stalled(9));
    rig.save("large", &bytes);
    eventually("eight parts are stored", || rig.emulator().sessions().first().is_some_and(|s| s.parts_stored == 8));
    rig.kill();
    rig.emulator().set_faults(FaultScript::default());
    rig.start();
    rig.settled();
    assert_eq!(rig.emulator().find("/large").unwrap().sha1, Sha1Digest::of(&bytes).to_hex());
    assert_eq!(rig.emulator().sessions().len(), 1, "the session was used again");
    assert_eq!(rig.requests("PUT", "/upload_sessions/"), PARTS, "no part was sent twice");
    assert_eq!(rig.versions("/large"), 1);
}

#[test]
fn bytes_that_change_while_they_are_sent_are_sent_again_as_a_whole() {
    let rig = Rig::new(chunked());
    let node = rig.save("large", &noise(4, LARGE));
    rig.emulator().set_faults(FaultScript {
        seed: 1,
        rules: vec![FaultRule {
            method: Some("PUT".to_owned()),
            path: "*/upload_sessions/*".to_owned(),
            nth: Some(PARTS as u64),
            times: None,
            probability: None,
            fault: Fault::Stall { ms: 2_000 },
        }],
    });
    eventually("most parts are stored", || rig.emulator().sessions().first().is_some_and(|s| s.parts_stored >= 10));
    rig.change_in_place(&node, 5, b"changed behind our back");
    rig.settled();
    let mut expected = noise(4, LARGE);
    expected[5..28].copy_from_slice(b"changed behind our back");
    assert_eq!(rig.emulator().find("/large").unwrap().sha1, Sha1Digest::of(&expected).to_hex());
    assert_eq!(rig.versions("/large"), 1);
}

#[test]
fn two_old_files_swap_their_names_without_a_byte() {
    let mut rig = Rig::new(Options::default());
    rig.emulator().act().write_file("/a", b"first").unwrap();
    rig.emulator().act().write_file("/b", b"second").unwrap();
    rig.list(rig.node("").unwrap().ino);
    let (a, b) = (rig.id("/a"), rig.id("/b"));
    rig.kill();
    rig.rename("a", "b", RenameHow::Exchange);
    rig.start();
    rig.settled();
    assert_eq!((rig.id("/a"), rig.id("/b")), (b, a));
    assert_eq!((rig.versions("/a"), rig.versions("/b")), (1, 1));
    assert_eq!(rig.names(), ["/a", "/b"]);
}

#[test]
fn a_file_renamed_many_times_is_one_move() {
    let mut rig = Rig::new(Options::default());
    rig.mkdir("d");
    rig.save("a", b"bytes");
    rig.settled();
    rig.kill();
    rig.rename("a", "b", RenameHow::Replace);
    rig.rename("b", "d/c", RenameHow::Replace);
    rig.start();
    rig.settled();
    assert_eq!(rig.names(), ["/d", "/d/c"]);
    assert_eq!(rig.requests("PUT", "/files/"), 1);
}

#[test]
fn the_session_of_a_file_that_is_deleted_or_written_anew_is_ended() {
    for delete in [true, false] {
        let mut rig = Rig::new(chunked());
        rig.emulator().set_faults(stalled(9));
        rig.save("large", &noise(5, LARGE));
        eventually("eight parts are stored", || rig.emulator().sessions().first().is_some_and(|s| s.parts_stored == 8));
        rig.kill();
        rig.emulator().set_faults(FaultScript::default());
        if delete {
            rig.unlink("large");
        } else {
            rig.save("large", b"small by now");
        }
        rig.start();
        rig.settled();
        eventually("no session is left", || rig.emulator().sessions().is_empty());
        assert_eq!(rig.names().is_empty(), delete);
    }
}

/// The first `times` calls of this kind go wrong in this way.
fn first(method: &str, path: &str, times: u64, fault: Fault) -> FaultScript {
    let (method, path) = (Some(method.to_owned()), path.to_owned());
    FaultScript {
        seed: 1,
        rules: vec![FaultRule { method, path, nth: None, times: Some(times), probability: None, fault }],
    }
}

#[test]
fn a_session_that_expired_during_a_long_outage_is_replaced() {
    let mut rig = Rig::new(chunked());
    let bytes = noise(6, LARGE);
    rig.emulator().set_faults(stalled(9));
    rig.save("large", &bytes);
    eventually("eight parts are stored", || rig.emulator().sessions().first().is_some_and(|s| s.parts_stored == 8));
    rig.kill();
    rig.emulator().set_faults(FaultScript::default());
    rig.emulator().advance_clock(std::time::Duration::from_secs(8 * 24 * 3600));
    rig.start();
    rig.settled();
    assert_eq!(rig.emulator().find("/large").unwrap().sha1, Sha1Digest::of(&bytes).to_hex());
    assert_eq!((rig.names().len(), rig.versions("/large")), (1, 1));
}

#[test]
fn parts_that_box_stored_in_spite_of_a_500_are_not_sent_again() {
    let rig = Rig::new(chunked());
    let bytes = noise(7, LARGE);
    let stored = Fault::AnswerAfter(FaultAnswer { status: 500, code: None, retry_after: None });
    rig.emulator().set_faults(first("PUT", "*/upload_sessions/*", 3, stored));
    rig.save("large", &bytes);
    rig.settled();
    assert_eq!(rig.emulator().find("/large").unwrap().sha1, Sha1Digest::of(&bytes).to_hex());
    let parts =
        rig.emulator().requests().into_iter().filter(|r| r.method == "PUT" && r.path.contains("/upload_sessions/"));
    assert_eq!(parts.count(), PARTS, "no part was sent twice");
}

#[test]
fn a_commit_whose_answer_was_lost_makes_one_version() {
    for fault in [Fault::CloseAfter, Fault::AnswerAfter(FaultAnswer { status: 503, code: None, retry_after: None })] {
        let rig = Rig::new(chunked());
        rig.emulator().set_faults(first("POST", "*/commit", 1, fault.clone()));
        rig.save("large", &noise(8, LARGE));
        rig.settled();
        rig.emulator().set_faults(first("POST", "*/commit", 1, fault.clone()));
        rig.save("large", &noise(9, LARGE));
        rig.settled();
        assert_eq!((rig.names(), rig.versions("/large")), (vec!["/large".to_owned()], 2), "{fault:?}");
        assert_eq!(rig.requests("PUT", "/upload_sessions/"), 2 * PARTS, "no byte was sent twice: {fault:?}");
        assert!(rig.emulator().sessions().iter().all(|session| session.committed.is_some()), "{fault:?}");
    }
}

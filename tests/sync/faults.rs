//! Lost answers, refusals, and a Box that is not there.

use crate::rig::{Rig, eventually};
use boxfs::emulator::{Emulator, Fault, FaultAnswer, FaultRule, FaultScript, Options};
use std::time::Duration;

fn rule(method: &str, path: &str, times: u64, fault: Fault) -> FaultScript {
    let rule = FaultRule {
        method: Some(method.to_owned()).filter(|m| m != "*"),
        path: path.to_owned(),
        nth: None,
        times: Some(times),
        probability: None,
        fault,
    };
    FaultScript { seed: 1, rules: vec![rule] }
}

#[test]
fn a_lost_answer_makes_no_double() {
    for fault in [Fault::CloseAfter, Fault::AnswerAfter(FaultAnswer { status: 502, code: None, retry_after: None })] {
        let rig = Rig::new(Options::default());
        rig.emulator().set_faults(rule("POST", "*", 2, fault.clone()));
        rig.mkdir("d");
        rig.save("doc", b"bytes");
        rig.settled();
        assert_eq!((rig.names(), rig.versions("/doc")), (vec!["/d".to_owned(), "/doc".to_owned()], 1), "{fault:?}");
        rig.emulator().set_faults(rule("POST", "*/content*", 1, fault.clone()));
        rig.save("doc", b"others");
        rig.settled();
        assert_eq!((rig.names().len(), rig.versions("/doc")), (2, 2), "{fault:?}");
    }
}

#[test]
fn a_delete_and_a_rename_whose_answers_were_lost_are_done_once() {
    let rig = Rig::new(Options::default());
    rig.save("a", b"1");
    rig.save("b", b"2");
    rig.settled();
    rig.emulator().set_faults(FaultScript {
        seed: 1,
        rules: ["DELETE", "PUT"].into_iter().flat_map(|m| rule(m, "*", 1, Fault::CloseAfter).rules).collect(),
    });
    rig.unlink("a");
    rig.rename("b", "c", boxfs::tree::RenameHow::Replace);
    rig.settled();
    assert_eq!(rig.names(), ["/c"]);
}

#[test]
fn a_refused_sign_in_is_told_and_nothing_is_lost() {
    let rig = Rig::new(Options::default());
    let refused = Fault::Answer(FaultAnswer { status: 401, code: None, retry_after: None });
    rig.emulator().set_faults(rule("*", "*", u64::MAX, refused));
    rig.save("doc", b"bytes");
    eventually("a sign-in is asked for", || rig.engine().reach().sign_in_needed);
    assert_eq!(rig.tree.pending().unwrap().count, 1);
    rig.emulator().set_faults(FaultScript::default());
    rig.settled();
    assert_eq!(rig.names(), ["/doc"]);
    eventually("all is well again", || !rig.engine().reach().sign_in_needed);
}

#[test]
fn what_is_written_while_box_is_away_arrives_when_it_is_back() {
    let data = tempfile::tempdir().unwrap();
    let options = Options { data: Some(data.path().to_owned()), ..Options::default() };
    let mut rig = Rig::new(options.clone());
    rig.save("before", b"1");
    rig.settled();
    let emulator = rig.emulator.take().unwrap();
    let listen = emulator.url().trim_start_matches("http://").parse().unwrap();
    emulator.stop();
    rig.save("during", b"2");
    rig.save("before", b"3");
    rig.engine().hurry();
    eventually("the trouble shows", || rig.engine().reach().trouble.is_some());
    rig.emulator = Some(Emulator::start(Options { listen, ..options }).unwrap());
    rig.settled();
    assert_eq!(rig.names(), ["/before", "/during"]);
    assert_eq!(rig.in_box()["/before"].as_deref(), Some(&b"3"[..]));
    assert_eq!(rig.engine().reach().trouble, None);
}

#[test]
fn a_full_account_is_told_and_the_bytes_stay() {
    let rig = Rig::new(Options { space_amount: 10, ..Options::default() });
    rig.save("large", &[7; 100]);
    eventually("the refusal is told", || rig.node("large").is_some_and(|n| n.hold.is_some_and(|h| h.is_terminal())));
    let left = rig.engine().left(boxfs::base::Ino::ROOT).unwrap();
    assert_eq!((left.stuck, left.moving.count), (1, 0));
    assert!(rig.node("large").unwrap().content.is_some());
}

#[test]
fn throttled_calls_are_made_later() {
    let rig = Rig::new(Options::default());
    let later =
        Fault::Answer(FaultAnswer { status: 429, code: Some("rate_limit_exceeded".to_owned()), retry_after: Some(1) });
    rig.emulator().set_faults(rule("POST", "*", 2, later));
    let start = std::time::Instant::now();
    rig.save("doc", b"bytes");
    rig.settled();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(rig.names(), ["/doc"]);
}

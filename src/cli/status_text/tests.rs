//! What a person reads, on terminals of every width.

use super::*;
use crate::control::{Account, Amount, Conflict, Events, Failure, Notice, Space, Waiting};

const PLAIN: Look = Look { width: None, color: false };

fn calm() -> StatusReport {
    let events = Events { flow: true, ..Events::default() };
    StatusReport { mountpoint: "/mnt/box".to_owned(), online: true, events, ..StatusReport::default() }
}

fn busy() -> StatusReport {
    let up = |path: &str, sent| Uploading { path: path.to_owned(), sent, size: 200_000_000 };
    StatusReport {
        pending: Amount { count: 3, bytes: 401_000_000 },
        uploading: vec![up("documents/letters/of last year/report.pdf", 91_000_000), up("b", 10_000_000)],
        waiting: vec![Waiting { path: "c".to_owned(), reason: "open for writing".to_owned() }],
        speed: 5_000_000,
        ..calm()
    }
}

#[test]
fn on_a_good_day_the_first_line_says_all() {
    let account = Account { name: "Ada".to_owned(), login: "ada@example.org".to_owned(), ..Account::default() };
    let cache = Space { bytes: 1000, limit: 10_000_000_000 };
    let report = StatusReport { account: Some(account), cache, ..calm() };
    assert_eq!(
        in_words(&report, PLAIN),
        "/mnt/box: all is in Box\nAccount: Ada <ada@example.org>\nCache: 1.00 kB of 10.0 GB\n\
         Spool: 0 bytes of 0 bytes\n"
    );
}

#[test]
fn what_is_on_its_way_comes_with_speed_and_the_time_left() {
    let text = in_words(&busy(), PLAIN);
    assert!(
        text.starts_with("/mnt/box: 3 files (401 MB) on their way, 5.00 MB/s, about 1 min left\nUploading:\n"),
        "{text}"
    );
    assert!(text.contains("   45 %  documents/letters/of last year/report.pdf  91.0 MB of 200 MB\n"), "{text}");
    assert!(text.contains("Waiting:\n  c: open for writing\n"), "{text}");
}

#[test]
fn no_line_of_a_list_is_wider_than_the_terminal() {
    for width in [20, 40, 80, 200] {
        let text = in_words(&busy(), Look { width: Some(width), color: false });
        let uploads = text.lines().skip_while(|line| *line != "Uploading:").skip(1).take(2);
        for line in uploads {
            assert!(columns(line) <= width.max(34), "{width}: {line}");
            assert_eq!(line.contains('█'), width >= MIN_COLUMNS_FOR_BARS, "{width}: {line}");
        }
    }
}

#[test]
fn each_problem_comes_with_what_to_do_and_long_lists_are_cut() {
    let failure =
        |reason: &str| Failure { path: "x".to_owned(), errno: None, reason: reason.to_owned(), next_try: None };
    let report = StatusReport {
        failed: vec![failure("failed: the account has no space left"), failure("failed: refused")],
        conflicts: vec![Conflict { path: "a/doc".to_owned(), copy: "a/doc (conflict desk 2026-01-02)".to_owned() }],
        notices: vec![Notice { at: "T".to_owned(), path: "b".to_owned(), what: "it is here again".to_owned() }],
        pending: Amount { count: 25, bytes: 50 },
        waiting: (0..25).map(|n| Waiting { path: format!("f{n}"), reason: "r".to_owned() }).collect(),
        ..calm()
    };
    let text = in_words(&report, PLAIN);
    assert!(text.contains("  x: failed: the account has no space left\n      make room in Box"), "{text}");
    assert!(text.contains("  x: failed: refused\n      'boxfs retry' tries again at once\n"), "{text}");
    assert!(text.contains("  a/doc: somebody else changed it too\n      your version is a/doc (conflict"), "{text}");
    assert!(text.contains("Notices:\n  T b: it is here again\n"), "{text}");
    assert!(text.contains("  f19: r\n  and 5 more\n"), "{text}");
}

#[test]
fn a_lost_sign_in_is_the_first_thing_said() {
    let report = StatusReport {
        online: false,
        sign_in_needed: true,
        trouble: Some("refresh_token: sign-in needed".to_owned()),
        pending: Amount { count: 1, bytes: 7 },
        ..calm()
    };
    let text = in_words(&report, PLAIN);
    let first = "/mnt/box: sign-in needed: run 'boxfs login'; 1 file (7 bytes) wait here, safe\n";
    assert!(text.starts_with(first), "{text}");
    assert!(
        text.contains("Problems:\n  refresh_token: sign-in needed\n      run 'boxfs login'; the mount goes on"),
        "{text}"
    );
    let offline = StatusReport { sign_in_needed: false, ..report };
    assert!(in_words(&offline, PLAIN).starts_with("/mnt/box: offline; 1 file"), "{}", in_words(&offline, PLAIN));
}

#[test]
fn colors_are_there_only_where_they_are_wanted() {
    let colored = in_words(&busy(), Look { width: Some(80), color: true });
    assert!(colored.contains("\x1b[36m"));
    assert!(!in_words(&busy(), Look { width: Some(80), color: false }).contains('\x1b'));
}

#[test]
fn spans_are_as_exact_as_a_guess_may_be() {
    for (secs, text) in [(0, "1 s"), (59, "59 s"), (61, "2 min"), (3600, "1 h 0 min"), (12_000, "3 h 20 min")] {
        assert_eq!(show_span(Duration::from_secs(secs)), text);
    }
}

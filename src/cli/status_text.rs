//! The status report for a person: first whether all is well, then what is not.

use std::fmt::Write;

use crate::base::show_size;
use crate::control::StatusReport;

use super::progress::{items, percent};

/// Lines per list; the counts say the rest.
const MAX_LINES: usize = 20;

/// Several lines, the first of which is enough on a good day.
pub(super) fn in_words(report: &StatusReport) -> String {
    let mut text = first_line(report);
    let uploading = report
        .uploading
        .iter()
        .map(|u| format!("{}  {} of {} ({} %)", u.path, show_size(u.sent), show_size(u.size), percent(u.sent, u.size)));
    list(&mut text, "Uploading", uploading);
    let failed = report.failed.iter().map(|f| match &f.next_try {
        Some(when) => format!("{}: {} (next try {when})", f.path, f.reason),
        None => format!("{}: {} (try again with 'boxfs retry')", f.path, f.reason),
    });
    list(&mut text, "Failed", failed);
    list(&mut text, "Conflicts", report.conflicts.iter().map(|c| format!("{}: your version is {}", c.path, c.copy)));
    list(&mut text, "Waiting", report.waiting.iter().map(|w| format!("{}: {}", w.path, w.reason)));
    push_facts(&mut text, report);
    text
}

fn first_line(report: &StatusReport) -> String {
    let problems = report.failed.len() + report.conflicts.len();
    let state = match (report.pending.count, problems) {
        (0, 0) => "all is in Box".to_owned(),
        (0, _) => "all that can go is in Box".to_owned(),
        (count, _) => {
            let way = if count == 1 { "its" } else { "their" };
            format!("{} ({}) on {way} way", items(count), show_size(report.pending.bytes))
        }
    };
    let offline = if report.online { "" } else { "; offline" };
    format!("{}: {state}{offline}\n", report.mountpoint)
}

fn list(text: &mut String, title: &str, lines: impl ExactSizeIterator<Item = String>) {
    let count = lines.len();
    if count == 0 {
        return;
    }
    let _ = writeln!(text, "{title}:");
    for line in lines.take(MAX_LINES) {
        let _ = writeln!(text, "  {line}");
    }
    if count > MAX_LINES {
        let _ = writeln!(text, "  and {} more", count - MAX_LINES);
    }
}

fn push_facts(text: &mut String, report: &StatusReport) {
    if let Some(account) = &report.account {
        let _ = writeln!(text, "Account: {} <{}>", account.name, account.login);
    }
    if let Some(until) = &report.api.throttled_until {
        let _ = writeln!(text, "Box asks for a pause until {until}");
    }
    for (name, space) in [("Cache", report.cache), ("Spool", report.spool)] {
        let _ = writeln!(text, "{name}: {} of {}", show_size(space.bytes), show_size(space.limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Account, Amount, Failure, Space, Uploading};

    #[test]
    fn on_a_good_day_the_first_line_says_all() {
        let report = StatusReport {
            mountpoint: "/mnt/box".to_owned(),
            online: true,
            account: Some(Account {
                name: "Ada".to_owned(),
                login: "ada@example.org".to_owned(),
                ..Account::default()
            }),
            cache: Space { bytes: 1000, limit: 10_000_000_000 },
            ..StatusReport::default()
        };
        let text = in_words(&report);
        assert_eq!(
            text,
            "/mnt/box: all is in Box\nAccount: Ada <ada@example.org>\nCache: 1.00 kB of 10.0 GB\n\
             Spool: 0 bytes of 0 bytes\n"
        );
    }

    #[test]
    fn problems_come_with_what_to_do_and_long_lists_are_cut() {
        let up = |n: usize| Uploading { path: format!("f{n}"), sent: 1, size: 2 };
        let report = StatusReport {
            mountpoint: "/m".to_owned(),
            pending: Amount { count: 25, bytes: 50 },
            uploading: (0..25).map(up).collect(),
            failed: vec![Failure { path: "x".to_owned(), errno: None, reason: "quota".to_owned(), next_try: None }],
            ..StatusReport::default()
        };
        let text = in_words(&report);
        assert!(text.starts_with("/m: 25 items (50 bytes) on their way; offline\nUploading:\n  f0  1 byte of 2"));
        assert!(text.contains("  and 5 more\nFailed:\n  x: quota (try again with 'boxfs retry')\n"), "{text}");
    }
}

//! The status report for a person: first whether all is well, then what is not, each with what to do.

use std::fmt::Write;
use std::time::Duration;

use crate::base::show_size;
use crate::control::{Reader, StatusReport, Uploading};

use super::progress::percent;
use super::terminal::{Color, Look, bar, columns};
use super::trouble_text::{conflict, failure, notice, told, with_advice};

/// Entries per list; the counts say the rest.
const MAX_LINES: usize = 20;
/// Columns of a bar, and the narrowest terminal that gets bars.
const BAR_COLUMNS: usize = 20;
const MIN_COLUMNS_FOR_BARS: usize = 60;
/// A guess beyond this says nothing.
const LONGEST_GUESS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Several lines, the first of which is enough on a good day.
pub(super) fn in_words(report: &StatusReport, look: Look) -> String {
    let mut text = format!("{}\n", first_line(report, look));
    let uploading: Vec<String> = report.uploading.iter().map(|upload| progress_line(upload, look)).collect();
    list(&mut text, "Uploading", &uploading);
    list(&mut text, &look.paint(Color::Bad, "Problems"), &problems(report, look));
    let waiting = report.waiting.iter().map(|w| told(&w.path, &w.reason, look));
    list(&mut text, "Waiting", &waiting.collect::<Vec<_>>());
    let local_only = report.local_only.iter().map(|path| look.fit(path, 4)).collect::<Vec<_>>();
    list(&mut text, "On this machine only", &local_only);
    list(&mut text, "Fetched for", &report.readers.iter().map(|r| reader(r, look)).collect::<Vec<_>>());
    list(&mut text, "Notices", &report.notices.iter().map(|n| notice(n, look)).collect::<Vec<_>>());
    push_facts(&mut text, report, look);
    text
}

fn first_line(report: &StatusReport, look: Look) -> String {
    let stuck = report.failed.len() + report.conflicts.len();
    let (color, state) = match (report.pending.count, stuck) {
        (0, 0) => (Color::Good, "all is in Box".to_owned()),
        (0, _) => (Color::Bad, "all that can go is in Box".to_owned()),
        (count, _) => (Color::Busy, on_the_way(report, count)),
    };
    let (color, state) = match &report.paused {
        Some(since) => (Color::Bad, format!("paused since {since}: 'boxfs resume' goes on; {}", at_home(report))),
        None => (color, state),
    };
    let (color, state) = match (report.sign_in_needed, report.online) {
        _ if report.paused.is_some() => (color, state),
        (true, _) => (Color::Bad, format!("sign-in needed: run 'boxfs login'; {}", at_home(report))),
        (false, false) => (Color::Bad, format!("offline; {}", at_home(report))),
        (false, true) => (color, state),
    };
    let mountpoint = look.fit(&report.mountpoint, 24);
    format!("{mountpoint}: {}", look.paint(color, &state))
}

/// What an end of the connection means for the files.
fn at_home(report: &StatusReport) -> String {
    match report.pending.count {
        0 => "all was in Box before".to_owned(),
        count => format!("{} ({}) wait here, safe", files(count), show_size(report.pending.bytes)),
    }
}

fn on_the_way(report: &StatusReport, count: u64) -> String {
    let way = if count == 1 { "its" } else { "their" };
    let mut text = format!("{} ({}) on {way} way", files(count), show_size(report.pending.bytes));
    if report.speed > 0 {
        let _ = write!(text, ", {}/s", show_size(report.speed));
        let sent: u64 = report.uploading.iter().map(|upload| upload.sent).sum();
        let left = Duration::from_secs(report.pending.bytes.saturating_sub(sent) / report.speed);
        if left <= LONGEST_GUESS {
            let _ = write!(text, ", about {} left", show_span(left));
        }
    }
    text
}

fn files(count: u64) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// `45 s`, `12 min`, `3 h 20 min`.
fn show_span(span: Duration) -> String {
    match span.as_secs() {
        secs @ ..60 => format!("{} s", secs.max(1)),
        secs @ 60..3600 => format!("{} min", secs.div_ceil(60)),
        secs => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

fn progress_line(upload: &Uploading, look: Look) -> String {
    let share = format!("{:>3} %", percent(upload.sent, upload.size));
    let amount = format!("{} of {}", show_size(upload.sent), show_size(upload.size));
    let bars = look.width.is_some_and(|width| width >= MIN_COLUMNS_FOR_BARS);
    let front = if bars { format!("{} {share}", bar(upload.sent, upload.size, BAR_COLUMNS)) } else { share };
    let path = look.fit(&upload.path, columns(&front) + columns(&amount) + 6);
    format!("{front}  {path}  {}", look.paint(Color::Faint, &amount))
}

/// `tumblerd: 40.0 MB in 12 requests`
fn reader(reader: &Reader, look: Look) -> String {
    let requests = if reader.calls == 1 { "request" } else { "requests" };
    look.fit(&format!("{}: {} in {} {requests}", reader.program, show_size(reader.bytes), reader.calls), 2)
}

/// Each with what to do, on a line of its own.
fn problems(report: &StatusReport, look: Look) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(trouble) = &report.trouble {
        let advice = match report.sign_in_needed {
            true => "run 'boxfs login'; the mount goes on by itself",
            false => "boxfs tries again by itself; 'boxfs doctor' looks for the cause",
        };
        all.push(with_advice(&look.fit(trouble, 2), advice));
    }
    if !report.events.flow && report.trouble.is_none() {
        let what = "Box's news do not come, though Box answers";
        all.push(with_advice(what, "folders are listed again when they are used; 'boxfs doctor' looks for the cause"));
    }
    if report.held_deletions > 0 {
        let what = format!("{} deletions at once are held", report.held_deletions);
        all.push(with_advice(&what, "'boxfs confirm' lets them go, 'boxfs undo' brings the items back"));
    }
    all.extend(report.failed.iter().map(|f| failure(f, look)));
    all.extend(report.conflicts.iter().map(|c| conflict(c, look)));
    all
}

pub(super) fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}:");
    for line in lines.iter().take(MAX_LINES) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > MAX_LINES {
        let _ = writeln!(text, "  and {} more", lines.len() - MAX_LINES);
    }
}

fn push_facts(text: &mut String, report: &StatusReport, look: Look) {
    let mut facts = Vec::new();
    if let Some(account) = &report.account {
        facts.push(format!("Account: {} <{}>", account.name, account.login));
    }
    if let Some(until) = &report.api.throttled_until {
        facts.push(format!("Box asks for a pause until {until}"));
    }
    for (name, space) in [("Cache", report.cache), ("Spool", report.spool)] {
        facts.push(format!("{name}: {} of {}", show_size(space.bytes), show_size(space.limit)));
    }
    for fact in facts {
        let _ = writeln!(text, "{}", look.paint(Color::Faint, &look.fit(&fact, 0)));
    }
}

#[cfg(test)]
mod tests;

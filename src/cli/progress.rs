//! How far a long request is: a bar on a terminal, now and then a line elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::show_size;
use crate::control::{Pending, Progress, Reply};

/// Lines in a log or a pipe come no faster.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Left-over items named one by one; the count says the rest.
const MAX_NAMED: usize = 10;

/// Shows progress on standard error.
pub(super) struct ProgressView {
    kind: Kind,
    /// The most bytes that were ever pending: what the bar is measured by.
    most_bytes: u64,
}

enum Kind {
    Bar(ProgressBar),
    Lines { last: Option<(Instant, Progress)> },
}

impl ProgressView {
    pub(super) fn new() -> ProgressView {
        let kind = if stderr().is_terminal() { Kind::Bar(bar()) } else { Kind::Lines { last: None } };
        ProgressView { kind, most_bytes: 0 }
    }

    pub(super) fn show(&mut self, reply: &Reply) {
        let Reply::Progress(progress) = reply else { return };
        let left = progress.pending.bytes;
        self.most_bytes = self.most_bytes.max(left);
        match &mut self.kind {
            Kind::Bar(bar) => {
                bar.set_length(self.most_bytes);
                bar.set_position(self.most_bytes - left);
                bar.set_message(in_words(progress));
            }
            Kind::Lines { last } => {
                let due = last.as_ref().is_none_or(|(at, shown)| at.elapsed() >= LINE_EVERY && shown != progress);
                if due && progress.pending.count > 0 {
                    eprintln!("{}", in_words(progress));
                    *last = Some((Instant::now(), progress.clone()));
                }
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        if let Kind::Bar(bar) = self.kind {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec}  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// `12 items (300 MB) on their way: docs/a.pdf 45 %, and 3 more`
fn in_words(progress: &Progress) -> String {
    let mut text = format!(
        "{} ({}) on {} way",
        items(progress.pending.count),
        show_size(progress.pending.bytes),
        if progress.pending.count == 1 { "its" } else { "their" }
    );
    if let Some(first) = progress.uploading.first() {
        text.push_str(&format!(": {} {} %", first.path, percent(first.sent, first.size)));
        if progress.uploading.len() > 1 {
            text.push_str(&format!(", and {} more", progress.uploading.len() - 1));
        }
    }
    if progress.failed > 0 {
        text.push_str(&format!("; {} failed", progress.failed));
    }
    if !progress.online {
        text.push_str("; offline");
    }
    text
}

/// What is left, on standard output: each item and why it does not move.
pub(super) fn print_left(left: &Pending) {
    if let Some(since) = &left.paused {
        println!("Paused since {since}: 'boxfs resume' lets it go");
    }
    println!("{} ({}) not in Box yet", items(left.pending.count), show_size(left.pending.bytes));
    let failed = left.failed.iter().map(|f| (&f.path, format!("failed: {}", f.reason)));
    let waiting = left.waiting.iter().map(|w| (&w.path, w.reason.clone()));
    for (path, why) in failed.chain(waiting).take(MAX_NAMED) {
        println!("  {path}: {why}");
    }
}

pub(super) fn items(count: u64) -> String {
    if count == 1 { "1 item".to_owned() } else { format!("{count} items") }
}

/// Whole percent; 100 only when all is sent.
pub(super) fn percent(sent: u64, size: u64) -> u64 {
    if size == 0 { 100 } else { u64::try_from(u128::from(sent) * 100 / u128::from(size)).unwrap_or(100) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Amount, Uploading};

    #[test]
    fn progress_is_told_in_one_line() {
        let up = |path: &str, sent| Uploading { path: path.to_owned(), sent, size: 200 };
        let progress = Progress {
            pending: Amount { count: 12, bytes: 300_000_000 },
            uploading: vec![up("docs/a.pdf", 91), up("b", 0)],
            failed: 1,
            online: false,
        };
        assert_eq!(
            in_words(&progress),
            "12 items (300 MB) on their way: docs/a.pdf 45 %, and 1 more; 1 failed; offline"
        );
        let one = Progress { pending: Amount { count: 1, bytes: 1 }, online: true, ..Progress::default() };
        assert_eq!(in_words(&one), "1 item (1 byte) on its way");
    }

    #[test]
    fn percents_do_not_overflow_or_divide_by_zero() {
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
    }
}

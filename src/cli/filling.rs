//! How far bringing something here is: a bar on a terminal, now and then a line elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::control::Reply;

use super::pin::in_words;

/// Lines in a log or a pipe come no faster.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows it on standard error.
pub(super) struct FillingView {
    bar: Option<ProgressBar>,
    told: Instant,
}

impl FillingView {
    pub(super) fn new() -> FillingView {
        let style = ProgressStyle::with_template("{bar:30} {binary_bytes_per_sec}  {wide_msg}");
        let bar = || ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        FillingView { bar: stderr().is_terminal().then(bar), told: Instant::now() }
    }

    pub(super) fn show(&mut self, reply: &Reply) {
        let Reply::Filling(filling) = reply else { return };
        match &self.bar {
            Some(bar) => {
                bar.set_length(filling.bytes);
                bar.set_position(filling.bytes_here);
                bar.set_message(in_words(filling));
            }
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                eprintln!("{}", in_words(filling));
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

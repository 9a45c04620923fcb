//! What was found, said as it is found: the network may take its time.

use crate::cli::terminal::{Color, Look};

/// What a finding means.
pub(super) enum Verdict<'a> {
    Good,
    /// Works, but could be better, or is not there yet; with advice.
    Note(&'a str),
    /// Keeps boxfs from working; with what to do.
    Bad(&'a str),
}

/// Prints findings, and remembers whether any is bad.
pub(super) struct Findings {
    look: Look,
    bad: bool,
}

impl Findings {
    pub(super) fn new(look: Look) -> Findings {
        Findings { look, bad: false }
    }

    pub(super) fn add(&mut self, subject: &str, verdict: Verdict<'_>, text: &str) {
        let (color, mark, advice) = match verdict {
            Verdict::Good => (Color::Good, "ok  ", None),
            Verdict::Note(advice) => (Color::Busy, "note", Some(advice)),
            Verdict::Bad(advice) => {
                self.bad = true;
                (Color::Bad, "BAD ", Some(advice))
            }
        };
        println!("{}  {subject}: {text}", self.look.paint(color, mark));
        if let Some(advice) = advice {
            println!("        {advice}");
        }
    }

    pub(super) fn is_bad(&self) -> bool {
        self.bad
    }
}

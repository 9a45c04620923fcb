//! How text may look where it goes: its width, and whether colors are wanted.

use std::io::{IsTerminal, stdout};

use terminal_size::{Width, terminal_size};
use unicode_width::UnicodeWidthChar;

/// Narrower than this, nothing fits anyway.
const MIN_WIDTH: usize = 20;

/// What standard output takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Columns; `None`: as long as the text is.
    pub width: Option<usize>,
    pub color: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Color {
    Good,
    Busy,
    Bad,
    Faint,
}

impl Look {
    /// Of this process's standard output. `COLUMNS` counts where there is no terminal to ask.
    pub(super) fn of_stdout() -> Look {
        let terminal = stdout().is_terminal();
        let named = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let width = terminal.then(terminal_size).flatten().map(|(Width(columns), _)| usize::from(columns));
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let width = width.or(named).map(|columns: usize| columns.max(MIN_WIDTH));
        Look { width, color: terminal && !dumb && !is_set("NO_COLOR") }
    }

    pub(super) fn paint(self, color: Color, text: &str) -> String {
        let code = match color {
            Color::Good => "32",
            Color::Busy => "36",
            Color::Bad => "31",
            Color::Faint => "2",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The text in at most the columns left beside `taken`; what is left out of its middle is an ellipsis.
    pub(super) fn fit(self, text: &str, taken: usize) -> String {
        match self.width {
            Some(width) => shorten(text, width.saturating_sub(taken)),
            None => text.to_owned(),
        }
    }
}

/// Columns of a text on a terminal.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A path is told by its beginning and its end.
fn shorten(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    if room == 0 {
        return String::new();
    }
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let mut taken = Vec::new();
        for c in chars {
            used += c.width().unwrap_or(0);
            if used > room {
                break;
            }
            taken.push(c);
        }
        taken
    };
    let front = take(&mut text.chars(), (room - 1) / 3);
    let mut back = take(&mut text.chars().rev(), room - 1 - (room - 1) / 3);
    back.reverse();
    front.into_iter().chain(['…']).chain(back).collect()
}

/// `████████░░░░`, `width` columns.
pub(super) fn bar(part: u64, whole: u64, width: usize) -> String {
    let full = if whole == 0 { width } else { (u128::from(part) * width as u128 / u128::from(whole)) as usize };
    let full = full.min(width);
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_both_ends_and_its_columns() {
        assert_eq!(shorten("docs/a.txt", 10), "docs/a.txt");
        assert_eq!(shorten("documents/letters/a.txt", 12), "doc…rs/a.txt");
        let wide = shorten("漢字漢字漢字漢字漢字", 9);
        assert!(columns(&wide) <= 9 && wide.contains('…'), "{wide}");
        assert_eq!(shorten("abc", 0), "");
    }

    #[test]
    fn a_bar_is_full_only_at_the_end() {
        assert_eq!(bar(0, 10, 4), "░░░░");
        assert_eq!(bar(9, 10, 4), "███░");
        assert_eq!(bar(10, 10, 4), "████");
        assert_eq!(bar(0, 0, 2), "██");
        assert_eq!(bar(u64::MAX, 1, 2), "██");
    }

    #[test]
    fn without_color_nothing_is_painted() {
        let plain = Look { width: None, color: false };
        assert_eq!(plain.paint(Color::Bad, "x"), "x");
        assert_eq!(Look { color: true, ..plain }.paint(Color::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}

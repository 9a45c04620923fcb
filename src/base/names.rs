//! Names: what Box accepts, what Linux can show, how Box compares, and how conflict copies are called.
//!
//! A *box name* is the text Box holds; a *shown name* is what the mount shows for it. They differ only where Linux cannot
//! hold the box name; `\` marks the escapes, since Box never has it in a name (API.md 3.5).

use std::borrow::Cow;

/// Why a name cannot be in Box (API.md 3.5).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("Box names have at most {MAX_NAME_CHARS} characters")]
    TooLong,
    #[error("Box names are text in UTF-8")]
    NotText,
    #[error("Box names cannot contain {0:?}")]
    Character(char),
    #[error("Box names cannot end with a space")]
    TrailingSpace,
    #[error("Box has no item called '{0}'")]
    Reserved(String),
}

/// Characters, not bytes: a name of 255 three-byte characters is right (API.md 3.5).
pub const MAX_NAME_CHARS: usize = 255;

/// Says whether Box would take `name` for a new item or a rename; refusals are told before anything is sent.
pub fn check_name(name: &std::ffi::OsStr) -> Result<&str, NameError> {
    let name = name.to_str().ok_or(NameError::NotText)?;
    if name.is_empty() || name == "." || name == ".." {
        return Err(NameError::Reserved(name.to_owned()));
    }
    if let Some(c) = name.chars().find(|&c| c == '/' || c == '\\' || c.is_ascii_control()) {
        return Err(NameError::Character(c));
    }
    if name.ends_with(' ') {
        return Err(NameError::TrailingSpace);
    }
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(NameError::TooLong);
    }
    Ok(name)
}

/// The name as the mount shows it: `/`, NUL and `\` become `\x2f`, `\x00`, `\x5c`; so do the dots of `.` and `..`.
pub fn shown_name(box_name: &str) -> Cow<'_, str> {
    let dots = box_name == "." || box_name == "..";
    if !dots && !box_name.is_empty() && !box_name.contains(['/', '\0', '\\']) {
        return Cow::Borrowed(box_name);
    }
    if box_name.is_empty() {
        return Cow::Borrowed("\\x");
    }
    let mut shown = String::with_capacity(box_name.len() + 6);
    for c in box_name.chars() {
        match c {
            '/' | '\0' | '\\' => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            '.' if dots => shown.push_str("\\x2e"),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The box name that is shown as `shown`; `None` if none is, so that every name has one spelling alone.
pub fn box_name(shown: &str) -> Option<Cow<'_, str>> {
    if !shown.contains('\\') {
        return Some(Cow::Borrowed(shown)).filter(|name| shown_name(name) == shown);
    }
    if shown == "\\x" {
        return Some(Cow::Borrowed(""));
    }
    let mut name = String::with_capacity(shown.len());
    let mut rest = shown;
    while let Some(at) = rest.find('\\') {
        name.push_str(&rest[..at]);
        let hex = rest.get(at + 1..at + 4)?.strip_prefix('x')?;
        name.push(char::from(u8::from_str_radix(hex, 16).ok()?));
        rest = &rest[at + 4..];
    }
    name.push_str(rest);
    Some(Cow::Owned(name)).filter(|name| shown_name(name) == shown)
}

/// The form under which two names in one folder are the same to Box (API.md 3.5: case-insensitive, rules not published;
/// Unicode's full case folding is the nearest public rule).
pub fn fold(name: &str) -> String {
    icu_casemap::CaseMapper::new().fold_string(name).into_owned()
}

/// What an item is called in Box while its node, of this number, waits for its name, or has given it to another.
pub fn parked_name(name: &str, number: u64) -> String {
    format!("{}{PARKED_MARK}{number}", name.chars().take(MAX_NAME_CHARS - PARKED_ROOM).collect::<String>())
}

/// The name, cut perhaps, that [`parked_name`] made this of, and the node's number.
pub fn unparked(name: &str) -> Option<(&str, u64)> {
    let (name, number) = name.rsplit_once(PARKED_MARK)?;
    Some((name, number.parse().ok()?))
}

/// `STEM (conflict HOST DATE).EXT`, with ` 2`, ` 3` ... inside the parentheses until `taken` says no, cut to
/// [`MAX_NAME_CHARS`]. `date` is `YYYY-MM-DD`. A name that is a conflict name already gets only another number.
pub fn conflict_name(name: &str, host: &str, date: &str, mut taken: impl FnMut(&str) -> bool) -> String {
    let name = unparked(name).map_or(name, |(name, _)| name);
    let (stem, extension) = split_extension(name);
    let (stem, mark) = match stem.rfind(CONFLICT_MARK) {
        Some(at) if stem.ends_with(')') => {
            let inner = &stem[at + CONFLICT_MARK.len()..stem.len() - 1];
            (&stem[..at], inner.to_owned())
        }
        _ => (stem, format!("{host} {date}")),
    };
    let mut count = 1u64;
    loop {
        let number = if count == 1 { String::new() } else { format!(" {count}") };
        let tail = format!("{CONFLICT_MARK}{mark}{number}){extension}");
        let room = MAX_NAME_CHARS.saturating_sub(tail.chars().count());
        let candidate: String = stem.chars().take(room).chain(tail.chars()).collect();
        if !taken(&candidate) {
            return candidate;
        }
        count += 1;
    }
}

/// Whether `name` was made by [`conflict_name`].
pub fn is_conflict_name(name: &str) -> bool {
    original_name(name).is_some()
}

/// The name that a conflict copy was called before [`conflict_name`]; `None` for what is no such copy.
pub fn original_name(name: &str) -> Option<String> {
    let (stem, extension) = split_extension(name);
    let at = stem.rfind(CONFLICT_MARK).filter(|_| stem.ends_with(')'))?;
    Some(format!("{}{extension}", &stem[..at]))
}

const PARKED_MARK: &str = ".boxfs-swap-";
/// The mark and the longest number, in characters.
const PARKED_ROOM: usize = 32;
const CONFLICT_MARK: &str = " (conflict ";

/// Splits before the last dot; a leading dot starts no extension, and one longer than 16 characters is none.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name[at..].chars().count() <= 17 && !name[at..].contains(' ') => name.split_at(at),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn names_box_refuses_are_refused() {
        for (name, error) in [
            ("a\\b", NameError::Character('\\')),
            ("a\nb", NameError::Character('\n')),
            ("\u{7f}", NameError::Character('\u{7f}')),
            ("end ", NameError::TrailingSpace),
            ("..", NameError::Reserved("..".into())),
        ] {
            assert_eq!(check_name(OsStr::new(name)), Err(error));
        }
        assert_eq!(check_name(OsStr::from_bytes(b"\xff")), Err(NameError::NotText));
        assert_eq!(check_name(OsStr::new(&"é".repeat(256))), Err(NameError::TooLong));
    }

    #[test]
    fn the_limit_counts_characters_not_bytes() {
        assert!(check_name(OsStr::new(&"ຮ".repeat(255))).is_ok());
        assert!(check_name(OsStr::new(" leading: <fine> *?|\"")).is_ok());
    }

    #[test]
    fn every_box_name_can_be_shown_and_found_again() {
        for name in ["plain", "a/b", "..", ".", "", "a\\x2fb", "\0", "ü/ü", " ", "end ", "\\", "\\x", "a\nb", "..."] {
            let shown = shown_name(name);
            assert!(!shown.contains(['/', '\0']) && !matches!(shown.as_ref(), "" | "." | ".."));
            assert_eq!(box_name(&shown).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_name_has_one_spelling_alone() {
        for spelling in ["odd\\name", "\\xé", "\\x41", "a\\x2Fb", "\\x2e", "\\x+f", "\\", "\\x2", ".", "a/b", ""] {
            let twice = (spelling == "\\x2e").then_some(".");
            assert_eq!(box_name(spelling).as_deref(), twice, "{spelling}");
        }
    }

    #[test]
    fn folding_ignores_case_in_any_script() {
        assert_eq!(fold("Makefile"), fold("MAKEFILE"));
        assert_eq!(fold("Straße"), fold("STRASSE"));
        assert_ne!(fold("a"), fold("b"));
    }

    #[test]
    fn conflict_names_count_until_free_and_do_not_pile_up() {
        let name = conflict_name("plan.txt", "desk", "2026-01-02", |_| false);
        assert_eq!(name, "plan (conflict desk 2026-01-02).txt");
        assert!(is_conflict_name(&name));
        assert_eq!(original_name(&name).as_deref(), Some("plan.txt"));
        assert_eq!(original_name("plan (conflict.txt"), None);
        let second = conflict_name("plan.txt", "desk", "2026-01-02", |n| n == name);
        assert_eq!(second, "plan (conflict desk 2026-01-02 2).txt");
        assert_eq!(conflict_name(&name, "desk", "2026-01-03", |n| n == name), second);
        assert_eq!(conflict_name(".profile", "h", "d", |_| false), ".profile (conflict h d)");
    }

    #[test]
    fn a_parked_name_is_told_from_others_and_makes_no_conflict_name() {
        let parked = parked_name("plan.txt", 12);
        assert_eq!(unparked(&parked), Some(("plan.txt", 12)));
        assert_eq!(parked_name(&"x".repeat(255), u64::MAX).chars().count(), MAX_NAME_CHARS);
        assert_eq!((unparked("plan.txt"), unparked("plan.boxfs-swap-x")), (None, None));
        assert_eq!(conflict_name(&parked, "desk", "2026-01-02", |_| false), "plan (conflict desk 2026-01-02).txt");
    }

    #[test]
    fn conflict_names_fit_box() {
        let long = format!("{}.txt", "x".repeat(251));
        let name = conflict_name(&long, "desk", "2026-01-02", |_| false);
        assert_eq!(name.chars().count(), MAX_NAME_CHARS);
        assert!(name.ends_with("(conflict desk 2026-01-02).txt"));
    }
}

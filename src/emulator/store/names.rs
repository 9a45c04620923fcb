//! Which names Box takes, and which it holds to be the same.

use super::super::refusal::Refusal;

/// Box counts characters, not bytes.
const MAX_NAME_CHARS: usize = 255;

/// Refuses what Box refuses as the name of a file, folder or web link.
pub(in crate::emulator) fn check(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::name_invalid("a name cannot be empty"));
    }
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(Refusal::name_too_long());
    }
    if name == "." || name == ".." {
        return Err(Refusal::name_invalid("a name cannot be . or .."));
    }
    if name.chars().any(is_illegal) {
        return Err(Refusal::name_invalid("a name cannot contain / \\ or characters that cannot be printed"));
    }
    if name.ends_with(' ') {
        return Err(Refusal::name_invalid("a name cannot end in a space"));
    }
    Ok(())
}

/// The name without what is illegal, as Box's documents say it does for files.
pub(in crate::emulator) fn sanitize(name: &str) -> String {
    let kept: String = name.chars().filter(|c| !is_illegal(*c)).collect();
    kept.trim_end_matches(' ').to_owned()
}

fn is_illegal(c: char) -> bool {
    c == '/' || c == '\\' || (c as u32) < 0x20 || c as u32 == 0x7f
}

/// Two names of one folder may not fold to the same.
pub(in crate::emulator) fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_names_are_refused_with_their_code() {
        let long = "x".repeat(256);
        let rows: [(&str, Option<&str>); 12] = [
            ("plain.txt", None),
            (" leading space", None),
            ("a<b>:c|d?e*f", None),
            ("", Some("item_name_invalid")),
            (".", Some("item_name_invalid")),
            ("..", Some("item_name_invalid")),
            ("...", None),
            ("a/b", Some("item_name_invalid")),
            ("a\\b", Some("item_name_invalid")),
            ("tab\there", Some("item_name_invalid")),
            ("trailing ", Some("item_name_invalid")),
            (&long, Some("item_name_too_long")),
        ];
        for (name, code) in rows {
            assert_eq!(check(name).err().map(|r| r.code).as_deref(), code, "{name:?}");
        }
        assert!(check(&"ü".repeat(255)).is_ok());
    }

    #[test]
    fn case_folds_beyond_ascii() {
        assert_eq!(fold("ÄRGER.TXT"), fold("ärger.txt"));
        assert_ne!(fold("a"), fold("b"));
    }

    #[test]
    fn sanitizing_keeps_the_rest() {
        assert_eq!(sanitize("a/b\\c\u{1} "), "abc");
    }
}

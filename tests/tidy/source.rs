//! A Rust file as tidy sees it: its text, and the same with comments, strings and characters blanked out.

use std::path::Path;

/// One file.
pub struct Source {
    /// Relative to the package: `src/tree/mod.rs`.
    pub name: String,
    pub text: String,
    /// As long as `text`, byte for byte, and with the same newlines.
    pub code: String,
}

/// A function with a body.
pub struct Function {
    pub name: String,
    /// Byte offset of `fn`.
    pub start: usize,
    pub lines: usize,
}

impl Source {
    pub fn read(root: &Path, path: &Path) -> Source {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        Source::new(name, std::fs::read_to_string(path).unwrap())
    }

    pub fn new(name: String, text: String) -> Source {
        let code = blank_out(&text);
        Source { name, text, code }
    }

    /// `tree` for `src/tree/mod.rs`; `None` for `src/lib.rs` and everything outside `src`.
    pub fn room(&self) -> Option<&str> {
        self.name.strip_prefix("src/")?.split_once('/').map(|(room, _)| room)
    }

    /// `src/tree/mod.rs:12` for a byte offset.
    pub fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.name, self.text[..offset].matches('\n').count() + 1)
    }

    /// Byte offsets at which `word` stands in the code, not as a part of a longer word.
    pub fn words(&self, word: &str) -> Vec<usize> {
        let in_word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let bytes = self.code.as_bytes();
        let apart = |at: &usize| {
            let before = at.checked_sub(1).and_then(|i| bytes.get(i));
            !in_word(before) && !in_word(bytes.get(at + word.len()))
        };
        self.code.match_indices(word).map(|(at, _)| at).filter(apart).collect()
    }

    /// Whether the offset is in a module or function for tests only, or the whole file is one.
    pub fn in_tests(&self, offset: usize) -> bool {
        let stem = self.name.rsplit('/').next().unwrap_or_default();
        let path = format!("/{}", self.name);
        // Modules that their parents declare under `#[cfg(test)]`.
        let test_file = matches!(stem, "tests.rs" | "testing.rs" | "simulated.rs" | "table.rs")
            || path.contains("/tests/")
            || path.contains("/simulation/");
        test_file || self.test_regions().iter().any(|(start, end)| (*start..*end).contains(&offset))
    }

    /// Every function, those inside others too.
    pub fn functions(&self) -> Vec<Function> {
        self.words("fn").into_iter().filter_map(|start| self.function(start)).collect()
    }

    fn function(&self, start: usize) -> Option<Function> {
        let rest = &self.code[start + 2..];
        let name: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let open = rest.find(['{', ';']).filter(|at| rest.as_bytes()[*at] == b'{')?;
        let end = closing_brace(&self.code, start + 2 + open)?;
        let lines = self.code[start..end].matches('\n').count() + 1;
        (!name.is_empty()).then_some(Function { name, start, lines })
    }

    fn test_regions(&self) -> Vec<(usize, usize)> {
        let marks = ["#[cfg(test)]", "#[cfg(any(test"].into_iter().flat_map(|mark| self.code.match_indices(mark));
        marks
            .filter_map(|(start, _)| {
                let open = start + self.code[start..].find(['{', ';'])?;
                Some((start, closing_brace(&self.code, open).unwrap_or(open)))
            })
            .collect()
    }
}

/// The offset of the brace that closes the one at `open`; `None` if there is no brace at `open`.
fn closing_brace(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (byte == b'}').then_some(at);
        }
    }
    None
}

/// Replaces the inside of comments, strings and characters by blanks.
fn blank_out(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = token_length(rest);
        let (token, after) = rest.split_at(length.unwrap_or_else(|| plain_length(rest)));
        match length {
            Some(_) => out.extend(token.bytes().map(|b| if b == b'\n' { b'\n' } else { b' ' })),
            None => out.extend(token.bytes()),
        }
        rest = after;
    }
    String::from_utf8(out).unwrap()
}

/// A whole identifier at once, so that the `r` of `for"..."` does not look like a raw string; else one character.
fn plain_length(rest: &str) -> usize {
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    if word > 0 { word } else { rest.chars().next().map_or(1, char::len_utf8) }
}

/// The length of the comment, string or character that starts here.
fn token_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    let bare = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let prefix = rest.len() - bare.len();
    if let Some(raw) = bare.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &raw[hashes + 1..];
            return Some(prefix + 1 + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()));
        }
    }
    if bare.starts_with('"') {
        return Some(prefix + quoted_length(bare, '"')?);
    }
    if bare.starts_with('\'') { char_length(bare).map(|length| prefix + length) } else { None }
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted_length(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// A character, as opposed to a lifetime.
fn char_length(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return quoted_length(rest, '\'');
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

#[test]
fn comments_strings_and_characters_are_blanked_out() {
    let text = r##"let a = "x \" crate::"; // crate::
let b = 'c'; let d: &'static str = r#"un"wrap"#; /* a /* b */ c */ let e = '\''; for_r("x");"##;
    let source = Source::new("src/x/y.rs".to_owned(), text.to_owned());
    assert_eq!(source.code.len(), text.len());
    let words: Vec<&str> = source.code.split_whitespace().collect();
    assert_eq!(words.join(" "), "let a = ; let b = ; let d: &'static str = ; let e = ; for_r( );");
}

#[test]
fn functions_and_test_regions_are_found() {
    let text = "fn a() {\n  b()\n}\ntrait T { fn c(); }\n#[cfg(test)]\nmod tests {\n fn d() {}\n}\nfn e() {}\n";
    let source = Source::new("src/x/y.rs".to_owned(), text.to_owned());
    let found: Vec<(String, usize)> = source.functions().into_iter().map(|f| (f.name, f.lines)).collect();
    assert_eq!(found, [("a".to_owned(), 3), ("d".to_owned(), 1), ("e".to_owned(), 1)]);
    assert!(source.in_tests(text.find("fn d").unwrap()));
    assert!(!source.in_tests(text.find("fn e").unwrap()));
}

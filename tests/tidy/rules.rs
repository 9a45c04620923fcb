//! What may be named where.

use crate::source::Source;

/// Words that belong to one place, so that a decision about them is made in one place.
struct Rule {
    what: &'static str,
    /// A word, or the start of one when it ends in `*`.
    word: &'static str,
    /// Where the rule holds; empty is everywhere in `src`.
    inside: &'static str,
    /// Beginnings of file names where the word may stand all the same.
    except: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule { what: "SQL", word: "rusqlite", inside: "", except: &["src/tree/"] },
    Rule { what: "an HTTP status", word: "StatusCode", inside: "", except: &["src/box_api/error.rs", "src/emulator/"] },
    Rule {
        what: "a Box call outside the executor",
        word: "BoxClient",
        inside: "src/sync/",
        except: &["src/sync/executor"],
    },
    // `content` compares what the kernel said about its files, `base` is below every room.
    Rule {
        what: "an errno",
        word: "libc::E*",
        inside: "",
        except: &["src/fuse/errno.rs", "src/base/", "src/content/", "src/emulator/"],
    },
    Rule {
        what: "an errno",
        word: "Errno::E*",
        inside: "",
        except: &["src/fuse/errno.rs", "src/base/", "src/content/", "src/emulator/"],
    },
];

/// Tests may name what they check.
pub fn words_outside_their_room(source: &Source) -> Vec<String> {
    let holds = |rule: &&Rule| {
        source.name.starts_with(rule.inside) && !rule.except.iter().any(|place| source.name.starts_with(place))
    };
    let mut findings = Vec::new();
    for rule in RULES.iter().filter(holds) {
        for at in places(source, rule.word) {
            if !source.in_tests(at) {
                findings.push(format!("{} names {}: {}", source.at(at), rule.what, rule.word));
            }
        }
    }
    findings
}

fn places(source: &Source, word: &str) -> Vec<usize> {
    let Some(start) = word.strip_suffix('*') else { return source.words(word) };
    let all = source.code.match_indices(start).map(|(at, _)| at);
    all.filter(|at| is_constant(&source.code[at + start.len() - 1..])).collect()
}

/// `EINVAL`, and not `EPOLLIN` or `Eq`.
fn is_constant(rest: &str) -> bool {
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    name.len() > 2 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) && !name.starts_with("EPOLL")
}

pub fn unwraps(source: &Source) -> Vec<String> {
    let all = source.code.match_indices(".unwrap()").map(|(at, _)| at);
    all.filter(|at| !source.in_tests(*at)).map(|at| source.at(at)).collect()
}

/// `unsafe fn` is a contract, written in its documentation; a block and an `impl` are promises, argued where they are.
pub fn unsafe_without_reason(source: &Source) -> Vec<String> {
    let promises = source.words("unsafe").into_iter().filter(|at| {
        let after = source.code[at + "unsafe".len()..].trim_start();
        after.starts_with('{') || after.starts_with("impl")
    });
    promises.filter(|at| !argued(source, *at)).map(|at| source.at(at)).collect()
}

/// The statement that holds the offset has `SAFETY:` in the comment above it, or beside it.
fn argued(source: &Source, at: usize) -> bool {
    /// A statement that is broken over more lines should have its own comment nearer by.
    const MAX_LINES_ABOVE: usize = 5;
    let line = source.text[..at].matches('\n').count();
    let lines: Vec<&str> = source.text.lines().collect();
    let first = line.saturating_sub(MAX_LINES_ABOVE);
    lines[first..=line].iter().any(|text| text.contains("SAFETY:"))
}

#[test]
fn words_are_refused_outside_their_place_only() {
    let findings =
        |name: &str, code: &str| words_outside_their_room(&Source::new(name.to_owned(), code.to_owned())).len();
    assert_eq!(findings("src/sync/queue.rs", "use rusqlite::Connection;"), 1);
    assert_eq!(findings("src/tree/queue.rs", "use rusqlite::Connection;"), 0);
    assert_eq!(findings("src/sync/planner.rs", "fn f(c: &BoxClient) {}"), 1);
    assert_eq!(findings("src/sync/executor/simple.rs", "fn f(c: &BoxClient) {}"), 0);
    assert_eq!(findings("src/vfs/open.rs", "libc::EINVAL; Errno::EIO; libc::EPOLLIN; libc::O_PATH"), 2);
    assert_eq!(findings("src/fuse/errno.rs", "libc::EINVAL"), 0);
    assert_eq!(findings("src/box_api/retry.rs", "StatusCode::OK; s.as_u16()"), 1);
}

#[test]
fn an_unsafe_block_needs_its_reason() {
    let source = |code: &str| Source::new("src/a/b.rs".to_owned(), code.to_owned());
    assert_eq!(unsafe_without_reason(&source("let a = unsafe { b() };")).len(), 1);
    assert_eq!(unsafe_without_reason(&source("// SAFETY: b is pure.\nlet a = unsafe { b() };")).len(), 0);
    assert_eq!(unwraps(&source("a.unwrap();\n#[cfg(test)]\nmod tests { fn a() { b.unwrap(); } }")).len(), 1);
}

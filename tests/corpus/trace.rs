//! A trace: how one program saves, as a file of one system call a line.
//!
//! ```text
//! program: sed -i
//! source: recorded with strace, Debian's sed 4.9-1
//! document: doc.txt 4890
//! versions: 1
//! calls: 1
//!
//! open 1 sedKzZsyO read-write,create,exclusive 0600
//! write 1 4894
//! close 1
//! rename sedKzZsyO doc.txt
//! ```
//!
//! Bytes are counted, not kept: a replay makes them up, the same each time. `old N` after a count says that they are the document's
//! own from before, from its byte N. A number after `open` stands for the open file. Spaces of a path are `%20`.

use std::path::{Path, PathBuf};

/// The folder of all traces.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces")
}

/// One save pattern.
#[derive(Debug)]
pub struct Trace {
    pub name: String,
    pub program: String,
    /// How it was recorded, or where the program's source or documentation says so.
    pub source: String,
    pub document: Seed,
    /// Other files that are there before.
    pub beside: Vec<Seed>,
    /// Versions that Box gets of the document: in one go, and when each step settles before the next.
    pub versions: usize,
    pub versions_slow: usize,
    /// Calls that change something in Box, in one go.
    pub calls: usize,
    /// More where calls that may go in either order need another one in one of the two.
    pub calls_most: usize,
    /// Files that the program leaves beside the document and that go to Box.
    pub leaves: Vec<String>,
    /// Files that it leaves and that stay on this machine.
    pub stays: Vec<String>,
    pub note: String,
    pub steps: Vec<Step>,
}

/// A file that is there before, and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    pub path: String,
    pub size: usize,
}

/// Bytes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    Fresh,
    /// The document's from before, from here on.
    Old(usize),
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct How {
    pub read: bool,
    pub write: bool,
    pub create: bool,
    pub exclusive: bool,
    pub truncate: bool,
    pub append: bool,
}

/// One system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Open {
        file: u32,
        path: String,
        how: How,
        mode: u32,
    },
    Write {
        file: u32,
        count: usize,
        at: Option<u64>,
        bytes: Bytes,
    },
    Seek {
        file: u32,
        to: u64,
    },
    Cut {
        file: u32,
        size: u64,
    },
    Allocate {
        file: u32,
        end: u64,
        keep_size: bool,
    },
    Sync {
        file: u32,
    },
    Close {
        file: u32,
    },
    Truncate {
        path: String,
        size: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Exchange {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    MakeDir {
        path: String,
        mode: u32,
    },
    RemoveDir {
        path: String,
    },
    Chmod {
        path: String,
        mode: u32,
    },
    /// `None`: now.
    Times {
        path: String,
        at: Option<(i64, u32)>,
    },
    Symlink {
        path: String,
        target: String,
    },
    SetXattr {
        path: String,
        key: String,
    },
}

impl Step {
    /// Whether it changes which names exist, or who has one open.
    pub fn is_about_names(&self) -> bool {
        !matches!(
            self,
            Step::Write { .. } | Step::Seek { .. } | Step::Allocate { .. } | Step::Sync { .. } | Step::Chmod { .. }
        )
    }
}

impl Trace {
    /// Reads `NAME.trace`; panics with the line that is wrong.
    pub fn read(name: &str) -> Trace {
        let path = folder().join(format!("{name}.trace"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("{name}: no empty line after the head"));
        let field = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let needed = |key: &str| field(key).unwrap_or_else(|| panic!("{name}: no '{key}:'"));
        let number = |key: &str| field(key).map(|text| text.parse::<usize>().unwrap());
        let list = |key: &str| field(key).map_or(Vec::new(), |text| text.split(", ").map(str::to_owned).collect());
        let versions = number("versions").unwrap();
        let calls = number("calls").unwrap();
        let step = |line: &str| parse(line).unwrap_or_else(|| panic!("{name}: not a step: {line}"));
        Trace {
            name: name.to_owned(),
            program: needed("program").to_owned(),
            source: needed("source").to_owned(),
            document: seed(needed("document")),
            beside: list("beside").iter().map(|text| seed(text)).collect(),
            versions,
            versions_slow: number("versions-slow").unwrap_or(versions),
            calls,
            calls_most: number("calls-most").unwrap_or(calls),
            leaves: list("leaves"),
            stays: list("stays"),
            note: field("note").unwrap_or_default().to_owned(),
            steps: body.lines().filter(|line| !line.is_empty()).map(step).collect(),
        }
    }
}

impl Trace {
    /// How often the program syncs the document while it has it open: what a start after a kill finds as it was then counts as
    /// closed, and goes up.
    pub fn syncs(&self) -> usize {
        let mut numbers = Vec::new();
        let mut syncs = 0;
        for step in &self.steps {
            match step {
                Step::Open { file, path, .. } if *path == self.document.path => numbers.push(*file),
                Step::Close { file } => numbers.retain(|number| number != file),
                Step::Sync { file } => syncs += usize::from(numbers.contains(file)),
                _ => {}
            }
        }
        syncs
    }
}

fn seed(text: &str) -> Seed {
    let (path, size) = text.rsplit_once(' ').unwrap_or_else(|| panic!("not a path and a size: {text}"));
    Seed { path: path.to_owned(), size: size.parse().unwrap() }
}

fn parse(line: &str) -> Option<Step> {
    let words: Vec<&str> = line.split(' ').collect();
    let path = |n: usize| Some(words.get(n)?.replace("%20", " ").replace("%25", "%"));
    let number = |n: usize| words.get(n)?.parse::<u64>().ok();
    let file = || u32::try_from(number(1)?).ok();
    let mode = |n: usize| u32::from_str_radix(words.get(n)?, 8).ok();
    Some(match words[0] {
        "open" => {
            Step::Open { file: file()?, path: path(2)?, how: how(words.get(3)?)?, mode: mode(4).unwrap_or(0o644) }
        }
        "write" | "pwrite" => {
            let at = if words[0] == "pwrite" { Some(number(3)?) } else { None };
            let old = words.iter().position(|word| *word == "old").map(|n| number(n + 1));
            let bytes = old.map_or(Some(Bytes::Fresh), |from| Some(Bytes::Old(from? as usize)))?;
            Step::Write { file: file()?, count: number(2)? as usize, at, bytes }
        }
        "seek" => Step::Seek { file: file()?, to: number(2)? },
        "ftruncate" => Step::Cut { file: file()?, size: number(2)? },
        "fallocate" => Step::Allocate { file: file()?, end: number(2)?, keep_size: words.get(3) == Some(&"keep") },
        "fsync" => Step::Sync { file: file()? },
        "close" => Step::Close { file: file()? },
        "truncate" => Step::Truncate { path: path(1)?, size: number(2)? },
        "rename" | "rename-new" => Step::Rename { from: path(1)?, to: path(2)? },
        "exchange" => Step::Exchange { from: path(1)?, to: path(2)? },
        "unlink" => Step::Unlink { path: path(1)? },
        "mkdir" => Step::MakeDir { path: path(1)?, mode: mode(2)? },
        "rmdir" => Step::RemoveDir { path: path(1)? },
        "chmod" => Step::Chmod { path: path(1)?, mode: mode(2)? & 0o7777 },
        "utimens" => Step::Times { path: path(1)?, at: time(words.get(2)?)? },
        "symlink" => Step::Symlink { path: path(1)?, target: path(2)? },
        "setxattr" => Step::SetXattr { path: path(1)?, key: path(2)? },
        _ => return None,
    })
}

fn how(words: &str) -> Option<How> {
    let mut how = How::default();
    for word in words.split(',') {
        match word {
            "read" => how.read = true,
            "write" => how.write = true,
            "read-write" => (how.read, how.write) = (true, true),
            "create" => how.create = true,
            "exclusive" => how.exclusive = true,
            "truncate" => how.truncate = true,
            "append" => how.append = true,
            _ => return None,
        }
    }
    Some(how)
}

/// `now`, or seconds and nanoseconds with a dot between.
fn time(word: &str) -> Option<Option<(i64, u32)>> {
    if word == "now" {
        return Some(None);
    }
    let (secs, nanos) = word.split_once('.')?;
    Some(Some((secs.parse().ok()?, nanos.parse().ok()?)))
}

#[test]
fn steps_are_read_as_they_are_written() {
    let how = How { write: true, create: true, truncate: true, ..How::default() };
    let table = [
        ("open 3 a%20b write,create,truncate 0600", Step::Open { file: 3, path: "a b".to_owned(), how, mode: 0o600 }),
        ("write 1 10", Step::Write { file: 1, count: 10, at: None, bytes: Bytes::Fresh }),
        ("pwrite 1 10 20 old 5", Step::Write { file: 1, count: 10, at: Some(20), bytes: Bytes::Old(5) }),
        ("chmod a 0100644", Step::Chmod { path: "a".to_owned(), mode: 0o644 }),
        ("utimens a 12.000000034", Step::Times { path: "a".to_owned(), at: Some((12, 34)) }),
        ("utimens a now", Step::Times { path: "a".to_owned(), at: None }),
    ];
    for (line, step) in table {
        assert_eq!(parse(line), Some(step), "{line}");
    }
    assert_eq!(parse("dance 1"), None);
}

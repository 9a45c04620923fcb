//! The table of docs/saves.md, made of the traces.

use std::fmt::Write;
use std::path::Path;

use crate::PATTERNS;
use crate::trace::{Trace, folder};

const HEAD: &str = "# Every save is one new version of the same file

How programs save, and what Box has afterwards. Each pattern is a file in `tests/corpus/traces/`, the system calls of one save; `scripts/record`
recorded those of programs that Debian has, on a mount. The tests of `tests/corpus` replay each on a mount of a document that has an id, two
versions, a shared link and a description in Box: in one go, with pauses longer than the settle time between the steps, with the daemon
killed between the steps, and with Box out of reach until the save is over. In every case the id is the same, link and
description are still there, and bytes and time are right.

*Versions* are those that Box gets of the document: in one go, and, where it differs, with pauses between the steps. *Calls* are those that
change something in Box, in one go, and as many when Box was out of reach meanwhile.

| pattern | program | versions | calls | left beside it in Box |
|---|---|---|---|---|
";

/// Set to write the table instead of comparing it.
const UPDATE: &str = "BOXFS_UPDATE_DOCS";

fn table() -> String {
    let mut text = HEAD.to_owned();
    let traces: Vec<Trace> = PATTERNS.iter().map(|name| Trace::read(name)).collect();
    for trace in &traces {
        let versions = match trace.versions_slow {
            slow if slow == trace.versions => trace.versions.to_string(),
            slow => format!("{} ({slow})", trace.versions),
        };
        let calls = match trace.calls_most {
            most if most == trace.calls => trace.calls.to_string(),
            most => format!("{} or {most}", trace.calls),
        };
        let left = trace.leaves.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let row = format!("| `{}` | {} | {versions} | {calls} | {left} |", trace.name, trace.program);
        let _ = writeln!(text, "{}", row.replace("|  |", "| |"));
    }
    text.push_str("\n## Where they come from\n\n");
    for trace in &traces {
        let note = if trace.note.is_empty() { String::new() } else { format!(" {}", trace.note) };
        let _ = writeln!(text, "- `{}`: {}.{note}", trace.name, trace.source);
    }
    text
}

#[test]
fn the_table_of_saves_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/saves.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, table()).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == table(), "docs/saves.md is old: run this test once with {UPDATE}=1");
}

#[test]
fn every_trace_is_replayed() {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut there: Vec<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    there.sort();
    let mut replayed = PATTERNS.to_vec();
    replayed.sort_unstable();
    assert_eq!(there, replayed);
    assert!(PATTERNS.len() >= 30);
}

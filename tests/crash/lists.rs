//! The points in the sources, in docs/on-disk.md and in the matrix are the same.

use std::collections::BTreeSet;
use std::path::Path;

use crate::matrix::POINTS;

/// Points of a sign-in, which no mount is needed for: `tests/mount/sign_in_refresh.rs` kills at each.
const OF_SIGN_INS: &[&str] =
    &["refresh.locked", "refresh.leaving", "refresh.answered", "refresh.stored", "durable.written", "durable.renamed"];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Texts in quotes that are written like a point: two words in small letters with a dot between them.
fn quoted(text: &str, quote: char) -> impl Iterator<Item = &str> {
    text.split(quote).skip(1).step_by(2).filter(|name| is_point(name))
}

fn is_point(name: &str) -> bool {
    let small = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    name.split_once('.').is_some_and(|(subject, step)| small(subject) && small(step))
}

/// The first column of the table of crash points.
fn in_the_document() -> BTreeSet<String> {
    let text = read("docs/on-disk.md");
    let table = text.split_once("## Crash points").unwrap().1;
    let first = table.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    first.flat_map(|cell| quoted(cell, '`')).map(str::to_owned).collect()
}

/// What `failpoint` is called with: names at the call itself, and in the functions of the executor that name a call's points.
fn in_the_sources() -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            if path.ends_with("base/failpoint.rs") || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("failpoint(\"") {
                points.extend(quoted(&text[at..], '"').next().map(str::to_owned));
            }
            for (at, _) in text.match_indices("-> &'static str {") {
                let body = text[at..].split("\n}").next().unwrap();
                let named =
                    ["fn leaving(", "fn answered("].iter().any(|f| text[..at].lines().last().unwrap().contains(f));
                points.extend(quoted(body, '"').filter(|_| named).map(str::to_owned));
            }
        }
    }
    points
}

#[test]
fn every_point_of_the_sources_is_in_the_document_and_has_a_test() {
    let points = POINTS.iter().chain([&crate::eviction::POINT]);
    let tested: BTreeSet<String> = points.map(|point| (*point).to_owned()).collect();
    assert!(tested.len() >= 25, "{tested:?}");
    let tested = &tested | &OF_SIGN_INS.iter().map(|point| (*point).to_owned()).collect();
    assert_eq!(in_the_sources(), tested, "the sources (left) and the matrix");
    assert_eq!(in_the_document(), tested, "docs/on-disk.md (left) and the matrix");
}

//! The house rules that a compiler does not check: who may import whom, what may be named where, how long things are.
//!
//! Reads the sources as text, with comments and strings blanked out; knows nothing of types.
#![allow(clippy::unwrap_used)]

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::path::{Path, PathBuf};

use source::Source;

/// A file longer than this has two subjects.
const MAX_FILE_LINES: usize = 600;
/// A function longer than this has two subjects.
const MAX_FUNCTION_LINES: usize = 70;
/// A test may be a table of cases.
const MAX_TEST_LINES: usize = 100;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `dir`, in the order of their names.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sources(dirs: &[&str]) -> Vec<Source> {
    let files = dirs.iter().flat_map(|dir| rust_files(&root().join(dir)));
    files.map(|path| Source::read(root(), &path)).collect()
}

fn product() -> Vec<Source> {
    sources(&["src"])
}

/// Fails with one line per finding.
fn expect_none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn rooms_import_only_along_the_arrows() {
    expect_none("imports against the arrows", product().iter().flat_map(imports::against_the_arrows).collect());
}

#[test]
fn every_room_has_its_arrows() {
    let rooms = std::fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let unknown = rooms.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    expect_none("rooms without arrows", unknown.filter(|room| imports::arrows(room).is_none()).collect());
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources(&["src", "tests"]).into_iter().filter(|source| !source.text.starts_with("//! "));
    expect_none("files without a //! head", silent.map(|source| source.name).collect());
}

#[test]
fn each_outside_word_stays_in_its_room() {
    expect_none("words outside their room", product().iter().flat_map(rules::words_outside_their_room).collect());
}

#[test]
fn nothing_unwraps_outside_tests() {
    expect_none("unwrap outside tests", product().iter().flat_map(rules::unwraps).collect());
}

#[test]
fn every_unsafe_says_why_it_is_sound() {
    let findings = sources(&["src", "tests"]).iter().flat_map(rules::unsafe_without_reason).collect();
    expect_none("unsafe without a SAFETY comment", findings);
}

#[test]
fn files_are_short() {
    let long = sources(&["src", "tests"]).into_iter().filter(|source| source.text.lines().count() > MAX_FILE_LINES);
    expect_none("files of more than 600 lines", long.map(|source| source.name).collect());
}

#[test]
fn functions_are_short() {
    let findings = sources(&["src", "tests"])
        .iter()
        .flat_map(|source| {
            let limit = |start| if source.in_tests(start) { MAX_TEST_LINES } else { MAX_FUNCTION_LINES };
            let long = source.functions().into_iter().filter(|function| function.lines > limit(function.start));
            long.map(|function| format!("{} fn {}: {} lines", source.at(function.start), function.name, function.lines))
                .collect::<Vec<_>>()
        })
        .collect();
    expect_none("functions of more than 70 lines", findings);
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let scripts = std::fs::read_dir(root().join("scripts")).unwrap().map(|entry| entry.unwrap().path());
    let all = scripts.chain([root().join(".ci/run")]);
    let still = all.filter(|path| path.metadata().unwrap().permissions().mode() & 0o111 != 0o111);
    expect_none("scripts without their run bit", still.map(|path| path.display().to_string()).collect());
}

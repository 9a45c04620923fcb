//! Who may import whom.

use crate::source::Source;

/// The rooms that `room` may use beside itself; `None` for a room nobody has drawn.
pub fn arrows(room: &str) -> Option<&'static [&'static str]> {
    const EVERYTHING: &[&str] =
        &["base", "box_api", "config", "content", "control", "desktop", "emulator", "fuse", "sync", "tree", "vfs"];
    Some(match room {
        "base" | "emulator" => &[],
        "config" => &["base"],
        "tree" | "content" | "box_api" => &["base", "config"],
        "vfs" => &["base", "config", "tree", "content"],
        "sync" => &["base", "config", "tree", "content", "box_api"],
        "fuse" => &["base", "config", "vfs"],
        "control" => &["base", "config", "vfs", "sync"],
        "desktop" => &["base", "config", "control"],
        "cli" => EVERYTHING,
        _ => return None,
    })
}

/// One line per room named that no arrow leads to.
pub fn against_the_arrows(source: &Source) -> Vec<String> {
    let (own, allowed): (&str, &[&str]) = match source.room() {
        Some(room) => (room, arrows(room).unwrap_or_default()),
        None if source.name == "src/main.rs" => ("cli", &[]),
        None => return Vec::new(),
    };
    rooms_named(source)
        .into_iter()
        .filter(|(_, room)| room != own && !allowed.contains(&room.as_str()))
        .map(|(at, room)| format!("{} uses {room}", source.at(at)))
        .collect()
}

/// Every room named by a path from the root of the crate, with where.
fn rooms_named(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate", "boxfs"] {
        for at in source.words(root) {
            if let Some(rest) = after_colons(&source.code[at + root.len()..]) {
                found.extend(first_names(rest).into_iter().map(|name| (at, name)));
            }
        }
    }
    found.extend(climbing_paths(source));
    found.retain(|(_, name)| arrows(name).is_some());
    found
}

/// Paths of `super::super::...` that reach the root of the crate.
fn climbing_paths(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in source.words("super") {
        let before = source.code[..at].trim_end();
        if before.ends_with("::") {
            continue;
        }
        let mut rest = &source.code[at..];
        let mut climbed = 0;
        while let Some(after) = rest.trim_start().strip_prefix("super").and_then(after_colons) {
            rest = after;
            climbed += 1;
        }
        if climbed >= depth(source, at) {
            found.extend(first_names(rest).into_iter().map(|name| (at, name)));
        }
    }
    found
}

/// How many modules enclose the code at `at`: the file's own, and those opened by `mod name {`.
fn depth(source: &Source, at: usize) -> usize {
    let path = source.name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let inline = source.words("mod").into_iter().filter(|start| *start < at).filter(|start| {
        let body = &source.code[*start..];
        let Some(open) = body.find(['{', ';']).filter(|i| body.as_bytes()[*i] == b'{') else { return false };
        let between = &source.code[start + open..at];
        between.matches('{').count() > between.matches('}').count()
    });
    path.split('/').count() + inline.count()
}

fn after_colons(rest: &str) -> Option<&str> {
    rest.trim_start().strip_prefix("::")
}

/// The first name of a path, or the first names of each path in a group: `{a::b, c::{d, e}}` is `a` and `c`.
fn first_names(rest: &str) -> Vec<String> {
    let rest = rest.trim_start();
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = vec![name(group.trim_start())];
    let mut depth = 0_usize;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names
}

#[test]
fn every_way_to_name_a_room_is_seen() {
    for (line, findings) in [
        ("use crate::vfs::Vfs;", 1),
        ("use crate::{base::Secret, vfs};", 1),
        ("use crate::{\n  sync::{Planner, Queue},\n  base,\n  vfs::Vfs,\n};", 2),
        ("let x = crate::sync::Planner::new();", 1),
        ("use super::super::vfs;", 1),
        ("use super::vfs;", 0),
        ("mod inner { use super::super::vfs; }", 0),
        ("mod inner { use super::super::super::vfs; }", 1),
        ("use crate::tree::Node; // crate::vfs", 0),
        ("pub(crate) fn vfs() {}", 0),
    ] {
        let source = Source::new("src/tree/rows.rs".to_owned(), line.to_owned());
        assert_eq!(against_the_arrows(&source).len(), findings, "{line}");
    }
    let main = Source::new("src/main.rs".to_owned(), "boxfs::cli::run(); boxfs::tree::open();".to_owned());
    assert_eq!(against_the_arrows(&main), ["src/main.rs:1 uses tree"]);
    let emulator = Source::new("src/emulator/mod.rs".to_owned(), "use crate::base::Secret;".to_owned());
    assert_eq!(against_the_arrows(&emulator).len(), 1);
}

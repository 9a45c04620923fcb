//! What needs a person, in words: each with why, and with what to do.

use crate::control::{Conflict, Failure, Notice};

use super::terminal::{Look, columns};

pub(super) fn failure(failure: &Failure, look: Look) -> String {
    with_advice(&told(&failure.path, &failure.reason, look), &advice(failure))
}

pub(super) fn conflict(conflict: &Conflict, look: Look) -> String {
    with_advice(
        &told(&conflict.path, "somebody else changed it too", look),
        &format!(
            "your version is {}: keep what you want of the two, and rename or delete the copy",
            look.fit(&conflict.copy, 30)
        ),
    )
}

pub(super) fn notice(notice: &Notice, look: Look) -> String {
    match notice.path.as_str() {
        "" => format!("{} {}", notice.at, notice.what),
        path => format!("{} {}", notice.at, told(path, &notice.what, look)),
    }
}

pub(super) fn with_advice(what: &str, advice: &str) -> String {
    format!("{what}\n      {advice}")
}

/// The path gives way before the reason does.
pub(super) fn told(path: &str, reason: &str, look: Look) -> String {
    format!("{}: {reason}", look.fit(path, (columns(reason) + 4).min(look.width.unwrap_or(0) / 2)))
}

/// What a person can do about work that does not go up.
pub(super) fn advice(failure: &Failure) -> String {
    let says = |words: &[&str]| words.iter().any(|word| failure.reason.contains(word));
    let what = if says(&["no space left"]) {
        "make room in Box, or get more; then 'boxfs retry'"
    } else if says(&["larger than"]) {
        "the account takes no file this large: split it, or keep it elsewhere"
    } else if says(&["not permitted", "policy", "locked"]) {
        "ask the folder's owner, or move the file to a folder of your own; then 'boxfs retry'"
    } else if says(&["scope"]) {
        "give the application 'Write all files and folders' in Box's developer console; then 'boxfs login'"
    } else if says(&["name"]) {
        "give it another name"
    } else if says(&["interrupted"]) {
        "it was being written when boxfs ended: look at it, then write it again or 'boxfs retry' to send it as it is"
    } else {
        "'boxfs retry' tries again at once"
    };
    match &failure.next_try {
        Some(when) => format!("boxfs tries again by itself at {when}; {what}"),
        None => what.to_owned(),
    }
}

//! `boxfs conflicts`: what needs a person, why, and what to do about it.

use std::path::PathBuf;

use clap::Args;

use crate::control::{Client, Reply, Request, Troubles, find};

use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::trouble_text::{advice, conflict, failure, notice};

/// List conflict copies, work that Box refuses, and what boxfs did about it
#[derive(Args)]
pub(super) struct Arguments {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
    /// One JSON object for scripts
    #[arg(long)]
    json: bool,
    /// Forget the notices, after showing them
    #[arg(long)]
    dismiss: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let place = find(arguments.path.as_deref())?;
    let mut client = Client::connect(&place.mount.state_dir)?;
    let troubles = match client.ask(&Request::Conflicts { path: place.inner })? {
        Reply::Troubles(troubles) => *troubles,
        other => return Err(other.into()),
    };
    if arguments.json {
        println!("{}", as_json(&troubles));
    } else if troubles == Troubles::default() {
        println!("No conflicts: nothing needs you.");
    } else {
        print!("{}", in_words(&troubles, Look::of_stdout()));
    }
    if arguments.dismiss {
        match client.ask(&Request::Dismiss)? {
            Reply::Done => {}
            other => return Err(other.into()),
        }
    }
    Ok(Exit::Done)
}

/// Everything: whoever asks for the list wants it whole.
fn in_words(troubles: &Troubles, look: Look) -> String {
    let conflicts = troubles.conflicts.iter().map(|c| conflict(c, look)).collect();
    let failed = troubles.failed.iter().map(|f| failure(f, look)).collect();
    let notices = troubles.notices.iter().map(|n| notice(n, look)).collect();
    let lists: [(&str, Vec<String>); 3] =
        [("Conflict copies", conflicts), ("Not in Box", failed), ("Notices", notices)];
    let mut text = String::new();
    for (title, lines) in lists.iter().filter(|(_, lines)| !lines.is_empty()) {
        text.push_str(&format!("{title}:\n"));
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}

/// The lists as the daemon gave them, each failure with an `advice`.
fn as_json(troubles: &Troubles) -> String {
    let mut object = serde_json::to_value(troubles).expect("texts, numbers and lists always encode");
    for (entry, failed) in object["failed"].as_array_mut().into_iter().flatten().zip(&troubles.failed) {
        entry["advice"] = advice(failed).into();
    }
    object.to_string()
}

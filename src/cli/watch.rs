//! `boxfs watch`: changes as they are applied, one line each.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process;

use clap::Args;

use crate::control::{Change, Client, ClientError, Reply, Request, find};

use super::exit::{Exit, Failure};
use super::signals::StopSignals;

/// Print what others change in Box and what goes up from here, as it happens, until interrupted
#[derive(Args)]
pub(super) struct Arguments {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
    /// One JSON object in each line, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    end_when_interrupted()?;
    let place = find(arguments.path.as_deref())?;
    let mut client = Client::connect(&place.mount.state_dir)?;
    let mut announced = false;
    let mut failed = None;
    let last = client.follow(&Request::Watch { path: place.inner }, |reply| {
        let line = match reply {
            Reply::Change(change) if arguments.json => as_json(change),
            Reply::Change(change) => in_words(change),
            Reply::Missed { count } if arguments.json => {
                as_json(&serde_json::json!({"what": "missed", "count": count}))
            }
            Reply::Missed { count } => format!("({count} changes came faster than they were read, and are not shown)"),
            _ => {
                if !std::mem::replace(&mut announced, true) {
                    eprintln!("boxfs: watching; Ctrl-C ends");
                }
                return ControlFlow::Continue(());
            }
        };
        match writeln!(io::stdout(), "{line}") {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    match (last, failed) {
        // The reader of our lines has seen enough.
        (_, Some(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        (_, Some(error)) => Err(Failure::new(format!("cannot write: {error}"))),
        (Ok(None | Some(Reply::Done)) | Err(ClientError::HungUp), None) => {
            eprintln!("boxfs: the mount is gone");
            Ok(Exit::NotMounted)
        }
        (Ok(Some(other)), None) => Err(other.into()),
        (Err(error), None) => Err(error.into()),
    }
}

/// Being interrupted is how a watch ends well.
fn end_when_interrupted() -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::new(format!("cannot wait for signals: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let mut stop = {
        let _inside = runtime.enter();
        StopSignals::listen().map_err(failed)?
    };
    std::thread::spawn(move || {
        runtime.block_on(stop.asked());
        process::exit(Exit::Done as i32);
    });
    Ok(())
}

fn as_json(line: &impl serde::Serialize) -> String {
    serde_json::to_string(line).expect("texts and numbers always encode")
}

/// `2026-11-23T10:00:00Z  moved    a.txt -> docs/a.txt  by ann@example.com`
fn in_words(change: &Change) -> String {
    let what = match &change.from {
        Some(from) => format!("{from} -> {}", change.path),
        None => change.path.clone(),
    };
    let slash = if change.kind == "folder" { "/" } else { "" };
    let who = match (&change.by, change.made_in.as_str()) {
        (_, "mount") => "  from here".to_owned(),
        (Some(by), _) => format!("  by {by}"),
        (None, _) => String::new(),
    };
    format!("{}  {:<7}  {what}{slash}{who}", change.at, change.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let change = Change {
            at: "2026-11-23T10:00:00Z".to_owned(),
            what: "moved".to_owned(),
            kind: "folder".to_owned(),
            path: "new/b".to_owned(),
            from: Some("a".to_owned()),
            made_in: "box".to_owned(),
            by: Some("ann@example.com".to_owned()),
        };
        assert_eq!(in_words(&change), "2026-11-23T10:00:00Z  moved    a -> new/b/  by ann@example.com");
        let ours = Change { from: None, kind: "file".to_owned(), made_in: "mount".to_owned(), ..change };
        assert_eq!(in_words(&ours), "2026-11-23T10:00:00Z  moved    new/b  from here");
    }
}

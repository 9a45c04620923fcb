//! `boxfs status`: for a person, for a script, or again and again.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::control::{Client, Place, Reply, Request, StatusReport, find};

use super::exit::{Exit, Failure};
use super::status_text::in_words;

/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Clears a terminal and puts the cursor into its corner (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Say what is in Box and what is on its way
#[derive(Args)]
pub(super) struct Arguments {
    /// A mount point or anything below one [default: the only mount]
    path: Option<PathBuf>,
    /// One JSON object for scripts
    #[arg(long)]
    json: bool,
    /// Again each second, until interrupted
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let place = find(arguments.path.as_deref())?;
    let mut client = Client::connect(&place.mount.state_dir)?;
    let clear = if arguments.watch && !arguments.json && io::stdout().is_terminal() { CLEAR } else { "" };
    loop {
        let report = ask(&mut client, &place)?;
        let text = if arguments.json { as_json(&report) } else { in_words(&report) };
        let written = io::stdout().write_all(format!("{clear}{text}").as_bytes()).and_then(|()| io::stdout().flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            Err(error) => return Err(Failure::new(format!("cannot write: {error}"))),
            Ok(()) if !arguments.watch => return Ok(Exit::Done),
            Ok(()) => std::thread::sleep(WATCH_EVERY),
        }
    }
}

fn ask(client: &mut Client, place: &Place) -> Result<StatusReport, Failure> {
    match client.ask(&Request::Status { path: place.inner.clone() })? {
        Reply::Status(report) => Ok(*report),
        other => Err(other.into()),
    }
}

/// One line, so that `--watch --json` is a stream of lines.
fn as_json(report: &StatusReport) -> String {
    let mut text = serde_json::to_string(report).expect("texts, numbers and lists always encode");
    text.push('\n');
    text
}

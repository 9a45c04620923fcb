//! `boxfs status`: for a person, for a script, or again and again.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::control::{Client, Place, Reply, Request, StatusReport, find};

use super::exit::{Exit, Failure};
use super::status_text::in_words;
use super::terminal::Look;

/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Puts a terminal's cursor into its corner; clears what is right of it; clears what is below it (ECMA-48). What is
/// written over does not flicker.
const TO_CORNER: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[J";

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
    let in_place = arguments.watch && !arguments.json && io::stdout().is_terminal();
    loop {
        let report = ask(&mut client, &place)?;
        // A terminal may be made wider meanwhile.
        let text = if arguments.json { as_json(&report) } else { in_words(&report, Look::of_stdout()) };
        let text = if in_place { format!("{TO_CORNER}{}{CLEAR_BELOW}", text.replace('\n', CLEAR_LINE)) } else { text };
        let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
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

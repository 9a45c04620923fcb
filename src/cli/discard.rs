//! `boxfs discard`: what Box does not have of one item goes, after a question.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use crate::base::show_size;
use crate::control::{Client, Discarded, Place, Reply, Request, find};

use super::exit::{Exit, Failure};

/// Throw away what Box does not have of PATH
///
/// A file that Box has shows Box's version again, one that Box never had goes away, a renamed item gets its old name back, a deleted one
/// that Box still has comes back.
#[derive(Args)]
pub(super) struct Arguments {
    path: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let place = find(Some(&arguments.path))?;
    let mut client = Client::connect(&place.mount.state_dir)?;
    let shown = arguments.path.display().to_string();
    let would = ask(&mut client, &place, false)?;
    if would == Discarded::Nothing {
        println!("Box has all of {shown}: nothing to discard.");
        return Ok(Exit::Done);
    }
    if !arguments.yes && !confirmed(&shown, &in_words(would))? {
        println!("Nothing is discarded.");
        return Ok(Exit::Failed);
    }
    ask(&mut client, &place, true)?;
    Ok(Exit::Done)
}

fn ask(client: &mut Client, place: &Place, act: bool) -> Result<Discarded, Failure> {
    match client.ask(&Request::Discard { path: place.inner.clone(), act })? {
        Reply::Discarded { what } => Ok(what),
        other => Err(other.into()),
    }
}

fn in_words(what: Discarded) -> String {
    match what {
        Discarded::Nothing => "nothing changes".to_owned(),
        Discarded::Reverted { bytes } => {
            format!("its {} that Box does not have are thrown away, and Box's version comes back", show_size(bytes))
        }
        Discarded::Removed { bytes } => {
            format!("Box does not have it: its {} are thrown away, and nothing is left", show_size(bytes))
        }
        Discarded::MovedBack => "it gets the name, folder and time back that it has in Box".to_owned(),
        Discarded::Undeleted => "its deletion has not reached Box: it comes back".to_owned(),
    }
}

/// Only a person at a terminal can be asked; a script says `--yes`.
fn confirmed(shown: &str, what: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{shown}: {what}: there is no terminal to ask on, so nothing is done; say --yes if that is wanted"
        )));
    }
    eprint!("{shown}: {what}. Go on? [y/N] ");
    // A question that cannot be shown is answered by no.
    io::stderr().flush().map_err(|e| Failure::new(format!("cannot ask: {e}")))?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|e| Failure::new(format!("cannot read the answer: {e}")))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

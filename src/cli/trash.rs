//! `boxfs trash`: what lies in Box's trash, and the way back.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::base::show_size;
use crate::control::{Client, Reply, Request, TrashedItem, find};

use super::exit::{Exit, Failure};

/// List Box's trash, or take items out of it
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List what lies in the trash
    List {
        /// A mount of the account [default: the only mount]
        #[arg(long, value_name = "PATH")]
        mount: Option<PathBuf>,
        /// One JSON array for scripts
        #[arg(long)]
        json: bool,
    },
    /// Put items back where they were
    Restore {
        /// Names or ids that `boxfs trash list` shows
        #[arg(required = true)]
        items: Vec<String>,
        /// A mount of the account [default: the only mount]
        #[arg(long, value_name = "PATH")]
        mount: Option<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mount = match &arguments.command {
        Command::List { mount, .. } | Command::Restore { mount, .. } => mount,
    };
    let mut client = Client::connect(&find(mount.as_deref())?.mount.state_dir)?;
    let trash = match client.ask(&Request::Trash)? {
        Reply::Trash { items } => items,
        other => return Err(other.into()),
    };
    match &arguments.command {
        Command::List { json: true, .. } => println!("{}", serde_json::json!(trash)),
        Command::List { .. } => trash.iter().for_each(|item| println!("{}", in_words(item))),
        Command::Restore { items, .. } => {
            // All are found before any is touched.
            let found = items.iter().map(|wanted| choose(&trash, wanted)).collect::<Result<Vec<_>, _>>()?;
            for item in found {
                restore(&mut client, item)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn restore(client: &mut Client, item: &TrashedItem) -> Result<(), Failure> {
    match client.ask(&Request::RestoreTrashed { kind: item.kind.clone(), id: item.id.clone() })? {
        Reply::Restored { name } => {
            println!("{name} is back");
            Ok(())
        }
        other => Err(other.into()),
    }
}

fn choose<'a>(trash: &'a [TrashedItem], wanted: &str) -> Result<&'a TrashedItem, Failure> {
    let found: Vec<_> = trash.iter().filter(|item| item.id == wanted || item.name == wanted).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(format!("'{wanted}' is not in the trash: 'boxfs trash list' shows what is"))),
        several => {
            let ids: Vec<_> = several.iter().map(|item| item.id.as_str()).collect();
            Err(Failure::usage(format!("several items are called '{wanted}': give one of the ids {}", ids.join(", "))))
        }
    }
}

/// `1400000000003  file  12 kB  report.pdf`
fn in_words(item: &TrashedItem) -> String {
    format!("{}  {}  {}  {}", item.id, item.kind, show_size(item.size), item.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_chosen_by_name_or_id_and_never_guessed() {
        let item = |id: &str, name: &str| TrashedItem {
            id: id.to_owned(),
            kind: "file".to_owned(),
            name: name.to_owned(),
            size: 1,
        };
        let trash = [item("1", "a"), item("2", "b"), item("3", "b")];
        assert_eq!(choose(&trash, "a").unwrap().id, "1");
        assert_eq!(choose(&trash, "3").unwrap().id, "3");
        assert!(choose(&trash, "b").unwrap_err().message.contains("2, 3"));
        assert!(choose(&trash, "c").is_err());
    }
}

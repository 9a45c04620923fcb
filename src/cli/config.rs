//! `boxfs config`: what the configuration says, from where, and how to change it.

use std::fmt::Write;

use clap::{Args, Subcommand};

use crate::config::{CommandLine, EditError, Origin, Standing, Surroundings, config_path, explain, set_key, unset_key};

use super::exit::{Exit, Failure};
use super::prompt::ask_secret;
use super::shared::SharedOptions;

/// Show or change the configuration
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    /// Each key with its meaning, its default, its value, and where that comes from
    #[arg(long)]
    explain: bool,
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    shared: SharedOptions,
}

#[derive(Subcommand)]
enum What {
    /// Print the value of a key as it holds
    Get {
        key: String,
        #[command(flatten)]
        shared: Box<SharedOptions>,
    },
    /// Write a key into the file; with --profile, for that profile alone
    Set {
        key: String,
        /// Left out for a secret, which is asked for
        value: Option<String>,
        #[command(flatten)]
        shared: Box<SharedOptions>,
    },
    /// Take a key out of the file
    Unset {
        key: String,
        #[command(flatten)]
        shared: Box<SharedOptions>,
    },
}

pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    match &arguments.what {
        None => show(arguments, around),
        Some(What::Get { key, shared }) => get(key, &shared.line(None), around),
        Some(What::Set { key, value, shared }) => set(key, value.as_deref(), &shared.line(None), around),
        Some(What::Unset { key, shared }) => {
            let line = shared.line(None);
            unset_key(&config_path(&line, around)?, line.profile.as_deref(), key)?;
            Ok(Exit::Done)
        }
    }
}

fn show(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    let line = arguments.shared.line(None);
    let path = config_path(&line, around)?;
    let standings = explain(&line, around)?;
    let there = if path.exists() { "" } else { " (not there yet)" };
    let mut text = format!("# {}{there}\n", path.display());
    for standing in standings.iter().filter(|s| arguments.explain || s.origin != Origin::Default) {
        if arguments.explain {
            text.push_str(&explained(standing));
        } else {
            let _ = writeln!(text, "{} = \"{}\"    # {}", standing.key, standing.value, standing.origin);
        }
    }
    if !arguments.explain {
        text.push_str("# everything else is as by default: 'boxfs config --explain'\n");
    }
    print!("{text}");
    Ok(Exit::Done)
}

fn explained(standing: &Standing) -> String {
    let or_nothing = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
    let mut text = format!("\n{}: {}\n", standing.key, standing.help);
    if standing.origin == Origin::Default {
        let _ = writeln!(text, "    {}, the default", or_nothing(&standing.value));
    } else {
        let _ = writeln!(text, "    {}, from {}", standing.value, standing.origin);
        if !standing.default.is_empty() {
            let _ = writeln!(text, "    default: {}", standing.default);
        }
    }
    text
}

fn get(key: &str, line: &CommandLine, around: &Surroundings) -> Result<Exit, Failure> {
    let standings = explain(line, around)?;
    let names = || standings.iter().map(|standing| standing.key);
    let standing = standings.iter().find(|standing| standing.key == key).ok_or_else(|| {
        let nearest = crate::config::nearest(key, names());
        Failure::from(EditError::UnknownKey { key: key.to_owned(), nearest })
    })?;
    println!("{}", standing.value);
    Ok(Exit::Done)
}

fn set(key: &str, value: Option<&str>, line: &CommandLine, around: &Surroundings) -> Result<Exit, Failure> {
    let path = config_path(line, around)?;
    let profile = line.profile.as_deref();
    match (is_secret(key), value) {
        (true, Some(_)) => Err(Failure::usage(format!(
            "{key} is a secret, and others can see arguments: leave the value out and type it at the prompt"
        ))),
        (true, None) => {
            let secret = ask_secret(key)?;
            set_key(&path, profile, key, secret.reveal())?;
            Ok(Exit::Done)
        }
        (false, Some(value)) => {
            set_key(&path, profile, key, value)?;
            Ok(Exit::Done)
        }
        (false, None) => Err(Failure::usage(format!("{key} needs a value: boxfs config set {key} VALUE"))),
    }
}

fn is_secret(key: &str) -> bool {
    crate::config::secret_keys().any(|secret| secret == key)
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Failure {
        match error {
            EditError::Unwritable { .. } => Failure::new(error.to_string()),
            _ => Failure::usage(error.to_string()),
        }
    }
}

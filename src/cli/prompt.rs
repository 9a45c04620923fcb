//! Asking a person: on a terminal with a prompt, secrets without echo; else one line of standard input.

use std::io::{self, IsTerminal, Write};

use crate::base::Secret;

use super::exit::Failure;

/// A line in the clear.
pub(super) fn ask(what: &str) -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        eprint!("{what}: ");
        // A prompt that cannot be shown is no reason not to read.
        let _ = io::stderr().flush();
    }
    one_line(what)
}

/// A line that nobody sees.
pub(super) fn ask_secret(what: &str) -> Result<Secret, Failure> {
    let line = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what} (not shown): ")).map_err(|e| unread(what, &e))?
    } else {
        one_line(what)?
    };
    let line = line.trim();
    if line.is_empty() { Err(missing(what)) } else { Ok(Secret::new(line)) }
}

fn one_line(what: &str) -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|e| unread(what, &e))?;
    let line = line.trim();
    if line.is_empty() { Err(missing(what)) } else { Ok(line.to_owned()) }
}

fn missing(what: &str) -> Failure {
    Failure::usage(format!(
        "the {} is missing: type it at the prompt, or see 'boxfs login --help'",
        what.to_lowercase()
    ))
}

fn unread(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read the {}: {error}", what.to_lowercase()))
}

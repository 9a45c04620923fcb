//! `boxfs completions SHELL`: the shell's completion script on standard output.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::exit::{Exit, Failure};

/// Print the completion script of a shell
#[derive(Args)]
pub(super) struct Arguments {
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "boxfs", &mut script);
    io::stdout().write_all(&script).map_err(|e| Failure::new(format!("cannot write the script: {e}")))?;
    Ok(Exit::Done)
}

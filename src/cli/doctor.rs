//! `boxfs doctor`: everything that a mount needs, looked at one by one, each fault with what to do. Works before the first
//! sign-in, and changes nothing.

mod box_side;
mod findings;
mod machine;

use std::io::Write;

use clap::Args;

use crate::config::Surroundings;

use super::exit::{Exit, Failure};
use super::shared::SharedOptions;
use super::terminal::Look;
use findings::{Findings, Verdict};

/// Look for what keeps boxfs from working, and say what to do
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    shared: SharedOptions,
}

pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    let mut findings = Findings::new(Look::of_stdout());
    match arguments.shared.settings(around) {
        Err(error) => {
            findings.add(
                "Configuration",
                Verdict::Bad("correct it, then run 'boxfs doctor' again"),
                &error.to_string(),
            );
            machine::look_at_kernel(&mut findings);
        }
        Ok(settings) => {
            let path = crate::config::config_path(&arguments.shared.line(None), around);
            let text = match path {
                Ok(path) if path.exists() => path.display().to_string(),
                _ => "as by default, no file".to_owned(),
            };
            findings.add("Configuration", Verdict::Good, &text);
            machine::look_at_fuse(&mut findings, &settings);
            machine::look_at_kernel(&mut findings);
            machine::look_at_places(&mut findings, &settings);
            machine::look_at_limits(&mut findings);
            box_side::look(&mut findings, &settings, around)?;
        }
    }
    // Whoever asked may not want to read it all.
    let _ = std::io::stdout().flush();
    Ok(if findings.is_bad() { Exit::Failed } else { Exit::Done })
}

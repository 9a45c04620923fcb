//! `boxfs demo`: the whole main job with real files, as a user would type it, against an emulator of Box.
//!
//! Every step is a program of its own (`boxfs mount`, `cp`, `boxfs wait`, `boxfs umount`), so that what is shown is
//! what a user gets. Whatever happens, mounts, processes and files of the demo are gone at its end.

mod bench;
mod children;
mod input;
mod inspect;
mod interrupt;
mod proof;
mod story;

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Show the whole way into Box and back on this machine, without an account
#[derive(Args)]
pub(super) struct Arguments {
    /// A tree to copy in [default: /usr/share/doc, or the current directory where that is nearly empty]
    dir: Option<PathBuf>,
    /// Leave the mount and the emulator running at the end
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let interrupt = interrupt::Interrupt::watch()?;
    story::tell(arguments.dir.as_deref(), arguments.keep, &interrupt)?;
    Ok(Exit::Done)
}

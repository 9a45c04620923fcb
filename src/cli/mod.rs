//! The `boxfs` command: one file per subcommand; nothing here but arguments, talk and exit codes.
//!
//! Results go to standard output, everything else to standard error. The daemon is put together in [`daemon`].

mod account;
mod background;
mod completions;
mod config;
mod conflicts;
mod daemon;
mod deletions;
mod demo;
mod detach;
mod discard;
mod doctor;
mod emulator;
mod exit;
mod filling;
mod guard;
mod logging;
mod login;
mod logout;
mod mount;
mod mount_checks;
mod pause;
mod pin;
mod progress;
mod prompt;
mod ready;
mod retry;
mod save_as;
mod secrecy;
mod shared;
mod sign_in;
mod signals;
mod state_dir;
mod status;
mod status_text;
mod terminal;
mod thumbnails;
mod trash;
mod trouble_text;
mod umount;
mod versions;
mod wait;
mod watch;
mod whoami;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Surroundings;

use exit::Failure;

/// A file system backed by Box: what is written to a directory is in Box soon after.
#[derive(Parser)]
#[command(name = "boxfs", version, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 still pending after the time limit, \
                        4 not mounted or no daemon, 5 sign-in needed.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Mount(Box<mount::Arguments>),
    Umount(umount::Arguments),
    Status(status::Arguments),
    Wait(wait::Arguments),
    Watch(watch::Arguments),
    Retry(retry::Arguments),
    Conflicts(conflicts::Arguments),
    Pin(pin::PinArguments),
    Unpin(pin::UnpinArguments),
    Evict(pin::EvictArguments),
    Prefetch(pin::PrefetchArguments),
    Discard(discard::Arguments),
    SaveAs(Box<save_as::Arguments>),
    Pause(pause::Pausing),
    Resume(pause::Resuming),
    Confirm(deletions::Confirming),
    Undo(deletions::Undoing),
    Versions(versions::VersionsArguments),
    Restore(versions::RestoreArguments),
    Trash(trash::Arguments),
    Thumbnails(thumbnails::Arguments),
    Login(Box<login::Arguments>),
    Logout(Box<logout::Arguments>),
    Whoami(Box<whoami::Arguments>),
    Config(Box<config::Arguments>),
    Doctor(Box<doctor::Arguments>),
    Emulator(Box<emulator::Arguments>),
    Demo(demo::Arguments),
    Completions(completions::Arguments),
    #[command(hide = true)]
    GuardMount(guard::Arguments),
}

/// Runs the command of this process's arguments. To be called first in `main`, before any thread starts.
pub fn run() -> ExitCode {
    // SAFETY: `main` calls this before anything could start a thread.
    let around = unsafe { Surroundings::take() };
    secrecy::keep_memory_private();
    // The kernel names a process after the link it was started through; programs that list processes show this one.
    let _ = nix::sys::prctl::set_name(c"boxfs");
    let result = match Arguments::parse().command {
        Command::Mount(arguments) => mount::run(*arguments, around),
        Command::Umount(arguments) => umount::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Wait(arguments) => wait::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Retry(arguments) => retry::run(&arguments),
        Command::Conflicts(arguments) => conflicts::run(&arguments),
        Command::Pin(arguments) => pin::pin(&arguments),
        Command::Unpin(arguments) => pin::unpin(&arguments),
        Command::Evict(arguments) => pin::evict(&arguments),
        Command::Prefetch(arguments) => pin::prefetch(&arguments),
        Command::Discard(arguments) => discard::run(&arguments),
        Command::SaveAs(arguments) => save_as::run(&arguments, &around),
        Command::Pause(arguments) => pause::pause(&arguments),
        Command::Resume(arguments) => pause::resume(&arguments),
        Command::Confirm(arguments) => deletions::confirm(&arguments),
        Command::Undo(arguments) => deletions::undo(&arguments),
        Command::Versions(arguments) => versions::versions(&arguments),
        Command::Restore(arguments) => versions::restore(&arguments),
        Command::Trash(arguments) => trash::run(&arguments),
        Command::Thumbnails(arguments) => thumbnails::run(&arguments, &around),
        Command::Login(arguments) => login::run(&arguments, &around),
        Command::Logout(arguments) => logout::run(&arguments, &around),
        Command::Whoami(arguments) => whoami::run(&arguments, &around),
        Command::Config(arguments) => config::run(&arguments, &around),
        Command::Doctor(arguments) => doctor::run(&arguments, &around),
        Command::Emulator(arguments) => emulator::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::GuardMount(arguments) => guard::run(arguments),
    };
    result.unwrap_or_else(Failure::tell).into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_description_of_the_arguments_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}

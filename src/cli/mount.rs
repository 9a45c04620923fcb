//! `boxfs mount`: checks, then the daemon, in the background or here.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::Secret;
use crate::config::{Settings, Surroundings};

use super::daemon::{self, DaemonError};
use super::exit::{Exit, Failure};
use super::mount_checks::{check_machine, check_mountpoint};
use super::ready::{ReadyPipe, Started};
use super::shared::SharedOptions;
use super::sign_in::Session;
use super::{background, logging};

/// A token, an application's secret and a proxy are far shorter.
const MAX_SECRETS_BYTES: u64 = 64 * 1024;

/// Show Box in a directory
#[derive(Args)]
pub(super) struct Arguments {
    /// An empty directory
    mountpoint: PathBuf,
    /// ro, allow_other, allow_root, uid=N, gid=N, umask=N, noexec, noatime,
    /// auto_unmount, passthrough=on|off|auto
    #[arg(short = 'o', value_name = "OPT,...")]
    options: Vec<String>,
    /// Stay in the foreground and log to standard error
    #[arg(long)]
    foreground: bool,
    /// Where the daemon says that it is ready; secrets come by standard input.
    #[arg(long, hide = true, requires = "foreground")]
    ready_fd: Option<RawFd>,
    #[command(flatten)]
    shared: SharedOptions,
}

pub(super) fn run(arguments: Arguments, around: Surroundings) -> Result<Exit, Failure> {
    match arguments.ready_fd {
        Some(number) => in_background(&arguments, number, around),
        None => from_terminal(&arguments, around),
    }
}

fn from_terminal(arguments: &Arguments, mut around: Surroundings) -> Result<Exit, Failure> {
    let settings = settings(arguments, &around)?;
    let mountpoint = check_mountpoint(&arguments.mountpoint)?;
    check_machine(&settings.mount)?;
    let session = Session::open(&settings, &around)?;
    if !arguments.foreground {
        session.hand_over(&mut around);
        return background::start(&settings, &around.secrets);
    }
    logging::to_stderr(settings.log_level);
    serve(&mountpoint, settings, session, |_logged| {
        // Without NOTIFY_SOCKET nobody asked; with it, a failure is the service manager's to notice.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    })
    .map_err(|error| Failure { message: error.message, exit: Exit::from_code(error.exit_code) })
}

/// The daemon's own process: its errors go through the pipe, since nobody reads its standard error.
fn in_background(arguments: &Arguments, number: RawFd, around: Surroundings) -> Result<Exit, Failure> {
    let ready = ReadyPipe::take(number).map_err(|e| Failure::usage(e.to_string()))?;
    let mut ready = Some(ready);
    let result = detached(arguments, around, &mut ready);
    match result {
        Ok(exit) => Ok(exit),
        Err(failure) => {
            log::error!("{}", failure.message);
            if let Some(ready) = ready {
                let (message, exit_code) = (failure.message.clone(), failure.exit as u8);
                ready.send(&Started::Error { message, exit_code });
            }
            Err(failure)
        }
    }
}

fn detached(arguments: &Arguments, mut around: Surroundings, ready: &mut Option<ReadyPipe>) -> Result<Exit, Failure> {
    around.secrets = secrets_from_stdin()?;
    let settings = settings(arguments, &around)?;
    let session = Session::open(&settings, &around)?;
    let mountpoint = check_mountpoint(&arguments.mountpoint)?;
    let failed = |what: &str, error: std::io::Error| Failure::new(format!("{what}: {error}"));
    logging::to_file(settings.log_level, &settings.state_dir).map_err(|e| failed("cannot write the log", e))?;
    nix::unistd::setsid().map_err(|e| failed("cannot leave the terminal", e.into()))?;
    // The directory we were started in must not be kept busy. All paths are absolute by now.
    std::env::set_current_dir("/").map_err(|e| failed("cannot leave the directory", e))?;
    let on_ready = |told| {
        let heard = ready.take().is_some_and(|pipe| pipe.send(&Started::Ready { told }));
        if !heard {
            log::warn!("the command that started this mount is gone: unmounting");
            // To ourselves: the daemon stops as it always does.
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
        }
    };
    serve(&mountpoint, settings, session, on_ready)
        .map_err(|error| Failure { message: error.message, exit: Exit::from_code(error.exit_code) })
}

fn serve(
    mountpoint: &Path,
    settings: Settings,
    session: Session,
    on_ready: impl FnOnce(Option<String>),
) -> Result<Exit, DaemonError> {
    // What a daemon writes is its user's alone; the modes of a program's files come from the program.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    daemon::run(mountpoint, settings, session, on_ready)?;
    Ok(Exit::Done)
}

fn settings(arguments: &Arguments, around: &Surroundings) -> Result<Settings, Failure> {
    let options = Some(arguments.options.join(",")).filter(|list| !list.is_empty());
    Ok(arguments.shared.settings_with(around, options)?)
}

/// What was secret in the environment of the command that started this daemon, by the variable's name.
fn secrets_from_stdin() -> Result<BTreeMap<String, Secret>, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_SECRETS_BYTES)
        .read_to_string(&mut text)
        .map_err(|e| Failure::new(format!("cannot read the secrets: {e}")))?;
    // The parser's message could quote a secret.
    let all: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|_| Failure::usage("--ready-fd is for boxfs itself"))?;
    Ok(all.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

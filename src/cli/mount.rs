//! `boxfs mount`: checks, then the daemon, in the background or here.

use std::io::Read;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::Secret;
use crate::config::Settings;

use super::daemon::{self, DaemonError};
use super::exit::{Exit, Failure};
use super::mount_checks::{check_machine, check_mountpoint};
use super::ready::{ReadyPipe, Started};
use super::shared::SharedOptions;
use super::{background, logging};

/// A longer token is none.
const MAX_TOKEN_BYTES: u64 = 16 * 1024;

/// Show Box in a directory
#[derive(Args)]
pub(super) struct Arguments {
    /// An empty directory
    mountpoint: PathBuf,
    /// ro, allow_other, allow_root, uid=N, gid=N, umask=N, default_permissions, noexec, noatime,
    /// passthrough=on|off|auto
    #[arg(short = 'o', value_name = "OPT,...")]
    options: Vec<String>,
    /// Stay in the foreground and log to standard error
    #[arg(long)]
    foreground: bool,
    /// Where the daemon says that it is ready; the token comes by standard input.
    #[arg(long, hide = true, requires = "foreground")]
    ready_fd: Option<RawFd>,
    #[command(flatten)]
    shared: SharedOptions,
}

pub(super) fn run(arguments: Arguments, token: Option<Secret>) -> Result<Exit, Failure> {
    match arguments.ready_fd {
        Some(number) => in_background(&arguments, number),
        None => from_terminal(&arguments, token),
    }
}

fn from_terminal(arguments: &Arguments, token: Option<Secret>) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let mountpoint = check_mountpoint(&arguments.mountpoint)?;
    check_machine(&settings.mount)?;
    let token = token.ok_or_else(|| Failure::sign_in("no sign-in: set BOXFS_TOKEN to an access token of Box"))?;
    if !arguments.foreground {
        return background::start(&settings, &token);
    }
    logging::to_stderr(settings.log_level);
    serve(&mountpoint, settings, token, || {
        // Without NOTIFY_SOCKET nobody asked; with it, a failure is the service manager's to notice.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    })
    .map_err(|error| Failure { message: error.message, exit: Exit::from_code(error.exit_code) })
}

/// The daemon's own process: its errors go through the pipe, since nobody reads its standard error.
fn in_background(arguments: &Arguments, number: RawFd) -> Result<Exit, Failure> {
    let ready = ReadyPipe::take(number).map_err(|e| Failure::usage(e.to_string()))?;
    let mut ready = Some(ready);
    let result = detached(arguments, &mut ready);
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

fn detached(arguments: &Arguments, ready: &mut Option<ReadyPipe>) -> Result<Exit, Failure> {
    let token = token_from_stdin()?;
    let settings = settings(arguments)?;
    let mountpoint = check_mountpoint(&arguments.mountpoint)?;
    let failed = |what: &str, error: std::io::Error| Failure::new(format!("{what}: {error}"));
    logging::to_file(settings.log_level, &settings.state_dir).map_err(|e| failed("cannot write the log", e))?;
    nix::unistd::setsid().map_err(|e| failed("cannot leave the terminal", e.into()))?;
    // The directory we were started in must not be kept busy. All paths are absolute by now.
    std::env::set_current_dir("/").map_err(|e| failed("cannot leave the directory", e))?;
    let on_ready = || {
        let told = ready.take().is_some_and(|pipe| pipe.send(&Started::Ready));
        if !told {
            log::warn!("the command that started this mount is gone: unmounting");
            // To ourselves: the daemon stops as it always does.
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
        }
    };
    serve(&mountpoint, settings, token, on_ready)
        .map_err(|error| Failure { message: error.message, exit: Exit::from_code(error.exit_code) })
}

fn serve(mountpoint: &Path, settings: Settings, token: Secret, on_ready: impl FnOnce()) -> Result<Exit, DaemonError> {
    // What a daemon writes is its user's alone; the modes of a program's files come from the program.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    // No core dump and no debugger of the same user sees the token.
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        log::warn!("core dumps stay possible: {error}");
    }
    daemon::run(mountpoint, settings, token, on_ready)?;
    Ok(Exit::Done)
}

fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    let options = Some(arguments.options.join(",")).filter(|list| !list.is_empty());
    Ok(arguments.shared.settings(options)?)
}

fn token_from_stdin() -> Result<Secret, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_TOKEN_BYTES)
        .read_to_string(&mut text)
        .map_err(|e| Failure::new(format!("cannot read the token: {e}")))?;
    Ok(Secret::new(text))
}

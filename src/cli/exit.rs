//! Exit codes, and errors as a person reads them: one line that says what to do.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::control::{ClientError, FindError, Refusal, Reply};

/// The contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// Something is still pending after the time limit.
    Pending = 3,
    /// Not mounted, or no daemon.
    NotMounted = 4,
    SignInNeeded = 5,
}

impl Exit {
    /// The exit whose number a daemon's start reported; unknown numbers are failures.
    pub(super) fn from_code(code: u8) -> Exit {
        let all = [Exit::Done, Exit::Usage, Exit::Pending, Exit::NotMounted, Exit::SignInNeeded];
        all.into_iter().find(|exit| *exit as u8 == code).unwrap_or(Exit::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A command that did not do what was asked.
#[derive(Debug)]
pub(super) struct Failure {
    pub message: String,
    pub exit: Exit,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit: Exit::Failed }
    }

    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit: Exit::Usage }
    }

    pub(super) fn sign_in(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit: Exit::SignInNeeded }
    }

    /// Says it on standard error and gives the exit code.
    pub(super) fn tell(self) -> Exit {
        eprintln!("boxfs: {}", self.message);
        self.exit
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Failure {
        let exit = match error {
            FindError::NotMounted { .. } | FindError::NoMount => Exit::NotMounted,
            FindError::Several { .. } | FindError::NotText { .. } => Exit::Usage,
            FindError::Table(_) => Exit::Failed,
        };
        Failure { message: error.to_string(), exit }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let exit = match error {
            ClientError::NoDaemon { .. } => Exit::NotMounted,
            _ => Exit::Failed,
        };
        Failure { message: error.to_string(), exit }
    }
}

/// What a last reply other than the hoped-for one means.
impl From<Reply> for Failure {
    fn from(reply: Reply) -> Failure {
        match reply {
            Reply::Error { refusal: Refusal::SignInNeeded, message } => Failure::sign_in(message),
            Reply::Error { message, .. } => Failure::new(message),
            other => Failure::new(format!("the daemon's answer does not fit the question: {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_way_from_the_daemon() {
        for exit in [Exit::Done, Exit::Failed, Exit::Usage, Exit::Pending, Exit::NotMounted, Exit::SignInNeeded] {
            assert_eq!(Exit::from_code(exit as u8), exit);
        }
        assert_eq!(Exit::from_code(77), Exit::Failed);
    }
}

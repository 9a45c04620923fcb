//! The word that a daemon in the background sends to the command that started it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::{Deserialize, Serialize};

/// One JSON line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(super) enum Started {
    /// With what the user is to be told of the start.
    Ready {
        told: Option<String>,
    },
    Error {
        message: String,
        exit_code: u8,
    },
}

/// The daemon's end of the pipe.
pub(super) struct ReadyPipe(File);

impl ReadyPipe {
    /// Takes over the descriptor that `--ready-fd` names, and keeps it from programs started later.
    ///
    /// # Errors
    /// The number is not that of an open pipe.
    pub(super) fn take(number: RawFd) -> io::Result<ReadyPipe> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "--ready-fd is for boxfs itself");
        let is_pipe = std::fs::metadata(format!("/proc/self/fd/{number}")).is_ok_and(|m| m.file_type().is_fifo());
        if number <= 2 || !is_pipe {
            return Err(wrong());
        }
        // SAFETY: the descriptor is open, as just seen; the command that started us left it to us alone.
        let pipe = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl(&pipe, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        Ok(ReadyPipe(File::from(pipe)))
    }

    /// `false` when the starter is gone: somebody interrupted it, and nobody wants this mount.
    pub(super) fn send(mut self, started: &Started) -> bool {
        let mut line = serde_json::to_string(started).expect("texts and numbers always encode");
        line.push('\n');
        self.0.write_all(line.as_bytes()).is_ok()
    }
}

/// What came through the pipe until its other end was closed.
pub(super) fn receive(mut pipe: impl Read) -> io::Result<Option<Started>> {
    /// One message; an honest one is far shorter.
    const MAX_BYTES: u64 = 64 * 1024;
    let mut text = String::new();
    pipe.by_ref().take(MAX_BYTES).read_to_string(&mut text)?;
    match text.lines().next() {
        Some(line) => Ok(Some(serde_json::from_str(line)?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd;

    #[test]
    fn the_word_crosses_the_pipe() {
        let error = Started::Error { message: "no\nluck".to_owned(), exit_code: 5 };
        for word in [Started::Ready { told: None }, Started::Ready { told: Some("a".to_owned()) }, error] {
            let (reader, writer) = io::pipe().unwrap();
            assert!(ReadyPipe::take(OwnedFd::from(writer).into_raw_fd()).unwrap().send(&word));
            assert_eq!(receive(reader).unwrap(), Some(word));
        }
    }

    #[test]
    fn a_starter_that_is_gone_is_noticed() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert!(!ReadyPipe::take(OwnedFd::from(writer).into_raw_fd()).unwrap().send(&Started::Ready { told: None }));
        assert!(receive(io::empty()).unwrap().is_none());
        assert!(ReadyPipe::take(0).is_err());
        assert!(ReadyPipe::take(999_999).is_err());
    }
}

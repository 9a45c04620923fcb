//! A command's end: asks one daemon and blocks for its replies.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::protocol::{Reply, Request, decode, encode};
use super::socket_path::SocketPath;

/// A daemon that says nothing for this long hangs; long requests send progress each second.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// A status object with all its bounded lists stays far below this.
const MAX_REPLY_BYTES: u64 = 16 * 1024 * 1024;
/// How often an ending daemon is looked at.
const END_CHECK: Duration = Duration::from_millis(10);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: no daemon, or one that was killed.
    #[error("no boxfs daemon listens in {}", dir.display())]
    NoDaemon { dir: PathBuf },
    #[error("the daemon in {} belongs to another user", dir.display())]
    NotAllowed { dir: PathBuf },
    #[error("the daemon has not answered for {} s: it hangs; its log is in the state directory", limit.as_secs())]
    Silent { limit: Duration },
    #[error("the daemon ended before it answered")]
    HungUp,
    #[error("the daemon's answer is not understood: {0}")]
    Garbled(String),
    #[error("cannot talk to the daemon: {0}")]
    Io(io::Error),
}

/// A connection to one daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    /// 0 where the daemon lives in a process namespace that we cannot see.
    daemon_pid: i32,
}

impl Client {
    /// Connects to the daemon whose state is in `state_dir`.
    pub fn connect(state_dir: &Path) -> Result<Client, ClientError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NoDaemon { dir: state_dir.to_owned() }
            }
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { dir: state_dir.to_owned() },
            _ => ClientError::Io(error),
        };
        let path = SocketPath::new(state_dir).map_err(failed)?;
        let stream = UnixStream::connect(path.address()).map_err(failed)?;
        stream.set_read_timeout(Some(SILENCE_LIMIT)).map_err(ClientError::Io)?;
        stream.set_write_timeout(Some(SILENCE_LIMIT)).map_err(ClientError::Io)?;
        let daemon_pid = getsockopt(&stream, PeerCredentials).map(|peer| peer.pid()).unwrap_or(0);
        Ok(Client { stream: BufReader::new(stream), daemon_pid })
    }

    /// The last reply to `request`.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        self.stream(request, |_| {})
    }

    /// The last reply to `request`; each reply on the way goes to `on_progress`.
    pub fn stream(&mut self, request: &Request, mut on_progress: impl FnMut(&Reply)) -> Result<Reply, ClientError> {
        let last = self.follow(request, |reply| {
            on_progress(reply);
            ControlFlow::Continue(())
        })?;
        last.ok_or(ClientError::HungUp)
    }

    /// Like [`Client::stream`], until `on_progress` breaks it off, which leaves the connection useless.
    pub fn follow(
        &mut self,
        request: &Request,
        mut on_progress: impl FnMut(&Reply) -> ControlFlow<()>,
    ) -> Result<Option<Reply>, ClientError> {
        self.stream.get_mut().write_all(encode(request).as_bytes()).map_err(lost)?;
        loop {
            let reply = self.read_reply()?;
            if reply.is_last() {
                return Ok(Some(reply));
            }
            if on_progress(&reply).is_break() {
                return Ok(None);
            }
        }
    }

    /// Waits until the daemon's process is gone; `false` when it is still there after `limit`.
    pub fn wait_for_its_end(&self, limit: Duration) -> bool {
        let started = Instant::now();
        while runs(self.daemon_pid) {
            if started.elapsed() > limit {
                return false;
            }
            std::thread::sleep(END_CHECK);
        }
        true
    }

    fn read_reply(&mut self) -> Result<Reply, ClientError> {
        let mut line = String::new();
        let read = (&mut self.stream).take(MAX_REPLY_BYTES).read_line(&mut line).map_err(lost)?;
        if read == 0 {
            return Err(ClientError::HungUp);
        }
        decode(&line).map_err(ClientError::Garbled)
    }
}

fn lost(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent { limit: SILENCE_LIMIT },
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ClientError::HungUp,
        _ => ClientError::Io(error),
    }
}

/// A process that has ended but that nobody has waited for counts as gone.
fn runs(pid: i32) -> bool {
    if pid <= 0 {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

//! The daemon's end: accepts connections, reads requests, hands them on, writes the replies.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::SOCKET_NAME;
use super::protocol::{Refusal, Reply, Request, decode, encode};
use super::socket_path::SocketPath;

/// Commands at once; each costs one task and one descriptor.
const MAX_CONNECTIONS: usize = 64;
/// A request is a path of at most 4 KiB and little else.
const MAX_REQUEST_BYTES: u64 = 64 * 1024;
/// Replies that wait for a slow client; an answerer that would wait longer skips progress.
const MAX_QUEUED_REPLIES: usize = 16;
/// A client that does not read for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// After a failed accept (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One request and the way back. Dropping `reply` without a last reply tells the client that the daemon ends;
/// `reply.closed()` tells the answerer that the client has gone.
#[derive(Debug)]
pub struct Asked {
    pub request: Request,
    pub reply: mpsc::Sender<Reply>,
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{} belongs to another user: choose another --state-dir", dir.display())]
    NotOurs { dir: PathBuf },
    #[error("another daemon uses {}: unmount it first, or choose another --state-dir", dir.display())]
    InUse { dir: PathBuf },
    #[error("cannot make the control socket in {}: {source}", dir.display())]
    Unusable { dir: PathBuf, source: io::Error },
}

/// The bound socket; its file goes with this value.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    state_dir: PathBuf,
}

impl ControlServer {
    /// Makes the directory (0700) if need be and the socket (0600) in it. Call it inside a tokio runtime.
    pub fn bind(state_dir: &Path) -> Result<ControlServer, ControlError> {
        let unusable = |source| ControlError::Unusable { dir: state_dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(unusable)?;
        let owner = std::fs::metadata(state_dir).map_err(unusable)?.uid();
        if owner != nix::unistd::geteuid().as_raw() {
            return Err(ControlError::NotOurs { dir: state_dir.to_owned() });
        }
        std::fs::set_permissions(state_dir, Permissions::from_mode(0o700)).map_err(unusable)?;
        remove_stale_socket(state_dir)?;
        let path = SocketPath::new(state_dir).map_err(unusable)?;
        let listener = UnixListener::bind(path.address()).map_err(unusable)?;
        std::fs::set_permissions(path.address(), Permissions::from_mode(0o600)).map_err(unusable)?;
        Ok(ControlServer { listener, state_dir: state_dir.to_owned() })
    }

    /// Serves until the receiver of `asked` is gone.
    pub async fn run(self, asked: mpsc::Sender<Asked>) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = asked.closed() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let asked = asked.clone();
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &asked).await {
                            log::debug!("control connection ended: {error}");
                        }
                        drop(slot);
                    });
                }
                Err(error) => {
                    log::warn!("control socket cannot accept: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(self.state_dir.join(SOCKET_NAME)) {
            log::debug!("control socket not removed: {error}");
        }
    }
}

/// A socket file that nobody listens on is left over from a daemon that was killed.
fn remove_stale_socket(state_dir: &Path) -> Result<(), ControlError> {
    let unusable = |source| ControlError::Unusable { dir: state_dir.to_owned(), source };
    let path = SocketPath::new(state_dir).map_err(unusable)?;
    if std::os::unix::net::UnixStream::connect(path.address()).is_ok() {
        return Err(ControlError::InUse { dir: state_dir.to_owned() });
    }
    match std::fs::remove_file(path.address()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(error)),
        _ => Ok(()),
    }
}

/// One connection: requests one after the other until the client goes.
async fn converse(stream: UnixStream, asked: &mpsc::Sender<Asked>) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != nix::unistd::geteuid().as_raw() {
        log::warn!("control connection of user {peer} refused");
        return Ok(());
    }
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    while let Some(line) = read_line(&mut reading).await? {
        match decode::<Request>(&line) {
            Ok(request) => answer(request, asked, &mut reading, &mut writing).await?,
            Err(message) => {
                write(&mut writing, &Reply::Error { refusal: Refusal::BadRequest, message }, Some(WRITE_LIMIT)).await?
            }
        }
    }
    Ok(())
}

/// One request to its last reply, or until the client hangs up.
async fn answer(
    request: Request,
    asked: &mpsc::Sender<Asked>,
    reading: &mut BufReader<OwnedReadHalf>,
    writing: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let (reply, mut replies) = mpsc::channel(MAX_QUEUED_REPLIES);
    // Whoever watches may be looking at something else: what it misses is counted.
    let limit = (!matches!(request, Request::Watch { .. })).then_some(WRITE_LIMIT);
    let ending = || Reply::Error { refusal: Refusal::Failed, message: "the daemon is ending".to_owned() };
    if asked.send(Asked { request, reply }).await.is_err() {
        return write(writing, &ending(), limit).await;
    }
    loop {
        let reply = tokio::select! {
            reply = replies.recv() => reply.unwrap_or_else(ending),
            // The client sends nothing while it waits: what is to be read is its end.
            hung_up = reading.fill_buf() => {
                hung_up?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        };
        write(writing, &reply, limit).await?;
        if reply.is_last() {
            return Ok(());
        }
    }
}

async fn read_line(reading: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = (&mut *reading).take(MAX_REQUEST_BYTES).read_line(&mut line).await?;
    match read {
        0 => Ok(None),
        _ if line.ends_with('\n') => Ok(Some(line)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "request line too long or cut short")),
    }
}

async fn write(writing: &mut OwnedWriteHalf, reply: &Reply, limit: Option<Duration>) -> io::Result<()> {
    let line = encode(reply);
    let written = writing.write_all(line.as_bytes());
    match limit {
        Some(limit) => timeout(limit, written).await.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
        None => written.await,
    }
}

#[cfg(test)]
mod tests;

//! Both ends over a real socket.

use super::*;
use crate::control::protocol::{Amount, Progress, StatusReport};
use crate::control::{Client, ClientError};

/// Answers a few requests the way a daemon would.
async fn answer_all(mut asked: mpsc::Receiver<Asked>) {
    while let Some(Asked { request, reply }) = asked.recv().await {
        match request {
            Request::Status { path } => {
                let report = StatusReport { mountpoint: path, ..StatusReport::default() };
                let _ = reply.send(Reply::Status(Box::new(report))).await;
            }
            Request::Wait { .. } => {
                for count in [2, 1] {
                    let progress = Progress { pending: Amount { count, bytes: 0 }, ..Progress::default() };
                    let _ = reply.send(Reply::Progress(progress)).await;
                }
                let _ = reply.send(Reply::Done).await;
            }
            Request::Retry { .. } | Request::SignedIn => reply.closed().await,
            Request::Unmount { .. } => drop(reply),
            _ => unreachable!("no test asks for it"),
        }
    }
}

fn start(state_dir: &Path) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(async { ControlServer::bind(state_dir) }).unwrap();
    let (send, receive) = mpsc::channel(4);
    runtime.spawn(server.run(send));
    runtime.spawn(answer_all(receive));
    runtime
}

#[test]
fn requests_reach_the_answerer_and_replies_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    let _runtime = start(&state_dir);
    assert_eq!(std::fs::metadata(&state_dir).unwrap().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(state_dir.join(SOCKET_NAME)).unwrap().mode() & 0o777, 0o600);
    let mut client = Client::connect(&state_dir).unwrap();
    let reply = client.ask(&Request::Status { path: "docs".to_owned() }).unwrap();
    assert!(matches!(reply, Reply::Status(report) if report.mountpoint == "docs"));
    let mut seen = Vec::new();
    let wait = Request::Wait { path: String::new(), timeout_ms: None };
    let last = client
        .stream(&wait, |reply| {
            if let Reply::Progress(progress) = reply {
                seen.push(progress.pending.count);
            }
        })
        .unwrap();
    assert_eq!((last, seen), (Reply::Done, vec![2, 1]));
}

#[test]
fn an_answerer_that_gives_up_is_told_as_an_ending_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let _runtime = start(dir.path());
    let reply = Client::connect(dir.path()).unwrap().ask(&Request::Unmount { timeout_ms: 0 }).unwrap();
    assert!(matches!(reply, Reply::Error { refusal: Refusal::Failed, .. }), "{reply:?}");
}

#[test]
fn a_second_daemon_is_refused_and_a_stale_socket_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = start(dir.path());
    let second = runtime.block_on(async { ControlServer::bind(dir.path()) });
    assert!(matches!(second, Err(ControlError::InUse { .. })));
    drop(runtime);
    assert!(matches!(Client::connect(dir.path()), Err(ClientError::NoDaemon { .. })));
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET_NAME)).unwrap());
    assert!(matches!(Client::connect(dir.path()), Err(ClientError::NoDaemon { .. })));
    let _runtime = start(dir.path());
    assert!(Client::connect(dir.path()).is_ok());
}

#[test]
fn a_state_directory_with_a_long_path_works() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("d".repeat(120)).join("e".repeat(120));
    let _runtime = start(&state_dir);
    let reply = Client::connect(&state_dir).unwrap().ask(&Request::Status { path: String::new() });
    assert!(matches!(reply, Ok(Reply::Status(_))));
}

#[test]
fn nonsense_is_answered_and_an_endless_line_is_cut() {
    use std::io::{BufRead, BufReader, Read, Write};
    let dir = tempfile::tempdir().unwrap();
    let _runtime = start(dir.path());
    let connect = || std::os::unix::net::UnixStream::connect(dir.path().join(SOCKET_NAME)).unwrap();
    let mut stream = connect();
    stream.write_all(b"hello\n").unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert!(line.contains("bad-request"), "{line}");
    let mut stream = connect();
    let _ = stream.write_all(&vec![b'x'; 2 * usize::try_from(MAX_REQUEST_BYTES).unwrap()]);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

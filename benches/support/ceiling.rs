//! A bare parallel uploader and downloader: as little as a client of Box can do, which is to send, to receive and to
//! digest. What they reach on a machine is the ceiling for what a real client can.
//!
//! They share nothing with boxfs. A bench uses them by
//! `#[path = "support/ceiling.rs"] mod ceiling;` together with `#[path = "../tests/emulator/wire.rs"] mod wire;`.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::wire::{Caller, connect, read_reply, split_url};

/// Bytes of one ranged request of a download.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// A file that is one part again and again, so that the client's memory is not what is measured.
pub struct Source {
    pub part: Vec<u8>,
    pub parts: usize,
}

impl Source {
    pub fn size(&self) -> u64 {
        (self.part.len() * self.parts) as u64
    }

    /// The digest of the whole.
    pub fn sha1(&self) -> [u8; 20] {
        let mut hash = Sha1::new();
        (0..self.parts).for_each(|_| hash.update(&self.part));
        hash.finalize().into()
    }
}

/// Bytes per second.
pub fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64()
}

/// Puts all parts to one URL over a few connections, each digested before it is sent, while the whole is digested too.
/// Answers the parts as the server named them, by offset, and the digest of the whole.
pub fn put_parts(url: &str, token: &str, source: &Source, connections: usize) -> (Vec<Value>, [u8; 20]) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let whole = scope.spawn(|| source.sha1());
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(|| put_some(url, token, source, &next))).collect();
        let mut parts: Vec<Value> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        parts.sort_by_key(|part| part["offset"].as_u64());
        (parts, whole.join().unwrap())
    })
}

/// One connection's share of the parts.
fn put_some(url: &str, token: &str, source: &Source, next: &AtomicUsize) -> Vec<Value> {
    let (host, path) = split_url(url);
    let mut stream = connect(host);
    let mut answers = Vec::new();
    let len = source.part.len();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= source.parts {
            return answers;
        }
        let digest = BASE64.encode(Sha1::digest(&source.part));
        let (first, last) = (index * len, (index + 1) * len - 1);
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {len}\r\nContent-Range: bytes {first}-{last}/{}\r\nDigest: sha={digest}\r\n\r\n",
            source.size()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&source.part).unwrap();
        let reply = read_reply(&mut stream, false);
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        answers.push(reply.json()["part"].clone());
    }
}

/// Uploads a new file of the root by an upload session whose parts are as long as the source's; answers its id. The time
/// is that from the session's beginning to the commit's answer.
pub fn upload(caller: &Caller, source: &Source, name: &str, connections: usize) -> (String, Duration) {
    let begun = Instant::now();
    let body = json!({"folder_id": "0", "file_size": source.size(), "file_name": name});
    let session = caller.send_json("POST", "/api/2.0/files/upload_sessions", body).json();
    assert_eq!(session["part_size"], source.part.len(), "{session}");
    let url = session["session_endpoints"]["upload_part"].as_str().unwrap();
    let (parts, whole) = put_parts(url, &caller.token, source, connections);
    let digest = format!("sha={}", BASE64.encode(whole));
    let commit = session["session_endpoints"]["commit"].as_str().unwrap();
    let headers = [("Digest", digest.as_str()), ("Content-Type", "application/json")];
    let done = caller.call("POST", commit, &headers, json!({"parts": parts}).to_string().as_bytes());
    assert_eq!(done.status, 201, "{}", String::from_utf8_lossy(&done.body));
    (done.json()["entries"][0]["id"].as_str().unwrap().to_owned(), begun.elapsed())
}

/// What is digested so far, and of how many ranges.
struct Whole {
    hash: Sha1,
    ranges: u64,
}

/// Reads a URL of known size by ranges over a few connections and digests the whole in order.
pub fn get_ranges(url: &str, size: u64, connections: usize) -> [u8; 20] {
    let next = AtomicUsize::new(0);
    let (whole, turn) = (Mutex::new(Whole { hash: Sha1::new(), ranges: 0 }), Condvar::new());
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let (host, path) = split_url(url);
                let mut stream = connect(host);
                let mut bytes = vec![0; RANGE_BYTES as usize];
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed) as u64;
                    let first = index * RANGE_BYTES;
                    if first >= size {
                        return;
                    }
                    let len = RANGE_BYTES.min(size - first) as usize;
                    let last = first + len as u64 - 1;
                    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={first}-{last}\r\n\r\n");
                    stream.write_all(head.as_bytes()).unwrap();
                    read_body(&mut stream, &mut bytes[..len]);
                    let mut whole = turn.wait_while(whole.lock().unwrap(), |whole| whole.ranges != index).unwrap();
                    whole.hash.update(&bytes[..len]);
                    whole.ranges += 1;
                    turn.notify_all();
                }
            });
        }
    });
    let digest = whole.lock().unwrap().hash.clone().finalize();
    digest.into()
}

/// Reads an answer of 206 whose body has exactly this length.
fn read_body(stream: &mut std::net::TcpStream, bytes: &mut [u8]) {
    let mut head = Vec::new();
    let mut some = [0; 4096];
    let end = loop {
        let read = stream.read(&mut some).unwrap();
        assert!(read > 0, "the connection closed within the headers");
        head.extend_from_slice(&some[..read]);
        if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    assert!(head.starts_with(b"HTTP/1.1 206"), "{}", String::from_utf8_lossy(&head[..end]));
    let early = &head[end..];
    bytes[..early.len()].copy_from_slice(early);
    stream.read_exact(&mut bytes[early.len()..]).unwrap();
}

/// Downloads a file and digests it; the time includes the call for the download URL.
pub fn download(caller: &Caller, id: &str, size: u64, connections: usize) -> ([u8; 20], Duration) {
    let begun = Instant::now();
    let redirect = caller.get(&format!("/2.0/files/{id}/content"));
    let digest = get_ranges(redirect.header("location").unwrap(), size, connections);
    (digest, begun.elapsed())
}

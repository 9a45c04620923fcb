//! What the emulator does against a bare hyper server that writes and digests the same bytes, and how long a generated account
//! takes: `scripts/bench emulator`.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

#[path = "../tests/emulator/wire.rs"]
#[expect(dead_code, reason = "the tests of the emulator use the rest")]
mod wire;

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use boxfs::emulator::{Emulator, Options};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use wire::{Caller, connect, noise, read_reply, send, split_url};

const PART: usize = 32 * 1024 * 1024;
const PARTS: usize = 32;
const CONNECTIONS: usize = 4;

/// Writes and digests what is put, four threads as the emulator has.
fn bare_server() -> (String, tokio::runtime::Runtime, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let path = Arc::new(dir.path().to_owned());
    let next = Arc::new(AtomicUsize::new(0));
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (path, next) = (path.clone(), next.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let mut file = File::create(path.join(next.fetch_add(1, Ordering::Relaxed).to_string())).unwrap();
                async move {
                    let (mut hash, mut body) = (Sha1::new(), request.into_body());
                    while let Some(Ok(frame)) = body.frame().await {
                        if let Ok(bytes) = frame.into_data() {
                            hash.update(&bytes);
                            file.write_all(&bytes).unwrap();
                        }
                    }
                    let digest = hex::encode(hash.finalize());
                    let reply = Response::builder().header("x-sha1", digest).body(Empty::<Bytes>::new()).unwrap();
                    Ok::<_, std::convert::Infallible>(reply)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .max_buf_size(1024 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    (url, runtime, dir)
}

/// Puts all parts over a few connections, digesting each as a client must; bytes per second, and the answers.
fn put_parts(url: &str, token: &str, bytes: &[u8]) -> (f64, Vec<Value>) {
    use base64::Engine;
    let (host, path) = split_url(url);
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let mut answers: Vec<Value> = std::thread::scope(|scope| {
        let worker = || {
            let mut stream = connect(host);
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= PARTS {
                    return answers;
                }
                // The same bytes again and again: the memory of the client is not what is measured.
                let digest = base64::engine::general_purpose::STANDARD.encode(Sha1::digest(bytes));
                let offset = index * PART;
                let head = format!(
                    "PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: {PART}\r\nContent-Range: bytes {offset}-{}/{}\r\nDigest: sha={digest}\r\n\r\n",
                    offset + PART - 1,
                    PART * PARTS
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(bytes).unwrap();
                let reply = read_reply(&mut stream, false);
                assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
                answers.push(reply.json()["part"].clone());
            }
        };
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let rate = (PART * PARTS) as f64 / begun.elapsed().as_secs_f64();
    answers.sort_by_key(|part| part["offset"].as_u64());
    (rate, answers)
}

fn emulator_upload(caller: &Caller, bytes: &[u8], name: &str) -> (f64, f64, String) {
    let body = json!({"folder_id": "0", "file_size": PART * PARTS, "file_name": name});
    let session = caller.send_json("POST", "/api/2.0/files/upload_sessions", body).json();
    let url = session["session_endpoints"]["upload_part"].as_str().unwrap();
    let begun = Instant::now();
    let (rate, parts) = put_parts(url, &caller.token, bytes);
    let mut hash = Sha1::new();
    (0..PARTS).for_each(|_| hash.update(bytes));
    use base64::Engine;
    let digest = format!("sha={}", base64::engine::general_purpose::STANDARD.encode(hash.finalize()));
    let body = json!({"parts": parts}).to_string();
    let done = caller.call("POST", &format!("{url}/commit"), &[("Digest", &digest)], body.as_bytes());
    assert_eq!(done.status, 201, "{}", String::from_utf8_lossy(&done.body));
    let with_commit = (PART * PARTS) as f64 / begun.elapsed().as_secs_f64();
    (rate, with_commit, done.json()["entries"][0]["id"].as_str().unwrap().to_owned())
}

fn main() {
    nearly_as_fast_as_a_bare_server();
    a_million_items_are_there_in_seconds();
}

fn start(options: Options) -> (Emulator, Caller) {
    let emulator = Emulator::start(options).unwrap();
    let caller = Caller { base: emulator.url(), token: emulator.token() };
    (emulator, caller)
}

fn nearly_as_fast_as_a_bare_server() {
    let bytes = noise(1, PART);
    let (url, runtime, _dir) = bare_server();
    let (_, _) = put_parts(&url, "", &bytes);
    let (bare, _) = put_parts(&url, "", &bytes);
    runtime.shutdown_background();
    let (_emulator, caller) = start(Options { part_size: Some(PART as u64), ..Options::default() });
    let (_, _, first) = emulator_upload(&caller, &bytes, "first");
    assert_eq!(caller.call("DELETE", &format!("/2.0/files/{first}"), &[], b"").status, 204);
    let (rate, with_commit, id) = emulator_upload(&caller, &bytes, "second");
    println!(
        "upload: bare {:.0} MB/s, emulator {:.0} MB/s, ratio {:.2}; with commit {:.0} MB/s",
        bare / 1e6,
        rate / 1e6,
        rate / bare,
        with_commit / 1e6
    );
    let location = caller.get(&format!("/2.0/files/{id}/content"));
    let begun = Instant::now();
    let mut hash = Sha1::new();
    let read = download(location.header("location").unwrap(), &mut hash);
    println!("download: {:.0} MB/s over one connection", read as f64 / 1e6 / begun.elapsed().as_secs_f64());
}

fn download(url: &str, hash: &mut Sha1) -> usize {
    let (host, path) = split_url(url);
    let mut stream = connect(host);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let (mut chunk, mut total) = (vec![0; 1 << 20], 0);
    loop {
        let read = stream.read(&mut chunk).unwrap();
        if read == 0 {
            return total;
        }
        hash.update(&chunk[..read]);
        total += read;
    }
}

fn a_million_items_are_there_in_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(dir.path().to_owned()), generate: 1_000_000, ..Options::default() };
    let begun = Instant::now();
    let emulator = Emulator::start(options()).unwrap();
    println!("generated in {:.1} s", begun.elapsed().as_secs_f64());
    emulator.stop();
    let begun = Instant::now();
    let emulator = Emulator::start(options()).unwrap();
    println!("read again in {:.1} s", begun.elapsed().as_secs_f64());
    let caller = Caller { base: emulator.url(), token: emulator.token() };
    let begun = Instant::now();
    let folder = emulator.find("/generated/shelf 000/folder 00000").unwrap().id;
    let page = caller
        .get(&format!("/2.0/folders/{folder}/items?usemarker=true&limit=1000&fields=name,size,sha1,etag,modified_at"));
    println!(
        "{} entries in {:.0} ms",
        page.json()["entries"].as_array().unwrap().len(),
        begun.elapsed().as_secs_f64() * 1e3
    );
    assert_eq!(send(&format!("{}/2.0/users/me", caller.base), "GET", &[], b"").status, 401);
}

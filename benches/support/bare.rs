//! A bare hyper server: writes what is put to files and digests it, and sends it again by ranges.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sha1::{Digest, Sha1};

/// Threads, as many as the emulator has.
const WORKERS: usize = 4;
/// Bytes that are read and sent at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A running server; ends when dropped.
pub struct Bare {
    pub url: String,
    runtime: Option<tokio::runtime::Runtime>,
    dir: tempfile::TempDir,
}

impl Bare {
    pub fn start() -> Bare {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let path: Arc<Path> = dir.path().into();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let path = path.clone();
                let service = service_fn(move |request| answer(path.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Bare { url, runtime: Some(runtime), dir }
    }

    /// Frees the disk; what is put later is measured as the first was.
    pub fn forget(&self) {
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Answer = Response<Either<Full<Bytes>, Ranged>>;

async fn answer(dir: Arc<Path>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    Ok(match *request.method() {
        Method::PUT => {
            let (range, digest) = (text("content-range"), text("digest"));
            put(&dir, &range, &digest, request.into_body()).await
        }
        _ => get(&dir, &text("range")),
    })
}

/// First and last byte of `bytes=1-2` or `bytes 1-2/3`.
fn range_in(text: &str) -> (u64, u64) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

async fn put(dir: &Path, range: &str, digest: &str, mut body: Incoming) -> Answer {
    use base64::Engine;
    let (first, last) = range_in(range);
    let mut file = File::create(dir.join(first.to_string())).unwrap();
    let mut hash = Sha1::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(bytes) = frame.into_data() {
            hash.update(&bytes);
            file.write_all(&bytes).unwrap();
        }
    }
    let found = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
    assert_eq!(digest, format!("sha={found}"));
    let part = json!({"part": {"offset": first, "size": last + 1 - first}});
    Response::new(Either::Left(Full::from(part.to_string())))
}

fn get(dir: &Path, range: &str) -> Answer {
    let (first, last) = range_in(range);
    let body = Ranged { file: File::open(dir.join("whole")).unwrap(), at: first, left: last + 1 - first };
    let mut response = Response::new(Either::Right(body));
    *response.status_mut() = hyper::StatusCode::PARTIAL_CONTENT;
    response
}

/// A range of a file as a body.
pub struct Ranged {
    file: File,
    at: u64,
    left: u64,
}

impl Body for Ranged {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let len = self.left.min(CHUNK_BYTES as u64) as usize;
        let mut bytes = vec![0; len];
        let read = self.file.read_exact_at(&mut bytes, self.at);
        self.at += len as u64;
        self.left -= len as u64;
        Poll::Ready(Some(read.map(|()| Frame::data(bytes.into()))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}

/// The file that downloads read.
pub fn whole_file(bare: &Bare) -> PathBuf {
    bare.dir.path().join("whole")
}

//! A bare hyper server: writes what is put to files and digests it, and sends it again by ranges. It digests each part as
//! it comes and, where it is told to, the whole as well, which a commit of Box needs: the same bytes, twice.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
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
    shelf: Arc<Shelf>,
    dir: tempfile::TempDir,
}

/// Where the parts are, and the digest of the whole up to a part.
struct Shelf {
    path: PathBuf,
    whole: Mutex<(Sha1, u64)>,
}

impl Shelf {
    /// Digests the parts that follow what is digested, and answers what that is.
    fn catch_up(&self) -> [u8; 20] {
        let mut whole = self.whole.lock().unwrap();
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(mut part) = File::open(self.path.join(whole.1.to_string())) {
            loop {
                let read = part.read(&mut chunk).unwrap();
                if read == 0 {
                    break;
                }
                whole.0.update(&chunk[..read]);
                whole.1 += read as u64;
            }
        }
        whole.0.clone().finalize().into()
    }
}

impl Bare {
    /// `whole`: the whole is digested too, in the background.
    pub fn start(whole: bool) -> Bare {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Arc::new(Shelf { path: dir.path().to_owned(), whole: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let of_all = shelf.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let shelf = of_all.clone();
                let service = service_fn(move |request| answer(shelf.clone(), whole, request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Bare { url, runtime: Some(runtime), shelf, dir }
    }

    /// Frees the disk; what is put later is measured as the first was.
    pub fn forget(&self) {
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        *self.shelf.whole.lock().unwrap() = Default::default();
    }

    /// The digest of the whole, once it is done.
    pub fn whole(&self) -> [u8; 20] {
        self.shelf.catch_up()
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

async fn answer(shelf: Arc<Shelf>, whole: bool, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    Ok(match *request.method() {
        Method::PUT => {
            let (range, digest) = (text("content-range"), text("digest"));
            let answer = put(&shelf.path, &range, &digest, request.into_body()).await;
            if whole {
                tokio::task::spawn_blocking(move || shelf.catch_up());
            }
            answer
        }
        _ => get(&shelf.path, &text("range")),
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
    let fresh = dir.join(format!("{first}.fresh"));
    let mut file = File::create(&fresh).unwrap();
    let mut hash = Sha1::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(bytes) = frame.into_data() {
            hash.update(&bytes);
            file.write_all(&bytes).unwrap();
        }
    }
    let found = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
    assert_eq!(digest, format!("sha={found}"));
    std::fs::rename(fresh, dir.join(first.to_string())).unwrap();
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

//! A tiny HTTP server whose answers a test writes down: faults that the emulator, being Box, does not have.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Closes the connection without a word.
    Drop,
    /// Sends this many bytes of the body that the headers announce, then closes.
    Short {
        body: Vec<u8>,
        announced: usize,
    },
}

pub fn answer(status: u16, body: impl AsRef<[u8]>) -> Reply {
    Reply::Answer { status, headers: Vec::new(), body: body.as_ref().to_vec() }
}

impl Reply {
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        if let Reply::Answer { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// Answers until it is dropped.
pub struct Canned {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Canned {
    /// `script` gets each request and how many came before it.
    pub async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Canned {
        Canned::start_knowing_itself(move |_, seen, before| script(seen, before)).await
    }

    /// As [`Canned::start`]; the script gets the server's own URL too.
    pub async fn start_knowing_itself(script: impl Fn(&str, &Seen, usize) -> Reply + Send + Sync + 'static) -> Canned {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let own = url.clone();
        let script: Arc<Script> = Arc::new(move |seen: &Seen, before| script(&own, seen, before));
        let list = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&list)));
            }
        });
        Canned { url, seen, task }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests had this in their path.
    pub fn count(&self, part_of_path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path.contains(part_of_path)).count()
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, list: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await {
        let before = {
            let mut list = list.lock().unwrap();
            list.push(seen.clone());
            list.len() - 1
        };
        let (bytes, keep) = match script(&seen, before) {
            Reply::Answer { status, headers, body } => (write_answer(status, &headers, &body, body.len()), true),
            Reply::Drop => (Vec::new(), false),
            Reply::Short { body, announced } => (write_answer(200, &[], &body, announced), false),
        };
        if stream.write_all(&bytes).await.is_err() || !keep {
            return;
        }
    }
}

fn write_answer(status: u16, headers: &[(&str, String)], body: &[u8], announced: usize) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Canned\r\ncontent-length: {announced}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// The next request, whole; `None` when the client hangs up, also in the middle of one.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer.drain(..head_end + 4).collect()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut seen = Seen { method, path, headers, body: Vec::new() };
    let len: usize = seen.header("content-length").map_or(0, |len| len.parse().unwrap());
    while buffer.len() < len {
        more(stream, buffer).await?;
    }
    seen.body = buffer.drain(..len).collect();
    Some(seen)
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = vec![0; 64 * 1024];
    let count = stream.read(&mut chunk).await.ok().filter(|&count| count > 0)?;
    buffer.extend_from_slice(&chunk[..count]);
    Some(())
}

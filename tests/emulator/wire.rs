//! The tests' own HTTP client: bytes over TCP, nothing between the test and what the emulator says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long an answer may take before a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends one request on a connection of its own.
pub fn send(url: &str, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let (host, path) = split_url(url);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    let has = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let bodied = !body.is_empty() || ["POST", "PUT"].contains(&method);
    if bodied && !has("content-length") && !has("transfer-encoding") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        if !value.is_empty() {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += "\r\n";
    let mut stream = connect(host);
    stream.write_all(head.as_bytes()).unwrap();
    // A refused upload may close the connection in the middle of the body.
    let _ = stream.write_all(body);
    read_reply(&mut stream, method == "HEAD")
}

pub fn connect(host: &str) -> TcpStream {
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn split_url(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

pub fn read_reply(stream: &mut TcpStream, headless: bool) -> Reply {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65536];
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let informational = bytes.starts_with(b"HTTP/1.1 1");
            if !informational {
                break end;
            }
            bytes.drain(..end + 4);
            continue;
        }
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "the connection ended before an answer: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&chunk[..read]);
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> =
        lines.filter_map(|l| l.split_once(':')).map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())).collect();
    let mut body = bytes[head_end + 4..].to_vec();
    let length =
        headers.iter().find(|(k, _)| k.eq_ignore_ascii_case("content-length")).map(|(_, v)| v.parse().unwrap());
    let length: usize = if headless { 0 } else { length.unwrap_or(0) };
    while body.len() < length {
        let read = stream.read(&mut chunk).unwrap();
        if read == 0 {
            break;
        }
        body.extend_from_slice(&chunk[..read]);
    }
    Reply { status, headers, body }
}

/// A caller with a token.
#[derive(Clone)]
pub struct Caller {
    pub base: String,
    pub token: String,
}

impl Caller {
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        send(&url, method, &all, body)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &[], b"")
    }

    pub fn send_json(&self, method: &str, path: &str, body: Value) -> Reply {
        self.call(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    pub fn upload(&self, path: &str, attributes: Value, bytes: &[u8], headers: &[(&str, &str)]) -> Reply {
        let attributes = attributes.to_string();
        let parts: [(&str, &[u8]); 2] =
            [("name=\"attributes\"", attributes.as_bytes()), ("name=\"file\"; filename=\"f\"", bytes)];
        self.multipart(path, &parts, headers)
    }

    pub fn multipart(&self, path: &str, parts: &[(&str, &[u8])], headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("Content-Type", "multipart/form-data; boundary=XyZ")];
        all.extend_from_slice(headers);
        self.call("POST", path, &all, &form(parts))
    }

    /// Makes a file of the root and answers its entry.
    pub fn new_file(&self, name: &str, bytes: &[u8]) -> Value {
        let reply =
            self.upload("/api/2.0/files/content", serde_json::json!({"name": name, "parent": {"id": "0"}}), bytes, &[]);
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        reply.json()["entries"][0].clone()
    }

    pub fn new_folder(&self, name: &str, parent: &str) -> String {
        let body = serde_json::json!({"name": name, "parent": {"id": parent}});
        let reply = self.send_json("POST", "/2.0/folders", body);
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        reply.json()["id"].as_str().unwrap().to_owned()
    }
}

/// A form whose boundary is `XyZ`.
pub fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (disposition, bytes) in parts {
        body.extend_from_slice(format!("--XyZ\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XyZ--\r\n");
    body
}

/// Waits until a condition holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// SHA-1 as headers carry it.
pub fn sha1_base64(bytes: &[u8]) -> String {
    use base64::Engine;
    use sha1::Digest;
    base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(bytes))
}

pub fn sha1_hex(bytes: &[u8]) -> String {
    use sha1::Digest;
    hex::encode(sha1::Sha1::digest(bytes))
}

/// Bytes that differ everywhere, the same for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

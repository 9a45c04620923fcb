//! Bare parallel downloaders, of plain threads and sockets: the address asked for once, then ranges over several connections, each
//! written where it belongs. One digests nothing; the other one digests the whole while it comes, as a client must that is to
//! know whether it has the right bytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use sha1::{Digest, Sha1};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 << 10;
/// What a connection asks for at once where the digest follows: larger ones come too late for it, smaller ones wait more.
const PIECE_BYTES: u64 = 8 << 20;

/// What is downloaded.
pub struct Source {
    /// The API's address.
    pub server: String,
    pub token: &'static str,
    pub file_id: String,
    pub size: u64,
    pub sha1: [u8; 20],
}

/// Downloads the file over `connections`, each its part of the whole; bytes per second, the address included.
pub fn download(source: &Source, connections: u64, to: &Path) -> f64 {
    let begun = Instant::now();
    let (file, size) = (File::create(to).unwrap(), source.size);
    let location = source.location();
    let share = size.div_ceil(connections);
    std::thread::scope(|scope| {
        for start in (0..size).step_by(share as usize) {
            let (file, location) = (&file, &location);
            scope.spawn(move || Connection::to(location).range(start..(start + share).min(size), file));
        }
    });
    let rate = size as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(to).unwrap();
    rate
}

/// The same in pieces, one after the other, so that the digest of the whole is known when the last one is there.
pub fn download_comparing(source: &Source, connections: u64, to: &Path) -> f64 {
    let begun = Instant::now();
    let file = File::options().create(true).truncate(true).read(true).write(true).open(to).unwrap();
    let location = source.location();
    let next = Mutex::new(0);
    let (told, arrived) = channel();
    let digest = std::thread::scope(|scope| {
        let whole = &file;
        let digest = scope.spawn(move || digest(whole, &arrived));
        for _ in 0..connections {
            let (file, location, next, told) = (&file, &location, &next, told.clone());
            scope.spawn(move || pieces(location, source.size, next, file, &told));
        }
        drop(told);
        digest.join().unwrap()
    });
    let rate = source.size as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(digest, source.sha1);
    std::fs::remove_file(to).unwrap();
    rate
}

/// Fetches one piece after the other that no other connection has.
fn pieces(location: &str, size: u64, next: &Mutex<u64>, file: &File, told: &Sender<u64>) {
    let mut connection = Connection::to(location);
    loop {
        let start = {
            let mut next = next.lock().unwrap();
            let start = *next;
            *next += PIECE_BYTES;
            start
        };
        if start >= size {
            return;
        }
        connection.range(start..(start + PIECE_BYTES).min(size), file);
        told.send(start).unwrap();
    }
}

/// Digests pieces in their order as soon as they are there.
fn digest(file: &File, arrived: &Receiver<u64>) -> [u8; 20] {
    let (mut sha1, mut upto) = (Sha1::new(), 0);
    let mut waiting = std::collections::BTreeSet::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    for start in arrived {
        waiting.insert(start);
        while waiting.remove(&upto) {
            let end = upto + PIECE_BYTES;
            while upto < end {
                let read = file.read_at(&mut buffer, upto).unwrap();
                if read == 0 {
                    break;
                }
                let read = read.min((end - upto) as usize);
                sha1.update(&buffer[..read]);
                upto += read as u64;
            }
        }
    }
    sha1.finalize().into()
}

impl Source {
    /// Where the bytes are: what Box redirects to.
    pub fn location(&self) -> String {
        let Source { server, token, file_id, .. } = self;
        let (host, _) = split(server);
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!(
            "GET /2.0/files/{file_id}/content HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let lines = BufReader::new(stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty());
        let found =
            lines.filter_map(|line| Some(line.split_once(": ")?.1.to_owned()).filter(|_| line.starts_with("location")));
        found.last().unwrap()
    }
}

/// One connection to the server of the bytes.
struct Connection<'l> {
    host: &'l str,
    path: &'l str,
    reader: BufReader<TcpStream>,
    buffer: Vec<u8>,
}

impl<'l> Connection<'l> {
    fn to(location: &'l str) -> Connection<'l> {
        let (host, path) = split(location);
        let stream = TcpStream::connect(host).unwrap();
        Connection { host, path, reader: BufReader::with_capacity(BUFFER_BYTES, stream), buffer: vec![0; BUFFER_BYTES] }
    }

    fn range(&mut self, range: Range<u64>, file: &File) {
        let Connection { host, path, reader, buffer } = self;
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={}-{}\r\n\r\n", range.start, range.end - 1);
        reader.get_mut().write_all(head.as_bytes()).unwrap();
        let mut line = String::from("-");
        while !line.trim().is_empty() {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        let mut offset = range.start;
        while offset < range.end {
            let most = buffer.len().min((range.end - offset) as usize);
            let read = reader.read(&mut buffer[..most]).unwrap();
            assert_ne!(read, 0, "the range ended early");
            file.write_all_at(&buffer[..read], offset).unwrap();
            offset += read as u64;
        }
    }
}

fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    let at = rest.find('/').unwrap_or(rest.len());
    rest.split_at(at)
}

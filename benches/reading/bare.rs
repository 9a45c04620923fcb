//! A bare parallel downloader: the address asked for once, then as many ranges as connections, each written where it belongs.
//! Plain threads and sockets, nothing digested.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// Downloads a file of `size` bytes over `connections`; bytes per second, the address included.
pub fn download(server: &str, token: &str, file_id: &str, size: u64, connections: u64, to: &Path) -> f64 {
    let begun = Instant::now();
    let file = File::create(to).unwrap();
    let location = location(server, token, file_id);
    let piece = size.div_ceil(connections);
    std::thread::scope(|scope| {
        for start in (0..size).step_by(piece as usize) {
            let (file, location) = (&file, &location);
            scope.spawn(move || range(location, start, (start + piece).min(size), file));
        }
    });
    let rate = size as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(to).unwrap();
    rate
}

fn location(server: &str, token: &str, file_id: &str) -> String {
    let (host, _) = split(server);
    let mut stream = TcpStream::connect(host).unwrap();
    let head =
        format!("GET /2.0/files/{file_id}/content HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty());
    let found =
        lines.filter_map(|line| Some(line.split_once(": ")?.1.to_owned()).filter(|_| line.starts_with("location")));
    found.last().unwrap()
}

fn range(location: &str, mut offset: u64, end: u64, file: &File) {
    let (host, path) = split(location);
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={offset}-{}\r\n\r\n", end - 1);
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, stream);
    let mut line = String::from("-");
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    while offset < end {
        let read = reader.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the range ended early");
        file.write_all_at(&buffer[..read], offset).unwrap();
        offset += read as u64;
    }
}

fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    let at = rest.find('/').unwrap_or(rest.len());
    rest.split_at(at)
}

//! A company's proxy: takes CONNECT requests of those who know the password, and hands them on to the emulator's own proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Listens until the process ends; its threads wait for nothing else.
pub struct Gate {
    pub address: SocketAddr,
    let_in: Arc<AtomicUsize>,
    turned_away: Arc<AtomicUsize>,
}

impl Gate {
    /// On `listen`, before the emulator's proxy at `http://HOST:PORT`, for `USER:PASSWORD`.
    pub fn open(listen: &str, beyond: &str, credentials: &str) -> Gate {
        let listener = TcpListener::bind(listen).unwrap();
        let gate =
            Gate { address: listener.local_addr().unwrap(), let_in: Arc::default(), turned_away: Arc::default() };
        let (let_in, turned_away) = (gate.let_in.clone(), gate.turned_away.clone());
        let beyond = beyond.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let wanted = format!("Basic {}", STANDARD.encode(credentials));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (beyond, wanted) = (beyond.clone(), wanted.clone());
                let (let_in, turned_away) = (let_in.clone(), turned_away.clone());
                std::thread::spawn(move || {
                    // A connection that breaks is over.
                    let _ = converse(stream, &beyond, &wanted, &let_in, &turned_away);
                });
            }
        });
        gate
    }

    /// Connections with the right password.
    pub fn let_in(&self) -> usize {
        self.let_in.load(Ordering::SeqCst)
    }

    /// Connections without it.
    pub fn turned_away(&self) -> usize {
        self.turned_away.load(Ordering::SeqCst)
    }
}

fn converse(
    mut client: TcpStream,
    beyond: &str,
    wanted: &str,
    let_in: &AtomicUsize,
    turned_away: &AtomicUsize,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut allowed = false;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        allowed |= name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == wanted;
    }
    if !allowed {
        turned_away.fetch_add(1, Ordering::SeqCst);
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"company\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes());
    }
    let_in.fetch_add(1, Ordering::SeqCst);
    let mut server = TcpStream::connect(beyond)?;
    let target = request.split(' ').nth(1).unwrap_or_default();
    server.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes())?;
    // What the client sent after its head is in the reader.
    let (mut up, down) = (server.try_clone()?, server);
    std::thread::spawn(move || {
        let _ = copy(&mut reader, &mut up);
        let _ = up.shutdown(std::net::Shutdown::Write);
    });
    let mut down = down;
    copy(&mut down, &mut client)?;
    client.shutdown(std::net::Shutdown::Write)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read])?,
        }
    }
}

//! The listeners: plain or TLS connections to the emulator's own addresses, and a CONNECT proxy that stands in for Box's
//! hosts.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::desk::{Desk, Places};
use super::http::{self, Door};
use super::shape::{Rate, Shaped};

/// Buffers of hyper per connection: large reads are fewer calls.
const READ_BUFFER_BYTES: usize = 1024 * 1024;
/// After a failed accept; those in use come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener's connections are for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// One of the emulator's own addresses, with TLS where an acceptor is given.
    Serve { door: Door, tls: Option<TlsAcceptor> },
    /// A CONNECT proxy.
    Proxy { tls: TlsAcceptor },
}

/// Accepts until the runtime ends.
pub(super) async fn accept(desk: Arc<Desk>, purpose: Purpose, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            log::error!("emulator: {error}");
            return;
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(connection(desk.clone(), purpose.clone(), stream, peer))),
            Err(error) => {
                log::warn!("emulator: accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(desk: Arc<Desk>, purpose: Purpose, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("emulator: {error}");
    }
    let rates = |line: &Option<Arc<Rate>>| {
        let own = desk.options.bandwidth.map(Rate::new);
        own.into_iter().chain(line.clone()).collect()
    };
    let stream = Shaped::new(stream, rates(&desk.line_in), rates(&desk.line_out));
    match purpose {
        Purpose::Serve { door, tls: None } => {
            let places = desk.places.clone();
            serve(desk, door, places, stream, peer).await;
        }
        Purpose::Serve { door, tls: Some(tls) } => {
            let places = desk.places.clone();
            serve_tls(desk, door, places, &tls, stream, peer).await;
        }
        Purpose::Proxy { tls } => proxy(desk, tls, stream, peer).await,
    }
}

async fn serve_tls<S>(desk: Arc<Desk>, door: Door, places: Arc<Places>, tls: &TlsAcceptor, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match tls.accept(stream).await {
        Ok(stream) => serve(desk, door, places, stream, peer).await,
        Err(error) => log::info!("emulator: TLS with {peer}: {error}"),
    }
}

async fn serve<S>(desk: Arc<Desk>, door: Door, places: Arc<Places>, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| http::answer(desk.clone(), door, places.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(READ_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        log::debug!("emulator: connection from {peer}: {error}");
    }
}

/// Takes CONNECT requests to Box's hosts and serves what comes through as if it were them.
async fn proxy<S>(desk: Arc<Desk>, tls: TlsAcceptor, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| connect(desk.clone(), tls.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(READ_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        log::debug!("emulator: proxy connection from {peer}: {error}");
    }
}

async fn connect(
    desk: Arc<Desk>,
    tls: TlsAcceptor,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let refuse = |status: u16, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::BAD_REQUEST);
        Ok(response)
    };
    if request.method() != Method::CONNECT {
        return refuse(405, "this proxy takes CONNECT requests to Box's hosts only\n".to_owned());
    }
    let host = request.uri().host().unwrap_or("").to_ascii_lowercase();
    let Some(door) = door_of(&host) else {
        return refuse(403, format!("{host} is not one of Box's hosts\n"));
    };
    tokio::spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => {
                let places = Arc::new(Places::of_box());
                serve_tls(desk, door, places, &tls, TokioIo::new(upgraded), peer).await;
            }
            Err(error) => log::debug!("emulator: proxy: {error}"),
        }
    });
    Ok(Response::new(Full::default()))
}

/// Which listener stands in for one of Box's hosts.
fn door_of(host: &str) -> Option<Door> {
    match host {
        "api.box.com" | "upload.box.com" | "upload.app.box.com" | "account.box.com" | "app.box.com" => Some(Door::Api),
        "dl.boxcloud.com" | "public.boxcloud.com" => Some(Door::Downloads),
        host if host.ends_with("realtime.services.box.net") => Some(Door::Downloads),
        _ => None,
    }
}

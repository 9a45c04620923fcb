//! A running emulator: its listeners, threads and directory, and what tests may ask of it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::{ActError, Actor};
use super::desk::{Desk, Places};
use super::faults::FaultScript;
use super::http::{self, Door};
use super::listen::{Purpose, accept};
use super::options::Options;
use super::private::make_private_directory;
use super::refusal::Refusal;
use super::report::{self, ItemReport, SessionReport};
use super::requests::RequestRecord;
use super::store::{Key, UserRole};
use super::tls::Authority;

/// Threads that serve; disk calls are made on them, so there are more than processors on a small machine.
const WORKERS: usize = 4;
/// How long a stop waits for what is being written to disk.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("{address} is not a loopback address; an emulator hands its tokens to anybody who can reach it")]
    NotLoopback { address: SocketAddr },
    #[error("cannot use the data directory {}: {source}", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("cannot make the key pair of JWT sign-in: {0}")]
    Key(io::Error),
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

/// A running emulator; stops when dropped.
pub struct Emulator {
    desk: Arc<Desk>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    certificate: Option<String>,
    proxy_url: Option<String>,
    /// Removed with all that is in it after the threads have ended.
    _temporary: Option<tempfile::TempDir>,
}

impl Emulator {
    /// Starts to serve; when this returns, connections are accepted. Works in and out of async code.
    pub fn start(options: Options) -> Result<Emulator, StartError> {
        let (api, downloads) = (listen(&options, options.listen)?, listen(&options, options.download_listen)?);
        let proxy = options.proxy_listen.map(|address| listen(&options, address)).transpose()?;
        let scheme = if options.tls { "https" } else { "http" };
        let places = Places::own(url_of(scheme, &api)?, url_of(scheme, &downloads)?);
        let (dir, temporary) = directory(&options)?;
        let authority = authority(&options, &dir)?;
        let proxy_url = proxy.as_ref().map(|proxy| url_of("http", proxy)).transpose()?;
        let tls = options.tls;
        let keep = options.data.is_some();
        let desk = Arc::new(Desk::open(options, &dir, keep, places).map_err(at(&dir))?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("emulator")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let acceptor = authority.as_ref().map(|authority| authority.acceptor.clone());
        let own = acceptor.clone().filter(|_| tls);
        let mut served = vec![
            (api, Purpose::Serve { door: Door::Api, tls: own.clone() }),
            (downloads, Purpose::Serve { door: Door::Downloads, tls: own }),
        ];
        served.extend(proxy.zip(acceptor).map(|(proxy, tls)| (proxy, Purpose::Proxy { tls })));
        for (listener, purpose) in served {
            runtime.spawn(accept(desk.clone(), purpose, listener));
        }
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            // A dropped sender is a stop as well.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(STOP_GRACE);
        };
        let thread = std::thread::Builder::new().name("emulator-main".to_owned()).spawn(serve);
        let thread = Some(thread.map_err(StartError::Threads)?);
        let certificate = authority.map(|authority| authority.certificate);
        Ok(Emulator { desk, stop: Some(stop), thread, certificate, proxy_url, _temporary: temporary })
    }

    /// The calls that are served, each path once with its methods: `GET PUT /2.0/files/:id`.
    pub fn routes() -> Vec<String> {
        http::routes().collect()
    }

    /// What a client has to trust for TLS and the proxy, PEM; `None` without them.
    pub fn ca_certificate(&self) -> Option<String> {
        self.certificate.clone()
    }

    /// The value of `HTTPS_PROXY` for an unmodified Box client; `None` without a proxy.
    pub fn proxy_url(&self) -> Option<String> {
        self.proxy_url.clone()
    }

    /// Replaces the script of faults.
    pub fn set_faults(&self, script: FaultScript) {
        self.desk.faults.set(script);
    }

    /// The base of API, uploads and tokens, `http://127.0.0.1:PORT`: the API is below `/2.0`, uploads below `/api/2.0`,
    /// tokens at `/oauth2/token`.
    pub fn url(&self) -> String {
        self.desk.places.api.clone()
    }

    /// The base of download URLs.
    pub fn download_url(&self) -> String {
        self.desk.places.downloads.clone()
    }

    /// The developer token of the first user.
    pub fn token(&self) -> String {
        self.desk.options.token.clone()
    }

    /// The id and the secret of the application that may ask for tokens.
    pub fn application(&self) -> (String, String) {
        (self.desk.options.client_id.clone(), self.desk.options.client_secret.clone())
    }

    /// Ends all connections and waits for the threads.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::warn!("emulator: a thread panicked");
        }
    }

    /// All items, those in the trash too, folders first.
    pub fn items(&self) -> Vec<ItemReport> {
        report::items(&self.desk)
    }

    /// The item at a path of the first user, exact in case, not in the trash.
    pub fn find(&self, path: &str) -> Option<ItemReport> {
        let user = self.desk.first_user;
        self.desk.read(|store| report::find(store, user, path).map(|key| report::item(store, key)))
    }

    /// Upload sessions, finished ones too.
    pub fn sessions(&self) -> Vec<SessionReport> {
        report::sessions(&self.desk)
    }

    /// The last requests, oldest first; a download is here when its body has left.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.desk.log.all()
    }

    pub fn reset_requests(&self) {
        self.desk.log.clear();
    }

    /// Parts that came in at the same time, over all sessions, at most, since the start.
    pub fn most_parts_in_flight(&self) -> usize {
        self.desk.parts_now.most()
    }

    /// Body bytes received since the start, of unfinished requests too.
    pub fn bytes_received(&self) -> u64 {
        self.desk.log.bytes_received()
    }

    /// The bytes of a file: of a version, or the current ones.
    pub fn read(&self, file_id: &str, version_id: Option<&str>) -> Option<Vec<u8>> {
        let file: u64 = file_id.parse().ok()?;
        let content = self.desk.read(|store| match version_id {
            Some(id) => store.versions.get(&id.parse().ok()?).filter(|v| v.file == file).map(|v| v.content.clone()),
            None => store.current(file).map(|(_, version)| version.content.clone()),
        })?;
        self.desk.bytes_of(&content).ok()
    }

    /// Acts as the first user, as if at another computer.
    pub fn act(&self) -> Actor {
        Actor::new(self.desk.clone(), self.desk.first_user)
    }

    /// Acts as another user of the enterprise.
    pub fn act_as(&self, user_id: &str) -> Option<Actor> {
        let user = user_id.parse().ok()?;
        self.desk.read(|store| store.users.contains(&user)).then(|| Actor::new(self.desk.clone(), user))
    }

    /// Adds a user to the enterprise; answers their id.
    pub fn add_user(&self, name: &str, login: &str) -> Result<String, ActError> {
        let user = self.desk.write(|store| Ok(store.add_user(name, login, UserRole::Managed)))?;
        Ok(user.to_string())
    }

    /// The id of the first user.
    pub fn first_user(&self) -> String {
        self.desk.first_user.to_string()
    }

    /// An access and a refresh token for a user, as a finished sign-in gives.
    pub fn issue_tokens(&self, user_id: &str) -> Result<(String, String), ActError> {
        let user = user_id.parse().map_err(|_| Refusal::not_found())?;
        let client = self.desk.options.client_id.clone();
        let issued = self.desk.write(|store| Ok(store.issue(user, Some(&client))))?;
        Ok((issued.access, issued.refresh.unwrap_or_default()))
    }

    /// The configuration file of an application that signs in by JWT: client, enterprise and private key.
    pub fn jwt_config(&self) -> Result<String, StartError> {
        let config = self.desk.app_key().and_then(|key| key.config(&self.desk.options));
        config.map(|config| format!("{config:#}\n")).map_err(StartError::Key)
    }

    /// Makes an access token expire.
    pub fn expire_token(&self, token: &str) -> Result<(), ActError> {
        self.desk.write(|store| {
            store.expire(token);
            Ok(())
        })?;
        Ok(())
    }

    /// Lets the emulator's clock run ahead: tokens, sessions, download URLs and locks expire by it.
    pub fn advance_clock(&self, by: Duration) {
        self.desk.clock.advance(by.as_secs() as i64);
    }

    /// Lets the emulator's clock run behind, as this machine's does to it when it is fast.
    pub fn turn_clock_back(&self, by: Duration) {
        self.desk.clock.turn_back(by.as_secs() as i64);
    }

    /// The `sequence_id` of the newest change.
    pub fn newest_sequence(&self) -> u64 {
        self.desk.read(|store| store.counters.sequence)
    }

    /// Whether an item of this type and id exists, in the trash or not.
    pub fn has_file(&self, file_id: &str) -> bool {
        let id = file_id.parse().unwrap_or(0);
        self.desk.read(|store| store.items.contains(&Key::file(id)))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(options: &Options, address: SocketAddr) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() && !options.allow_remote {
        return Err(StartError::NotLoopback { address });
    }
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|source| StartError::Listen { address, source })
}

fn url_of(scheme: &str, listener: &TcpListener) -> Result<String, StartError> {
    let address = listener.local_addr().map_err(StartError::Threads)?;
    Ok(format!("{scheme}://{address}"))
}

fn at(path: &Path) -> impl Fn(io::Error) -> StartError {
    let path = path.to_owned();
    move |source| StartError::Data { path: path.clone(), source }
}

/// The directory of the account: the one asked for or a temporary one.
fn directory(options: &Options) -> Result<(PathBuf, Option<tempfile::TempDir>), StartError> {
    let Some(dir) = &options.data else {
        let dir = tempfile::Builder::new().prefix("box-emulator-").tempdir();
        let dir = dir.map_err(at(&std::env::temp_dir()))?;
        return Ok((dir.path().to_owned(), Some(dir)));
    };
    make_private_directory(dir).map_err(at(dir))?;
    Ok((dir.clone(), None))
}

/// The certificate authority, where TLS or the proxy needs one.
fn authority(options: &Options, dir: &Path) -> Result<Option<Authority>, StartError> {
    if !options.tls && options.proxy_listen.is_none() {
        return Ok(None);
    }
    let authority = Authority::open(dir).map_err(at(dir))?;
    if let Some(file) = &options.ca_file {
        std::fs::write(file, &authority.certificate).map_err(at(file))?;
    }
    Ok(Some(authority))
}

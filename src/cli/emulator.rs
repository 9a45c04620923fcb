//! `boxfs emulator`: Box on this machine, until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::base::{parse_duration, parse_rate, parse_size};
use crate::emulator::{Emulator, FaultScript, Options, RateLimits, UserOptions};

use super::exit::{Exit, Failure};
use super::signals::StopSignals;

/// What stands before the URL in the first line of the banner.
pub(super) const SERVER_LABEL: &str = "server: ";

/// Serve an emulated Box on this machine
#[derive(Args)]
pub(super) struct Arguments {
    /// Address of API and uploads; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep everything here [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Developer token of the first user
    #[arg(long, value_name = "TOKEN", default_value = "emulator-developer-token")]
    token: String,
    /// Append a JSON line for each request
    #[arg(long, value_name = "FILE")]
    request_log: Option<PathBuf>,
    /// From the last request header to the first byte of the answer
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0")]
    latency: Duration,
    /// Bytes per second of each connection and direction
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    bandwidth: Option<u64>,
    /// Bytes per second of all connections together, per direction
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    line: Option<u64>,
    /// Smallest file that an upload session takes
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    min_session: Option<u64>,
    /// Part size of every session [default: as Box does, by the file's size]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    part_size: Option<u64>,
    /// Speak HTTPS, with a certificate authority made here
    #[arg(long)]
    tls: bool,
    /// Write the authority's certificate here, for clients to trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Also be an HTTP CONNECT proxy that stands for Box's own hosts; for clients that cannot be pointed elsewhere
    #[arg(long, value_name = "ADDR")]
    proxy: Option<SocketAddr>,
    /// Begin with an account of this many items
    #[arg(long, value_name = "COUNT", default_value = "0")]
    generate: u64,
    /// Faults to be made, as JSON; docs/emulator.md says how they are written
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Another user of the same enterprise, with a developer token; can be given again
    #[arg(long, value_name = "LOGIN=TOKEN", value_parser = user)]
    user: Vec<UserOptions>,
    /// Keep Box's limits of calls a minute
    #[arg(long)]
    rate_limits: bool,
    /// Listen on an address that others can reach; whoever reaches it has everything
    #[arg(long)]
    allow_remote: bool,
}

impl Arguments {
    fn options(&self) -> Result<Options, Failure> {
        let defaults = Options::default();
        Ok(Options {
            listen: self.listen,
            download_listen: SocketAddr::new(self.listen.ip(), 0),
            allow_remote: self.allow_remote,
            data: self.data.clone(),
            token: self.token.clone(),
            request_log: self.request_log.clone(),
            latency: self.latency,
            bandwidth: self.bandwidth,
            line: self.line,
            min_session_bytes: self.min_session.unwrap_or(defaults.min_session_bytes),
            part_size: self.part_size,
            tls: self.tls,
            ca_file: self.ca_file.clone(),
            proxy_listen: self.proxy,
            generate: self.generate,
            faults: self.faults()?,
            users: self.user.clone(),
            rate_limits: self.rate_limits.then(RateLimits::default),
            ..defaults
        })
    }

    fn faults(&self) -> Result<FaultScript, Failure> {
        let Some(path) = &self.faults else { return Ok(FaultScript::default()) };
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| Failure::usage(format!("cannot read {shown}: {e}")))?;
        FaultScript::parse(&text).map_err(|e| Failure::usage(format!("{shown}: {e}")))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    super::logging::to_stderr(log::LevelFilter::Warn);
    let failed = |e: io::Error| Failure::new(format!("cannot wait for signals: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let mut stop = {
        let _inside = runtime.enter();
        StopSignals::listen().map_err(failed)?
    };
    let emulator = Emulator::start(arguments.options()?).map_err(|e| Failure::new(e.to_string()))?;
    // Whoever started us may not want to read it.
    let _ = io::stdout().write_all(banner(&emulator, arguments).as_bytes());
    runtime.block_on(stop.asked());
    emulator.stop();
    Ok(Exit::Done)
}

/// `LOGIN=TOKEN`.
fn user(text: &str) -> Result<UserOptions, String> {
    match text.split_once('=') {
        Some((login, token)) if !login.is_empty() && !token.is_empty() => {
            Ok(UserOptions { name: login.to_owned(), login: login.to_owned(), token: token.to_owned() })
        }
        _ => Err("write LOGIN=TOKEN, for example ada@example.com=second-token".to_owned()),
    }
}

fn banner(emulator: &Emulator, arguments: &Arguments) -> String {
    let (url, token) = (emulator.url(), emulator.token());
    let trust = match &arguments.ca_file {
        Some(path) => format!(" --ca-file {}", path.display()),
        None => String::new(),
    };
    let mut text = format!(
        "{SERVER_LABEL}{url}\n\
         token: {token}\n\
         Mount it with:   BOXFS_TOKEN={token} boxfs mount DIR --server {url}{trust}\n"
    );
    if let Some(proxy) = emulator.proxy_url() {
        text.push_str(&format!("Any other client: HTTPS_PROXY={proxy}, trusting the file of --ca-file\n"));
    }
    text.push_str("Stop it with Ctrl-C.\n");
    text
}

//! `boxfs emulator`: Box on this machine, until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::base::{parse_duration, parse_rate, parse_size};
use crate::emulator::{Emulator, Options};

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
    /// Listen on an address that others can reach; whoever reaches it has everything
    #[arg(long)]
    allow_remote: bool,
}

impl Arguments {
    fn options(&self) -> Options {
        let defaults = Options::default();
        Options {
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
            ..defaults
        }
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
    let emulator = Emulator::start(arguments.options()).map_err(|e| Failure::new(e.to_string()))?;
    // Whoever started us may not want to read it.
    let _ = io::stdout().write_all(banner(&emulator.url(), &emulator.token()).as_bytes());
    runtime.block_on(stop.asked());
    emulator.stop();
    Ok(Exit::Done)
}

fn banner(url: &str, token: &str) -> String {
    format!(
        "{SERVER_LABEL}{url}\n\
         token: {token}\n\
         Mount it with:   BOXFS_TOKEN={token} boxfs mount DIR --server {url}\n\
         Stop it with Ctrl-C.\n"
    )
}

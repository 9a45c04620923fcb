//! `boxfs emulator`: Box on this machine, until it is told to stop.

mod banner;
mod switches;

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::base::{parse_duration, parse_rate, parse_size};
use crate::emulator::{Emulator, FaultScript, Options, RateLimits, UserOptions};

use super::exit::{Exit, Failure};
use super::signals::StopSignals;
use switches::Setting;

/// What stands before the URL in the first line of the banner.
pub(super) const SERVER_LABEL: &str = "server: ";
/// Of a file with a private key.
const OWNER_ONLY: u32 = 0o600;

const EXAMPLES: &str = "\
Examples:
  boxfs emulator
          A Box for as long as this runs, on any free port
  boxfs emulator --listen 127.0.0.1:8080 --data ./account
          The same account again tomorrow
  boxfs emulator --latency 80ms --line 25MB/s --rate-limits
          As slow and as strict as the real one
  boxfs emulator --user ada@example.com=second-token
          Somebody else to share folders with
  boxfs emulator --faults faults.yaml --request-log calls.jsonl
          Failures by a script, and what was asked meanwhile
  boxfs emulator --proxy 127.0.0.1:3128 --ca-file ca.pem
          For unmodified clients: HTTPS_PROXY=http://127.0.0.1:3128 SSL_CERT_FILE=ca.pem rclone lsd box:
  boxfs emulator --jwt-config config.json
          With the file of an application that signs in by JWT
  boxfs emulator --generate 1000000
          An account with a million items";

/// Serve an emulated Box on this machine
#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", switches::help()))]
pub(super) struct Arguments {
    /// Address of API and uploads; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of downloads and of the realtime server [default: any free port beside --listen]
    #[arg(long, value_name = "ADDR")]
    download_listen: Option<SocketAddr>,
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
    /// Faults to be made, as YAML or JSON; docs/emulator.md says how they are written
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Another user of the same enterprise, with a developer token; can be given again
    #[arg(long, value_name = "LOGIN=TOKEN", value_parser = user)]
    user: Vec<UserOptions>,
    /// Keep Box's limits of calls, uploads and searches
    #[arg(long)]
    rate_limits: bool,
    /// Write the config.json of an application that signs in by JWT, for its owner's eyes; '-' prints it
    #[arg(long, value_name = "FILE")]
    jwt_config: Option<PathBuf>,
    /// Any other option by its name; can be given again; --help lists them
    #[arg(long, value_name = "NAME=VALUE", value_parser = Setting::parse)]
    set: Vec<Setting>,
    /// Listen on an address that others can reach; whoever reaches it has everything
    #[arg(long)]
    allow_remote: bool,
}

impl Arguments {
    fn options(&self) -> Result<Options, Failure> {
        let defaults = Options::default();
        let mut options = Options {
            listen: self.listen,
            download_listen: self.download_listen.unwrap_or(SocketAddr::new(self.listen.ip(), 0)),
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
        };
        for setting in &self.set {
            setting.apply(&mut options).map_err(Failure::usage)?;
        }
        Ok(options)
    }

    /// Hands out the JWT application's file, where one is wanted.
    fn hand_out_jwt_config(&self, emulator: &Emulator) -> Result<(), Failure> {
        let Some(path) = &self.jwt_config else { return Ok(()) };
        let config = emulator.jwt_config().map_err(|e| Failure::new(e.to_string()))?;
        let written = match path.as_os_str() == "-" {
            true => io::stdout().write_all(config.as_bytes()),
            false => write_private(path, &config),
        };
        written.map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
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
    let told = banner::text(&emulator, arguments);
    // Whoever started us may not want to read it.
    let _ = io::stdout().write_all(told.as_bytes());
    arguments.hand_out_jwt_config(&emulator)?;
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

/// Replaces a file that only its owner reads.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(path)?;
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text.as_bytes())
}

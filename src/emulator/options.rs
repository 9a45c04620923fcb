//! What can be switched: addresses, data, the shape of the network, and the places where Box's behavior is unknown
//! or differs between accounts. Plain values, no logic.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::faults::FaultScript;

/// How a running emulator behaves. `Default` is strict Box with a generous account, on any free loopback port.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the API and uploads are served; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where download URLs are served; port 0 takes any free one.
    pub download_listen: SocketAddr,
    /// Serve on an address that is not loopback. Off: such a `listen` is refused.
    pub allow_remote: bool,
    /// Where everything is kept; `None` is a temporary directory that is removed at stop.
    pub data: Option<PathBuf>,
    /// The developer token of the first user; never expires unless told to.
    pub token: String,
    /// A file that gets one JSON line a request.
    pub request_log: Option<PathBuf>,
    /// A directory that gets a file with each call of the API, word by word; `None` is the one that the environment
    /// variable `BOX_EMULATOR_TRAFFIC` names, if any.
    pub traffic: Option<PathBuf>,
    /// From the last request header to the first byte of the answer, once a request.
    pub latency: Duration,
    /// Bytes per second of each connection in each direction; `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// Bytes per second of all connections together in each direction; `None` is unlimited.
    pub line: Option<u64>,

    /// Smallest file that an upload session takes, bytes.
    pub min_session_bytes: u64,
    /// Part size of every session, bytes; `None` is Box's table by file size.
    pub part_size: Option<u64>,
    /// Largest file of a simple upload, bytes.
    pub max_simple_bytes: u64,
    /// Each user's quota, bytes.
    pub space_amount: u64,
    /// Largest file of the account's plan, bytes.
    pub max_upload_size: u64,
    /// The quota is written as a float with exponent, as Box does for very large plans.
    pub space_as_float: bool,
    /// How many commits of each session are answered 202 before one is done.
    pub commit_202: u32,
    /// `Retry-After` of those answers, seconds.
    pub commit_retry_after: u32,
    /// Time until a stored part counts as processed; a commit before that is a 202.
    pub part_processing: Duration,
    /// The first commit of each session is answered 400 `parts_mismatch`.
    pub parts_mismatch_once: bool,
    /// A second live session for the same target is refused with `session_conflict` and the first session.
    pub session_conflict: bool,
    /// A commit of a version whose bytes are the current ones is answered 202 for good, as Box does.
    pub equal_version_202: bool,
    /// Sessions can be planned: parts that the file's versions have need not be sent.
    pub plan: bool,
    /// Time until the parts of a version are known to a plan.
    pub plan_delay: Duration,
    /// A commit that repeats a finished one is answered 201 again; off: 404.
    pub commit_again: bool,
    /// Status of a new version by simple upload: 201 in practice, 200 in Box's specification.
    pub version_upload_status: u16,
    /// Shape of `context_info.conflicts`.
    pub conflicts: ConflictShape,
    /// `?fields=` answers the mini representation plus the fields; off: type, id and etag plus the fields.
    pub fields_add_to_mini: bool,
    /// File names lose illegal characters instead of being refused.
    pub sanitize_file_names: bool,
    /// A range outside the file is 400 `requested_page_out_of_range`; off: 416.
    pub range_error_400: bool,
    /// The last page by marker has `"next_marker": ""`, with which rclone lists for ever; off: null.
    pub empty_last_marker: bool,
    /// Deleting skips the trash.
    pub delete_forever: bool,
    /// Time zone of answers, minutes east of UTC.
    pub utc_offset_minutes: i32,
    /// Life of access tokens, seconds.
    pub access_token_secs: i64,
    /// A spent refresh token lives until the access token it brought is used, so that a lost answer can be asked for
    /// again, as Box said when it began to do so; off: it is dead at once.
    pub refresh_token_until_use: bool,
    /// Life of download URLs, seconds.
    pub download_url_secs: i64,
    /// Life of upload sessions, seconds.
    pub session_secs: i64,
    /// How many downloads of a version are answered 202 before the first redirect.
    pub download_202: u32,

    /// How many events of before come again with each page of news.
    pub events_repeated: usize,
    /// The events of a page are in no order.
    pub events_shuffled: bool,
    /// `next_stream_position` is a number, not a text.
    pub stream_position_as_number: bool,
    /// How long the realtime server holds a long poll before it says `reconnect`.
    pub realtime_hold: Duration,
    /// Polls of one realtime URL, as announced.
    pub realtime_max_retries: u32,
    /// How long moves, copies, deletions and restores of folders take; their subtree is locked meanwhile.
    pub folder_operation: Duration,

    /// Seconds of Box in one second of this machine, for tests of long outages: limits, expiry and polls keep to it.
    pub time_scale: u32,
    /// Rate limits; `None` is no limit.
    pub rate_limits: Option<RateLimits>,

    /// What goes wrong on purpose.
    pub faults: FaultScript,
    /// Items to fill an empty account with, below `/generated`.
    pub generate: u64,
    /// HTTPS on the emulator's own addresses.
    pub tls: bool,
    /// Where a CONNECT proxy listens that stands in for Box's hosts.
    pub proxy_listen: Option<SocketAddr>,
    /// Where to write the certificate that clients have to trust, for TLS and the proxy.
    pub ca_file: Option<PathBuf>,

    /// Users beside the first one, each with a developer token.
    pub users: Vec<UserOptions>,
    /// The id of the enterprise.
    pub enterprise_id: String,
    /// The application that may ask for tokens.
    pub client_id: String,
    pub client_secret: String,
    /// Where the sign-in page may send a browser; empty is any loopback address.
    pub redirect_uris: Vec<String>,
}

/// Calls that a user may make; `Default` is what Box documents (API.md 1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    pub calls_a_minute: u32,
    /// Of requests to the upload host, parts of sessions too.
    pub uploads_a_minute: u32,
    pub searches_a_minute: u32,
    pub searches_a_second: u32,
    /// Of all users together.
    pub enterprise_searches_a_second: u32,
    /// `Retry-After` of a refused call, seconds.
    pub retry_after: u32,
}

impl Default for RateLimits {
    fn default() -> RateLimits {
        RateLimits {
            calls_a_minute: 1000,
            uploads_a_minute: 240,
            searches_a_minute: 60,
            searches_a_second: 6,
            enterprise_searches_a_second: 12,
            retry_after: 1,
        }
    }
}

/// A user of the enterprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserOptions {
    pub name: String,
    pub login: String,
    pub token: String,
}

/// Box writes the items that hold a name as an object for uploads and as a list elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictShape {
    AsObserved,
    Object,
    List,
    Absent,
}

/// Box's upload sessions start at 20 MB; its SDK tests use this many bytes.
const MIN_SESSION_BYTES: u64 = 20 * 1024 * 1024;
/// The ceiling of simple uploads is 50 MB; the larger of the two readings.
const MAX_SIMPLE_BYTES: u64 = 50 * 1024 * 1024;
/// 10 TB: larger than any test writes, and not a round power of two.
const SPACE_AMOUNT_BYTES: u64 = 10_000_000_000_000;
/// The per-file limit of an Enterprise Plus plan.
const MAX_UPLOAD_BYTES: u64 = 150 * 1024 * 1024 * 1024;
const HOUR_SECS: i64 = 3600;
const DAY_SECS: i64 = 24 * HOUR_SECS;

impl Default for Options {
    fn default() -> Options {
        let any_port = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Options {
            listen: any_port,
            download_listen: any_port,
            allow_remote: false,
            data: None,
            token: "emulator-developer-token".to_owned(),
            request_log: None,
            traffic: None,
            latency: Duration::ZERO,
            bandwidth: None,
            line: None,
            min_session_bytes: MIN_SESSION_BYTES,
            part_size: None,
            max_simple_bytes: MAX_SIMPLE_BYTES,
            space_amount: SPACE_AMOUNT_BYTES,
            max_upload_size: MAX_UPLOAD_BYTES,
            space_as_float: false,
            commit_202: 0,
            commit_retry_after: 1,
            part_processing: Duration::ZERO,
            parts_mismatch_once: false,
            session_conflict: false,
            equal_version_202: true,
            plan: true,
            plan_delay: Duration::ZERO,
            commit_again: false,
            version_upload_status: 201,
            conflicts: ConflictShape::AsObserved,
            fields_add_to_mini: false,
            sanitize_file_names: false,
            range_error_400: false,
            empty_last_marker: false,
            delete_forever: false,
            utc_offset_minutes: -8 * 60,
            access_token_secs: HOUR_SECS,
            refresh_token_until_use: true,
            download_url_secs: 15 * 60,
            session_secs: 7 * DAY_SECS,
            download_202: 0,
            events_repeated: 0,
            events_shuffled: false,
            stream_position_as_number: false,
            realtime_hold: Duration::from_secs(600),
            realtime_max_retries: 10,
            folder_operation: Duration::ZERO,
            time_scale: 1,
            rate_limits: None,
            faults: FaultScript::default(),
            generate: 0,
            tls: false,
            proxy_listen: None,
            ca_file: None,
            users: Vec::new(),
            enterprise_id: "900000001".to_owned(),
            client_id: "emulator-client-id".to_owned(),
            client_secret: "emulator-client-secret".to_owned(),
            redirect_uris: Vec::new(),
        }
    }
}

//! Box's calls over HTTP: decodes a request, asks the store, writes Box's answer. One file for each family of calls.

mod answer;
mod call;
mod collaborations;
mod commit;
mod downloads;
mod events;
mod folders;
mod grants;
mod inbox;
mod inspect;
mod items;
mod metadata;
mod multipart;
mod plan;
mod routes;
mod search;
mod sessions;
mod tokens;
mod traffic;
mod uploads;
mod users;
mod versions;
mod zips;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::clock;
use super::desk::{Desk, Places};
use super::faults::{Fault, FaultAnswer};
use super::limits::Class;
use super::refusal::Refusal;
use super::requests::RequestRecord;
use answer::{Answer, AnswerBody, OpenRecord};
use call::Call;
use inbox::Inbox;
pub(super) use plan::Known;
pub(super) use routes::all as routes;
pub(super) use traffic::Traffic;

/// Which listener a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Api,
    Downloads,
}

/// What `box-version` may say.
const API_VERSION: &str = "2024.0";
/// Headers that the request log keeps.
const LOGGED_HEADERS: [&str; 6] = ["range", "content-range", "if-match", "if-none-match", "as-user", "expect"];

/// The connection closes without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
pub(super) struct Closed;

/// Answers one request; what goes wrong is an answer too, unless a fault closes the connection.
pub(super) async fn answer(
    desk: Arc<Desk>,
    door: Door,
    places: Arc<Places>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Closed> {
    let arrived = Instant::now();
    let counted = Arc::new(AtomicU64::new(0));
    let (parts, body) = request.into_parts();
    let mut open = OpenRecord { desk: desk.clone(), record: record(door, &parts), arrived };
    let fault = desk.faults.pick(&open.record.method, &open.record.path);
    let path = parts.uri.path().to_owned();
    let mut call = Call {
        desk: desk.clone(),
        places,
        local: peer.ip().is_loopback(),
        query: call::pairs(parts.uri.query().unwrap_or("")),
        method: parts.method,
        headers: parts.headers,
        inbox: Inbox::new(body, desk.clone(), counted.clone()),
    };
    let done = perform(&mut call, door, &path, &fault).await;
    call.inbox.drain_unless(done.is_err()).await;
    open.record.bytes_in = counted.load(Ordering::Relaxed);
    let Ok(answer) = done else {
        open.close(0);
        return Err(Closed);
    };
    let made_up = matches!(fault, Some(Fault::Answer(_) | Fault::AnswerAfter(_)));
    desk.traffic.tell(&call, &open.record, &answer, made_up);
    let latest = tokio::time::Instant::from_std(arrived) + desk.options.latency;
    tokio::time::sleep_until(latest).await;
    open.record.status = answer.status;
    Ok(response(answer, open, fault.as_ref()))
}

/// Does what the request asks for, and what a fault does to it.
async fn perform(call: &mut Call, door: Door, path: &str, fault: &Option<Fault>) -> Result<Answer, Closed> {
    match fault {
        Some(Fault::Answer(made_up)) => return Ok(made_up_answer(made_up)),
        Some(Fault::CloseBefore) => return Err(Closed),
        Some(Fault::CloseInBody { bytes }) => {
            call.inbox.read_some(*bytes).await;
            return Err(Closed);
        }
        Some(Fault::Stall { ms }) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Some(Fault::ExpireToken) => call.expire_token(),
        _ => {}
    }
    let done = match door {
        Door::Api => match version(call).and_then(|()| limit(call, path)) {
            Ok(()) => route(call, path).await,
            Err(refusal) => Err(refusal),
        },
        Door::Downloads => downloads::route(call, path).await,
    };
    let answer = done.unwrap_or_else(|refusal| Answer::refusal(&refusal, &hex_id(12)));
    match fault {
        Some(Fault::AnswerAfter(made_up)) => Ok(made_up_answer(made_up)),
        Some(Fault::CloseAfter) => Err(Closed),
        Some(Fault::LoseEvents) => Ok(answer.without_entries()),
        _ => Ok(answer),
    }
}

fn made_up_answer(made_up: &FaultAnswer) -> Answer {
    let answer = match made_up.status {
        status if status < 400 => Answer::empty(status),
        401 => Answer::refusal(&Refusal::unauthorized(Some(("invalid_token", "expired_token"))), ""),
        status => {
            let code = made_up.code.as_deref().unwrap_or(match status {
                429 => "rate_limit_exceeded",
                500 => "internal_server_error",
                502 => "bad_gateway",
                503 => "unavailable",
                _ => "bad_request",
            });
            Answer::refusal(&Refusal::new(status, code, "A fault of the emulator's script"), &hex_id(12))
        }
    };
    match made_up.retry_after {
        Some(seconds) => answer.header("retry-after", seconds.to_string()),
        None => answer,
    }
}

fn record(door: Door, parts: &hyper::http::request::Parts) -> RequestRecord {
    let kept = |name: &&str| {
        let value = parts.headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.to_owned()))
    };
    RequestRecord {
        time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        door: match door {
            Door::Api => "api".to_owned(),
            Door::Downloads => "download".to_owned(),
        },
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default(),
        status: 0,
        bytes_in: 0,
        bytes_out: 0,
        duration_ms: 0,
        authorized: parts.headers.contains_key("authorization"),
        headers: LOGGED_HEADERS.iter().filter_map(kept).collect(),
    }
}

fn response(answer: Answer, open: OpenRecord, fault: Option<&Fault>) -> Response<AnswerBody> {
    let status = answer.status;
    let date = clock::http_date(open.desk.clock.now());
    let mut response = Response::new(AnswerBody::new(answer.payload, open, fault));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = answer.headers;
    if let Ok(value) = date.parse() {
        response.headers_mut().insert("date", value);
    }
    // Differs from the error object's `request_id`, as at Box.
    if let Ok(value) = hex_id(32).parse() {
        response.headers_mut().insert("box-request-id", value);
    }
    response
}

/// A random hexadecimal id.
fn hex_id(len: usize) -> String {
    std::iter::repeat_with(|| fastrand::digit(16)).take(len).collect()
}

/// The API listener's paths. Empty segments do not count: Box takes `/files/content/`.
async fn route(call: &mut Call, path: &str) -> Result<Answer, Refusal> {
    let decoded: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(|s| call::decode(s, false)).collect();
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    routes::check(Door::Api, call.method.as_str(), &segments)?;
    match segments.as_slice() {
        ["2.0", "users", rest @ ..] => users::route(call, rest).await,
        ["2.0", "folders", rest @ ..] => folders::route(call, rest).await,
        ["2.0", "files", rest @ ..] => items::route_files(call, rest).await,
        ["2.0", "web_links", rest @ ..] => items::route_web_links(call, rest).await,
        ["2.0", "events"] => events::route(call).await,
        ["2.0", "collaborations", rest @ ..] => collaborations::route(call, rest).await,
        ["2.0", "search"] => search::search(call),
        ["2.0", "zip_downloads", rest @ ..] => zips::route(call, rest).await,
        ["2.0", "folder_locks", rest @ ..] => metadata::route_folder_locks(call, rest).await,
        ["2.0", "shared_items"] => items::shared(call),
        ["api", "2.0", "files", "content"] => uploads::new_file(call).await,
        ["api", "2.0", "files", id, "content"] => uploads::new_version(call, id).await,
        ["api", "2.0", "files", "upload_sessions", rest @ ..] => sessions::route(call, rest).await,
        ["api", "2.0", "files", id, "upload_sessions"] => sessions::open_for_version(call, id).await,
        ["api", "oauth2", "authorize"] => tokens::authorize(call).await,
        // The second is on app.box.com: rclone's token URL.
        ["oauth2", rest @ ..] | ["api", "oauth2", rest @ ..] => tokens::route(call, rest).await,
        ["_emulator", rest @ ..] => inspect::route(call, rest).await,
        _ => Err(Refusal::not_found()),
    }
}

/// Refuses a version of the API that it does not have (API.md 1.2).
fn version(call: &Call) -> Result<(), Refusal> {
    match call.header("box-version") {
        None | Some(API_VERSION) => Ok(()),
        Some(_) => {
            let text = format!("The only version of these endpoints is {API_VERSION}");
            Err(Refusal::new(400, "invalid_api_version", text))
        }
    }
}

/// Counts the call against the limits of its user; one without a user is refused elsewhere.
fn limit(call: &Call, path: &str) -> Result<(), Refusal> {
    if !call.desk.limits.are_on() {
        return Ok(());
    }
    let class = match path {
        path if path.starts_with("/_emulator") => return Ok(()),
        path if path.starts_with("/api/2.0/") => Class::Upload,
        path if path.starts_with("/2.0/search") => Class::Search,
        _ => Class::General,
    };
    match call.who() {
        Ok(who) => call.desk.limits.take(who.user, class),
        Err(_) => Ok(()),
    }
}

/// Refuses any method but those that a path has.
fn only(call: &Call, method: Method) -> Result<(), Refusal> {
    if call.method == method { Ok(()) } else { Err(Refusal::method_not_allowed()) }
}

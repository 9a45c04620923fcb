//! Events and the long poll for them (API.md section 7).

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::super::desk::Desk;
use super::super::refusal::Refusal;
use super::super::store::Stream;
use super::answer::Answer;
use super::call::Call;

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 500;

/// `GET /events` and `OPTIONS /events`.
pub(super) async fn route(call: &mut Call) -> Result<Answer, Refusal> {
    match call.method {
        Method::GET => list(call),
        Method::OPTIONS => servers(call),
        _ => Err(Refusal::method_not_allowed()),
    }
}

fn list(call: &Call) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let stream = match call.param("stream_type") {
        None | Some("" | "all") => Stream::All,
        Some("changes" | "sync") => Stream::Changes,
        Some("admin_logs" | "admin_logs_streaming") => Stream::Enterprise,
        Some(_) => return Err(Refusal::bad("stream_type", "not a stream type")),
    };
    let limit = call.number("limit", "invalid_limit", DEFAULT_LIMIT)?.clamp(1, MAX_LIMIT);
    let as_number = call.desk.options.stream_position_as_number;
    let position_json = |position: u64| if as_number { json!(position) } else { json!(position.to_string()) };
    let position = match call.param("stream_position") {
        Some("now") => {
            let now = call.desk.read(|store| store.counters.sequence);
            let page = json!({"chunk_size": 0, "next_stream_position": position_json(now), "entries": []});
            return Ok(Answer::ok(&page));
        }
        None | Some("" | "null") => 0,
        Some(text) => text.parse().map_err(|_| Refusal::bad("stream_position", "not a stream position"))?,
    };
    let page = call.desk.read(|store| store.news(&who, stream, position, limit as usize))?;
    Ok(Answer::ok(&json!({
        "chunk_size": page.entries.len(),
        "next_stream_position": position_json(page.next),
        "entries": page.entries,
    })))
}

fn servers(call: &Call) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let options = &call.desk.options;
    let url = format!("{}/subscribe?channel={}&stream_type=all", call.places.realtime, channel(&call.desk, who.user));
    let server = json!({
        "type": "realtime_server",
        "url": url,
        "ttl": "10",
        "max_retries": options.realtime_max_retries.to_string(),
        "retry_timeout": options.realtime_hold.as_secs() + 10,
    });
    Ok(Answer::ok(&json!({"chunk_size": 1, "entries": [server]})))
}

/// The secret that names a user to the realtime server, where no token is needed.
fn channel(desk: &Desk, user: u64) -> String {
    let seal = Sha1::digest(format!("realtime/{user}/{}/{}", desk.options.client_secret, desk.options.token));
    format!("{user:016x}{}", hex::encode(seal))
}

fn read_channel(desk: &Desk, text: &str) -> Option<u64> {
    let user = u64::from_str_radix(text.get(..16)?, 16).ok()?;
    (channel(desk, user) == text).then_some(user)
}

/// `GET /subscribe` on the second listener: hangs until there is news or it is time to reconnect.
pub(super) async fn subscribe(call: &Call) -> Result<Answer, Refusal> {
    let user = call.param("channel").and_then(|text| read_channel(&call.desk, text)).ok_or_else(Refusal::not_found)?;
    let mut news = call.desk.news.subscribe();
    let position = match call.param("stream_position") {
        None | Some("" | "now") => call.desk.read(|store| store.counters.sequence),
        Some(text) => text.parse().map_err(|_| Refusal::bad("stream_position", "not a stream position"))?,
    };
    let hold: Duration = call.desk.options.realtime_hold / call.desk.options.time_scale.max(1);
    let wait = async {
        loop {
            if call.desk.read(|store| store.has_news(user, position)) {
                return;
            }
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let message = match tokio::time::timeout(hold, wait).await {
        Ok(()) => "new_change",
        Err(_) => "reconnect",
    };
    let body: Value = json!({"message": message});
    Ok(Answer::ok(&body).header("connection", "close"))
}

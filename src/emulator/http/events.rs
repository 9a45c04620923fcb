//! Events and the long poll for them (API.md section 7).

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use super::super::clock;
use super::super::refusal::Refusal;
use super::super::store::{NewsFilter, Stream};
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
    let filter = filter(call, stream)?;
    let page = call.desk.read(|store| store.news(&who, stream, &filter, position, limit as usize))?;
    Ok(Answer::ok(&json!({
        "chunk_size": page.entries.len(),
        "next_stream_position": position_json(page.next),
        "entries": page.entries,
    })))
}

/// What only the streams of an enterprise are narrowed by.
fn filter(call: &Call, stream: Stream) -> Result<NewsFilter, Refusal> {
    if stream != Stream::Enterprise {
        return Ok(NewsFilter::default());
    }
    let time = |name: &str| match call.param(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => clock::read(text).map(Some).ok_or_else(|| Refusal::bad(name, "not a date and time")),
    };
    let kinds = call.param("event_type").unwrap_or("");
    Ok(NewsFilter {
        after: time("created_after")?,
        before: time("created_before")?,
        kinds: kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
    })
}

fn servers(call: &Call) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let options = &call.desk.options;
    let url = format!("{}/subscribe?channel={}&stream_type=all", call.places.realtime, call.desk.polls.open(who.user));
    let server = json!({
        "type": "realtime_server",
        "url": url,
        "ttl": "10",
        "max_retries": options.realtime_max_retries.to_string(),
        "retry_timeout": options.realtime_hold.as_secs() + 10,
    });
    Ok(Answer::ok(&json!({"chunk_size": 1, "entries": [server]})))
}

/// `GET /subscribe` on the second listener: hangs until there is news or it is time to reconnect.
pub(super) async fn subscribe(call: &Call) -> Result<Answer, Refusal> {
    let channel = call.param("channel").unwrap_or("");
    let user = call.desk.polls.user_of(channel).ok_or_else(Refusal::not_found)?;
    if !call.desk.polls.count(channel) {
        return Ok(heard("max_retries"));
    }
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
    match tokio::time::timeout(hold, wait).await {
        Ok(()) => Ok(heard("new_change")),
        Err(_) => Ok(heard("reconnect")),
    }
}

/// What a poll ends with; the connection goes with it.
fn heard(message: &str) -> Answer {
    Answer::ok(&json!({"message": message})).header("connection", "close")
}

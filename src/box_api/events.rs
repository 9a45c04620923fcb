//! The stream of changes: pages of events, and the long poll that says when there are more (API.md 7).

use super::call::{Call, Request};
use super::client::BoxClient;
use super::items::Item;
use super::limits::Class;
use super::meaning::{ApiError, Meaning};
use super::retry::Repeat;
use super::wire::{self, WireItem, WireRef};
use crate::base::Timestamp;
use reqwest::{Method, Url};
use serde::Deserialize;
use std::time::Duration;

/// Something that happened. A hint about an id: may come twice, late, and out of order.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub event_id: String,
    pub event_type: String,
    /// The item as it was then; absent for what concerns no file or folder.
    pub source: Option<Item>,
    pub created_by_id: Option<String>,
    pub created_by_login: Option<String>,
    pub created_at: Option<Timestamp>,
}

/// A part of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsPage {
    pub entries: Vec<Event>,
    /// The position after this page.
    pub next: String,
    /// Events in this page as Box counts them.
    pub chunk_size: u64,
}

/// Where to wait for changes.
#[derive(Clone, PartialEq, Eq)]
pub struct RealtimeServer {
    /// Opens the channel to whoever has it.
    url: Url,
    /// Polls after which another server is to be asked for.
    pub max_retries: u32,
    /// How long a poll hangs without news.
    pub retry_timeout: Duration,
}

impl std::fmt::Debug for RealtimeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealtimeServer")
            .field("host", &self.url.host_str())
            .field("max_retries", &self.max_retries)
            .field("retry_timeout", &self.retry_timeout)
            .finish()
    }
}

/// What a poll ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// There are events after the position.
    NewChange,
    /// No news, and the server wants no more polls: ask for another one.
    Reconnect,
}

/// Where the stream ends just now.
const NOW: &str = "now";
/// API.md 7.4; used where the answer does not say.
const DEFAULT_MAX_RETRIES: u64 = 10;
/// API.md 7.4; used where the answer does not say.
const DEFAULT_RETRY_TIMEOUT_SECS: u64 = 610;
/// Longest time that a poll may hang, whatever the answer says.
const MAX_RETRY_TIMEOUT_SECS: u64 = 3600;

const EVENTS: Call = Call::read("events", "/events");
const REALTIME: Call = Call::read("realtime_server", "/events");
const LONG_POLL: Call = Call::read("long_poll", "(realtime)").class(Class::Free).repeat(Repeat::Never);

#[derive(Deserialize)]
struct WireEvents {
    #[serde(default, deserialize_with = "wire::count")]
    chunk_size: Option<u64>,
    #[serde(default, deserialize_with = "wire::text")]
    next_stream_position: Option<String>,
    #[serde(default)]
    entries: Vec<WireEvent>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireEvent {
    #[serde(deserialize_with = "wire::text")]
    event_id: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    event_type: Option<String>,
    #[serde(deserialize_with = "wire::maybe")]
    source: Option<WireItem>,
    #[serde(deserialize_with = "wire::maybe")]
    created_by: Option<WireRef>,
    #[serde(deserialize_with = "wire::time")]
    created_at: Option<Timestamp>,
}

impl WireEvent {
    fn read(self) -> Option<Event> {
        let (created_by_id, created_by_login) = self.created_by.map_or((None, None), |by| (by.id, by.login));
        Some(Event {
            event_id: self.event_id?,
            event_type: self.event_type?,
            source: self.source.and_then(WireItem::into_item),
            created_by_id,
            created_by_login,
            created_at: self.created_at,
        })
    }
}

#[derive(Deserialize)]
struct WireServers {
    entries: Vec<WireServer>,
}

#[derive(Deserialize)]
struct WireServer {
    url: String,
    #[serde(default, deserialize_with = "wire::count")]
    max_retries: Option<u64>,
    #[serde(default, deserialize_with = "wire::count")]
    retry_timeout: Option<u64>,
}

#[derive(Deserialize)]
struct WirePoll {
    message: String,
}

impl BoxClient {
    /// Events after `position`, at most `limit` (Box gives at most 500). `stream_type`: `changes`, `all` or `sync`.
    pub async fn events(&self, position: &str, stream_type: &str, limit: u32) -> Result<EventsPage, ApiError> {
        let request = Request::below(Method::GET, &self.hosts().api, &["events"])
            .query("stream_position", position)
            .query("stream_type", stream_type)
            .query("limit", &limit.to_string());
        let page: WireEvents = self.send(&EVENTS, &request).await?.json()?;
        let none = || ApiError::new(EVENTS.name, Meaning::BadAnswer, "the answer names no next position");
        Ok(EventsPage {
            next: page.next_stream_position.ok_or_else(none)?,
            chunk_size: page.chunk_size.unwrap_or(page.entries.len() as u64),
            entries: page.entries.into_iter().filter_map(WireEvent::read).collect(),
        })
    }

    /// The position after the newest event.
    pub async fn events_now(&self) -> Result<String, ApiError> {
        Ok(self.events(NOW, "changes", 1).await?.next)
    }

    pub async fn realtime_server(&self) -> Result<RealtimeServer, ApiError> {
        let request = Request::below(Method::OPTIONS, &self.hosts().api, &["events"]).query("stream_type", "changes");
        let servers: WireServers = self.send(&REALTIME, &request).await?.json()?;
        let none = || ApiError::new(REALTIME.name, Meaning::BadAnswer, "the answer names no server");
        let server = servers.entries.into_iter().next().ok_or_else(none)?;
        let retries = server.max_retries.unwrap_or(DEFAULT_MAX_RETRIES);
        let timeout = server.retry_timeout.unwrap_or(DEFAULT_RETRY_TIMEOUT_SECS);
        Ok(RealtimeServer {
            url: Url::parse(&server.url).map_err(|_| none())?,
            max_retries: u32::try_from(retries).unwrap_or(u32::MAX),
            retry_timeout: Duration::from_secs(timeout.clamp(1, MAX_RETRY_TIMEOUT_SECS)),
        })
    }

    /// Hangs until there is news after `position`, or the server's patience ends.
    pub async fn long_poll(&self, server: &RealtimeServer, position: &str) -> Result<Poll, ApiError> {
        // Without the token: the address itself opens the channel.
        let request = Request::new(Method::GET, server.url.clone()).without_token().query("stream_position", position);
        let call = LONG_POLL.patience(server.retry_timeout);
        let answer: WirePoll = self.send(&call, &request).await?.json()?;
        match answer.message.as_str() {
            "new_change" => Ok(Poll::NewChange),
            // `reconnect`, `max_retries`, and whatever Box comes to say.
            _ => Ok(Poll::Reconnect),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BoxId;

    #[test]
    fn events_are_read_in_both_forms_and_positions_keep_every_digit() {
        let page: WireEvents = serde_json::from_str(
            r#"{"chunk_size":3,"next_stream_position":1152922976252290886,"entries":[
            {"event_id":"a","event_type":"ITEM_MOVE","created_by":{"type":"user","id":"2"},"source":{"type":"file","id":"1",
             "sequence_id":"1152922976252290887","parent":{"id":"9"}}},
            {"event_id":"b","event_type":"ITEM_TRASH","source":{"item_type":"folder","item_id":"5","item_name":"n"}},
            {"event_id":"c","event_type":"LOCK_DESTROY","source":null}]}"#,
        )
        .unwrap();
        assert_eq!(page.next_stream_position.as_deref(), Some("1152922976252290886"));
        let events: Vec<Event> = page.entries.into_iter().filter_map(WireEvent::read).collect();
        let source = events[0].source.as_ref().unwrap();
        assert_eq!(source.sequence_id, Some(1_152_922_976_252_290_887));
        assert_eq!(events[0].created_by_id.as_deref(), Some("2"));
        assert_eq!(events[1].source.as_ref().unwrap().id, BoxId::folder("5"));
        assert_eq!(events[2].source, None);
    }

    #[test]
    fn a_channel_does_not_show_its_address() {
        let server = RealtimeServer {
            url: Url::parse("https://2.realtime.example/subscribe?channel=hunter2").unwrap(),
            max_retries: 10,
            retry_timeout: Duration::from_secs(610),
        };
        assert!(!format!("{server:?}").contains("hunter2"));
    }
}

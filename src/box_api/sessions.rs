//! Upload sessions: a large file in parts (API.md 5). Nothing here remembers a session: the caller keeps its endpoints.

use super::call::{Call, Request, UPLOAD_PATIENCE};
use super::client::{Answer, BoxClient};
use super::error::{Outcome, Target};
use super::items::Item;
use super::limits::Class;
use super::meaning::{ApiError, Meaning};
use super::payload::{FileBody, PartSlice, hash_range};
use super::uploads::first_item;
use super::wire;
use crate::base::{Sha1Digest, Timestamp};
use bytes::Bytes;
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionTarget<'a> {
    New { parent: &'a str, name: &'a str },
    Version { file_id: &'a str, name: Option<&'a str> },
}

/// An open upload session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    pub endpoints: SessionEndpoints,
    /// Bytes of each part but the last; Box's choice.
    pub part_size: u64,
    pub total_parts: u64,
    /// Parts that Box has worked through; lags behind those it has received.
    pub parts_processed: u64,
    pub expires_at: Option<Timestamp>,
}

/// Where a session's calls go, as Box named it. Checked before each call: the token does not go just anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionEndpoints {
    pub upload_part: String,
    pub status: String,
    pub abort: String,
    pub list_parts: String,
    pub commit: String,
    /// Absent where Box does not offer plans.
    pub plan: Option<String>,
}

/// A part that Box holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub part_id: String,
    pub offset: u64,
    pub size: u64,
    /// Absent until Box has processed the part.
    #[serde(
        default,
        deserialize_with = "wire::sha1",
        serialize_with = "sha1_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sha1: Option<Sha1Digest>,
}

/// What a commit sets besides the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitAttributes {
    pub content_created_at: Option<Timestamp>,
    pub content_modified_at: Option<Timestamp>,
}

/// Box's answer to a commit.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one for each commit, taken apart at once")]
pub enum CommitAnswer {
    Done(Item),
    /// Parts are still being processed: the same commit again, later.
    NotYet {
        retry_after: Duration,
    },
}

/// A part that Box may have already, by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedPart {
    pub offset: u64,
    pub size: u64,
    /// 128 lower-case hex characters.
    pub sha512: String,
}

/// Wait after a 202 that does not say how long (API.md 5.5: seen 3 to 30 s; UI uses 3 s).
const DEFAULT_COMMIT_WAIT: Duration = Duration::from_secs(3);

const CREATE: Call = Call::change("create_session", "/files/upload_sessions").class(Class::Part);
const STATUS: Call = Call::read("session_status", "/files/upload_sessions/:id").target(Target::Session);
const LIST_PARTS: Call = Call::read("list_parts", "/files/upload_sessions/:id/parts").target(Target::Session);
const UPLOAD_PART: Call = Call::change("upload_part", "/files/upload_sessions/:id")
    .class(Class::Part)
    .target(Target::Part)
    .patience(UPLOAD_PATIENCE);
const COMMIT: Call = Call::change("commit_session", "/files/upload_sessions/:id/commit")
    .class(Class::Part)
    .target(Target::Session)
    .patience(UPLOAD_PATIENCE);
const ABORT: Call = Call::read("abort_session", "/files/upload_sessions/:id").target(Target::Session);
const PLAN: Call = Call::read("plan_session", "/files/upload_sessions/:id/plan").target(Target::Session);

/// A session as Box writes it.
#[derive(Deserialize)]
pub(super) struct WireSession {
    id: String,
    session_endpoints: SessionEndpoints,
    #[serde(deserialize_with = "wire::count")]
    part_size: Option<u64>,
    #[serde(default, deserialize_with = "wire::count")]
    total_parts: Option<u64>,
    #[serde(default, deserialize_with = "wire::count")]
    num_parts_processed: Option<u64>,
    #[serde(default, deserialize_with = "wire::time")]
    session_expires_at: Option<Timestamp>,
}

impl From<WireSession> for Session {
    fn from(wire: WireSession) -> Session {
        Session {
            id: wire.id,
            endpoints: wire.session_endpoints,
            part_size: wire.part_size.unwrap_or(0),
            total_parts: wire.total_parts.unwrap_or(0),
            parts_processed: wire.num_parts_processed.unwrap_or(0),
            expires_at: wire.session_expires_at,
        }
    }
}

fn sha1_text<S: serde::Serializer>(sha1: &Option<Sha1Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    match sha1 {
        Some(sha1) => serializer.collect_str(sha1),
        None => serializer.serialize_none(),
    }
}

#[derive(Serialize)]
struct CreateBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    folder_id: Option<&'a str>,
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
}

#[derive(Deserialize)]
struct PartAnswer {
    part: Part,
}

/// A listed part; one without an id has not arrived.
#[derive(Deserialize)]
struct ListedPart {
    #[serde(default, deserialize_with = "wire::text")]
    part_id: Option<String>,
    #[serde(default, deserialize_with = "wire::count")]
    offset: Option<u64>,
    #[serde(default, deserialize_with = "wire::count")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "wire::sha1")]
    sha1: Option<Sha1Digest>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartList {
    /// The list's name in the answer of `list_parts`.
    entries: Vec<ListedPart>,
    /// The list's name in the answer of `plan`.
    hits: Vec<ListedPart>,
}

impl ListedPart {
    fn read(self) -> Option<Part> {
        Some(Part { part_id: self.part_id?, offset: self.offset?, size: self.size?, sha1: self.sha1 })
    }
}

#[derive(Serialize)]
struct CommitBody<'a> {
    parts: &'a [Part],
    attributes: CommitTimes,
}

#[derive(Serialize)]
struct CommitTimes {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_modified_at: Option<String>,
}

impl BoxClient {
    /// Opens a session for a file of `size` bytes.
    ///
    /// # Errors
    /// `TooSmallForSession`; `NameTaken` for a new file whose name exists; `SessionConflict` with the session that holds the
    /// target.
    pub async fn create_session(&self, target: &SessionTarget<'_>, size: u64) -> Result<Session, ApiError> {
        let (segments, body) = match *target {
            SessionTarget::New { parent, name } => (
                vec!["files", "upload_sessions"],
                CreateBody { folder_id: Some(parent), file_size: size, file_name: Some(name) },
            ),
            // Never with a folder (API.md 5.2).
            SessionTarget::Version { file_id, name } => (
                vec!["files", file_id, "upload_sessions"],
                CreateBody { folder_id: None, file_size: size, file_name: name },
            ),
        };
        let request = Request::below(Method::POST, &self.hosts().upload, &segments).json(&body);
        let session: Session = self.send(&CREATE, &request).await?.json::<WireSession>()?.into();
        let covered = session.total_parts.checked_mul(session.part_size).is_some_and(|bytes| bytes >= size);
        if session.part_size == 0 || !covered {
            let text = format!("{} parts of {} bytes do not make {size} bytes", session.total_parts, session.part_size);
            return Err(ApiError::new(CREATE.name, Meaning::BadAnswer, text));
        }
        Ok(session)
    }

    /// The session as Box sees it now.
    pub async fn session_status(&self, endpoints: &SessionEndpoints) -> Result<Session, ApiError> {
        let request = session_request(&STATUS, Method::GET, &endpoints.status)?;
        Ok(self.send(&STATUS, &request).await?.json::<WireSession>()?.into())
    }

    /// Stored parts from part number `first_index` (zero-based) on, at most `limit` (Box gives at most 1000).
    pub async fn list_parts(
        &self,
        endpoints: &SessionEndpoints,
        first_index: u64,
        limit: u32,
    ) -> Result<Vec<Part>, ApiError> {
        let request = session_request(&LIST_PARTS, Method::GET, &endpoints.list_parts)?
            .query("offset", &first_index.to_string())
            .query("limit", &limit.to_string());
        let list: PartList = self.send(&LIST_PARTS, &request).await?.json()?;
        Ok(list.entries.into_iter().filter_map(ListedPart::read).collect())
    }

    /// Uploads one part, streamed from the file. The slice is read twice: its digest goes ahead of it.
    ///
    /// # Errors
    /// `PartAlreadyThere`: the part list says with what content. `OutcomeUnknown`: it may be stored all the same.
    pub async fn upload_part(&self, endpoints: &SessionEndpoints, slice: &PartSlice) -> Result<Part, ApiError> {
        let request = session_request(&UPLOAD_PART, Method::PUT, &endpoints.upload_part)?;
        let sha1 = hash_range(Arc::clone(&slice.file), slice.offset, slice.len)
            .await
            .map_err(|error| ApiError::new(UPLOAD_PART.name, Meaning::LocalFile, error.to_string()))?;
        let last = (slice.offset + slice.len).saturating_sub(1);
        let body = FileBody {
            head: Bytes::new(),
            file: Arc::clone(&slice.file),
            offset: slice.offset,
            len: slice.len,
            tail: Bytes::new(),
            progress: slice.progress.clone(),
        };
        let request = request
            .header("digest", format!("sha={}", sha1.to_base64()))
            .header("content-range", format!("bytes {}-{last}/{}", slice.offset, slice.total_size))
            .file("application/octet-stream", body);
        let part = self.send(&UPLOAD_PART, &request).await?.json::<PartAnswer>()?.part;
        if (part.offset, part.size) != (slice.offset, slice.len) {
            return Err(ApiError::new(UPLOAD_PART.name, Meaning::BadAnswer, "Box stored another range"));
        }
        Ok(Part { sha1: part.sha1.or(Some(sha1)), ..part })
    }

    /// Makes the file or version out of all parts, which must be in the order of their offsets.
    pub async fn commit(
        &self,
        endpoints: &SessionEndpoints,
        parts: &[Part],
        attributes: &CommitAttributes,
        sha1: Sha1Digest,
        if_match: Option<&str>,
    ) -> Result<CommitAnswer, ApiError> {
        let attributes = CommitTimes {
            content_created_at: attributes.content_created_at.map(Timestamp::to_rfc3339),
            content_modified_at: attributes.content_modified_at.map(Timestamp::to_rfc3339),
        };
        let request = session_request(&COMMIT, Method::POST, &endpoints.commit)?
            .header("digest", format!("sha={}", sha1.to_base64()))
            .if_match(if_match)
            .json(&CommitBody { parts, attributes });
        let answer: Answer = self.send(&COMMIT, &request).await?;
        match answer.outcome {
            Outcome::NotYet => {
                Ok(CommitAnswer::NotYet { retry_after: answer.retry_after().unwrap_or(DEFAULT_COMMIT_WAIT) })
            }
            _ => Ok(CommitAnswer::Done(first_item(&COMMIT, answer.json()?)?)),
        }
    }

    /// Gives a session up; one that is gone already is no error.
    pub async fn abort(&self, endpoints: &SessionEndpoints) -> Result<(), ApiError> {
        let request = session_request(&ABORT, Method::DELETE, &endpoints.abort)?;
        match self.send(&ABORT, &request).await {
            Ok(_) => Ok(()),
            Err(error) if error.meaning == Meaning::SessionGone => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks which parts Box has already (API.md 5.9). `None`: this session, account or server knows no plans.
    pub async fn plan_session(
        &self,
        endpoints: &SessionEndpoints,
        parts: &[PlannedPart],
    ) -> Result<Option<Vec<Part>>, ApiError> {
        let Some(url) = &endpoints.plan else { return Ok(None) };
        let body = serde_json::json!({ "parts": parts });
        let request = session_request(&PLAN, Method::POST, url)?.json(&body);
        match self.send(&PLAN, &request).await {
            Ok(answer) => {
                let list: PartList = answer.json()?;
                Ok(Some(list.hits.into_iter().filter_map(ListedPart::read).collect()))
            }
            Err(error) if error.status.is_some() && error.heals() == super::Heals::Never => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A request to a URL that Box named; [`BoxClient::send`] checks its host before the token goes there.
fn session_request(call: &Call, method: Method, url: &str) -> Result<Request, ApiError> {
    let url = Url::parse(url)
        .map_err(|error| ApiError::new(call.name, Meaning::BadAnswer, format!("the session's address: {error}")))?;
    Ok(Request::new(method, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_and_survives_the_database() {
        let json = r#"{"id":"F97","type":"upload_session","session_expires_at":"2024-05-08T10:53:43Z","part_size":8388608,
            "total_parts":4,"num_parts_processed":0,"session_endpoints":{"upload_part":"U","status":"U","abort":"U",
            "list_parts":"U/parts","commit":"U/commit","log_event":"U/log"}}"#;
        let session: Session = serde_json::from_str::<WireSession>(json).unwrap().into();
        assert_eq!((session.part_size, session.total_parts), (8_388_608, 4));
        assert_eq!(session.endpoints.plan, None);
        let text = serde_json::to_string(&session.endpoints).unwrap();
        assert_eq!(serde_json::from_str::<SessionEndpoints>(&text).unwrap(), session.endpoints);
    }

    #[test]
    fn parts_are_committed_with_the_digest_only_where_it_is_known() {
        let part = Part { part_id: "6F".into(), offset: 0, size: 8, sha1: None };
        assert_eq!(serde_json::to_string(&part).unwrap(), r#"{"part_id":"6F","offset":0,"size":8}"#);
        let known = Part { sha1: Some(Sha1Digest::of(b"")), ..part };
        let text = serde_json::to_string(&known).unwrap();
        assert!(text.ends_with(r#""sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}"#));
        assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), known);
    }

    #[test]
    fn listed_parts_that_have_not_arrived_are_left_out() {
        let list: PartList = serde_json::from_str(
            r#"{"total_count":3,"entries":[{"part_id":"A","offset":0,"size":8,"sha1":null},{"offset":8,"size":8}]}"#,
        )
        .unwrap();
        let parts: Vec<Part> = list.entries.into_iter().filter_map(ListedPart::read).collect();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].sha1, None);
    }
}

//! Chunked upload: sessions, parts, abort (API.md section 5).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Method;
use serde_json::{Value, json};

use super::super::contents::Written;
use super::super::desk::{Desk, SessionWork};
use super::super::refusal::Refusal;
use super::super::store::{Extent, Kind, Part, Session, Store, Target, Who};
use super::answer::Answer;
use super::call::{Call, folder_in, item_key, number, text};

const MAX_LIMIT: u64 = 1000;
const MAX_OFFSET: u64 = 10_000;

pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    let method = call.method.clone();
    match (method.as_str(), rest) {
        ("POST", []) => open_for_file(call).await,
        ("GET", [id]) => status(call, id),
        ("PUT", [id]) => upload_part(call, id).await,
        ("DELETE", [id]) => abort(call, id),
        ("GET", [id, "parts"]) => list_parts(call, id),
        ("POST", [id, "commit"]) => super::commit::commit(call, id).await,
        ("POST", [id, "plan"]) => super::plan::plan(call, id).await,
        ("POST", [_, "log"]) => {
            call.who()?;
            Ok(Answer::empty(204))
        }
        (_, [] | [_] | [_, "parts" | "commit" | "log" | "plan"]) => Err(Refusal::method_not_allowed()),
        _ => Err(Refusal::not_found()),
    }
}

async fn open_for_file(call: &mut Call) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let body = call.json().await?;
    let folder = folder_in(&body["folder_id"], "folder_id", &who)
        .map_err(|refusal| if refusal.status == 404 { refusal } else { plain("invalid_folder_id") })?;
    let folder = folder.ok_or_else(|| plain("missing_destination"))?;
    let size = file_size(&body)?;
    let name = text(&body, "file_name")?.ok_or_else(|| plain("missing_file_name"))?;
    open(call, &who, |store| {
        let name = store.check_new_file(&who, folder, name, size).map_err(unknown_folder)?;
        store.open_session(&who, Target::NewFile { folder, name }, size)
    })
}

/// A folder that is not there is `invalid_parameter` here, still with 404 (API.md 1.4).
fn unknown_folder(refusal: Refusal) -> Refusal {
    match refusal.code.as_str() {
        "not_found" => Refusal::new(404, "invalid_parameter", "Invalid value for folder_id"),
        _ => refusal,
    }
}

fn plain(code: &str) -> Refusal {
    Refusal::new(400, code, "Bad Request")
}

fn file_size(body: &Value) -> Result<u64, Refusal> {
    number(body, "file_size").map_err(|_| plain("invalid_file_size"))?.ok_or_else(|| plain("missing_file_size"))
}

/// `POST /files/:id/upload_sessions`.
pub(super) async fn open_for_version(call: &mut Call, id: &str) -> Result<Answer, Refusal> {
    super::only(call, Method::POST)?;
    let who = call.who()?;
    let file = item_key(Kind::File, id, &who)?.id;
    let body = call.json().await?;
    if !body["folder_id"].is_null() {
        return Err(plain("multiple_destinations"));
    }
    let size = file_size(&body)?;
    let name = text(&body, "file_name")?;
    let precondition = call.if_match();
    open(call, &who, |store| {
        let name = store.check_new_version(&who, file, name, size, &precondition)?;
        store.open_session(&who, Target::Version { file, name }, size)
    })
}

fn open(call: &Call, who: &Who, make: impl FnOnce(&mut Store) -> Result<String, Refusal>) -> Result<Answer, Refusal> {
    let opened = call.desk.write(make);
    let id = match opened {
        Err(mut refusal) if refusal.code == "session_conflict" => {
            // The message carries the id of the session that is there.
            let id = std::mem::replace(&mut refusal.message, "A session for this file exists".to_owned());
            refusal.context = call.desk.read(|store| {
                let session = store.session(who, &id).ok()?;
                Some(json!({"session": session_json(call, store, &id, session)}))
            });
            return Err(refusal);
        }
        other => other?,
    };
    call.desk.read(|store| {
        let session = store.session(who, &id)?;
        Ok(Answer::json(201, &session_json(call, store, &id, session)))
    })
}

fn session_json(call: &Call, store: &Store, id: &str, session: &Session) -> Value {
    let url = format!("{}/api/2.0/files/upload_sessions/{id}", call.places.uploads);
    let now = now_ms();
    let processed = store.parts_of(id).filter(|(_, part)| store.is_processed(part, now)).count();
    let mut object = json!({
        "id": id,
        "type": "upload_session",
        "session_expires_at": super::super::clock::write(session.expires_at, 0).replace("+00:00", "Z"),
        "part_size": session.part_size,
        "total_parts": session.total_parts(),
        "num_parts_processed": processed,
        "session_endpoints": {
            "upload_part": url,
            "status": url,
            "abort": url,
            "list_parts": format!("{url}/parts"),
            "commit": format!("{url}/commit"),
            "log_event": format!("{url}/log"),
        },
    });
    if call.desk.options.plan {
        object["session_endpoints"]["plan"] = json!(format!("{url}/plan"));
    }
    object
}

pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn status(call: &Call, id: &str) -> Result<Answer, Refusal> {
    let who = call.who()?;
    call.desk.read(|store| {
        let session = store.session(&who, id)?;
        Ok(Answer::ok(&session_json(call, store, id, session)))
    })
}

/// Aborting after a commit is no error and leaves the file (API.md 5.6).
fn abort(call: &Call, id: &str) -> Result<Answer, Refusal> {
    let who = call.who()?;
    call.desk.write(|store| {
        let committed = store.sessions.get(&id.to_owned()).is_some_and(|session| session.committed.is_some());
        if !committed {
            store.session(&who, id)?;
            store.abort_session(id);
        }
        Ok(Answer::empty(204))
    })
}

fn part_json(offset: u64, part: &Part, processed: bool) -> Value {
    let sha1 = if processed { json!(part.sha1) } else { Value::Null };
    let mut object = json!({"part_id": part.id, "offset": offset, "size": part.size, "sha1": sha1});
    if let Some(sha512) = &part.sha512 {
        object["sha512"] = json!(sha512);
    }
    object
}

fn list_parts(call: &Call, id: &str) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let limit = call.number("limit", "invalid_limit", MAX_LIMIT)?.min(MAX_LIMIT);
    let offset = call.number("offset", "invalid_offset", 0)?;
    if offset > MAX_OFFSET {
        return Err(Refusal::new(400, "invalid_offset", "Offset is above the maximum of 10000"));
    }
    call.desk.read(|store| {
        let session = store.session(&who, id)?;
        let now = now_ms();
        // The offset is the index of a part of the file, whether it is there or not.
        let first = offset * session.part_size;
        let some = store.parts_of(id).filter(|(at, _)| *at >= first).take(limit as usize);
        let entries: Vec<Value> = some.map(|(at, part)| part_json(at, part, store.is_processed(part, now))).collect();
        Ok(Answer::ok(&json!({
            "total_count": session.total_parts(),
            "limit": limit,
            "offset": offset,
            "order": [{"by": "offset", "direction": "ASC"}],
            "entries": entries,
        })))
    })
}

/// Counts a part as in flight while it lives.
struct InFlightPart {
    desk: Arc<Desk>,
    work: Arc<SessionWork>,
}

impl InFlightPart {
    fn begin(desk: &Arc<Desk>, session: &str) -> InFlightPart {
        let part = InFlightPart { desk: desk.clone(), work: desk.work(session) };
        part.desk.parts_now.enter();
        part.work.parts_now.enter();
        part
    }
}

impl Drop for InFlightPart {
    fn drop(&mut self) {
        self.work.parts_now.leave();
        self.desk.parts_now.leave();
    }
}

async fn upload_part(call: &mut Call, id: &str) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let desk = call.desk.clone();
    let _in_flight = InFlightPart::begin(&desk, id);
    let sent = part_headers(call)?;
    desk.read(|store| {
        let session = store.session(&who, id)?;
        check_place(session, &sent)?;
        match store.part_content(id, sent.offset) {
            Some(_) => Err(Refusal::part_overlaps()),
            None => Ok(()),
        }
    })?;
    let mut pen = desk.contents.create()?;
    if let SentDigest::Sha512(_) = sent.digest {
        pen = pen.with_sha512();
    }
    while let Some(bytes) = call.inbox.next().await? {
        pen.write(&bytes)?;
        if pen.len() > sent.len {
            break;
        }
    }
    if pen.len() != sent.len {
        return Err(plain("request_size_mismatch"));
    }
    let written = pen.finish();
    let done = if sent.digest.matches(&written) {
        let part = Part {
            id: super::hex_id(8).to_uppercase(),
            size: written.len,
            sha1: hex::encode(written.sha1),
            extents: vec![Extent { blob: written.blob, start: 0, len: written.len }],
            stored_ms: now_ms(),
            sha512: written.sha512.as_ref().map(hex::encode),
        };
        desk.write(|store| {
            store.session(&who, id)?;
            store.add_part(id, sent.offset, part.clone())?;
            Ok(Answer::ok(&json!({"part": part_json(sent.offset, &part, true)})))
        })
    } else {
        Err(Refusal::bad_digest())
    };
    match &done {
        Err(_) => desk.contents.remove(written.blob),
        Ok(_) => digest_in_background(&desk, id),
    }
    done
}

/// Lets the digest of the whole follow the parts, so that the commit finds it done.
fn digest_in_background(desk: &Arc<Desk>, session: &str) {
    let (desk, session) = (desk.clone(), session.to_owned());
    tokio::task::spawn_blocking(move || {
        if let Err(error) = desk.catch_up(&session, false) {
            log::warn!("emulator: digest of a session: {error}");
        }
    });
}

/// What the headers of a part say.
struct SentPart {
    offset: u64,
    len: u64,
    total: u64,
    digest: SentDigest,
}

/// A part's digest, of the kind that the client sent.
pub(super) enum SentDigest {
    Sha1(Vec<u8>),
    Sha512(Vec<u8>),
}

impl SentDigest {
    fn matches(&self, written: &Written) -> bool {
        match self {
            SentDigest::Sha1(digest) => digest[..] == written.sha1[..],
            SentDigest::Sha512(digest) => Some(digest) == written.sha512.as_ref(),
        }
    }
}

fn part_headers(call: &Call) -> Result<SentPart, Refusal> {
    let announced = call.inbox.announced().filter(|_| call.headers.contains_key("content-length"));
    // Box's Node SDK sends parts without a length, in chunks.
    if announced.is_none() && !call.headers.contains_key("transfer-encoding") {
        return Err(Refusal::length_required());
    }
    let range = call.header("content-range").and_then(read_range);
    let (first, last, total) = range.ok_or_else(|| Refusal::bad("content-range", "not 'bytes first-last/size'"))?;
    let len = (last + 1).checked_sub(first).ok_or_else(|| Refusal::bad("content-range", "ends before it begins"))?;
    if announced.is_some_and(|announced| announced != len) {
        return Err(plain("request_size_mismatch"));
    }
    Ok(SentPart { offset: first, len, total, digest: digest_header(call)? })
}

fn check_place(session: &Session, sent: &SentPart) -> Result<(), Refusal> {
    if sent.total != session.size {
        return Err(Refusal::bad("content-range", "the size is not the session's"));
    }
    match session.part_size_at(sent.offset) {
        Some(len) if len == sent.len => Ok(()),
        _ => Err(Refusal::new(416, "range_not_satisfiable", "The range does not match the parts of the session")),
    }
}

/// `bytes 0-8388607/20971520`.
fn read_range(text: &str) -> Option<(u64, u64, u64)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, total) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    unit.eq_ignore_ascii_case("bytes").then_some(())?;
    // A last byte of u64::MAX has no length.
    let last: u64 = last.parse().ok().filter(|last| *last < u64::MAX)?;
    Some((first.parse().ok()?, last, total.parse().ok()?))
}

/// `Digest: sha=<base64 of SHA-1>` or `sha-512=<base64 of SHA-512>`, in any case.
pub(super) fn digest_header(call: &Call) -> Result<SentDigest, Refusal> {
    let header = call.header("digest").ok_or_else(|| Refusal::bad("digest", "'Digest' is required"))?;
    let (algorithm, value) = header.split_once('=').ok_or_else(|| Refusal::bad("digest", "not 'sha=<base64>'"))?;
    let digest = BASE64.decode(value.trim()).unwrap_or_default();
    match (algorithm.trim().to_ascii_lowercase().as_str(), digest.len()) {
        ("sha", 20) => Ok(SentDigest::Sha1(digest)),
        ("sha-512", 64) => Ok(SentDigest::Sha512(digest)),
        _ => Err(Refusal::bad("digest", "not 'sha=<base64 of 20 bytes>'")),
    }
}

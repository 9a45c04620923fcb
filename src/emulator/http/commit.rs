//! The commit of an upload session: parts become a file or a version (API.md 5.5).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::super::desk::Desk;
use super::super::refusal::Refusal;
use super::super::store::{Content, Key, ListedPart, Precondition, Target, Upload, Who};
use super::answer::Answer;
use super::call::{Call, number, text};
use super::sessions::{SentDigest, digest_header, now_ms};
use super::uploads::{upload_in, uploaded};

/// The digest of the whole file, which is SHA-1 always.
fn sha_header(call: &Call) -> Result<Vec<u8>, Refusal> {
    match digest_header(call)? {
        SentDigest::Sha1(digest) => Ok(digest),
        SentDigest::Sha512(_) => Err(Refusal::bad("digest", "the digest of the file is SHA-1")),
    }
}

/// `POST /files/upload_sessions/:id/commit`.
pub(super) async fn commit(call: &mut Call, id: &str) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let desk = call.desk.clone();
    let fields = call.fields();
    if let Some(file) = already_committed(&desk, id) {
        return Ok(desk.read(|store| uploaded(store, &who, file, &fields, 201)));
    }
    desk.read(|store| store.session(&who, id).map(drop))?;
    let wanted = sha_header(call)?;
    let precondition = call.if_match();
    let body = call.json().await?;
    let listed = listed_parts(&body)?;
    let upload = upload_in(&body["attributes"])?;
    if let Some(answer) = put_off(&desk, id)? {
        return Ok(answer);
    }
    let extents = desk.read(|store| store.check_parts(id, &listed))?;
    let (size, digest) = whole_digest(&desk, id).await?;
    if digest[..] != wanted[..] {
        return Err(Refusal::digest_mismatch(&BASE64.encode(digest), &BASE64.encode(&wanted)));
    }
    let content = Content { size, sha1: hex::encode(digest), extents };
    if desk.options.equal_version_202 && is_current(&desk, id, &content.sha1) {
        return Ok(Answer::empty(202).header("retry-after", desk.options.commit_retry_after.to_string()));
    }
    finish(&desk, &who, id, content, &upload, &precondition)
        .map(|file| desk.read(|store| uploaded(store, &who, file, &fields, 201)))
}

fn finish(
    desk: &Desk,
    who: &Who,
    id: &str,
    content: Content,
    upload: &Upload,
    precondition: &Precondition,
) -> Result<u64, Refusal> {
    desk.write(|store| store.commit_session(who, id, content, upload, precondition))
}

/// A version whose bytes are the current ones is 202 for good (API.md 5.9).
fn is_current(desk: &Desk, id: &str, sha1: &str) -> bool {
    desk.read(|store| match store.sessions.get(&id.to_owned()).map(|session| &session.target) {
        Some(Target::Version { file, .. }) => {
            let here = store.items.contains(&Key::file(*file));
            here && store.current(*file).is_some_and(|(_, version)| version.content.sha1 == sha1)
        }
        _ => false,
    })
}

fn already_committed(desk: &Desk, id: &str) -> Option<u64> {
    let committed = desk.read(|store| store.sessions.get(&id.to_owned()).and_then(|session| session.committed));
    committed.filter(|_| desk.options.commit_again)
}

fn listed_parts(body: &Value) -> Result<Vec<ListedPart>, Refusal> {
    let Some(parts) = body["parts"].as_array() else {
        return Err(Refusal::bad("parts", "'parts' is required"));
    };
    let part = |part: &Value| {
        let need =
            |name: &str| number(part, name)?.ok_or_else(|| Refusal::bad("parts", format!("'{name}' is required")));
        let id = text(part, "part_id")?.ok_or_else(|| Refusal::bad("parts", "'part_id' is required"))?;
        Ok(ListedPart {
            id: id.to_owned(),
            offset: need("offset")?,
            size: need("size")?,
            sha1: text(part, "sha1")?.map(str::to_ascii_lowercase),
            sha512: text(part, "sha512")?.map(str::to_ascii_lowercase),
        })
    };
    parts.iter().map(part).collect()
}

/// The 202 or `parts_mismatch` of a commit that has to wait.
fn put_off(desk: &Desk, id: &str) -> Result<Option<Answer>, Refusal> {
    let options = &desk.options;
    let times = desk.write(|store| {
        let unprocessed = store.parts_of(id).any(|(_, part)| !store.is_processed(part, now_ms()));
        let limit = options.commit_202 + u32::from(options.parts_mismatch_once);
        let Some(session) = store.sessions.get_mut(&id.to_owned()) else { return Err(Refusal::not_found()) };
        let wait = session.put_off < limit;
        session.put_off += u32::from(wait);
        Ok((wait || unprocessed).then_some(session.put_off))
    })?;
    match times {
        None => Ok(None),
        Some(1) if options.parts_mismatch_once => Err(Refusal::parts_mismatch()),
        Some(_) => Ok(Some(Answer::empty(202).header("retry-after", options.commit_retry_after.to_string()))),
    }
}

/// The SHA-1 of all parts in order, and their size.
async fn whole_digest(desk: &Arc<Desk>, id: &str) -> Result<(u64, [u8; 20]), Refusal> {
    let (of, session) = (desk.clone(), id.to_owned());
    let digest = tokio::task::spawn_blocking(move || of.catch_up(&session, true)).await;
    match digest {
        Ok(Ok(Some((digest, size)))) => Ok((size, digest)),
        Ok(Err(error)) => Err(error.into()),
        Ok(Ok(None)) => unreachable!("a digest that is waited for is there"),
        Err(gone) => Err(std::io::Error::other(gone).into()),
    }
}

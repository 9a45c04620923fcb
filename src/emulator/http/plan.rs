//! Planning a session: which parts of a file's next version the server already has (API.md 5.9).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha512;

use super::super::desk::Desk;
use super::super::refusal::Refusal;
use super::super::store::{Content, Extent, Key, Part, Target};
use super::answer::Answer;
use super::call::{Call, number, text};

/// Bytes that a file's versions have, by size and SHA-512.
pub(in crate::emulator) type Known = HashMap<(u64, String), KnownBytes>;

/// Where bytes are, and their other digest.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct KnownBytes {
    extents: Vec<Extent>,
    sha1: String,
}

struct Wanted {
    offset: u64,
    size: u64,
    sha512: String,
}

/// `POST /files/upload_sessions/:id/plan`.
pub(super) async fn plan(call: &mut Call, id: &str) -> Result<Answer, Refusal> {
    if !call.desk.options.plan {
        return Err(Refusal::not_found());
    }
    let who = call.who()?;
    let body = call.json().await?;
    let session = call.desk.read(|store| store.session(&who, id).cloned())?;
    let wanted = wanted_parts(&body)?;
    if wanted.iter().any(|part| session.part_size_at(part.offset) != Some(part.size)) {
        return Err(Refusal::bad("parts", "a part is not one of the session's"));
    }
    let known = match session.target {
        Target::Version { file, .. } => known(&call.desk, id, file, session.part_size).await?,
        Target::NewFile { .. } => Arc::default(),
    };
    let (mut hits, mut misses) = (Vec::new(), Vec::new());
    for part in wanted {
        let mut object = json!({"offset": part.offset, "size": part.size, "sha512": part.sha512});
        match known.get(&(part.size, part.sha512.clone())) {
            Some(bytes) => {
                object["part_id"] = json!(adopt(&call.desk, id, &part, bytes)?);
                hits.push(object);
            }
            None => misses.push(object),
        }
    }
    Ok(Answer::ok(&json!({"upload_session_id": id, "hits": hits, "misses": misses})))
}

fn wanted_parts(body: &Value) -> Result<Vec<Wanted>, Refusal> {
    let parts = body["parts"].as_array().ok_or_else(|| Refusal::bad("parts", "'parts' is required"))?;
    let wanted = |part: &Value| {
        let sha512 = text(part, "sha512")?.map(str::to_ascii_lowercase).filter(|digest| digest.len() == 128);
        Ok(Wanted {
            offset: number(part, "offset")?.ok_or_else(|| Refusal::bad("parts", "'offset' is required"))?,
            size: number(part, "size")?.ok_or_else(|| Refusal::bad("parts", "'size' is required"))?,
            sha512: sha512.ok_or_else(|| Refusal::bad("parts", "'sha512' is not 128 hexadecimal characters"))?,
        })
    };
    parts.iter().map(wanted).collect()
}

/// Puts known bytes into the session as a part of its own; answers the part's id.
fn adopt(desk: &Desk, session: &str, wanted: &Wanted, bytes: &KnownBytes) -> Result<String, Refusal> {
    let part = Part {
        id: super::hex_id(8).to_uppercase(),
        size: wanted.size,
        sha1: bytes.sha1.clone(),
        extents: bytes.extents.clone(),
        stored_ms: 0,
        sha512: Some(wanted.sha512.clone()),
    };
    desk.write(|store| {
        if let Some(there) = store.parts.get(&(session.to_owned(), wanted.offset)) {
            return Ok(there.id.clone());
        }
        store.add_part(session, wanted.offset, part.clone())?;
        Ok(part.id.clone())
    })
}

/// Digests the file's versions on the session's grid, once a session.
async fn known(desk: &Arc<Desk>, session: &str, file: u64, part_size: u64) -> Result<Arc<Known>, Refusal> {
    let work = desk.work(session);
    if let Some(known) = work.known() {
        return Ok(known);
    }
    let of = desk.clone();
    let digested = tokio::task::spawn_blocking(move || digest_versions(&of, file, part_size)).await;
    match digested {
        Ok(known) => Ok(work.set_known(known?)),
        Err(gone) => Err(io::Error::other(gone).into()),
    }
}

fn digest_versions(desk: &Desk, file: u64, part_size: u64) -> io::Result<Known> {
    let contents: Vec<Content> = desk.read(|store| {
        let old_enough = |at: i64| at + desk.options.plan_delay.as_secs() as i64 <= store.now;
        let ids = store.items.get(&Key::file(file)).map(|item| item.versions.clone()).unwrap_or_default();
        let versions = ids.iter().filter_map(|id| store.versions.get(id));
        versions.filter(|version| old_enough(version.created_at)).map(|version| version.content.clone()).collect()
    });
    let mut known = Known::new();
    for content in contents {
        for offset in (0..content.size).step_by(part_size.max(1) as usize) {
            let len = part_size.min(content.size - offset);
            let (mut sha512, mut sha1) = (Sha512::new(), Sha1::new());
            let mut reader = desk.contents.read(&content, offset, len);
            while let Some(chunk) = reader.next_chunk()? {
                sha512.update(&chunk);
                sha1.update(&chunk);
            }
            let bytes = KnownBytes { extents: content.slice(offset, len), sha1: hex::encode(sha1.finalize()) };
            known.insert((len, hex::encode(sha512.finalize())), bytes);
        }
    }
    Ok(known)
}

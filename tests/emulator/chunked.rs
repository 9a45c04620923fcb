//! Chunked upload, part by part.

use boxfs::emulator::Options;
use serde_json::{Value, json};

use crate::start;
use crate::wire::{Caller, noise, sha1_base64, sha1_hex};

const PART: usize = 1000;

fn options() -> Options {
    Options { min_session_bytes: 2000, part_size: Some(PART as u64), ..Options::default() }
}

pub struct Session {
    url: String,
    pub id: String,
}

impl Session {
    /// A session as the emulator answered it.
    pub fn at(opened: &Value) -> Session {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Session { url: text(&opened["session_endpoints"]["upload_part"]), id: text(&opened["id"]) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

pub fn open(caller: &Caller, name: &str, size: usize) -> Session {
    let body = json!({"folder_id": "0", "file_size": size, "file_name": name});
    let reply = caller.send_json("POST", "/api/2.0/files/upload_sessions", body);
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    let session = reply.json();
    assert_eq!(session["num_parts_processed"], 0);
    let url = session["session_endpoints"]["upload_part"].as_str().unwrap().to_owned();
    Session { url, id: session["id"].as_str().unwrap().to_owned() }
}

pub fn put(caller: &Caller, session: &Session, bytes: &[u8], offset: usize, len: usize) -> crate::wire::Reply {
    let part = &bytes[offset..offset + len];
    let range = format!("bytes {}-{}/{}", offset, offset + len - 1, bytes.len());
    let digest = format!("sha={}", sha1_base64(part));
    caller.call("PUT", &session.url, &[("Content-Range", &range), ("Digest", &digest)], part)
}

pub fn commit(
    caller: &Caller,
    session: &Session,
    bytes: &[u8],
    parts: &[Value],
    headers: &[(&str, &str)],
) -> crate::wire::Reply {
    let digest = format!("sha={}", sha1_base64(bytes));
    let mut all = vec![("Digest", digest.as_str())];
    all.extend_from_slice(headers);
    let body = json!({"parts": parts, "attributes": {"content_modified_at": "2024-05-01T10:00:00Z"}});
    caller.call("POST", &format!("{}/commit", session.url), &all, body.to_string().as_bytes())
}

pub fn put_all(caller: &Caller, session: &Session, bytes: &[u8], reversed: bool) -> Vec<Value> {
    let mut offsets: Vec<usize> = (0..bytes.len()).step_by(PART).collect();
    if reversed {
        offsets.reverse();
    }
    let mut parts = Vec::new();
    for offset in offsets {
        let reply = put(caller, session, bytes, offset, PART.min(bytes.len() - offset));
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        parts.push(reply.json()["part"].clone());
    }
    parts.sort_by_key(|part| part["offset"].as_u64());
    parts
}

#[test]
fn parts_in_any_order_make_the_file() {
    let (emulator, caller) = start(options());
    for (name, size, reversed) in [("a", 2000, false), ("b", 5001, true), ("c", 9999, true)] {
        let bytes = noise(7, size);
        let session = open(&caller, name, size);
        let parts = put_all(&caller, &session, &bytes, reversed);
        let status = caller.get(&session.url).json();
        assert_eq!(status["num_parts_processed"], parts.len());
        let reply = commit(&caller, &session, &bytes, &parts, &[]);
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        let file = reply.json()["entries"][0].clone();
        assert_eq!(file["sha1"], sha1_hex(&bytes));
        assert_eq!(emulator.read(file["id"].as_str().unwrap(), None).unwrap(), bytes);
        assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).status, 404);
        assert_eq!(caller.call("DELETE", &session.url, &[], b"").status, 204, "after a commit this changes nothing");
        assert!(emulator.find(&format!("/{name}")).is_some());
    }
}

#[test]
fn a_part_is_refused_off_the_grid_and_never_replaced() {
    let (_emulator, caller) = start(options());
    let bytes = noise(1, 2500);
    let session = open(&caller, "a", bytes.len());
    assert_eq!(put(&caller, &session, &bytes, 500, 1000).status, 416);
    assert_eq!(put(&caller, &session, &bytes, 0, 999).status, 416);
    assert_eq!(put(&caller, &session, &bytes, 2000, 500).status, 200);
    let again = put(&caller, &session, &bytes, 2000, 500);
    assert_eq!((again.status, again.code().as_str()), (409, "range_overlaps_existing_part"));
    let range = [("Content-Range", "bytes 0-999/2500"), ("Digest", "sha=AAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
    let wrong = caller.call("PUT", &session.url, &range, &bytes[..1000]);
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "bad_digest"));
    let short = [("Content-Range", "bytes 0-999/2500"), ("Digest", "sha=AAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
    assert_eq!(caller.call("PUT", &session.url, &short, &bytes[..10]).code(), "request_size_mismatch");
    let chunked = [short[0], short[1], ("Transfer-Encoding", "chunked")];
    let one_byte = caller.call("PUT", &session.url, &chunked, b"1\r\nx\r\n0\r\n\r\n");
    assert_eq!(one_byte.code(), "request_size_mismatch");
    let listed = caller.get(&format!("{}/parts?offset=1&limit=5", session.url)).json();
    assert_eq!((&listed["total_count"], listed["entries"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(caller.get(&format!("{}/parts?offset=10001", session.url)).status, 400);
}

#[test]
fn a_commit_is_checked_against_what_is_stored() {
    let (_emulator, caller) = start(options());
    let bytes = noise(2, 2500);
    let session = open(&caller, "a", bytes.len());
    let parts = put_all(&caller, &session, &bytes, false);
    let refused = |parts: &[Value], bytes: &[u8]| commit(&caller, &session, bytes, parts, &[]).code();
    assert_eq!(refused(&parts[..2], &bytes), "parts_mismatch");
    let swapped = [parts[1].clone(), parts[0].clone(), parts[2].clone()];
    assert_eq!(refused(&swapped, &bytes), "bad_request");
    assert_eq!(refused(&parts, &noise(3, 2500)), "digest_mismatch");
    let taken = caller.new_file("A", b"x");
    assert_eq!(taken["name"], "A");
    assert_eq!(refused(&parts, &bytes), "item_name_in_use");
    let gone = format!("/2.0/files/{}", taken["id"].as_str().unwrap());
    assert_eq!(caller.call("DELETE", &gone, &[], b"").status, 204);
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).status, 201);
}

#[test]
fn a_version_session_honours_the_precondition_at_commit() {
    let (emulator, caller) = start(options());
    let file = caller.new_file("a", b"old");
    let id = file["id"].as_str().unwrap();
    let bytes = noise(4, 3000);
    let reply = caller.send_json("POST", &format!("/api/2.0/files/{id}/upload_sessions"), json!({"file_size": 3000}));
    let url = reply.json()["session_endpoints"]["upload_part"].as_str().unwrap().to_owned();
    let session = Session { url, id: reply.json()["id"].as_str().unwrap().to_owned() };
    let parts = put_all(&caller, &session, &bytes, false);
    emulator.act().describe("/a", "touched").unwrap();
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[("If-Match", "0")]).status, 412);
    let done = commit(&caller, &session, &bytes, &parts, &[("If-Match", "1")]);
    assert_eq!((done.status, done.json()["entries"][0]["id"].as_str()), (201, Some(id)));
    let wrong = json!({"file_size": 3000, "folder_id": "0"});
    let refused = caller.send_json("POST", &format!("/api/2.0/files/{id}/upload_sessions"), wrong);
    assert_eq!(refused.code(), "multiple_destinations");
}

#[test]
fn commits_wait_as_long_as_they_are_told() {
    let (_emulator, caller) = start(Options { commit_202: 2, parts_mismatch_once: true, ..options() });
    let bytes = noise(5, 2000);
    let session = open(&caller, "a", bytes.len());
    let parts = put_all(&caller, &session, &bytes, false);
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).code(), "parts_mismatch");
    for _ in 0..2 {
        let wait = commit(&caller, &session, &bytes, &parts, &[]);
        assert_eq!((wait.status, wait.body.len(), wait.header("retry-after")), (202, 0, Some("1")));
    }
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).status, 201);
}

#[test]
fn a_session_dies_after_its_week_and_when_aborted() {
    let (emulator, caller) = start(options());
    let session = open(&caller, "a", 2000);
    assert_eq!(caller.call("DELETE", &session.url, &[], b"").status, 204);
    assert_eq!(caller.get(&session.url).status, 404);
    let session = open(&caller, "a", 2000);
    emulator.advance_clock(std::time::Duration::from_secs(8 * 86_400));
    let gone = put(&caller, &session, &noise(1, 2000), 0, 1000);
    assert_eq!((gone.status, gone.code().as_str()), (410, "session_expired"));
}

#[test]
fn only_its_creator_sends_to_a_session() {
    let (emulator, caller) = start(options());
    let session = open(&caller, "a", 2000);
    let user = emulator.add_user("Other", "other@example.com").unwrap();
    let mut other = caller.clone();
    other.token = emulator.issue_tokens(&user).unwrap().0;
    let refused = put(&other, &session, &noise(1, 2000), 0, 1000);
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
}

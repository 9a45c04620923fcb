//! Each fault that a script can name, in the middle of what it is meant to disturb.

use std::time::{Duration, Instant};

use boxfs::emulator::{Emulator, FaultScript, Options};
use serde_json::Value;

use crate::chunked::{Session, commit, open, put, put_all};
use crate::start;
use crate::wire::{Caller, noise, send};

const PART: usize = 1000;

fn small_sessions() -> (Emulator, Caller) {
    start(Options { min_session_bytes: 2000, part_size: Some(PART as u64), ..Options::default() })
}

fn play(emulator: &Emulator, script: &str) {
    emulator.set_faults(FaultScript::parse(script).unwrap());
}

fn uploaded(caller: &Caller, bytes: &[u8]) -> (Session, Vec<Value>) {
    let session = open(caller, "a", bytes.len());
    let parts = put_all(caller, &session, bytes, false);
    (session, parts)
}

#[test]
fn parts_do_not_match_once() {
    let (emulator, caller) = small_sessions();
    play(
        &emulator,
        "rules: [{method: POST, path: '*/commit', nth: 1, do: {kind: answer, status: 400, code: parts_mismatch}}]",
    );
    let bytes = noise(1, 2500);
    let (session, parts) = uploaded(&caller, &bytes);
    let refused = commit(&caller, &session, &bytes, &parts, &[]);
    assert_eq!((refused.status, refused.code().as_str()), (400, "parts_mismatch"));
    assert!(emulator.find("/a").is_none());
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).status, 201);
}

#[test]
fn a_commit_is_not_ready_as_often_as_the_script_says() {
    let (emulator, caller) = small_sessions();
    play(&emulator, "rules: [{path: '*/commit', times: 3, do: {kind: answer, status: 202, retry_after: 2}}]");
    let bytes = noise(2, 2000);
    let (session, parts) = uploaded(&caller, &bytes);
    for _ in 0..3 {
        let wait = commit(&caller, &session, &bytes, &parts, &[]);
        assert_eq!((wait.status, wait.body.len(), wait.header("retry-after")), (202, 0, Some("2")));
    }
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).status, 201);
    assert_eq!(emulator.read(&emulator.find("/a").unwrap().id, None).unwrap(), bytes);
}

#[test]
fn a_part_is_stored_although_the_answer_says_500() {
    let (emulator, caller) = small_sessions();
    play(
        &emulator,
        "rules: [{method: PUT, path: '*/upload_sessions/*', nth: 2, do: {kind: answer_after, status: 500}}]",
    );
    let bytes = noise(3, 2500);
    let session = open(&caller, "a", bytes.len());
    assert_eq!(put(&caller, &session, &bytes, 0, PART).status, 200);
    let lost = put(&caller, &session, &bytes, PART, PART);
    assert_eq!((lost.status, lost.code().as_str()), (500, "internal_server_error"));
    let listed = caller.get(&format!("{}/parts?offset=1&limit=1", session.url())).json();
    assert_eq!(listed["entries"][0]["offset"], PART);
    assert_eq!(put(&caller, &session, &bytes, PART, PART).code(), "range_overlaps_existing_part");
    assert_eq!(put(&caller, &session, &bytes, 2 * PART, 500).status, 200);
    let parts = caller.get(&format!("{}/parts", session.url())).json()["entries"].as_array().unwrap().clone();
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).status, 201);
}

#[test]
fn a_token_expires_in_the_middle_of_an_upload() {
    let (emulator, caller) = small_sessions();
    let (access, refresh) = emulator.issue_tokens(&emulator.first_user()).unwrap();
    let first = Caller { token: access, ..caller.clone() };
    play(&emulator, "rules: [{method: PUT, path: '*/upload_sessions/*', nth: 2, do: {kind: expire_token}}]");
    let bytes = noise(4, 2500);
    let session = open(&first, "a", bytes.len());
    assert_eq!(put(&first, &session, &bytes, 0, PART).status, 200);
    let expired = put(&first, &session, &bytes, PART, PART);
    assert_eq!((expired.status, expired.body.len()), (401, 0));
    assert!(expired.header("www-authenticate").unwrap().contains("expired_token"));
    assert_eq!(put(&first, &session, &bytes, PART, PART).status, 401, "it stays expired");
    let form = format!(
        "grant_type=refresh_token&refresh_token={refresh}&client_id=emulator-client-id&client_secret=emulator-client-secret"
    );
    let renewed = send(&format!("{}/oauth2/token", caller.base), "POST", &[], form.as_bytes()).json();
    let second = Caller { token: renewed["access_token"].as_str().unwrap().to_owned(), ..caller };
    assert_eq!(put(&second, &session, &bytes, PART, PART).status, 200, "the session outlives the token");
    assert_eq!(put(&second, &session, &bytes, 2 * PART, 500).status, 200);
    let parts = second.get(&format!("{}/parts", session.url())).json()["entries"].as_array().unwrap().clone();
    assert_eq!(commit(&second, &session, &bytes, &parts, &[]).status, 201);
}

#[test]
fn a_commit_is_applied_although_nobody_hears_of_it() {
    let (emulator, caller) = small_sessions();
    play(&emulator, "rules: [{path: '*/commit', nth: 1, do: {kind: answer_after, status: 503, retry_after: 1}}]");
    let bytes = noise(5, 2000);
    let (session, parts) = uploaded(&caller, &bytes);
    let lost = commit(&caller, &session, &bytes, &parts, &[]);
    assert_eq!((lost.status, lost.header("retry-after")), (503, Some("1")));
    assert_eq!(emulator.read(&emulator.find("/a").unwrap().id, None).unwrap(), bytes);
    assert_eq!(commit(&caller, &session, &bytes, &parts, &[]).status, 404);
}

#[test]
fn the_realtime_server_is_gone_while_events_go_on() {
    let (emulator, caller) = start(Options::default());
    let servers = caller.call("OPTIONS", "/2.0/events", &[], b"").json();
    let url = format!("{}&stream_position=0", servers["entries"][0]["url"].as_str().unwrap());
    emulator.act().write_file("/a", b"x").unwrap();
    play(&emulator, "rules: [{path: '/subscribe*', do: {kind: answer, status: 502}}]");
    assert_eq!(send(&url, "GET", &[], b"").status, 502);
    play(&emulator, "rules: [{path: '/subscribe*', do: {kind: close_before}}]");
    let (host, path) = crate::wire::split_url(&url);
    let mut stream = crate::wire::connect(host);
    std::io::Write::write_all(&mut stream, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    let mut heard = Vec::new();
    // A reset says as little as an end.
    let _ = std::io::Read::read_to_end(&mut stream, &mut heard);
    assert!(heard.is_empty());
    assert_eq!(caller.get("/2.0/events?stream_position=0").json()["chunk_size"], 1);
    play(&emulator, "");
    assert_eq!(send(&url, "GET", &[], b"").json()["message"], "new_change");
}

#[test]
fn a_slow_answer_comes_whole_and_a_stalled_call_is_applied_late() {
    let (emulator, caller) = start(Options::default());
    play(&emulator, "rules: [{method: POST, path: /2.0/folders, do: {kind: stall, ms: 400}}]");
    let begun = Instant::now();
    caller.new_folder("late", "0");
    assert!(begun.elapsed() >= Duration::from_millis(400));
    play(&emulator, "rules: [{path: '/2.0/folders/0/items', do: {kind: drip, bytes_per_second: 1000}}]");
    let begun = Instant::now();
    let listed = caller.get("/2.0/folders/0/items");
    assert_eq!(listed.json()["entries"][0]["name"], "late");
    let expected = Duration::from_secs_f64(listed.body.len() as f64 / 1000.0);
    assert!(begun.elapsed() >= expected.mul_f64(0.7), "{:?} for {} bytes", begun.elapsed(), listed.body.len());
}

/// Which of many calls a script hits.
fn hits(emulator: &Emulator, caller: &Caller, script: &str) -> Vec<bool> {
    play(emulator, script);
    (0..60).map(|_| caller.get("/2.0/users/me").status == 503).collect()
}

#[test]
fn a_probability_hits_some_calls_and_the_same_ones_for_the_same_seed() {
    let (emulator, caller) = start(Options::default());
    let script = |seed: u64| {
        format!("seed: {seed}\nrules: [{{path: /2.0/users/me, probability: 0.4, do: {{kind: answer, status: 503}}}}]")
    };
    let first = hits(&emulator, &caller, &script(11));
    let some = first.iter().filter(|hit| **hit).count();
    assert!((8..45).contains(&some), "{some} of 60 at 0.4");
    let (other, elsewhere) = start(Options::default());
    assert_eq!(hits(&other, &elsewhere, &script(11)), first);
    assert_ne!(hits(&other, &elsewhere, &script(12)), first);
}

#[test]
fn only_the_nth_call_that_matches_is_hit() {
    let (emulator, caller) = start(Options::default());
    let script =
        "rules: [{method: GET, path: '/2.0/users/*', nth: 3, do: {kind: answer, status: 429, retry_after: 7}}]";
    play(&emulator, script);
    let statuses: Vec<u16> = (0..5)
        .map(|_| {
            assert_eq!(caller.get("/2.0/folders/0").status, 200, "another path does not count");
            caller.get("/2.0/users/me").status
        })
        .collect();
    assert_eq!(statuses, [200, 200, 429, 200, 200]);
}

#[test]
fn another_process_changes_the_script_as_yaml_and_as_json() {
    let (emulator, caller) = start(Options::default());
    let put = |text: &str| caller.call("PUT", "/_emulator/faults", &[], text.as_bytes());
    let yaml = "# People write these.\nrules:\n  - path: /2.0/users/me\n    do: {kind: answer, status: 503}\n";
    assert_eq!(put(yaml).json()["rules"][0]["do"]["status"], 503);
    assert_eq!(caller.get("/2.0/users/me").status, 503);
    assert_eq!(put(r#"{"rules": [{"path": "/2.0/users/me", "do": {"kind": "answer", "status": 500}}]}"#).status, 200);
    assert_eq!(caller.get("/2.0/users/me").status, 500);
    let wrong = put("rules:\n  - path: /x\n    do: {kind: explode}\n");
    assert_eq!(wrong.status, 400);
    assert!(String::from_utf8_lossy(&wrong.body).contains("explode"), "it says what is wrong");
    assert_eq!(caller.get("/2.0/users/me").status, 500, "a wrong script changes nothing");
    assert_eq!(caller.call("DELETE", "/_emulator/faults", &[], b"").status, 200);
    assert_eq!(caller.get("/2.0/users/me").status, 200);
    assert!(emulator.requests().len() >= 4);
}

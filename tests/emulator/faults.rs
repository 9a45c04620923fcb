//! Faults by script, the generated account, TLS and the proxy's edges.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use boxfs::emulator::{Emulator, FaultScript, Options};
use serde_json::json;

use crate::start;
use crate::wire::{Caller, connect, send, split_url};

fn script(rules: serde_json::Value) -> FaultScript {
    FaultScript::parse(&json!({"seed": 1, "rules": rules}).to_string()).unwrap()
}

/// What comes back on a connection that may close at any time.
fn raw(caller: &Caller, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let (host, _) = split_url(&caller.base);
    let mut stream = connect(host);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        caller.token,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn answers_are_made_up_before_or_after_the_call_is_applied() {
    let (emulator, caller) = start(Options::default());
    emulator.set_faults(script(json!([
        {"method": "POST", "path": "/2.0/folders", "nth": 1, "do": {"kind": "answer", "status": 429, "retry_after": 3}},
        {"method": "POST", "path": "/2.0/folders", "nth": 1, "do": {"kind": "answer_after", "status": 503}}
    ])));
    let create = |name: &str| caller.send_json("POST", "/2.0/folders", json!({"name": name, "parent": {"id": "0"}}));
    let limited = create("a");
    assert_eq!(
        (limited.status, limited.code().as_str(), limited.header("retry-after")),
        (429, "rate_limit_exceeded", Some("3"))
    );
    assert!(emulator.find("/a").is_none());
    assert_eq!(create("b").code(), "unavailable");
    assert!(emulator.find("/b").is_some(), "applied all the same");
    assert_eq!(create("c").status, 201);
}

#[test]
fn connections_close_before_within_and_after() {
    let (emulator, caller) = start(Options::default());
    emulator.set_faults(script(json!([
        {"path": "/2.0/folders?n=1", "do": {"kind": "close_before"}},
        {"path": "/2.0/folders?n=2", "do": {"kind": "close_in_body", "bytes": 1}},
        {"path": "/2.0/folders?n=3", "do": {"kind": "close_after"}}
    ])));
    for (n, applied) in [(1, false), (2, false), (3, true)] {
        let body = format!(r#"{{"name": "f{n}", "parent": {{"id": "0"}}}}"#);
        assert!(raw(&caller, "POST", &format!("/2.0/folders?n={n}"), body.as_bytes()).is_empty());
        assert_eq!(emulator.find(&format!("/f{n}")).is_some(), applied);
        assert_eq!(emulator.requests().last().unwrap().status, 0);
    }
}

#[test]
fn downloads_are_cut_corrupted_dripped_and_stalled() {
    let (emulator, caller) = start(Options::default());
    let file = caller.new_file("a", &[7; 1000]);
    let redirect = caller.get(&format!("/2.0/files/{}/content", file["id"].as_str().unwrap()));
    let url = redirect.header("location").unwrap();
    let set = |fault: serde_json::Value| emulator.set_faults(script(json!([{"path": "/d/*", "do": fault}])));
    set(json!({"kind": "cut", "bytes": 300}));
    assert_eq!(send(url, "GET", &[], b"").body.len(), 300);
    set(json!({"kind": "corrupt", "at": 500}));
    let wrong = send(url, "GET", &[], b"").body;
    assert_eq!((wrong.len(), wrong[500], wrong[499]), (1000, 6, 7));
    set(json!({"kind": "drip", "bytes_per_second": 2000}));
    let begun = Instant::now();
    assert_eq!(send(url, "GET", &[], b"").body, [7; 1000]);
    assert!(begun.elapsed() > Duration::from_millis(350));
    set(json!({"kind": "stall", "ms": 300}));
    let begun = Instant::now();
    assert_eq!(send(url, "GET", &[], b"").status, 200);
    assert!(begun.elapsed() > Duration::from_millis(290));
}

#[test]
fn the_script_is_changed_while_running_and_tokens_expire_by_it() {
    let (emulator, caller) = start(Options::default());
    let (access, _) = emulator.issue_tokens(&emulator.first_user()).unwrap();
    let user = Caller { token: access, ..caller.clone() };
    let rules = json!({"rules": [{"path": "/2.0/users/me", "times": 1, "do": {"kind": "expire_token"}}]});
    assert_eq!(caller.send_json("PUT", "/_emulator/faults", rules).status, 200);
    assert_eq!(user.get("/2.0/users/me").status, 401);
    assert_eq!(user.get("/2.0/folders/0").status, 401);
    assert_eq!(
        caller.send_json("PUT", "/_emulator/faults", json!({"rules": [{"path": "x", "do": {"kind": "y"}}]})).status,
        400
    );
    assert_eq!(caller.call("DELETE", "/_emulator/faults", &[], b"").json()["rules"], json!([]));
    assert_eq!(Caller { token: "x".into(), ..caller }.get("/_emulator/faults").status, 401);
}

#[test]
fn events_are_lost_by_script() {
    let (emulator, caller) = start(Options::default());
    emulator.act().write_file("/a", b"x").unwrap();
    emulator.set_faults(script(json!([{"path": "/2.0/events*", "nth": 1, "do": {"kind": "lose_events"}}])));
    let page = caller.get("/2.0/events?stream_position=0").json();
    assert_eq!(page["chunk_size"], 0);
    let after =
        caller.get(&format!("/2.0/events?stream_position={}", page["next_stream_position"].as_str().unwrap())).json();
    assert_eq!(after["chunk_size"], 0, "they do not come again");
}

#[test]
fn an_account_is_generated_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(dir.path().to_owned()), generate: 5000, ..Options::default() };
    let (emulator, caller) = start(options());
    assert_eq!(emulator.items().len(), 5000);
    let root = caller.get("/2.0/folders/0/items").json();
    assert_eq!(root["entries"][0]["name"], "generated");
    emulator.stop();
    let (emulator, _) = start(options());
    assert_eq!(emulator.items().len(), 5000);
    let file = emulator.items().into_iter().find(|item| item.kind == "file").unwrap();
    assert_eq!(crate::wire::sha1_hex(&emulator.read(&file.id, None).unwrap()), file.sha1);
}

#[test]
fn tls_and_the_proxy_have_an_authority_and_stay_on_loopback() {
    let any = Options::default().listen;
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("trust.pem");
    let options = Options { tls: true, proxy_listen: Some(any), ca_file: Some(ca_file.clone()), ..Options::default() };
    let emulator = Emulator::start(options).unwrap();
    assert!(emulator.url().starts_with("https://127.0.0.1:"));
    assert!(std::fs::read_to_string(ca_file).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let proxy = emulator.proxy_url().unwrap();
    let elsewhere = send(&proxy, "CONNECT", &[], b"");
    assert_eq!(elsewhere.status, 403, "no host of Box");
    assert_eq!(send(&proxy, "GET", &[], b"").status, 405);
    let remote = Options { listen: "0.0.0.0:0".parse().unwrap(), ..Options::default() };
    assert!(Emulator::start(remote).is_err());
}

//! A row for each error code of Box that the calls can produce.

use std::time::Duration;

use boxfs::emulator::Options;
use serde_json::{Value, json};

use crate::start;
use crate::wire::{Caller, send};

/// What is sent and what must come back.
struct Row<'a> {
    status: u16,
    code: &'a str,
    method: &'a str,
    path: String,
    headers: Vec<(&'a str, &'a str)>,
    body: Value,
}

fn row<'a>(status: u16, code: &'a str, method: &'a str, path: impl Into<String>, body: Value) -> Row<'a> {
    Row { status, code, method, path: path.into(), headers: Vec::new(), body }
}

fn check(caller: &Caller, rows: Vec<Row>) {
    for row in rows {
        let body = if row.body.is_null() { Vec::new() } else { row.body.to_string().into_bytes() };
        let reply = caller.call(row.method, &row.path, &row.headers, &body);
        let what = format!("{} {} {}: {}", row.method, row.path, row.body, String::from_utf8_lossy(&reply.body));
        assert_eq!((reply.status, reply.code().as_str()), (row.status, row.code), "{what}");
        let error = reply.json();
        assert_eq!(
            (error["type"].as_str(), error["status"].as_u64()),
            (Some("error"), Some(u64::from(row.status))),
            "{what}"
        );
        assert!(error["request_id"].is_string() && error["message"].is_string(), "{what}");
        assert!(reply.header("box-request-id").is_some_and(|id| error["request_id"] != id), "{what}");
    }
}

#[test]
fn folders_and_names_are_refused_with_the_codes_of_box() {
    let (_emulator, caller) = start(Options::default());
    let folder = caller.new_folder("Folder", "0");
    let inner = caller.new_folder("inner", &folder);
    let create = |name: &str, parent: &str| json!({"name": name, "parent": {"id": parent}});
    let here = format!("/2.0/folders/{folder}");
    check(
        &caller,
        vec![
            row(400, "bad_request", "POST", "/2.0/folders", json!({"parent": {"id": "0"}})),
            row(400, "bad_request", "POST", "/2.0/folders", json!({"name": "x"})),
            row(400, "item_name_invalid", "POST", "/2.0/folders", create("a/b", "0")),
            row(400, "item_name_invalid", "POST", "/2.0/folders", create("..", "0")),
            row(400, "item_name_invalid", "POST", "/2.0/folders", create("x ", "0")),
            row(400, "item_name_too_long", "POST", "/2.0/folders", create(&"x".repeat(256), "0")),
            row(404, "not_found", "POST", "/2.0/folders", create("x", "12345")),
            row(409, "item_name_in_use", "POST", "/2.0/folders", create("fOLDER", "0")),
            row(400, "cyclical_folder_structure", "PUT", here.clone(), json!({"parent": {"id": inner}})),
            row(400, "folder_not_empty", "DELETE", here.clone(), Value::Null),
            row(404, "not_found", "GET", "/2.0/folders/987654321", Value::Null),
            row(405, "method_not_allowed", "GET", "/2.0/folders/abc", Value::Null),
            row(405, "method_not_allowed", "PATCH", here.clone(), Value::Null),
            row(405, "method_not_allowed", "GET", "/2.0/folders/abc/items", Value::Null),
            row(400, "invalid_limit", "GET", format!("{here}/items?limit=x"), Value::Null),
            row(400, "invalid_offset", "GET", format!("{here}/items?offset=10001"), Value::Null),
            row(404, "not_trashed", "GET", format!("{here}/trash"), Value::Null),
            row(404, "not_trashed", "DELETE", format!("{here}/trash"), Value::Null),
            row(404, "not_trashed", "POST", here.clone(), json!({})),
            row(403, "access_denied_insufficient_permissions", "DELETE", "/2.0/folders/0", Value::Null),
            row(500, "internal_server_error", "POST", "/2.0/folders/0/copy", json!({"parent": {"id": folder}})),
            row(404, "not_found", "GET", "/2.0/nothing", Value::Null),
            Row {
                headers: vec![("If-Match", "7")],
                ..row(412, "precondition_failed", "PUT", here.clone(), json!({"name": "y"}))
            },
            Row {
                headers: vec![("If-Match", "7")],
                ..row(412, "precondition_failed", "DELETE", here.clone(), Value::Null)
            },
        ],
    );
    let conflict = caller.send_json("POST", "/2.0/folders", create("folder", "0")).json();
    assert_eq!(conflict["context_info"]["conflicts"][0]["id"], folder.as_str(), "an array outside of uploads");
    let moved = caller.call("PUT", &format!("/2.0/folders/{inner}"), &[("If-Match", "7")], br#"{"parent":{"id":"0"}}"#);
    assert_eq!(moved.status, 200, "moves ignore If-Match");
}

#[test]
fn files_and_uploads_are_refused_with_the_codes_of_box() {
    let (_emulator, caller) = start(Options {
        max_simple_bytes: 100_000,
        space_amount: 300_000,
        max_upload_size: 400_000,
        min_session_bytes: 1000,
        ..Options::default()
    });
    let file = caller.new_file("File.txt", b"x");
    let id = file["id"].as_str().unwrap();
    let here = format!("/2.0/files/{id}");
    let sessions = "/api/2.0/files/upload_sessions";
    let session =
        |folder: &str, size: u64, name: &str| json!({"folder_id": folder, "file_size": size, "file_name": name});
    check(
        &caller,
        vec![
            row(404, "not_found", "GET", "/2.0/files/987654321", Value::Null),
            row(405, "method_not_allowed", "GET", "/2.0/files/x1", Value::Null),
            row(400, "bad_request", "PUT", here.clone(), json!({"content_modified_at": "yesterday"})),
            row(400, "bad_request", "PUT", here.clone(), json!({"content_modified_at": "1969-01-01T00:00:00Z"})),
            row(400, "bad_request", "POST", format!("{here}/copy"), json!({})),
            row(409, "item_name_in_use", "POST", format!("{here}/copy"), json!({"parent": {"id": "0"}})),
            row(
                409,
                "item_name_in_use",
                "OPTIONS",
                "/2.0/files/content/",
                json!({"name": "FILE.TXT", "parent": {"id": "0"}}),
            ),
            row(
                403,
                "file_size_limit_exceeded",
                "OPTIONS",
                "/2.0/files/content",
                json!({"name": "n", "parent": {"id": "0"}, "size": 400_001}),
            ),
            row(403, "storage_limit_exceeded", "POST", sessions, session("0", 400_000, "n")),
            row(400, "missing_destination", "POST", sessions, json!({"file_size": 5000, "file_name": "n"})),
            row(400, "invalid_folder_id", "POST", sessions, session("x", 5000, "n")),
            row(400, "missing_file_size", "POST", sessions, json!({"folder_id": "0", "file_name": "n"})),
            row(
                400,
                "invalid_file_size",
                "POST",
                sessions,
                json!({"folder_id": "0", "file_name": "n", "file_size": "big"}),
            ),
            row(400, "missing_file_name", "POST", sessions, json!({"folder_id": "0", "file_size": 5000})),
            row(400, "file_size_too_small", "POST", sessions, session("0", 999, "n")),
            row(404, "invalid_parameter", "POST", sessions, session("4711", 5000, "n")),
            row(409, "item_name_in_use", "POST", sessions, session("0", 5000, "file.TXT")),
            row(404, "not_found", "GET", format!("{sessions}/0123456789ABCDEF"), Value::Null),
            row(
                400,
                "multiple_destinations",
                "POST",
                format!("/api/2.0/files/{id}/upload_sessions"),
                session("0", 5000, "n"),
            ),
        ],
    );
    let content = "/api/2.0/files/content";
    let attributes = json!({"name": "n", "parent": {"id": "0"}});
    let wrong = caller.upload(content, attributes.clone(), b"x", &[("Content-MD5", "0000")]);
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "bad_digest"));
    let late: [(&str, &[u8]); 2] = [("name=\"file\"; filename=\"f\"", b"x"), ("name=\"attributes\"", b"{}")];
    assert_eq!(caller.multipart(content, &late, &[]).code(), "metadata_after_file_contents");
    assert_eq!(caller.upload(content, attributes.clone(), &vec![0; 100_001], &[]).status, 413);
    let taken = caller.upload(content, json!({"name": "file.txt", "parent": {"id": "0"}}), b"x", &[]);
    assert_eq!(taken.json()["context_info"]["conflicts"]["id"], id, "an object for uploads");
    assert_eq!(taken.json()["context_info"]["conflicts"]["sha1"], file["sha1"]);
    let stale = caller.upload(&format!("/api/2.0/files/{id}/content"), json!({}), b"y", &[("If-Match", "9")]);
    assert_eq!((stale.status, stale.code().as_str()), (412, "precondition_failed"));
    assert_eq!(caller.call("GET", &here, &[("If-None-Match", "0")], b"").status, 304);
    assert_eq!(caller.upload("/2.0/files/content", attributes, b"x", &[]).status, 405, "uploads are below /api");
}

#[test]
fn whoever_has_no_token_gets_an_empty_401() {
    let (_emulator, caller) = start(Options::default());
    let nobody = send(&format!("{}/2.0/users/me", caller.base), "GET", &[], b"");
    assert_eq!((nobody.status, nobody.body.len()), (401, 0));
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer realm=\"Service\""));
    let wrong = Caller { token: "wrong".to_owned(), ..caller.clone() }.get("/2.0/users/me");
    assert!(wrong.header("www-authenticate").unwrap().contains("invalid_token"));
}

#[test]
fn a_download_url_expires_and_is_not_guessed() {
    let (emulator, caller) = start(Options::default());
    let file = caller.new_file("a", b"x");
    let location = caller.get(&format!("/2.0/files/{}/content", file["id"].as_str().unwrap()));
    let location = location.header("location").unwrap();
    assert_eq!(send(&location.replace("/download", "x/download"), "GET", &[], b"").status, 404);
    assert_eq!(send(location, "GET", &[], b"").status, 200);
    emulator.advance_clock(Duration::from_secs(16 * 60));
    assert_eq!(send(location, "GET", &[], b"").status, 403);
}

#[test]
fn a_name_is_reserved_while_its_bytes_come_in() {
    use std::io::Write;
    let (_emulator, caller) = start(Options::default());
    let (host, _) = crate::wire::split_url(&caller.base);
    let body = crate::wire::form(&[
        ("name=\"attributes\"", br#"{"name":"a","parent":{"id":"0"}}"#),
        ("name=\"file\"; filename=\"f\"", b"slow"),
    ]);
    let head = format!(
        "POST /api/2.0/files/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: {}\r\n\r\n",
        caller.token,
        body.len()
    );
    let mut slow = crate::wire::connect(host);
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&body[..body.len() - 10]).unwrap();
    crate::wire::eventually("the name is reserved", || {
        let reply = caller.send_json("OPTIONS", "/2.0/files/content", json!({"name": "A", "parent": {"id": "0"}}));
        reply.code() == "name_temporarily_reserved"
    });
    slow.write_all(&body[body.len() - 10..]).unwrap();
    assert_eq!(crate::wire::read_reply(&mut slow, false).status, 201);
    let mut lost = crate::wire::connect(host);
    lost.write_all(head.as_bytes()).unwrap();
    drop(lost);
    assert_eq!(
        caller.send_json("OPTIONS", "/2.0/files/content", json!({"name": "b", "parent": {"id": "0"}})).status,
        200
    );
}

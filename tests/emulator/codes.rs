//! Every error code of API.md 1.4, each provoked by raw bytes; what needs a state that no account here has is answered by
//! a script of faults.

use std::collections::BTreeSet;
use std::time::Duration;

use boxfs::emulator::{Emulator, FaultScript, Options, RateLimits, UserOptions};
use serde_json::{Value, json};

use crate::chunked::{Session, commit, open, put, put_all};
use crate::start;
use crate::wire::{Caller, Reply, eventually, noise, send};

/// How a code comes about.
enum How {
    /// By a call that Box would refuse so.
    Call(fn(&World) -> Reply),
    /// By script only.
    Script,
}

use How::{Call, Script};

/// An account with a file, a folder within a folder, and somebody else who shares them.
struct World {
    emulator: Emulator,
    caller: Caller,
    other: Caller,
    file: String,
    folder: String,
    inner: String,
}

const LARGEST: usize = 100_000;

fn world(change: impl FnOnce(&mut Options)) -> World {
    let other = UserOptions { name: "Other".into(), login: "other@example.com".into(), token: "other".into() };
    let mut options = Options {
        max_simple_bytes: LARGEST as u64,
        space_amount: 300_000,
        max_upload_size: 400_000,
        min_session_bytes: 2000,
        part_size: Some(1000),
        session_conflict: true,
        range_error_400: true,
        users: vec![other],
        ..Options::default()
    };
    change(&mut options);
    let (emulator, caller) = start(options);
    let other = Caller { token: "other".to_owned(), ..caller.clone() };
    let file = caller.new_file("file", b"x")["id"].as_str().unwrap().to_owned();
    let folder = caller.new_folder("folder", "0");
    let inner = caller.new_folder("inner", &folder);
    World { emulator, caller, other, file, folder, inner }
}

impl World {
    fn file(&self) -> String {
        format!("/2.0/files/{}", self.file)
    }

    fn folder(&self) -> String {
        format!("/2.0/folders/{}", self.folder)
    }

    fn make(&self, name: &str) -> Reply {
        self.caller.send_json("POST", "/2.0/folders", json!({"name": name, "parent": {"id": "0"}}))
    }

    fn session(&self, body: Value) -> Reply {
        self.caller.send_json("POST", "/api/2.0/files/upload_sessions", body)
    }

    fn upload(&self, bytes: &[u8], headers: &[(&str, &str)]) -> Reply {
        self.caller.upload("/api/2.0/files/content", json!({"name": "n", "parent": {"id": "0"}}), bytes, headers)
    }

    fn whole_session(&self) -> (Session, Vec<u8>, Vec<Value>) {
        let bytes = noise(1, 2500);
        let session = open(&self.caller, "large", bytes.len());
        let parts = put_all(&self.caller, &session, &bytes, false);
        (session, bytes, parts)
    }

    fn share(&self, kind: &str, id: &str, role: &str) {
        let with = json!({"login": "other@example.com"});
        let body = json!({"item": {"type": kind, "id": id}, "accessible_by": with, "role": role});
        assert_eq!(self.caller.send_json("POST", "/2.0/collaborations", body).status, 201);
    }

    fn properties(&self) -> String {
        format!("{}/metadata/global/properties", self.file())
    }

    fn token(&self, form: &str) -> Reply {
        send(&format!("{}/oauth2/token", self.caller.base), "POST", &[], form.as_bytes())
    }
}

fn large(size: usize) -> Value {
    json!({"folder_id": "0", "file_size": size, "file_name": "large"})
}

fn bad_name(w: &World) -> Reply {
    w.make("a/b")
}

fn late_metadata(w: &World) -> Reply {
    let parts: [(&str, &[u8]); 2] = [("name=\"file\"; filename=\"f\"", b"x"), ("name=\"attributes\"", b"{}")];
    w.caller.multipart("/api/2.0/files/content", &parts, &[])
}

fn wrong_whole(w: &World) -> Reply {
    let (session, _, parts) = w.whole_session();
    commit(&w.caller, &session, &noise(2, 2500), &parts, &[])
}

fn missing_part(w: &World) -> Reply {
    let (session, bytes, parts) = w.whole_session();
    commit(&w.caller, &session, &bytes, &parts[..2], &[])
}

fn stored_part(w: &World) -> Reply {
    let (session, bytes, _) = w.whole_session();
    put(&w.caller, &session, &bytes, 0, 1000)
}

fn somebody_elses_part(w: &World) -> Reply {
    w.share("folder", &w.folder, "editor");
    let session = open(&w.caller, "large", 2500);
    put(&w.other, &session, &noise(1, 2500), 0, 1000)
}

fn old_session(w: &World) -> Reply {
    let session = open(&w.caller, "large", 2500);
    w.emulator.advance_clock(Duration::from_secs(8 * 86_400));
    put(&w.caller, &session, &noise(1, 2500), 0, 1000)
}

fn part_without_length(w: &World) -> Reply {
    let session = open(&w.caller, "large", 2500);
    let (host, path) = crate::wire::split_url(session.url());
    let mut stream = crate::wire::connect(host);
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n", w.caller.token);
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    crate::wire::read_reply(&mut stream, false)
}

fn short_part(w: &World) -> Reply {
    let session = open(&w.caller, "large", 2500);
    let headers = [("Content-Range", "bytes 0-999/2500"), ("Digest", "sha=AAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
    w.caller.call("PUT", session.url(), &headers, b"short")
}

fn beyond_the_end(w: &World) -> Reply {
    let redirect = w.caller.get(&format!("{}/content", w.file()));
    send(redirect.header("location").unwrap(), "GET", &[("Range", "bytes=10-")], b"")
}

fn narrow_token(w: &World) -> Reply {
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={}&subject_token_type=urn:ietf:params:oauth:token-type:access_token&scope=base_explorer",
        w.caller.token
    );
    let token = w.token(&form).json()["access_token"].as_str().unwrap().to_owned();
    Caller { token, ..w.caller.clone() }.call("DELETE", &w.file(), &[], b"")
}

fn locked_file(w: &World) -> Reply {
    w.share("file", &w.file, "editor");
    w.caller.send_json("PUT", &w.file(), json!({"lock": {"type": "lock"}}));
    w.other.send_json("PUT", &w.file(), json!({"name": "mine"}))
}

fn viewer_writes(w: &World) -> Reply {
    w.share("folder", &w.folder, "viewer");
    w.other.send_json("POST", "/2.0/folders", json!({"name": "x", "parent": {"id": w.folder}}))
}

fn wrong_password(w: &World) -> Reply {
    let link = json!({"shared_link": {"password": "right"}});
    let made = w.caller.send_json("PUT", &format!("{}?fields=shared_link", w.file()), link).json();
    let header = format!("shared_link={}&shared_link_password=wrong", made["shared_link"]["url"].as_str().unwrap());
    w.other.call("GET", "/2.0/shared_items", &[("boxapi", &header)], b"")
}

fn trashed_file(w: &World) -> Reply {
    assert_eq!(w.caller.call("DELETE", &w.file(), &[], b"").status, 204);
    w.caller.get(&w.file())
}

fn reserved_name(w: &World) -> Reply {
    let form = [
        ("name=\"attributes\"", &br#"{"name":"n","parent":{"id":"0"}}"#[..]),
        ("name=\"file\"; filename=\"f\"", b"slow"),
    ];
    let body = crate::wire::form(&form);
    let (host, _) = crate::wire::split_url(&w.caller.base);
    let mut slow = crate::wire::connect(host);
    let head = format!(
        "POST /api/2.0/files/content HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: {}\r\n\r\n",
        w.caller.token,
        body.len()
    );
    std::io::Write::write_all(&mut slow, &[head.as_bytes(), &body[..body.len() - 4]].concat()).unwrap();
    let check = || w.caller.send_json("OPTIONS", "/2.0/files/content", json!({"name": "n", "parent": {"id": "0"}}));
    eventually("the name is reserved", || check().status == 409);
    check()
}

/// Of two operations on one folder at the same time, one is told to wait.
fn busy_folder(_: &World) -> Reply {
    let w = world(|options| options.folder_operation = Duration::from_secs(1));
    let there = json!({"parent": {"id": w.caller.new_folder("there", "0")}});
    std::thread::scope(|scope| {
        let moved = scope.spawn(|| w.caller.send_json("PUT", &w.folder(), there));
        let deleted = w.caller.call("DELETE", &w.folder(), &[], b"");
        let moved = moved.join().unwrap();
        if deleted.status == 409 { deleted } else { moved }
    })
}

fn too_often(_: &World) -> Reply {
    let one = RateLimits { calls_a_minute: 3, ..RateLimits::default() };
    let w = world(|options| options.rate_limits = Some(one));
    w.caller.get("/2.0/users/me")
}

fn same_properties(w: &World) -> Reply {
    assert_eq!(w.caller.send_json("POST", &w.properties(), json!({"a": "b"})).status, 201);
    w.caller.send_json("POST", &w.properties(), json!({"a": "b"}))
}

fn second_session(w: &World) -> Reply {
    open(&w.caller, "large", 2500);
    w.session(large(2500))
}

/// Status, code, how; in the order of API.md.
const CODES: &[(u16, &str, How)] = &[
    (400, "bad_request", Call(|w| w.caller.send_json("POST", "/2.0/folders", json!({"name": "x"})))),
    (400, "bad_digest", Call(|w| w.upload(b"x", &[("Content-MD5", "0000")]))),
    (400, "digest_mismatch", Call(wrong_whole)),
    (400, "parts_mismatch", Call(missing_part)),
    (
        400,
        "cyclical_folder_structure",
        Call(|w| w.caller.send_json("PUT", &w.folder(), json!({"parent": {"id": w.inner}}))),
    ),
    (400, "folder_not_empty", Call(|w| w.caller.call("DELETE", &w.folder(), &[], b""))),
    (400, "item_name_invalid", Call(bad_name)),
    (400, "item_name_too_long", Call(|w| w.make(&"x".repeat(256)))),
    (400, "metadata_after_file_contents", Call(late_metadata)),
    (400, "invalid_upload_session_id", Script),
    (400, "invalid_request_parameters", Script),
    (400, "invalid_limit", Call(|w| w.caller.get("/2.0/folders/0/items?limit=many"))),
    (400, "invalid_offset", Call(|w| w.caller.get("/2.0/folders/0/items?offset=10001"))),
    (400, "missing_destination", Call(|w| w.session(json!({"file_size": 5000, "file_name": "n"})))),
    (400, "invalid_folder_id", Call(|w| w.session(json!({"folder_id": "x", "file_size": 5000, "file_name": "n"})))),
    (400, "missing_file_size", Call(|w| w.session(json!({"folder_id": "0", "file_name": "n"})))),
    (400, "invalid_file_size", Call(|w| w.session(json!({"folder_id": "0", "file_size": "big", "file_name": "n"})))),
    (400, "file_size_too_small", Call(|w| w.session(large(1999)))),
    (400, "missing_file_name", Call(|w| w.session(json!({"folder_id": "0", "file_size": 5000})))),
    (
        400,
        "multiple_destinations",
        Call(|w| w.caller.send_json("POST", &format!("/api/2.0/files/{}/upload_sessions", w.file), large(5000))),
    ),
    (400, "request_size_mismatch", Call(short_part)),
    (400, "requested_page_out_of_range", Call(beyond_the_end)),
    (400, "sync_item_move_failure", Script),
    (400, "cannot_make_collaborated_subfolder_private", Script),
    (400, "terms_of_service_required", Script),
    (400, "password_reset_required", Script),
    (
        400,
        "collaborations_not_available_on_root_folder",
        Call(|w| {
            let item = json!({"type": "folder", "id": "0"});
            let body = json!({"item": item, "accessible_by": {"login": "other@example.com"}, "role": "viewer"});
            w.caller.send_json("POST", "/2.0/collaborations", body)
        }),
    ),
    (
        400,
        "invalid_grant",
        Call(|w| {
            let client = "client_id=emulator-client-id&client_secret=emulator-client-secret";
            w.token(&format!("grant_type=refresh_token&refresh_token=x&{client}"))
        }),
    ),
    (401, "", Call(|w| Caller { token: "x".into(), ..w.caller.clone() }.get("/2.0/users/me"))),
    (403, "access_denied_insufficient_permissions", Call(viewer_writes)),
    (403, "insufficient_scope", Call(narrow_token)),
    (403, "access_denied_item_locked", Call(locked_file)),
    (403, "forbidden", Call(somebody_elses_part)),
    (403, "forbidden_by_policy", Script),
    (403, "file_size_limit_exceeded", Call(|w| w.session(large(400_001)))),
    (403, "storage_limit_exceeded", Call(|w| w.session(large(300_001)))),
    (403, "access_from_location_blocked", Script),
    (403, "user_email_confirmation_required", Script),
    (403, "incorrect_shared_item_password", Call(wrong_password)),
    (403, "pending_app_folder_size_limit", Script),
    (403, "grace_period_expired", Script),
    (403, "error_access_from_ip_not_allowed", Script),
    (404, "not_found", Call(|w| w.caller.get("/2.0/files/987654321"))),
    (404, "trashed", Call(trashed_file)),
    (404, "not_trashed", Call(|w| w.caller.get(&format!("{}/trash", w.file())))),
    (404, "invalid_parameter", Call(|w| w.session(json!({"folder_id": "4711", "file_size": 5000, "file_name": "n"})))),
    (404, "instance_not_found", Call(|w| w.caller.get(&w.properties()))),
    (404, "instance_tuple_not_found", Script),
    (405, "method_not_allowed", Call(|w| w.caller.get("/2.0/files/abc"))),
    (409, "item_name_in_use", Call(|w| w.make("FILE"))),
    (409, "name_temporarily_reserved", Call(reserved_name)),
    (409, "operation_blocked_temporary", Call(busy_folder)),
    (409, "conflict", Script),
    (409, "session_conflict", Call(second_session)),
    (409, "range_overlaps_existing_part", Call(stored_part)),
    (409, "tuple_already_exists", Call(same_properties)),
    (410, "session_expired", Call(old_session)),
    (410, "upload_failed", Script),
    (411, "length_required", Call(part_without_length)),
    (412, "precondition_failed", Call(|w| w.caller.call("DELETE", &w.file(), &[("If-Match", "9")], b""))),
    (412, "sync_state_precondition_failed", Script),
    (413, "request_entity_too_large", Call(|w| w.upload(&vec![0; LARGEST + 1], &[]))),
    (415, "unsupported_media_type", Call(|w| w.caller.send_json("PUT", &w.properties(), json!([])))),
    (429, "rate_limit_exceeded", Call(too_often)),
    (
        500,
        "internal_server_error",
        Call(|w| w.caller.send_json("POST", "/2.0/folders/0/copy", json!({"parent": {"id": w.folder}}))),
    ),
    (502, "bad_gateway", Script),
    (503, "unavailable", Script),
    (504, "gateway_timeout", Script),
    (509, "bandwidth_limit_exceeded", Script),
];

fn scripted(status: u16, code: &str) -> Reply {
    let (emulator, caller) = start(Options::default());
    let rule = json!({"path": "/2.0/users/me", "do": {"kind": "answer", "status": status, "code": code}});
    emulator.set_faults(FaultScript::parse(&json!({"rules": [rule]}).to_string()).unwrap());
    caller.get("/2.0/users/me")
}

#[test]
fn each_error_code_of_box_is_answered_to_raw_bytes() {
    for (status, code, how) in CODES {
        let reply = match how {
            Call(provoke) => provoke(&world(|_| ())),
            Script => scripted(*status, code),
        };
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, *status, "{code}: {said}");
        let error = reply.json();
        match *code {
            "" => assert!(reply.body.is_empty() && reply.header("www-authenticate").is_some(), "{status}: {said}"),
            "invalid_grant" => assert_eq!(error["error"], *code),
            _ => {
                assert_eq!((error["code"].as_str(), error["type"].as_str()), (Some(*code), Some("error")), "{said}");
                assert_eq!(error["status"].as_u64(), Some(u64::from(*status)), "{said}");
                assert!(error["request_id"].is_string() && error["help_url"].is_string(), "{said}");
            }
        }
    }
}

/// Codes that Box has beyond API.md 1.4, each shown by a test of its own subject.
const MORE: [&str; 14] = [
    "invalid_api_version",
    "invalid_client",
    "invalid_request",
    "invalid_resource",
    "invalid_token",
    "range_not_satisfiable",
    "redirect_uri_mismatch",
    "redirect_uri_missing",
    "requested_range_not_satisfiable",
    "unauthorized",
    "unsupported_grant_type",
    "unsupported_response_type",
    "user_already_collaborator",
    "access_denied",
];

#[test]
fn the_table_has_every_code_that_the_emulator_can_answer() {
    let mut known: BTreeSet<&str> = CODES.iter().map(|(_, code, _)| *code).collect();
    known.extend(MORE);
    let unknown: Vec<String> = codes_in(concat!(env!("CARGO_MANIFEST_DIR"), "/src/emulator").as_ref())
        .into_iter()
        .filter(|code| !known.contains(code.as_str()))
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}

/// The codes that stand in the sources where a refusal is made.
fn codes_in(dir: &std::path::Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(codes_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for maker in ["Refusal::new(", "Refusal::oauth(", "plain("] {
                found.extend(text.split(maker).skip(1).filter_map(first_code));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The text literal after the status, which is a number; nothing where the status is no literal.
fn first_code(call: &str) -> Option<String> {
    let call = call.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches([',', ' ', '\n']);
    let (code, _) = call.strip_prefix('"')?.split_once('"')?;
    Some(code.to_owned())
}

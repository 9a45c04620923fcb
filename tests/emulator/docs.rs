//! docs/emulator.md lists what is served, no more and no less.

use boxfs::emulator::{Emulator, Options};
use serde_json::json;

use crate::start;
use crate::wire::{Caller, send};

/// The code spans of the first column that name methods and a path.
fn documented() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/emulator.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|rest| rest.split_once('`'));
    cells.map(|(span, _)| span.to_owned()).filter(|span| span.contains(" /")).collect()
}

#[test]
fn the_page_lists_exactly_what_is_served() {
    let (mut listed, mut served) = (documented(), Emulator::routes());
    listed.sort();
    served.sort();
    assert_eq!(listed, served);
}

/// The path with things that exist in the place of its parameters.
fn filled(caller: &Caller, path: &str, n: usize) -> String {
    if !path.contains(':') && path != "/subscribe" {
        return path.to_owned();
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let file = caller.new_file(&format!("file {n}"), b"first");
    let id = text(&file["id"]);
    let folder = caller.new_folder(&format!("folder {n}"), "0");
    if path.starts_with("/2.0/files/:id") || path.starts_with("/api/2.0/files/:id") {
        caller.upload(&format!("/api/2.0/files/{id}/content"), json!({}), b"second", &[]);
        let version = text(&file["file_version"]["id"]);
        let properties = path.replace(":scope/:template", "global/properties");
        return properties.replacen(":id", &id, 1).replace(":version", &version);
    }
    let made = |path: &str, body: serde_json::Value| caller.send_json("POST", path, body).json();
    match path.split('/').nth(2).unwrap_or("") {
        "folders" => path.replacen(":id", &folder, 1).replace(":scope/:template", "global/properties"),
        "users" => path.replace(":id", &text(&caller.get("/2.0/users/me").json()["id"])),
        "web_links" => {
            let body = json!({"url": "https://example.com", "parent": {"id": "0"}, "name": format!("link {n}")});
            path.replace(":id", &text(&made("/2.0/web_links", body)["id"]))
        }
        "collaborations" => {
            let with = json!({"login": "other@example.com"});
            let body = json!({"item": {"type": "folder", "id": folder}, "accessible_by": with, "role": "viewer"});
            path.replace(":id", &text(&made("/2.0/collaborations", body)["id"]))
        }
        "folder_locks" => {
            let body = json!({"folder": {"type": "folder", "id": folder}, "locked_operations": {"move": true, "delete": true}});
            path.replace(":id", &text(&made("/2.0/folder_locks", body)["id"]))
        }
        "zip_downloads" => {
            let archive = made("/2.0/zip_downloads", json!({"items": [{"type": "file", "id": id}]}));
            text(&archive[if path.ends_with("content") { "download_url" } else { "status_url" }])
        }
        "2.0" => {
            let body = json!({"folder_id": "0", "file_size": 30_000_000, "file_name": format!("large {n}")});
            path.replace(":session", &text(&made("/api/2.0/files/upload_sessions", body)["id"]))
        }
        "1" => caller.get(&format!("/2.0/files/{id}/content")).header("location").unwrap().to_owned(),
        _ if path == "/subscribe" => {
            let servers = caller.call("OPTIONS", "/2.0/events", &[], b"").json();
            format!("{}&stream_position=0", text(&servers["entries"][0]["url"]))
        }
        _ => unreachable!("{path} has parameters of its own"),
    }
}

#[test]
fn each_row_of_the_page_leads_somewhere() {
    let other =
        boxfs::emulator::UserOptions { name: "Other".into(), login: "other@example.com".into(), token: "other".into() };
    let (_emulator, caller) = start(Options { users: vec![other], ..Options::default() });
    let shared = caller.new_file("shared", b"x");
    let here = format!("/2.0/files/{}?fields=shared_link", shared["id"].as_str().unwrap());
    let link = caller.send_json("PUT", &here, json!({"shared_link": {}})).json();
    let link = format!("shared_link={}", link["shared_link"]["url"].as_str().unwrap());
    let mut n = 0;
    for row in documented() {
        let words: Vec<&str> = row.split(' ').collect();
        let (path, methods) = words.split_last().unwrap();
        for method in methods {
            n += 1;
            let target = filled(&caller, path, n);
            let headers: &[(&str, &str)] = if path.contains("shared_items") { &[("boxapi", &link)] } else { &[] };
            let reply = caller.call(method, &target, headers, b"");
            let lost = reply.status == 405 || (reply.status == 404 && reply.code() == "not_found");
            assert!(!lost && reply.status < 500, "{method} {target}: {} {}", reply.status, reply.code());
            if *method == "HEAD" {
                continue;
            }
            let wrong = caller.call("PATCH", &target, headers, b"");
            assert_eq!((wrong.status, wrong.code().as_str()), (405, "method_not_allowed"), "PATCH {target}");
        }
    }
    let absent = send(&format!("{}/2.0/groups", caller.base), "GET", &[], b"");
    assert_eq!((absent.status, absent.code().as_str()), (404, "not_found"));
}

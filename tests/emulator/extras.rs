//! Metadata, search, zip, thumbnails, web links, folder locks, plans.

use boxfs::emulator::Options;
use serde_json::json;

use crate::chunked::{commit, put};
use crate::wire::{noise, send, sha1_base64, sha1_hex};
use crate::{chunked, start};

#[test]
fn properties_are_created_patched_listed_and_deleted() {
    let (_emulator, caller) = start(Options::default());
    let file = caller.new_file("a", b"x");
    let here = format!("/2.0/files/{}/metadata/global/properties", file["id"].as_str().unwrap());
    assert_eq!(caller.get(&here).code(), "instance_not_found");
    let made = caller.send_json("POST", &here, json!({"color": "red"}));
    assert_eq!((made.status, made.json()["$version"].as_u64()), (201, Some(0)));
    assert_eq!(caller.send_json("POST", &here, json!({})).code(), "tuple_already_exists");
    let patch = |body: &[u8]| caller.call("PUT", &here, &[("Content-Type", "application/json-patch+json")], body);
    let patched =
        patch(br#"[{"op":"test","path":"/color","value":"red"},{"op":"add","path":"/a~1b","value":"1"}]"#).json();
    assert_eq!((&patched["a/b"], &patched["$version"]), (&json!("1"), &json!(1)));
    assert_eq!(patch(br#"[{"op":"remove","path":"/color"},{"op":"remove","path":"/none"}]"#).status, 400);
    assert_eq!(caller.get(&here).json()["color"], "red", "a patch is all or nothing");
    let listed = caller.get("/2.0/folders/0/items?fields=name,metadata.global.properties").json();
    assert_eq!(listed["entries"][0]["metadata"]["global"]["properties"]["a/b"], "1");
    assert_eq!(caller.call("DELETE", &here, &[], b"").status, 204);
    let root = caller.send_json("POST", "/2.0/folders/0/metadata/global/properties", json!({"a": "b"}));
    assert_eq!(root.status, 400);
}

#[test]
fn search_finds_by_name_and_place() {
    let (emulator, caller) = start(Options::default());
    emulator.act().write_file("/x/Report 2024.txt", b"1").unwrap();
    emulator.act().write_file("/y/report 2025.txt", b"1").unwrap();
    let found = |query: &str| caller.get(&format!("/2.0/search?{query}")).json()["total_count"].as_u64();
    assert_eq!(found("query=report"), Some(2));
    assert_eq!(found("query=report+2024&type=file"), Some(1));
    let x = emulator.find("/x").unwrap().id;
    assert_eq!(found(&format!("query=report&ancestor_folder_ids={x}")), Some(1));
    assert_eq!(caller.get("/2.0/search").status, 400);
    assert_eq!(caller.get("/2.0/search?query=a&limit=201").code(), "invalid_limit");
}

#[test]
fn an_archive_holds_what_was_asked_for() {
    let (emulator, caller) = start(Options::default());
    emulator.act().write_file("/d/a.txt", b"first").unwrap();
    emulator.act().write_file("/d/e/b.txt", b"second").unwrap();
    let id = emulator.find("/d").unwrap().id;
    let body = json!({"items": [{"type": "folder", "id": id}], "download_file_name": "all"});
    let made = caller.send_json("POST", "/2.0/zip_downloads", body);
    assert_eq!(made.status, 202);
    let archive = send(made.json()["download_url"].as_str().unwrap(), "GET", &[], b"").body;
    for needle in [&b"d/a.txtfirst"[..], b"d/e/b.txtsecond", b"PK\x05\x06"] {
        assert!(archive.windows(needle.len()).any(|window| window == needle));
    }
    assert_eq!(caller.get(made.json()["status_url"].as_str().unwrap()).json()["state"], "succeeded");
}

#[test]
fn items_of_one_name_are_renamed_in_an_archive() {
    let (emulator, caller) = start(Options::default());
    for path in ["/x/Report.txt", "/y/report.txt", "/z/other.txt"] {
        emulator.act().write_file(path, path.as_bytes()).unwrap();
    }
    let id = |path: &str| json!({"type": "file", "id": emulator.find(path).unwrap().id});
    let items = [id("/x/Report.txt"), id("/y/report.txt"), id("/z/other.txt")];
    let made = caller.send_json("POST", "/2.0/zip_downloads", json!({"items": items})).json();
    let conflicts = made["name_conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 1);
    let archive = send(made["download_url"].as_str().unwrap(), "GET", &[], b"").body;
    let holds = |needle: &str| archive.windows(needle.len()).any(|window| window == needle.as_bytes());
    for (conflict, original) in conflicts[0].as_array().unwrap().iter().zip(["/x/Report.txt", "/y/report.txt"]) {
        assert_eq!(conflict["original_name"], original[3..]);
        let renamed = conflict["download_name"].as_str().unwrap();
        assert!(renamed.ends_with(".txt") && holds(&format!("{renamed}{original}")), "{renamed}");
    }
    assert!(holds("other.txt/z/other.txt"));
}

#[test]
fn a_version_of_the_api_that_is_not_there_is_refused() {
    let (_emulator, caller) = start(Options::default());
    let ask = |version: &str| caller.call("GET", "/2.0/users/me", &[("box-version", version)], b"");
    assert_eq!(ask("2024.0").status, 200);
    let refused = ask("1999.0");
    assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_api_version"));
}

#[test]
fn bookmarks_and_thumbnails_are_there() {
    let (_emulator, caller) = start(Options::default());
    let body = json!({"url": "https://example.com/x", "parent": {"id": "0"}, "name": "mark"});
    let made = caller.send_json("POST", "/2.0/web_links", body);
    assert_eq!((made.status, made.json()["type"].as_str()), (200, Some("web_link")));
    let taken = caller.send_json("POST", "/2.0/folders", json!({"name": "MARK", "parent": {"id": "0"}}));
    assert_eq!(taken.code(), "item_name_in_use");
    let file = caller.new_file("a", b"x");
    let picture = caller.get(&format!("/2.0/files/{}/thumbnail.png", file["id"].as_str().unwrap()));
    assert!(picture.body.starts_with(b"\x89PNG"));
}

#[test]
fn a_locked_folder_stays_where_it_is() {
    let (_emulator, caller) = start(Options::default());
    let folder = caller.new_folder("f", "0");
    let body = json!({"folder": {"type": "folder", "id": folder}, "locked_operations": {"move": true, "delete": true}});
    let lock = caller.send_json("POST", "/2.0/folder_locks", body).json();
    let here = format!("/2.0/folders/{folder}");
    assert_eq!(caller.call("DELETE", &here, &[], b"").code(), "access_denied_insufficient_permissions");
    assert_eq!(
        caller.call("DELETE", &format!("/2.0/folder_locks/{}", lock["id"].as_str().unwrap()), &[], b"").status,
        204
    );
    assert_eq!(caller.call("DELETE", &here, &[], b"").status, 204);
}

fn sha512_hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha512::digest(bytes))
}

#[test]
fn a_plan_knows_the_parts_of_earlier_versions() {
    let options = Options { min_session_bytes: 2000, part_size: Some(1000), ..Options::default() };
    let (emulator, caller) = start(options);
    let old = noise(1, 3500);
    let file = caller.new_file("a", &old);
    let id = file["id"].as_str().unwrap();
    let mut bytes = old.clone();
    bytes[1500] ^= 1;
    let opened =
        caller.send_json("POST", &format!("/api/2.0/files/{id}/upload_sessions"), json!({"file_size": 3500})).json();
    let part = |index: usize| {
        let piece = &bytes[index * 1000..(index * 1000 + 1000).min(3500)];
        json!({"offset": index * 1000, "size": piece.len(), "sha512": sha512_hex(piece)})
    };
    let plan = opened["session_endpoints"]["plan"].as_str().unwrap();
    let wanted: Vec<_> = (0..4).map(part).collect();
    let planned = caller.send_json("POST", plan, json!({"parts": wanted})).json();
    assert_eq!((planned["hits"].as_array().unwrap().len(), planned["misses"][0]["offset"].as_u64()), (3, Some(1000)));
    let session = chunked::Session::at(&opened);
    let sent = put(&caller, &session, &bytes, 1000, 1000).json()["part"].clone();
    let mut parts: Vec<_> = planned["hits"].as_array().unwrap().clone();
    for part in &mut parts {
        part.as_object_mut().unwrap().remove("sha512");
    }
    parts.push(sent);
    parts.sort_by_key(|part| part["offset"].as_u64());
    let done = commit(&caller, &session, &bytes, &parts, &[]);
    assert_eq!(done.status, 201, "{}", String::from_utf8_lossy(&done.body));
    assert_eq!(done.json()["entries"][0]["sha1"], sha1_hex(&bytes));
    assert_eq!(emulator.read(id, None).unwrap(), bytes);

    let again =
        caller.send_json("POST", &format!("/api/2.0/files/{id}/upload_sessions"), json!({"file_size": 3500})).json();
    let session = chunked::Session::at(&again);
    let parts = chunked::put_all(&caller, &session, &bytes, false);
    let equal = commit(&caller, &session, &bytes, &parts, &[]);
    assert_eq!((equal.status, equal.body.len()), (202, 0), "a version equal to the current one is never done");
}

#[test]
fn parts_are_digested_by_sha_512_on_demand() {
    let (_emulator, caller) = start(Options { min_session_bytes: 2000, part_size: Some(1000), ..Options::default() });
    let bytes = noise(1, 2000);
    let session = chunked::open(&caller, "a", 2000);
    use base64::Engine;
    use sha2::Digest;
    let digest = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(bytes));
    let header = format!("sha-512={}", digest(&bytes[..1000]));
    let part = |header: &str| {
        caller.call("PUT", session.url(), &[("Content-Range", "bytes 0-999/2000"), ("Digest", header)], &bytes[..1000])
    };
    assert_eq!(part(&format!("sha-512={}", digest(b"other"))).code(), "bad_digest");
    let stored = part(&header);
    assert_eq!(stored.json()["part"]["sha512"], sha512_hex(&bytes[..1000]));
    let digest = format!("sha-512={}", digest(&bytes));
    let refused = caller.call("POST", &format!("{}/commit", session.url()), &[("Digest", &digest)], br#"{"parts":[]}"#);
    assert_eq!(refused.code(), "bad_request");
    assert!(sha1_base64(b"x").len() == 28);
}

//! The ordinary life of files and folders.

use boxfs::emulator::Options;
use serde_json::json;

use crate::start;
use crate::wire::{send, sha1_hex};

#[test]
fn a_file_goes_up_and_comes_back_with_its_time_and_digest() {
    let (emulator, caller) = start(Options::default());
    let attributes = json!({"name": "a.txt", "parent": {"id": "0"}, "content_modified_at": "2024-05-01T10:00:00Z"});
    let digest = sha1_hex(b"hello");
    let reply = caller.upload("/api/2.0/files/content", attributes, b"hello", &[("Content-MD5", &digest)]);
    assert_eq!(reply.status, 201);
    let file = reply.json()["entries"][0].clone();
    assert_eq!(file["sha1"], digest);
    assert_eq!(file["etag"], "0");
    assert_eq!(file["content_modified_at"], "2024-05-01T02:00:00-08:00");
    assert!(file["sequence_id"].as_str().unwrap().parse::<u64>().unwrap() > 1_152_922_976_252_290_886);

    let id = file["id"].as_str().unwrap();
    let redirect = caller.get(&format!("/2.0/files/{id}/content"));
    assert_eq!(redirect.status, 302);
    let location = redirect.header("location").unwrap();
    assert!(location.starts_with(&emulator.download_url()));
    let whole = send(location, "GET", &[], b"");
    assert_eq!((whole.status, whole.body.as_slice()), (200, &b"hello"[..]));
    let part = send(location, "GET", &[("Range", "bytes=1-3")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &b"ell"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 1-3/5"));
    assert_eq!(send(location, "GET", &[("Range", "bytes=5-")], b"").status, 416);
    let report = emulator.find("/a.txt").unwrap();
    assert_eq!((report.size, report.content_modified_at), (5, 1_714_557_600));
}

#[test]
fn a_version_keeps_the_id_and_the_old_bytes() {
    let (emulator, caller) = start(Options::default());
    let file = caller.new_file("a.txt", b"one");
    let id = file["id"].as_str().unwrap();
    let path = format!("/api/2.0/files/{id}/content");
    let reply = caller.upload(&path, json!({}), b"two", &[("If-Match", "0")]);
    assert_eq!(reply.status, 201);
    let entry = reply.json()["entries"][0].clone();
    assert_eq!((entry["id"].as_str(), entry["etag"].as_str()), (Some(id), Some("1")));
    assert_ne!(entry["file_version"]["id"], file["file_version"]["id"]);

    let versions = caller.get(&format!("/2.0/files/{id}/versions")).json();
    assert_eq!(versions["total_count"], 1);
    let old = versions["entries"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(emulator.read(id, Some(&old)).unwrap(), b"one");
    assert_eq!(emulator.read(id, None).unwrap(), b"two");
    let redirect = caller.get(&format!("/2.0/files/{id}/content?version={old}"));
    assert_eq!(send(redirect.header("location").unwrap(), "GET", &[], b"").body, b"one");

    let promoted = caller.send_json(
        "POST",
        &format!("/2.0/files/{id}/versions/current"),
        json!({"type": "file_version", "id": old}),
    );
    assert_eq!(promoted.status, 201);
    assert_eq!(emulator.read(id, None).unwrap(), b"one");
    assert_eq!(emulator.find("/a.txt").unwrap().version_ids.len(), 3);
}

#[test]
fn folders_are_listed_by_marker_and_by_offset() {
    let (_emulator, caller) = start(Options::default());
    let folder = caller.new_folder("many", "0");
    for index in 0..25 {
        let name = format!("File{index:02}");
        let reply = caller.upload("/api/2.0/files/content", json!({"name": name, "parent": {"id": folder}}), b"x", &[]);
        assert_eq!(reply.status, 201);
    }
    caller.new_folder("zz", &folder);
    let mut names = Vec::new();
    let mut marker = String::new();
    loop {
        let path = format!("/2.0/folders/{folder}/items?usemarker=true&limit=10&fields=name,size&marker={marker}");
        let page = caller.get(&path).json();
        assert!(page.get("total_count").is_none());
        for entry in page["entries"].as_array().unwrap() {
            names.push(entry["name"].as_str().unwrap().to_owned());
        }
        marker = page["next_marker"].as_str().unwrap_or("").to_owned();
        if marker.is_empty() {
            break;
        }
    }
    assert_eq!(names.len(), 26);
    assert_eq!(names[0], "zz", "folders come first");
    let page = caller.get(&format!("/2.0/folders/{folder}/items?limit=5&offset=20&sort=name&direction=DESC")).json();
    assert_eq!((&page["total_count"], &page["limit"], &page["offset"]), (&json!(26), &json!(5), &json!(20)));
    let first = page["entries"][0].clone();
    assert_eq!(first["name"], "File05");
    assert!(first.get("size").is_none() && first.get("file_version").is_some(), "listings are mini: {first}");
    let clamped = caller.get(&format!("/2.0/folders/{folder}/items?limit=5000")).json();
    assert_eq!(clamped["limit"], 1000);
}

#[test]
fn items_are_renamed_moved_trashed_and_restored() {
    let (emulator, caller) = start(Options::default());
    let (from, to) = (caller.new_folder("from", "0"), caller.new_folder("to", "0"));
    let file = caller.new_file("a.txt", b"one");
    let path = format!("/2.0/files/{}", file["id"].as_str().unwrap());
    let moved = caller.send_json("PUT", &path, json!({"name": "b.txt", "parent": {"id": from}}));
    assert_eq!((moved.status, moved.json()["parent"]["id"].as_str()), (200, Some(from.as_str())));
    assert_eq!(caller.send_json("PUT", &format!("/2.0/folders/{from}"), json!({"parent": {"id": to}})).status, 200);
    assert!(emulator.find("/to/from/b.txt").is_some());
    let times = caller.send_json("PUT", &path, json!({"content_modified_at": "2020-01-02T03:04:05+01:00"}));
    assert_eq!(times.json()["content_modified_at"], "2020-01-01T18:04:05-08:00");
    assert_eq!(times.json()["etag"], "2");

    assert_eq!(caller.call("DELETE", &path, &[("If-Match", "2")], b"").status, 204);
    assert_eq!(caller.get(&path).code(), "trashed");
    let trashed = caller.get(&format!("{path}/trash")).json();
    assert_eq!(trashed["item_status"], "trashed");
    assert_eq!(caller.send_json("POST", &path, json!({"name": "c.txt"})).status, 201);
    assert!(emulator.find("/to/from/c.txt").is_some());
    assert_eq!(caller.call("DELETE", &format!("/2.0/folders/{to}?recursive=true"), &[], b"").status, 204);
    assert_eq!(caller.get(&path).code(), "trashed");
    assert_eq!(caller.get(&format!("{path}/trash")).status, 404, "only the folder is in the trash itself");
    let listed = caller.get("/2.0/folders/trash/items").json();
    assert_eq!(listed["total_count"], 1);
    assert_eq!(caller.call("DELETE", &format!("/2.0/folders/{to}/trash"), &[], b"").status, 204);
    assert!(emulator.items().is_empty());
}

#[test]
fn copies_share_bytes_and_have_lives_of_their_own() {
    let (emulator, caller) = start(Options::default());
    let folder = caller.new_folder("from", "0");
    let reply = caller.upload("/api/2.0/files/content", json!({"name": "a", "parent": {"id": folder}}), b"one", &[]);
    let id = reply.json()["entries"][0]["id"].as_str().unwrap().to_owned();
    let copy = caller.send_json("POST", &format!("/2.0/files/{id}/copy"), json!({"parent": {"id": "0"}, "name": "b"}));
    assert_eq!((copy.status, copy.json()["etag"].as_str()), (201, Some("0")));
    let copy =
        caller.send_json("POST", &format!("/2.0/folders/{folder}/copy"), json!({"parent": {"id": "0"}, "name": "f2"}));
    assert_eq!(copy.status, 201);
    assert_eq!(caller.call("DELETE", &format!("/2.0/folders/{folder}?recursive=true"), &[], b"").status, 204);
    assert_eq!(caller.call("DELETE", &format!("/2.0/folders/{folder}/trash"), &[], b"").status, 204);
    let copied = emulator.find("/f2/a").unwrap();
    assert_eq!(emulator.read(&copied.id, None).unwrap(), b"one");
    let me = caller.get("/2.0/users/me?fields=space_used").json();
    assert_eq!(me["space_used"], 6);
}

#[test]
fn tokens_rotate_expire_and_are_revoked() {
    let (emulator, caller) = start(Options { refresh_token_until_use: false, ..Options::default() });
    let (access, refresh) = emulator.issue_tokens(&emulator.first_user()).unwrap();
    let mut other = caller.clone();
    other.token = access.clone();
    assert_eq!(other.get("/2.0/users/me").status, 200);
    let refreshed = |token: &str| {
        let form = format!(
            "grant_type=refresh_token&refresh_token={token}&client_id=emulator-client-id&client_secret=emulator-client-secret"
        );
        let form_type = [("Content-Type", "application/x-www-form-urlencoded")];
        send(&format!("{}/oauth2/token", caller.base), "POST", &form_type, form.as_bytes())
    };
    let first = refreshed(&refresh);
    assert_eq!((first.status, first.json()["token_type"].as_str()), (200, Some("bearer")));
    let again = refreshed(&refresh);
    assert_eq!((again.status, again.json()["error"].as_str()), (400, Some("invalid_grant")));
    emulator.expire_token(&access).unwrap();
    let expired = other.get("/2.0/users/me");
    assert_eq!((expired.status, expired.body.len()), (401, 0));
    assert!(expired.header("www-authenticate").unwrap().contains("expired_token"));

    other.token = first.json()["access_token"].as_str().unwrap().to_owned();
    let form = format!("token={}&client_id=emulator-client-id&client_secret=emulator-client-secret", other.token);
    assert_eq!(send(&format!("{}/oauth2/revoke", caller.base), "POST", &[], form.as_bytes()).status, 200);
    assert_eq!(other.get("/2.0/users/me").status, 401);
    assert_eq!(refreshed(first.json()["refresh_token"].as_str().unwrap()).status, 400);
}

#[test]
fn someone_else_edits_in_this_process() {
    let (emulator, caller) = start(Options::default());
    let actor = emulator.act();
    let id = actor.write_file("/deep/er/a.txt", b"one").unwrap();
    actor.write_file("/deep/er/a.txt", b"two!").unwrap();
    actor.rename("/deep/er/a.txt", "b.txt").unwrap();
    actor.move_to("/deep/er/b.txt", "/deep").unwrap();
    let file = caller.get(&format!("/2.0/files/{id}")).json();
    assert_eq!((file["name"].as_str(), file["size"].as_u64()), (Some("b.txt"), Some(4)));
    let names: Vec<&str> =
        file["path_collection"]["entries"].as_array().unwrap().iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(names, ["All Files", "deep"]);
    actor.trash("/deep").unwrap();
    assert_eq!(caller.get(&format!("/2.0/files/{id}")).code(), "trashed");
    assert_eq!(emulator.requests().len(), 2);
}

//! Events, the long poll, and several people in one account.

use std::time::{Duration, Instant};

use boxfs::emulator::{Options, UserOptions};
use serde_json::{Value, json};

use crate::start;
use crate::wire::{Caller, send};

fn kinds(page: &Value) -> Vec<String> {
    page["entries"].as_array().unwrap().iter().map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
}

fn position(page: &Value) -> String {
    page["next_stream_position"].as_str().unwrap().to_owned()
}

#[test]
fn each_change_is_an_event_once_and_in_order() {
    let (emulator, caller) = start(Options::default());
    let now = position(&caller.get("/2.0/events?stream_position=now&stream_type=changes").json());
    let actor = emulator.act();
    actor.write_file("/d/a", b"1").unwrap();
    actor.write_file("/d/a", b"2").unwrap();
    actor.rename("/d/a", "b").unwrap();
    actor.trash("/d").unwrap();
    let page = caller.get(&format!("/2.0/events?stream_position={now}&stream_type=changes")).json();
    assert_eq!(kinds(&page), ["ITEM_CREATE", "ITEM_UPLOAD", "ITEM_UPLOAD", "ITEM_RENAME", "ITEM_TRASH"]);
    assert_eq!(page["chunk_size"], 5);
    let last = page["entries"][4]["source"].clone();
    assert_eq!((last["item_status"].as_str(), last["name"].as_str()), (Some("trashed"), Some("d")));
    let after = caller.get(&format!("/2.0/events?stream_position={}&stream_type=changes", position(&page))).json();
    assert_eq!((after["chunk_size"].as_u64(), position(&after)), (Some(0), position(&page)));
    let two = caller.get(&format!("/2.0/events?stream_position={now}&limit=2")).json();
    assert_eq!(kinds(&two).len(), 2);
    let wrong = caller.get("/2.0/events?stream_position=x");
    assert_eq!(wrong.status, 400);
}

#[test]
fn events_come_again_and_in_no_order_when_told_to() {
    let (emulator, caller) = start(Options { events_repeated: 2, events_shuffled: true, ..Options::default() });
    for name in ["/a", "/b", "/c"] {
        emulator.act().write_file(name, b"x").unwrap();
    }
    let first = caller.get("/2.0/events?stream_position=0").json();
    emulator.act().write_file("/d", b"x").unwrap();
    let second = caller.get(&format!("/2.0/events?stream_position={}", position(&first))).json();
    assert_eq!(second["chunk_size"], 3, "the fresh one and two of before");
}

#[test]
fn a_long_poll_ends_with_news_or_with_reconnect() {
    let (emulator, caller) = start(Options { realtime_hold: Duration::from_millis(1500), ..Options::default() });
    let now = position(&caller.get("/2.0/events?stream_position=now").json());
    let servers = caller.call("OPTIONS", "/2.0/events", &[], b"").json();
    let url = servers["entries"][0]["url"].as_str().unwrap();
    let poll = format!("{url}&stream_position={now}");
    let begun = Instant::now();
    let message = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| send(&poll, "GET", &[], b"").json());
        std::thread::sleep(Duration::from_millis(200));
        emulator.act().write_file("/a", b"x").unwrap();
        waiting.join().unwrap()
    });
    assert_eq!(message["message"], "new_change");
    assert!(begun.elapsed() < Duration::from_millis(1200));
    assert_eq!(send(&poll, "GET", &[], b"").json()["message"], "new_change", "old news are news");
    let now = position(&caller.get("/2.0/events?stream_position=now").json());
    assert_eq!(send(&format!("{url}&stream_position={now}"), "GET", &[], b"").json()["message"], "reconnect");
    assert_eq!(send(&url.replace("channel=", "channel=0"), "GET", &[], b"").status, 404);
}

#[test]
fn a_realtime_url_is_good_for_as_many_polls_as_announced() {
    let (emulator, caller) = start(Options { realtime_max_retries: 2, ..Options::default() });
    emulator.act().write_file("/a", b"x").unwrap();
    let url = || {
        let server = caller.call("OPTIONS", "/2.0/events", &[], b"").json()["entries"][0].clone();
        assert_eq!(server["max_retries"], "2");
        format!("{}&stream_position=0", server["url"].as_str().unwrap())
    };
    let poll = |url: &str| send(url, "GET", &[], b"").json()["message"].as_str().unwrap().to_owned();
    let (first, second) = (url(), url());
    assert_eq!([poll(&first), poll(&first), poll(&first)], ["new_change", "new_change", "max_retries"]);
    assert_eq!(poll(&second), "new_change", "another URL has polls of its own");
}

#[test]
fn the_events_of_the_enterprise_are_narrowed_by_time_and_type() {
    let (emulator, caller) = start(Options::default());
    emulator.act().write_file("/a", b"x").unwrap();
    let at =
        caller.get("/2.0/events?stream_position=0").json()["entries"][0]["created_at"].as_str().unwrap().to_owned();
    emulator.advance_clock(Duration::from_secs(3600));
    emulator.act().write_file("/b", b"x").unwrap();
    emulator.act().rename("/b", "c").unwrap();
    let later =
        caller.get("/2.0/events?stream_position=0").json()["entries"][1]["created_at"].as_str().unwrap().to_owned();
    let admin = |query: &str| kinds(&caller.get(&format!("/2.0/events?stream_type=admin_logs&{query}")).json());
    assert_eq!(admin(""), ["ITEM_UPLOAD", "ITEM_UPLOAD", "ITEM_RENAME"]);
    assert_eq!(admin(&format!("created_after={later}")), ["ITEM_UPLOAD", "ITEM_RENAME"]);
    assert_eq!(admin(&format!("created_before={later}&created_after={at}")), ["ITEM_UPLOAD"]);
    assert_eq!(admin("event_type=ITEM_RENAME,ITEM_TRASH"), ["ITEM_RENAME"]);
    assert_eq!(caller.get("/2.0/events?stream_type=admin_logs&created_after=then").status, 400);
}

#[test]
fn a_collaborator_sees_and_does_what_the_role_allows() {
    let other = UserOptions { name: "Other".into(), login: "other@example.com".into(), token: "other".into() };
    let (_emulator, caller) = start(Options { users: vec![other], ..Options::default() });
    let other = Caller { token: "other".to_owned(), ..caller.clone() };
    let folder = caller.new_folder("shared", "0");
    let inner = caller.new_folder("inner", &folder);
    let here = format!("/2.0/folders/{folder}");
    assert_eq!(other.get(&here).status, 404);
    let now = position(&other.get("/2.0/events?stream_position=now").json());
    let body = json!({"item": {"type": "folder", "id": folder}, "accessible_by": {"type": "user", "login": "other@example.com"}, "role": "viewer"});
    let made = caller.send_json("POST", "/2.0/collaborations", body.clone());
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    assert_eq!(caller.send_json("POST", "/2.0/collaborations", body).status, 400);
    let news = other.get(&format!("/2.0/events?stream_position={now}")).json();
    assert_eq!(kinds(&news), ["COLLAB_ADD_COLLABORATOR"]);

    let root = other.get("/2.0/folders/0/items").json();
    assert_eq!(root["entries"][0]["id"], folder.as_str());
    let seen = other.get(&format!("/2.0/folders/{inner}?fields=path_collection,permissions,parent")).json();
    let path: Vec<&str> =
        seen["path_collection"]["entries"].as_array().unwrap().iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(path, ["All Files", "shared"]);
    assert_eq!(
        (&seen["permissions"]["can_upload"], &seen["permissions"]["can_download"]),
        (&json!(false), &json!(true))
    );
    let create = json!({"name": "new", "parent": {"id": folder}});
    let refused = other.send_json("POST", "/2.0/folders", create.clone());
    assert_eq!((refused.status, refused.code().as_str()), (403, "access_denied_insufficient_permissions"));
    let collaboration = format!("/2.0/collaborations/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(caller.send_json("PUT", &collaboration, json!({"role": "editor"})).status, 200);
    assert_eq!(other.send_json("POST", "/2.0/folders", create).status, 201);
    assert_eq!(caller.call("DELETE", &collaboration, &[], b"").status, 204);
    assert_eq!(other.get(&here).status, 404);
    let news = other.get(&format!("/2.0/events?stream_position={now}")).json();
    assert_eq!(kinds(&news).last().map(String::as_str), Some("COLLAB_REMOVE_COLLABORATOR"));
}

#[test]
fn locks_stop_everybody_else_until_they_expire() {
    let other = UserOptions { name: "Other".into(), login: "other@example.com".into(), token: "other".into() };
    let (emulator, caller) = start(Options { users: vec![other], ..Options::default() });
    let other = Caller { token: "other".to_owned(), ..caller.clone() };
    let file = caller.new_file("a", b"x");
    let here = format!("/2.0/files/{}", file["id"].as_str().unwrap());
    let share = json!({"item": {"type": "file", "id": file["id"]}, "accessible_by": {"login": "other@example.com"}, "role": "editor"});
    assert_eq!(caller.send_json("POST", "/2.0/collaborations", share).status, 201);
    let until = "2100-01-01T00:00:00Z";
    let lock = json!({"lock": {"type": "lock", "expires_at": until, "is_download_prevented": true}});
    let locked = caller.send_json("PUT", &format!("{here}?fields=lock"), lock).json();
    assert_eq!(locked["lock"]["is_download_prevented"], true);
    for refused in [
        other.send_json("PUT", &here, json!({"name": "b"})),
        other.call("DELETE", &here, &[], b""),
        other.get(&format!("{here}/content")),
        other.upload(&format!("/api{here}/content"), json!({}), b"y", &[]),
    ] {
        assert_eq!((refused.status, refused.code().as_str()), (403, "access_denied_item_locked"));
    }
    assert_eq!(caller.send_json("PUT", &here, json!({"name": "b"})).status, 200);
    assert_eq!(caller.send_json("PUT", &here, json!({"lock": null})).status, 200);
    assert_eq!(other.send_json("PUT", &here, json!({"name": "c"})).status, 200);
    assert!(emulator.find("/c").is_some());
}

#[test]
fn a_shared_link_opens_an_item_to_others() {
    let other = UserOptions { name: "Other".into(), login: "other@example.com".into(), token: "other".into() };
    let (_emulator, caller) = start(Options { users: vec![other], ..Options::default() });
    let other = Caller { token: "other".to_owned(), ..caller.clone() };
    let file = caller.new_file("a.txt", b"x");
    let here = format!("/2.0/files/{}", file["id"].as_str().unwrap());
    let link = json!({"shared_link": {"access": "open", "password": "secret"}});
    let made = caller.send_json("PUT", &format!("{here}?fields=shared_link"), link).json();
    let url = made["shared_link"]["url"].as_str().unwrap();
    assert_eq!(other.get(&here).status, 404);
    let wrong = format!("shared_link={url}");
    assert_eq!(other.call("GET", &here, &[("boxapi", &wrong)], b"").code(), "incorrect_shared_item_password");
    let right = format!("shared_link={url}&shared_link_password=secret");
    assert_eq!(other.call("GET", "/2.0/shared_items", &[("boxapi", &right)], b"").json()["id"], file["id"]);
    assert_eq!(other.call("GET", &format!("{here}/content"), &[("boxapi", &right)], b"").status, 302);
    let until = json!({"shared_link": {"password": null, "unshared_at": "2001-01-01T00:00:00Z"}});
    let over = caller.send_json("PUT", &format!("{here}?fields=shared_link"), until).json();
    assert_eq!(over["shared_link"]["is_password_enabled"], false);
    assert_eq!(other.call("GET", &here, &[("boxapi", &wrong)], b"").status, 404, "its time is over");
    let forever = json!({"shared_link": {"unshared_at": null}});
    let again = caller.send_json("PUT", &format!("{here}?fields=shared_link"), forever).json();
    assert_eq!((&again["shared_link"]["unshared_at"], &again["shared_link"]["url"]), (&Value::Null, &json!(url)));
    assert_eq!(other.call("GET", &here, &[("boxapi", &wrong)], b"").status, 200, "without a password now");
    assert_eq!(caller.send_json("PUT", &here, json!({"shared_link": null})).status, 200);
    assert_eq!(other.call("GET", &here, &[("boxapi", &right)], b"").status, 404);
}

#[test]
fn an_administrator_acts_as_others_and_nobody_else_does() {
    let other = UserOptions { name: "Other".into(), login: "other@example.com".into(), token: "other".into() };
    let (emulator, caller) = start(Options { users: vec![other], ..Options::default() });
    let other = Caller { token: "other".to_owned(), ..caller.clone() };
    let id = other.get("/2.0/users/me").json()["id"].as_str().unwrap().to_owned();
    let as_other = caller.call("GET", "/2.0/users/me", &[("As-User", &id)], b"").json();
    assert_eq!(as_other["login"], "other@example.com");
    assert_eq!(other.call("GET", "/2.0/users/me", &[("As-User", &emulator.first_user())], b"").status, 403);
}

#[test]
fn a_folder_operation_locks_its_subtree() {
    let (_emulator, caller) = start(Options { folder_operation: Duration::from_millis(600), ..Options::default() });
    let (from, to) = (caller.new_folder("from", "0"), caller.new_folder("to", "0"));
    let inner = caller.new_folder("inner", &from);
    std::thread::scope(|scope| {
        let moved =
            scope.spawn(|| caller.send_json("PUT", &format!("/2.0/folders/{from}"), json!({"parent": {"id": to}})));
        std::thread::sleep(Duration::from_millis(200));
        let blocked = caller.call("DELETE", &format!("/2.0/folders/{inner}"), &[], b"");
        assert_eq!((blocked.status, blocked.code().as_str()), (409, "operation_blocked_temporary"));
        assert_eq!(moved.join().unwrap().status, 200);
    });
    assert_eq!(caller.call("DELETE", &format!("/2.0/folders/{inner}"), &[], b"").status, 204);
}

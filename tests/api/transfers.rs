//! Uploads when something goes wrong: what arrives, what is told, what is counted.

use crate::canned::{Canned, answer};
use crate::support::{TOKEN, client, file_json, local_file, noise, payload};
use boxfs::base::{Sha1Digest, Timestamp};
use boxfs::box_api::{
    CommitAnswer, CommitAttributes, Meaning, NewFile, NewVersion, Part, PartSlice, Payload, SessionEndpoints,
    SessionTarget,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NEW: NewFile<'_> = NewFile {
    parent: "0",
    name: "ü \"quoted\".bin",
    content_created_at: None,
    content_modified_at: Some(Timestamp { secs: 1_700_000_000, nanos: 5 }),
};

fn entries(file: &str) -> String {
    format!(r#"{{"total_count":1,"entries":[{file}]}}"#)
}

fn endpoints(base: &str) -> SessionEndpoints {
    let at = |tail: &str| format!("{base}/api/2.0/files/upload_sessions/F1{tail}");
    SessionEndpoints {
        upload_part: at(""),
        status: at(""),
        abort: at(""),
        list_parts: at("/parts"),
        commit: at("/commit"),
        plan: None,
    }
}

fn slice(bytes: &[u8], offset: u64, len: u64) -> PartSlice {
    let progress = Some(Arc::new(AtomicU64::new(0)));
    PartSlice { file: local_file(bytes), offset, len, total_size: bytes.len() as u64, progress }
}

#[tokio::test]
async fn a_small_file_is_one_post_with_attributes_first() {
    let server = Canned::start(|_, _| answer(201, entries(&file_json("7", "n")))).await;
    let bytes = noise(700_000);
    let payload = payload(&bytes);
    let item = client(&server.url).upload_new(&NEW, &payload).await.unwrap();
    assert_eq!(item.id.id, "7");
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].path.starts_with("/api/2.0/files/content"));
    assert_eq!(seen[0].header("content-md5"), Some(Sha1Digest::of(&bytes).to_hex().as_str()));
    assert_eq!(seen[0].header("transfer-encoding"), None);
    let text = seen[0].text();
    let attributes = r#"{"name":"ü \"quoted\".bin","parent":{"id":"0"},"content_modified_at":"2023-11-14T22:13:20Z"}"#;
    assert!(text.find(attributes).unwrap() < text.find("name=\"file\"; filename=").unwrap());
    assert!(seen[0].body.windows(bytes.len()).any(|window| window == bytes));
    assert_eq!(payload.progress.unwrap().load(Ordering::Relaxed), 700_000);
}

#[tokio::test]
async fn a_version_may_answer_200_or_201() {
    for status in [200, 201] {
        let server = Canned::start(move |_, _| answer(status, entries(&file_json("7", "n")))).await;
        let version = NewVersion { name: Some("new"), content_modified_at: None };
        client(&server.url).upload_version("7", &version, Some("4"), &payload(b"")).await.unwrap();
        assert_eq!(server.seen()[0].header("if-match"), Some("4"));
        assert!(server.seen()[0].text().contains(r#"{"name":"new"}"#));
    }
}

#[tokio::test]
async fn an_upload_is_sent_once_if_its_fate_is_unknown_and_its_progress_taken_back() {
    let server = Canned::start(|_, _| answer(500, "")).await;
    let payload = payload(&noise(300_000));
    let error = client(&server.url).upload_new(&NEW, &payload).await.unwrap_err();
    assert_eq!(error.meaning, Meaning::OutcomeUnknown);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(payload.progress.unwrap().load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_throttled_upload_is_sent_again_in_full() {
    let server = Canned::start(|_, before| match before {
        0 => answer(429, "").with("retry-after", "0"),
        _ => answer(201, entries(&file_json("7", "n"))),
    })
    .await;
    let payload = payload(&noise(300_000));
    client(&server.url).upload_new(&NEW, &payload).await.unwrap();
    assert_eq!(server.seen()[0].body, server.seen()[1].body);
    assert_eq!(payload.progress.unwrap().load(Ordering::Relaxed), 300_000);
}

#[tokio::test]
async fn a_file_that_got_shorter_never_arrives_as_a_short_file() {
    let server = Canned::start(|_, _| answer(201, entries(&file_json("7", "n")))).await;
    let short = Payload { len: 600_000, ..payload(&noise(500_000)) };
    let error = client(&server.url).upload_new(&NEW, &short).await.unwrap_err();
    assert_eq!(error.meaning, Meaning::LocalFile);
    let part = PartSlice { len: 600_000, ..slice(&noise(500_000), 0, 0) };
    let error = client(&server.url).upload_part(&endpoints(&server.url), &part).await.unwrap_err();
    assert_eq!(error.meaning, Meaning::LocalFile);
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_part_goes_with_its_range_and_digest() {
    let server = Canned::start(|seen, _| {
        answer(200, format!(r#"{{"part":{{"part_id":"6F","offset":8,"size":{}}}}}"#, seen.body.len()))
    })
    .await;
    let bytes = noise(500_000);
    let part = client(&server.url).upload_part(&endpoints(&server.url), &slice(&bytes, 8, 400_000)).await.unwrap();
    let sha1 = Sha1Digest::of(&bytes[8..400_008]);
    assert_eq!(part, Part { part_id: "6F".into(), offset: 8, size: 400_000, sha1: Some(sha1) });
    let seen = &server.seen()[0];
    assert_eq!(seen.header("content-range"), Some("bytes 8-400007/500000"));
    assert_eq!(seen.header("digest"), Some(format!("sha={}", sha1.to_base64()).as_str()));
    assert_eq!(seen.header("content-length"), Some("400000"));
    assert_eq!(seen.body, &bytes[8..400_008]);
}

#[tokio::test]
async fn a_session_elsewhere_never_sees_the_token() {
    let server = Canned::start(|_, _| answer(200, "{}")).await;
    let bytes = noise(100);
    let elsewhere = endpoints("https://upload.box.com.evil.example");
    let error = client(&server.url).upload_part(&elsewhere, &slice(&bytes, 0, 100)).await.unwrap_err();
    assert_eq!(error.meaning, Meaning::BadAnswer);
    assert!(error.to_string().contains("upload.box.com.evil.example") && !error.to_string().contains(TOKEN));
}

#[tokio::test]
async fn a_commit_tells_not_yet_from_done() {
    let server = Canned::start(|_, before| match before {
        0 => answer(202, "").with("Retry-After", "7"),
        1 => answer(202, ""),
        _ => answer(201, entries(&file_json("7", "n"))),
    })
    .await;
    let client = client(&server.url);
    let parts = [Part { part_id: "A".into(), offset: 0, size: 3, sha1: None }];
    let attributes = CommitAttributes { content_created_at: None, content_modified_at: NEW.content_modified_at };
    let mut answers = Vec::new();
    for _ in 0..3 {
        let sha1 = Sha1Digest::of(b"abc");
        answers.push(client.commit(&endpoints(&server.url), &parts, &attributes, sha1, Some("2")).await.unwrap());
    }
    assert_eq!(answers[0], CommitAnswer::NotYet { retry_after: Duration::from_secs(7) });
    assert_eq!(answers[1], CommitAnswer::NotYet { retry_after: Duration::from_secs(3) });
    assert!(matches!(&answers[2], CommitAnswer::Done(item) if item.id.id == "7"));
    let seen = &server.seen()[0];
    assert_eq!(
        seen.text(),
        r#"{"parts":[{"part_id":"A","offset":0,"size":3}],"attributes":{"content_modified_at":"2023-11-14T22:13:20Z"}}"#
    );
    assert_eq!((seen.header("if-match"), seen.header("digest")), (Some("2"), Some("sha=qZk+NkcGgWq6PiVxeFDCbJzQ2J0=")));
}

#[tokio::test]
async fn a_session_for_a_version_names_no_folder() {
    let server = Canned::start_knowing_itself(|own, seen, _| {
        let size = if seen.text().contains("16") { 16 } else { 17 };
        let session = endpoints(own);
        answer(
            201,
            format!(
                r#"{{"id":"F1","part_size":8,"total_parts":2,"num_parts_processed":0,"note":{size},
                "session_endpoints":{}}}"#,
                serde_json::to_string(&session).unwrap()
            ),
        )
    })
    .await;
    let client = client(&server.url);
    let target = SessionTarget::Version { file_id: "7", name: None };
    let session = client.create_session(&target, 16).await.unwrap();
    assert_eq!((session.part_size, session.endpoints), (8, endpoints(&server.url)));
    assert_eq!(server.seen()[0].text(), r#"{"file_size":16}"#);
    // Two parts of eight bytes cannot hold seventeen.
    let target = SessionTarget::New { parent: "0", name: "n" };
    let error = client.create_session(&target, 17).await.unwrap_err();
    assert_eq!(error.meaning, Meaning::BadAnswer);
    assert_eq!(server.seen()[1].text(), r#"{"folder_id":"0","file_size":17,"file_name":"n"}"#);
}

#[tokio::test]
async fn a_session_that_is_gone_is_as_good_as_aborted() {
    let server = Canned::start(|_, before| answer(if before == 0 { 204 } else { 404 }, "")).await;
    let client = client(&server.url);
    for _ in 0..2 {
        client.abort(&endpoints(&server.url)).await.unwrap();
    }
    let error = client.list_parts(&endpoints(&server.url), 0, 10).await.unwrap_err();
    assert_eq!(error.meaning, Meaning::SessionGone);
}

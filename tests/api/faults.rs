//! What the client repeats, and what it must not.

use crate::canned::{Canned, Reply, answer};
use crate::support::{TOKEN, client, file_json};
use boxfs::base::BoxId;
use boxfs::box_api::{ApiLimits, Applied, BoxClient, ClientOptions, Heals, ItemChange, Meaning, TokenSource};
use std::time::Duration;

const ACCOUNT: &str = r#"{"id":"1","login":"a@b","name":"A","space_amount":1e15}"#;

fn rename() -> ItemChange {
    ItemChange { name: Some("b".into()), ..ItemChange::default() }
}

#[tokio::test]
async fn a_read_is_repeated_after_errors_of_the_server() {
    let server = Canned::start(|_, before| match before {
        0 => answer(500, "").with("retry-after", "0"),
        1 => Reply::Drop,
        2 => answer(503, "<html>").with("retry-after", "0"),
        _ => answer(200, ACCOUNT),
    })
    .await;
    let account = client(&server.url).me().await.unwrap();
    assert_eq!(account.space_amount, Some(1_000_000_000_000_000));
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn reads_give_up_after_a_few_tries() {
    let server = Canned::start(|_, _| answer(500, "").with("retry-after", "0")).await;
    let error = client(&server.url).me().await.unwrap_err();
    assert_eq!(error.meaning, Meaning::OutcomeUnknown);
    assert!(matches!(error.heals(), Heals::Waiting { .. }));
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_change_is_sent_once_whatever_becomes_of_its_answer() {
    for fault in [answer(500, ""), answer(503, "").with("retry-after", "0"), Reply::Drop, answer(200, "<html>")] {
        let server = Canned::start(move |seen, _| match seen.method.as_str() {
            "PUT" => fault.clone(),
            _ => answer(200, ACCOUNT),
        })
        .await;
        let client = client(&server.url);
        // The change travels on a connection that was used before.
        client.me().await.unwrap();
        let error = client.update(&BoxId::file("7"), &rename(), None).await.unwrap_err();
        assert_eq!(error.applied(), Applied::Unknown, "{error}");
        assert_eq!(server.count("/files/7"), 1, "{error}");
    }
}

#[tokio::test]
async fn a_change_that_was_throttled_is_sent_again() {
    let server = Canned::start(|_, before| match before {
        0 => answer(429, r#"{"code":"rate_limit_exceeded"}"#).with("Retry-After", "1"),
        _ => answer(200, file_json("7", "b")),
    })
    .await;
    let client = client(&server.url);
    let start = std::time::Instant::now();
    client.update(&BoxId::file("7"), &rename(), Some("3")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.seen().len(), 2);
    assert_eq!(server.seen()[1].header("if-match"), Some("3"));
    assert_eq!(client.calls().get("update_item"), Some(&2));
}

#[tokio::test]
async fn a_long_pause_is_told_and_holds_back_the_calls_that_follow() {
    let server = Canned::start(|_, _| answer(429, "").with("retry-after", "100")).await;
    let client = client(&server.url);
    let pause = Some(Duration::from_secs(100));
    let error = client.me().await.unwrap_err();
    assert_eq!(error.heals(), Heals::Waiting { after: pause });
    assert!(client.throttled_until().is_some());
    let error = client.me().await.unwrap_err();
    assert!(matches!(error.meaning, Meaning::Throttled { retry_after: Some(left) } if left > Duration::from_secs(90)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).update(&BoxId::file("7"), &rename(), None).await.unwrap_err();
    assert_eq!((&error.meaning, error.applied()), (&Meaning::NotSent, Applied::No));
    assert!(!error.to_string().contains("/files/7"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_meaning_and_never_repeated() {
    let server = Canned::start(|_, _| {
        answer(404, r#"{"type":"error","status":404,"code":"trashed","message":"Item is trashed","request_id":"r1"}"#)
    })
    .await;
    let error = client(&server.url).item(&BoxId::folder("5")).await.unwrap_err();
    assert_eq!((error.meaning.clone(), error.heals()), (Meaning::Trashed, Heals::Never));
    assert_eq!(error.to_string(), "get_item: in Box's trash (404 trashed, request r1): Item is trashed");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Canned::start(|_, _| answer(302, "").with("location", "http://127.0.0.1:1/")).await;
    let error = client(&server.url).me().await.unwrap_err();
    assert_eq!(error.meaning, Meaning::Intercepted);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn calls_carry_the_token_and_the_user_to_act_as() {
    let server = Canned::start(|_, _| answer(200, ACCOUNT)).await;
    let options = ClientOptions {
        server: Some(server.url.clone()),
        as_user: Some("42".into()),
        limits: ApiLimits::Box,
        ..ClientOptions::default()
    };
    let client = BoxClient::new(options, TokenSource::Fixed(boxfs::base::Secret::new(TOKEN))).unwrap();
    client.me().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(seen.header("as-user"), Some("42"));
    assert!(seen.header("user-agent").unwrap().starts_with("boxfs/"));
}

#[tokio::test]
async fn the_long_poll_goes_to_the_channel_without_the_token() {
    let server = Canned::start_knowing_itself(|own, seen, _| match seen.method.as_str() {
        "OPTIONS" => answer(
            200,
            format!(
                r#"{{"chunk_size":1,"entries":[{{"type":"realtime_server","url":"{own}/subscribe?channel=c&stream_type=all",
                "ttl":"10","max_retries":"10","retry_timeout":610}}]}}"#
            ),
        ),
        _ if seen.path.contains("stream_position=5") => answer(200, r#"{"message":"new_change"}"#),
        _ => answer(200, r#"{"version":1,"message":"reconnect"}"#),
    })
    .await;
    let client = client(&server.url);
    let realtime = client.realtime_server().await.unwrap();
    assert_eq!((realtime.max_retries, realtime.retry_timeout), (10, Duration::from_secs(610)));
    assert_eq!(client.long_poll(&realtime, "5").await.unwrap(), boxfs::box_api::Poll::NewChange);
    assert_eq!(client.long_poll(&realtime, "6").await.unwrap(), boxfs::box_api::Poll::Reconnect);
    let polls: Vec<_> = server.seen().into_iter().filter(|seen| seen.path.starts_with("/subscribe")).collect();
    assert_eq!(polls[0].path, "/subscribe?channel=c&stream_type=all&stream_position=5");
    assert!(polls.iter().all(|poll| poll.header("authorization").is_none()));
}

#[tokio::test]
async fn listings_go_on_until_there_is_no_marker() {
    let server = Canned::start(|seen, _| {
        let (id, next) = if seen.path.contains("marker=m1") { ("2", r#""""#) } else { ("1", r#""m1""#) };
        answer(200, format!(r#"{{"entries":[{}],"limit":1000,"next_marker":{next}}}"#, file_json(id, "n")))
    })
    .await;
    let client = client(&server.url);
    let first = client.list_page("0", None).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("m1"));
    let last = client.list_page("0", Some("m1")).await.unwrap();
    assert_eq!((last.next, last.entries[0].id.clone()), (None, BoxId::file("2")));
    assert!(server.seen()[0].path.starts_with("/2.0/folders/0/items?usemarker=true&limit=1000&fields="));
}

#[test]
fn a_ca_file_that_holds_no_certificate_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "not a certificate").unwrap();
    for ca_file in [dir.path().join("none.pem"), empty] {
        let options = ClientOptions { ca_file: Some(ca_file.clone()), ..ClientOptions::default() };
        let error = BoxClient::new(options, TokenSource::Fixed(boxfs::base::Secret::new(TOKEN))).err().unwrap();
        assert_eq!(error.meaning, Meaning::BadOptions);
        assert!(error.to_string().contains(&ca_file.display().to_string()), "{error}");
    }
}

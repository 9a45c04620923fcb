//! Tokens: refreshed once for all, stored before use, shown to nobody.

use crate::canned::{Canned, Reply, Seen, answer};
use crate::support::{TOKEN, client, client_with, login};
use boxfs::base::Secret;
use boxfs::box_api::{App, BoxClient, Meaning, SignInStore, StoredSignIn, TokenSource, Tokens};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

/// A server that takes the newest access token only, and each refresh token once.
async fn rotating() -> Canned {
    let state = Mutex::new(0u32);
    Canned::start(move |seen, _| {
        let mut generation = state.lock().unwrap();
        match seen.path.as_str() {
            "/oauth2/token" => refresh(seen, &mut generation),
            _ if seen.header("authorization") == Some(&format!("Bearer access-{generation}")) => {
                answer(200, r#"{"id":"1"}"#)
            }
            _ => answer(401, "").with("WWW-Authenticate", r#"Bearer realm="Service", error="invalid_token""#),
        }
    })
    .await
}

fn refresh(seen: &Seen, generation: &mut u32) -> Reply {
    let expected =
        format!("grant_type=refresh_token&refresh_token=refresh-{generation}&client_id=app&client_secret=s%26cret");
    if seen.text() != expected {
        return answer(400, r#"{"error":"invalid_grant","error_description":"Invalid refresh token"}"#);
    }
    *generation += 1;
    answer(
        200,
        format!(
            r#"{{"access_token":"access-{generation}","refresh_token":"refresh-{generation}","expires_in":3600,"token_type":"bearer"}}"#
        ),
    )
}

/// A store with the pair of this generation, which seems valid for another hour.
fn store(dir: &Path, server: &str, generation: u32) -> SignInStore {
    let app = App { client_id: "app".into(), client_secret: Secret::new("s&cret") };
    crate::support::sign_in(dir, server, app, &format!("access-{generation}"), &format!("refresh-{generation}"))
}

/// Makes the stored access token one that is over.
fn expire(store: &SignInStore) {
    change(store, |tokens| tokens.expires_at = 0);
}

fn change(store: &SignInStore, change: impl FnOnce(&mut Tokens)) {
    let locked = store.lock().unwrap();
    let mut sign_in = locked.load().unwrap().unwrap();
    change(sign_in.tokens.as_mut().unwrap());
    locked.save(&sign_in).unwrap();
}

async fn ask_often(clients: &[BoxClient]) {
    let calls = clients.iter().cycle().take(20).map(|client| {
        let client = client.clone();
        tokio::spawn(async move { client.me().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn many_calls_with_a_stale_token_refresh_it_once() {
    let server = rotating().await;
    let dir = tempfile::tempdir().unwrap();
    let kept = store(dir.path(), &server.url, 0);
    client_with(&server.url, login(&server.url, &kept)).me().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(server.count("/oauth2/token"), 0);

    // Box no longer takes it, whatever the store says about its life.
    change(&kept, |tokens| tokens.access = Secret::new("old"));
    ask_often(&[client_with(&server.url, login(&server.url, &kept))]).await;
    assert_eq!(server.count("/oauth2/token"), 1);
    let tokens = kept.load().unwrap().unwrap().tokens.unwrap();
    assert_eq!(tokens.refresh.unwrap().reveal(), "refresh-1");
    assert_eq!(std::fs::metadata(kept.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn two_clients_with_one_store_never_spend_a_refresh_token_twice() {
    let server = rotating().await;
    let dir = tempfile::tempdir().unwrap();
    let kept = store(dir.path(), &server.url, 0);
    expire(&kept);
    let clients: Vec<BoxClient> = (0..4).map(|_| client_with(&server.url, login(&server.url, &kept))).collect();
    ask_often(&clients).await;
    assert_eq!(server.count("/oauth2/token"), 1);
}

#[tokio::test]
async fn a_refresh_goes_on_when_its_caller_gives_up() {
    let server = rotating().await;
    let dir = tempfile::tempdir().unwrap();
    let kept = store(dir.path(), &server.url, 0);
    expire(&kept);
    let client = client_with(&server.url, login(&server.url, &kept));
    for _ in 0..50 {
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.me().await }
        });
        tokio::task::yield_now().await;
        call.abort();
    }
    client.me().await.unwrap();
    assert_eq!(server.count("/oauth2/token"), 1);
}

#[tokio::test]
async fn a_login_that_box_no_longer_takes_needs_the_user() {
    let server = rotating().await;
    let dir = tempfile::tempdir().unwrap();
    let kept = store(dir.path(), &server.url, 9);
    let error = client_with(&server.url, login(&server.url, &kept)).me().await.unwrap_err();
    assert_eq!((error.meaning, error.code.as_deref()), (Meaning::SignInNeeded, Some("invalid_grant")));
    assert_eq!(server.count("/oauth2/token"), 1);
    let none = SignInStore::at(dir.path().join("none"));
    let error = client_with(&server.url, login(&server.url, &none)).me().await.unwrap_err();
    assert_eq!(error.meaning, Meaning::SignInNeeded);
}

#[tokio::test]
async fn the_token_before_is_tried_where_box_does_not_know_the_newest() {
    let server = rotating().await;
    let dir = tempfile::tempdir().unwrap();
    let kept = store(dir.path(), &server.url, 0);
    // As after a restore of the disk from before Box's answer was used.
    change(&kept, |tokens| {
        tokens.expires_at = 0;
        tokens.spent = tokens.refresh.replace(Secret::new("refresh-never-used"));
    });
    client_with(&server.url, login(&server.url, &kept)).me().await.unwrap_or_else(|error| panic!("{error}"));
    let tokens = kept.load().unwrap().unwrap().tokens.unwrap();
    assert_eq!((tokens.refresh.unwrap().reveal(), tokens.spent.unwrap().reveal()), ("refresh-1", "refresh-0"));
}

#[tokio::test]
async fn a_sign_in_goes_nowhere_but_where_and_for_whom_it_was_made() {
    let (server, other) = (rotating().await, rotating().await);
    let dir = tempfile::tempdir().unwrap();
    let kept = store(dir.path(), &server.url, 0);
    expire(&kept);
    let error = client_with(&other.url, login(&other.url, &kept)).me().await.unwrap_err();
    assert!(error.meaning == Meaning::SignInNeeded && error.message.contains(&server.url), "{error}");
    let of_bob = TokenSource::Stored(StoredSignIn {
        store: kept.clone(),
        server: Some(server.url.clone()),
        account: Some("2".to_owned()),
    });
    let error = client_with(&server.url, of_bob).me().await.unwrap_err();
    assert!(error.meaning == Meaning::SignInNeeded && error.message.contains("ada@example.org"), "{error}");
    assert_eq!((server.seen().len(), other.seen().len()), (0, 0));
}

#[tokio::test]
async fn a_refresh_without_an_answer_leaves_nobody_in_doubt_about_the_call() {
    let server = Canned::start(|_, _| answer(500, "")).await;
    let dir = tempfile::tempdir().unwrap();
    let kept = store(dir.path(), &server.url, 0);
    expire(&kept);
    let error = client_with(&server.url, login(&server.url, &kept)).create_folder("0", "f").await.unwrap_err();
    assert_eq!(error.meaning, Meaning::NotSent);
}

#[tokio::test]
async fn a_developer_token_that_is_refused_needs_the_user() {
    let server = Canned::start(|_, _| answer(401, "")).await;
    let error = client(&server.url).me().await.unwrap_err();
    assert_eq!((error.meaning, error.status), (Meaning::SignInNeeded, Some(401)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_stays_refused_is_refreshed_once_per_call() {
    let server = Canned::start(|seen, _| match seen.path.as_str() {
        "/oauth2/token" => answer(200, r#"{"access_token":"a","refresh_token":"r","expires_in":3600}"#),
        _ => answer(401, ""),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let error =
        client_with(&server.url, login(&server.url, &store(dir.path(), &server.url, 0))).me().await.unwrap_err();
    assert_eq!(error.meaning, Meaning::SignInNeeded);
    assert_eq!((server.count("/oauth2/token"), server.count("/users/me")), (1, 2));
}

#[tokio::test]
async fn no_log_line_shows_a_token_or_a_location() {
    let lines = crate::log_watch::lines();
    let server = Canned::start_knowing_itself(|own, seen, _| match seen.path.as_str() {
        "/oauth2/token" => answer(200, r#"{"access_token":"hunter2-a","refresh_token":"hunter2-r","expires_in":3600}"#),
        path if path.starts_with("/2.0/files") => answer(302, "").with("location", format!("{own}/d/hunter2-l")),
        path if path.starts_with("/d/") => answer(200, "x"),
        _ if seen.header("authorization") == Some("Bearer hunter2-a") => answer(200, r#"{"id":"1"}"#),
        _ => answer(401, ""),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let client = client_with(&server.url, login(&server.url, &store(dir.path(), &server.url, 0)));
    client.me().await.unwrap();
    client.download("7", None, None).await.unwrap();
    let _ = crate::support::client(&server.url).me().await.unwrap_err();
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("GET /users/me: 200")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("POST /oauth2/token: 200")), "{lines:?}");
    for secret in ["hunter2", TOKEN, "refresh-0", "access-0", "s&cret", "s%26cret"] {
        assert!(!lines.iter().any(|line| line.contains(secret)), "{secret} in the log");
    }
}

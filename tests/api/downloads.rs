//! Downloads when the way there is not straight.

use crate::canned::{Canned, Reply, Seen, answer};
use crate::support::{client, noise, read_all};
use boxfs::box_api::Meaning;

const CONTENT: &str = "0123456789";

/// The content behind `/d/...`, with or without an understanding of ranges.
fn content(seen: &Seen, ranges: bool) -> Reply {
    match seen.header("range").filter(|_| ranges) {
        None => answer(200, CONTENT),
        Some(range) => {
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            if first >= CONTENT.len() {
                return answer(416, "");
            }
            let last = last.min(CONTENT.len() - 1);
            answer(206, &CONTENT[first..=last]).with("content-range", format!("bytes {first}-{last}/{}", CONTENT.len()))
        }
    }
}

/// A server that redirects to itself.
async fn redirecting(ranges: bool) -> Canned {
    Canned::start_knowing_itself(move |own, seen, before| match seen.path.starts_with("/2.0/") {
        true => answer(302, "").with("Location", format!("{own}/d/1/{before}/download")),
        false => content(seen, ranges),
    })
    .await
}

#[tokio::test]
async fn a_location_is_asked_for_once_and_never_gets_the_token() {
    let server = redirecting(true).await;
    let client = client(&server.url);
    for (range, expected) in [(0..3, "012"), (7..100, "789"), (9..10, "9")] {
        let download = client.download("7", Some("70"), Some(range)).await.unwrap();
        assert_eq!(download.total(), Some(10));
        assert_eq!(read_all(download).await.unwrap(), expected.as_bytes());
    }
    let whole = client.download("7", Some("70"), None).await.unwrap();
    assert_eq!(read_all(whole).await.unwrap(), CONTENT.as_bytes());
    assert_eq!(server.count("/files/7/content?version=70"), 1);
    let fetches: Vec<Seen> = server.seen().into_iter().filter(|seen| seen.path.starts_with("/d/")).collect();
    assert_eq!(fetches.len(), 4);
    for fetch in fetches {
        assert_eq!(fetch.header("authorization"), None);
        assert_eq!(fetch.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn versions_have_locations_of_their_own() {
    let server = redirecting(true).await;
    let client = client(&server.url);
    for version in [Some("70"), Some("71"), None] {
        read_all(client.download("7", version, None).await.unwrap()).await.unwrap();
    }
    assert_eq!(server.count("/files/7/content"), 3);
}

#[tokio::test]
async fn a_location_that_expired_is_replaced_once() {
    for status in [401, 403, 404, 410] {
        let server = Canned::start_knowing_itself(move |own, seen, before| match seen.path.as_str() {
            path if path.starts_with("/2.0/") => answer(302, "").with("location", format!("{own}/d/{before}")),
            // The first location serves one request.
            "/d/0" if before > 1 => answer(status, "expired"),
            _ => content(seen, true),
        })
        .await;
        let client = client(&server.url);
        for _ in 0..3 {
            let download = client.download("7", None, Some(2..5)).await.unwrap();
            assert_eq!(read_all(download).await.unwrap(), b"234");
        }
        assert_eq!(server.count("/2.0/files/7/content"), 2, "{status}");
    }
}

#[tokio::test]
async fn a_location_that_never_works_is_an_error_without_its_address() {
    let server = Canned::start_knowing_itself(|own, seen, _| match seen.path.starts_with("/2.0/") {
        true => answer(302, "").with("location", format!("{own}/d/hunter2")),
        false => answer(403, ""),
    })
    .await;
    let error = client(&server.url).download("7", None, None).await.err().unwrap();
    assert_eq!(error.meaning, Meaning::BadAnswer);
    assert!(!error.to_string().contains("hunter2"));
    assert_eq!(server.count("/2.0/files/7/content"), 1);
}

#[tokio::test]
async fn a_server_without_ranges_still_gives_the_right_bytes() {
    let server = redirecting(false).await;
    let client = client(&server.url);
    for (range, expected) in [(0..3, "012"), (4..6, "45"), (8..99, "89")] {
        let download = client.download("7", None, Some(range)).await.unwrap();
        assert_eq!(read_all(download).await.unwrap(), expected.as_bytes());
    }
}

#[tokio::test]
async fn a_range_outside_the_content_is_said_so() {
    for ranges in [true, false] {
        let server = redirecting(ranges).await;
        let error = client(&server.url).download("7", None, Some(10..20)).await.err().unwrap();
        assert_eq!(error.meaning, Meaning::RangeNotSatisfiable);
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    let server = Canned::start_knowing_itself(|own, seen, _| match seen.path.starts_with("/2.0/") {
        true => answer(302, "").with("location", format!("{own}/d/1")),
        false => Reply::Short { body: noise(1000), announced: 5000 },
    })
    .await;
    let download = client(&server.url).download("7", None, None).await.unwrap();
    assert_eq!(read_all(download).await.unwrap_err().meaning, Meaning::OutcomeUnknown);
}

#[tokio::test]
async fn content_in_preparation_is_waited_for_with_an_end() {
    let server = Canned::start_knowing_itself(|own, seen, before| match (seen.path.starts_with("/2.0/"), before) {
        (true, 0 | 1) => answer(202, "").with("retry-after", "0"),
        (true, _) => answer(302, "").with("location", format!("{own}/d/1")),
        (false, _) => content(seen, true),
    })
    .await;
    let download = client(&server.url).download("7", None, None).await.unwrap();
    assert_eq!(read_all(download).await.unwrap(), CONTENT.as_bytes());

    let server = Canned::start(|_, _| answer(202, "").with("retry-after", "0")).await;
    let error = client(&server.url).download("7", None, None).await.err().unwrap();
    assert_eq!(error.meaning, Meaning::NotReady);
}

#[tokio::test]
async fn a_location_over_plain_http_elsewhere_is_refused() {
    let server = Canned::start(|_, _| answer(302, "").with("location", "http://dl.example/d/1")).await;
    let error = client(&server.url).download("7", None, None).await.err().unwrap();
    assert_eq!(error.meaning, Meaning::BadAnswer);
}

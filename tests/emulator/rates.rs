//! Rate limits (API.md 1.6): of each user, with `Retry-After`, only where they are switched on.

use boxfs::emulator::{Options, RateLimits, UserOptions};

use crate::start;
use crate::wire::{Caller, Reply};

fn limited(rates: RateLimits) -> (boxfs::emulator::Emulator, Caller, Caller) {
    let other = UserOptions { name: "Other".into(), login: "other@example.com".into(), token: "other".into() };
    let (emulator, caller) = start(Options { rate_limits: Some(rates), users: vec![other], ..Options::default() });
    let other = Caller { token: "other".to_owned(), ..caller.clone() };
    (emulator, caller, other)
}

fn assert_refused(reply: &Reply, retry_after: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(reply.header("retry-after"), Some(retry_after));
}

#[test]
fn whoever_calls_too_often_is_told_when_to_come_back() {
    let (emulator, caller, other) = limited(RateLimits { calls_a_minute: 5, retry_after: 3, ..RateLimits::default() });
    for _ in 0..5 {
        assert_eq!(caller.get("/2.0/users/me").status, 200);
    }
    assert_refused(&caller.get("/2.0/users/me"), "3");
    let (second, _) = emulator.issue_tokens(&emulator.first_user()).unwrap();
    assert_refused(&Caller { token: second, ..caller.clone() }.get("/2.0/users/me"), "3");
    assert_eq!(other.get("/2.0/users/me").status, 200, "the limit is each user's own");
    assert_eq!(caller.get("/_emulator/items").status, 200, "looking inside is not a call of the API");
}

#[test]
fn uploads_have_a_limit_of_their_own() {
    let (emulator, caller, _) = limited(RateLimits { uploads_a_minute: 2, retry_after: 9, ..RateLimits::default() });
    caller.new_file("a", b"x");
    caller.new_file("b", b"x");
    let attributes = serde_json::json!({"name": "c", "parent": {"id": "0"}});
    assert_refused(&caller.upload("/api/2.0/files/content", attributes, b"x", &[]), "9");
    assert!(emulator.find("/c").is_none());
    assert_eq!(caller.get("/2.0/users/me").status, 200);
}

#[test]
fn searches_are_limited_by_the_second_and_by_the_minute() {
    let (_emulator, caller, _) = limited(RateLimits::default());
    let search = |caller: &Caller| caller.get("/2.0/search?query=x").status;
    let answered = (0..40).filter(|_| search(&caller) == 200).count();
    assert!((6..40).contains(&answered), "{answered} of 40 at once");
    assert_eq!(caller.get("/2.0/users/me").status, 200);
    let a_minute = RateLimits { searches_a_minute: 2, ..RateLimits::default() };
    let (_emulator, caller, _) = limited(a_minute);
    assert_eq!([search(&caller), search(&caller), search(&caller)], [200, 200, 429]);
}

#[test]
fn without_limits_nobody_is_stopped() {
    let (_emulator, caller) = start(Options::default());
    assert!((0..40).all(|_| caller.get("/2.0/search?query=x").status == 200));
}

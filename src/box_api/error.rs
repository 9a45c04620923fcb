//! What Box's answers mean. HTTP status codes and Box's error codes are named here and nowhere else.
//!
//! [`meaning_of`] is the one place where status and code become a [`Meaning`] (API.md 1.4).

use super::meaning::{ApiError, Meaning, one_line};
use super::transport;
use super::wire::{self, WireError};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::time::Duration;

/// The shapes of an answer that a call can go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 200, 201, 204: done, with or without a body.
    Done,
    /// 202: not yet; ask again after `Retry-After`.
    NotYet,
    /// 206: the wanted range.
    Partial,
    /// 302 and its like: what was asked for is elsewhere.
    Elsewhere,
    Failed,
}

pub(super) fn outcome_of(status: StatusCode) -> Outcome {
    match status.as_u16() {
        202 => Outcome::NotYet,
        206 => Outcome::Partial,
        200..=299 => Outcome::Done,
        301 | 302 | 303 | 307 | 308 => Outcome::Elsewhere,
        _ => Outcome::Failed,
    }
}

/// Which kind of call was answered, where that changes what a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Item,
    /// A URL of an upload session.
    Session,
    /// A part of an upload session.
    Part,
    /// The host that a download was sent to; it knows no tokens and no items.
    Content,
    /// The token endpoint.
    Tokens,
}

/// The error for a failed answer. `body` is whatever came, perhaps nothing, perhaps a proxy's page.
pub(super) fn refusal(
    call: &'static str,
    target: Target,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> ApiError {
    let told: WireError = serde_json::from_slice(body).unwrap_or_default();
    let challenge = text_header(headers, "www-authenticate").unwrap_or_default();
    let retry_after = retry_after(headers);
    let code = told.code.clone().or_else(|| told.oauth_error.clone());
    let meaning = match meaning_of(target, status.as_u16(), code.as_deref(), challenge) {
        Meaning::NameTaken { .. } => Meaning::NameTaken { existing: told.conflict().map(Box::new) },
        Meaning::SessionConflict { .. } => Meaning::SessionConflict { session: told.session().map(Box::new) },
        Meaning::Throttled { .. } => Meaning::Throttled { retry_after },
        other => other,
    };
    let message = match (&told.message, &told.oauth_description) {
        (Some(text), _) | (None, Some(text)) => text.as_str(),
        (None, None) if challenge.contains("error") => challenge,
        (None, None) => status.canonical_reason().unwrap_or_default(),
    };
    if is_page(headers) && status.is_client_error() && target != Target::Content || status.as_u16() == 511 {
        return ApiError { status: Some(status.as_u16()), ..transport::intercepted(call, message) };
    }
    let request_id = told.request_id.or_else(|| text_header(headers, "box-request-id").map(one_line));
    ApiError {
        status: Some(status.as_u16()),
        code: code.map(String::into_boxed_str),
        request_id: request_id.map(String::into_boxed_str),
        retry_after,
        ..ApiError::new(call, meaning, message)
    }
}

/// Status and code to meaning (API.md 1.4). The code wins where it is known, since Box moves codes between statuses
/// (`folder_not_empty` is 400 here and 409 there); values that the body carries are filled in by [`refusal`].
fn meaning_of(target: Target, status: u16, code: Option<&str>, challenge: &str) -> Meaning {
    use Meaning::*;
    if target == Target::Content {
        return of_content_host(status, code);
    }
    match code.unwrap_or_default() {
        "trashed" => Trashed,
        "not_found" if target == Target::Item => NotFound,
        "not_trashed" | "instance_not_found" | "instance_tuple_not_found" => NotFound,
        "access_denied_insufficient_permissions" => NoAccess,
        "insufficient_scope" => InsufficientScope,
        "access_denied_item_locked" => Locked,
        "forbidden_by_policy"
        | "access_from_location_blocked"
        | "error_access_from_ip_not_allowed"
        | "terms_of_service_required"
        | "password_reset_required"
        | "user_email_confirmation_required" => ForbiddenByPolicy,
        "item_name_in_use" => NameTaken { existing: None },
        "name_temporarily_reserved" => NameReserved,
        "operation_blocked_temporary" => Blocked,
        "precondition_failed" | "sync_state_precondition_failed" if target != Target::Part => Changed,
        "folder_not_empty" => FolderNotEmpty,
        "cyclical_folder_structure" => Cyclical,
        "item_name_invalid" => BadName,
        "item_name_too_long" => NameTooLong,
        "file_size_too_small" => TooSmallForSession,
        "session_expired" | "upload_failed" | "invalid_upload_session_id" => SessionGone,
        "session_conflict" => SessionConflict { session: None },
        "range_overlaps_existing_part" => PartAlreadyThere,
        "parts_mismatch" => PartsMismatch,
        "digest_mismatch" => DigestMismatch,
        "bad_digest" => BadDigest,
        "storage_limit_exceeded" => OutOfQuota,
        "file_size_limit_exceeded" | "request_entity_too_large" => FileTooLarge,
        "requested_page_out_of_range" => RangeNotSatisfiable,
        "rate_limit_exceeded" | "too_many_requests" => Throttled { retry_after: None },
        "invalid_grant" | "invalid_client" | "unauthorized_client" => SignInNeeded,
        _ => of_status(target, status, challenge),
    }
}

/// The meaning of a status whose code is absent or says no more than the status.
fn of_status(target: Target, status: u16, challenge: &str) -> Meaning {
    use Meaning::*;
    match (status, target) {
        (404 | 410, Target::Session | Target::Part) => SessionGone,
        (409 | 416, Target::Part) => PartAlreadyThere,
        (412, Target::Part) => BadDigest,
        (401, _) => SignInNeeded,
        (403, _) if challenge.contains("insufficient_scope") => InsufficientScope,
        (403, _) => NoAccess,
        (404 | 410, _) => NotFound,
        (408, _) => OutcomeUnknown,
        (412, _) => Changed,
        (413, _) => FileTooLarge,
        (416, _) => RangeNotSatisfiable,
        (429, _) => Throttled { retry_after: None },
        (400..=499, _) => Refused,
        (500..=599, _) => OutcomeUnknown,
        _ => BadAnswer,
    }
}

/// A refusal there says that the URL is no good any more, never something about the account.
fn of_content_host(status: u16, code: Option<&str>) -> Meaning {
    match (status, code) {
        (_, Some("requested_page_out_of_range")) | (416, _) => Meaning::RangeNotSatisfiable,
        (429, _) => Meaning::Throttled { retry_after: None },
        (408 | 500..=599, _) => Meaning::OutcomeUnknown,
        _ => Meaning::BadAnswer,
    }
}

/// Whether the body is for a browser: nothing that Box's API answers is.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    text_header(headers, "content-type").is_some_and(|kind| kind.starts_with("text/html"))
}

/// `Retry-After` in whole seconds (API.md 1.2); a value beyond a day is taken for a day.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let secs: u64 = text_header(headers, "retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(secs.min(24 * 3600)))
}

pub(super) fn text_header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The error for an answer of the right status whose body is not what Box sends.
pub(super) fn bad_answer(call: &'static str, error: &serde_json::Error) -> ApiError {
    ApiError::new(call, Meaning::BadAnswer, wire::describe(error))
}

#[cfg(test)]
mod tests {
    use super::super::meaning::Applied;
    use super::*;
    use crate::base::{BoxId, Sha1Digest};

    fn told(target: Target, status: u16, body: &str) -> ApiError {
        let status = StatusCode::from_u16(status).unwrap();
        refusal("test_call", target, status, &HeaderMap::new(), body.as_bytes())
    }

    fn coded(target: Target, status: u16, code: &str) -> Meaning {
        told(target, status, &format!(r#"{{"type":"error","status":"{status}","code":"{code}"}}"#)).meaning
    }

    #[test]
    fn each_code_that_matters_has_its_meaning() {
        use Meaning::*;
        let taken = NameTaken { existing: None };
        let rows = [
            (400, "bad_request", Refused),
            (400, "bad_digest", BadDigest),
            (400, "digest_mismatch", DigestMismatch),
            (400, "parts_mismatch", PartsMismatch),
            (400, "cyclical_folder_structure", Cyclical),
            (400, "folder_not_empty", FolderNotEmpty),
            (409, "folder_not_empty", FolderNotEmpty),
            (400, "item_name_invalid", BadName),
            (400, "item_name_too_long", NameTooLong),
            (400, "file_size_too_small", TooSmallForSession),
            (400, "requested_page_out_of_range", RangeNotSatisfiable),
            (401, "unauthorized", SignInNeeded),
            (403, "access_denied_insufficient_permissions", NoAccess),
            (403, "insufficient_scope", InsufficientScope),
            (403, "access_denied_item_locked", Locked),
            (403, "forbidden", NoAccess),
            (403, "forbidden_by_policy", ForbiddenByPolicy),
            (403, "file_size_limit_exceeded", FileTooLarge),
            (403, "storage_limit_exceeded", OutOfQuota),
            (404, "not_found", NotFound),
            (404, "trashed", Trashed),
            (404, "not_trashed", NotFound),
            (404, "invalid_parameter", NotFound),
            (405, "method_not_allowed", Refused),
            (409, "item_name_in_use", taken),
            (409, "name_temporarily_reserved", NameReserved),
            (409, "operation_blocked_temporary", Blocked),
            (409, "conflict", Refused),
            (409, "session_conflict", SessionConflict { session: None }),
            (410, "session_expired", SessionGone),
            (410, "upload_failed", SessionGone),
            (411, "length_required", Refused),
            (412, "precondition_failed", Changed),
            (412, "sync_state_precondition_failed", Changed),
            (413, "request_entity_too_large", FileTooLarge),
            (429, "rate_limit_exceeded", Throttled { retry_after: None }),
            (429, "too_many_requests", Throttled { retry_after: None }),
            (500, "internal_server_error", OutcomeUnknown),
            (502, "bad_gateway", OutcomeUnknown),
            (503, "unavailable", OutcomeUnknown),
            (509, "bandwidth", OutcomeUnknown),
        ];
        for (status, code, meaning) in rows {
            assert_eq!(coded(Target::Item, status, code), meaning, "{status} {code}");
        }
    }

    #[test]
    fn a_session_that_is_not_found_is_gone() {
        assert_eq!(coded(Target::Session, 404, "not_found"), Meaning::SessionGone);
        assert_eq!(coded(Target::Part, 404, "not_found"), Meaning::SessionGone);
        assert_eq!(coded(Target::Part, 409, "conflict"), Meaning::PartAlreadyThere);
        assert_eq!(coded(Target::Part, 416, "bad_request"), Meaning::PartAlreadyThere);
        assert_eq!(coded(Target::Part, 412, "precondition_failed"), Meaning::BadDigest);
        assert_eq!(coded(Target::Session, 412, "precondition_failed"), Meaning::Changed);
    }

    #[test]
    fn the_content_host_never_asks_for_a_sign_in() {
        for status in [401, 403, 404, 410] {
            assert_eq!(coded(Target::Content, status, "unauthorized"), Meaning::BadAnswer);
        }
        assert_eq!(coded(Target::Content, 416, ""), Meaning::RangeNotSatisfiable);
        assert_eq!(coded(Target::Content, 400, "requested_page_out_of_range"), Meaning::RangeNotSatisfiable);
    }

    #[test]
    fn conflicts_may_be_an_object_an_array_or_absent() {
        let one = r#"{"type":"file","id":"7","etag":"0","name":"a","sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "file_version":{"type":"file_version","id":"70"}}"#;
        for conflicts in [one.to_owned(), format!("[{one}]")] {
            let body =
                format!(r#"{{"status":409,"code":"item_name_in_use","context_info":{{"conflicts":{conflicts}}}}}"#);
            let Meaning::NameTaken { existing: Some(item) } = told(Target::Item, 409, &body).meaning else {
                panic!("no conflict in {body}");
            };
            assert_eq!(item.id, BoxId::file("7"));
            assert_eq!(item.version_id.as_deref(), Some("70"));
            assert_eq!(item.sha1, Some(Sha1Digest::of(b"")));
        }
        let without = [r#"{"code":"item_name_in_use"}"#, r#"{"code":"item_name_in_use","context_info":null}"#];
        for body in without {
            assert_eq!(told(Target::Item, 409, body).meaning, Meaning::NameTaken { existing: None });
        }
    }

    #[test]
    fn a_session_conflict_carries_the_session() {
        let body = r#"{"code":"session_conflict","context_info":{"session":{"id":"F9","part_size":8388608,
            "total_parts":4,"session_endpoints":{"upload_part":"https://u.box.com/1","commit":"https://u.box.com/1/commit",
            "abort":"https://u.box.com/1","list_parts":"https://u.box.com/1/parts","status":"https://u.box.com/1"}}}}"#;
        let Meaning::SessionConflict { session: Some(session) } = told(Target::Item, 409, body).meaning else {
            panic!("no session");
        };
        assert_eq!((session.id.as_str(), session.part_size), ("F9", 8_388_608));
    }

    #[test]
    fn a_page_of_a_proxy_is_an_error_of_one_line() {
        let page = format!("<html>\n{}\n</html>", "x".repeat(5000));
        let error = told(Target::Item, 403, &page);
        assert_eq!(error.meaning, Meaning::NoAccess);
        assert_eq!(error.to_string(), "test_call: not permitted (403): Forbidden");
    }

    #[test]
    fn a_page_for_a_browser_is_no_refusal_of_boxs() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/html; charset=utf-8".parse().unwrap());
        let told = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            refusal("test_call", Target::Item, status, &headers, b"<html>blocked</html>")
        };
        let error = told(403);
        assert_eq!((error.meaning.clone(), error.applied()), (Meaning::Intercepted, Applied::No));
        assert!(error.to_string().contains("open a browser"), "{error}");
        assert_eq!(told(511).meaning, Meaning::Intercepted);
        assert_eq!(told(502).meaning, Meaning::OutcomeUnknown);
    }

    #[test]
    fn an_error_shows_code_and_request_id_in_one_line() {
        let error = told(Target::Item, 409, r#"{"code":"conflict","message":"two\nlines","request_id":"abc"}"#);
        assert_eq!(error.to_string(), "test_call: refused (409 conflict, request abc): two lines");
    }

    #[test]
    fn only_an_answer_that_never_came_leaves_the_outcome_open() {
        assert_eq!(told(Target::Item, 503, "").applied(), Applied::Unknown);
        assert_eq!(told(Target::Item, 429, "").applied(), Applied::No);
        assert_eq!(told(Target::Item, 409, "").applied(), Applied::No);
        assert_eq!(ApiError::new("c", Meaning::NotSent, "").applied(), Applied::No);
    }
}

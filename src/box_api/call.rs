//! One call as data: what it is called, what it counts as, whether it may be repeated, what is sent.

use super::error::Target;
use super::limits::Class;
use super::payload::FileBody;
use super::pulse::STALL;
use super::retry::Repeat;
use bytes::Bytes;
use reqwest::{Method, Url};
use serde::Serialize;
use std::time::Duration;

/// The constant side of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// Shown in errors and counted in `status`.
    pub name: &'static str,
    /// The path as the log shows it, without ids.
    pub path: &'static str,
    pub class: Class,
    pub repeat: Repeat,
    pub target: Target,
    /// How long the answer may take after the request is out.
    pub patience: Duration,
}

/// Folder moves and deletes answer after up to 600 s (API.md 3.7).
pub(super) const FOLDER_PATIENCE: Duration = Duration::from_secs(610);
/// After the last byte of an upload left us, several megabytes may still wait in the kernel's socket buffer, and Box takes
/// its time to store them.
pub(super) const UPLOAD_PATIENCE: Duration = Duration::from_secs(120);

impl Call {
    /// A call that changes nothing.
    pub(super) const fn read(name: &'static str, path: &'static str) -> Call {
        Call { name, path, class: Class::General, repeat: Repeat::Always, target: Target::Item, patience: STALL }
    }

    /// A call that changes something, and must not be sent twice by accident.
    pub(super) const fn change(name: &'static str, path: &'static str) -> Call {
        Call { repeat: Repeat::Unapplied, ..Call::read(name, path) }
    }

    pub(super) const fn class(self, class: Class) -> Call {
        Call { class, ..self }
    }

    pub(super) const fn repeat(self, repeat: Repeat) -> Call {
        Call { repeat, ..self }
    }

    pub(super) const fn target(self, target: Target) -> Call {
        Call { target, ..self }
    }

    pub(super) const fn patience(self, patience: Duration) -> Call {
        Call { patience, ..self }
    }
}

/// The body of a request; can be sent more than once.
#[derive(Clone)]
pub(super) enum RequestBody {
    Empty,
    Bytes { content_type: &'static str, bytes: Bytes },
    File { content_type: String, body: FileBody },
}

/// The variable side of a call.
#[derive(Clone)]
pub(super) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: RequestBody,
    /// Whether the bearer token goes along.
    pub with_token: bool,
}

impl Request {
    pub(super) fn new(method: Method, url: Url) -> Request {
        Request { method, url, headers: Vec::new(), body: RequestBody::Empty, with_token: true }
    }

    /// A request to something below `base`; each segment is escaped.
    pub(super) fn below(method: Method, base: &Url, segments: &[&str]) -> Request {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(segments);
        }
        Request::new(method, url)
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Request {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Request {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn if_match(self, etag: Option<&str>) -> Request {
        match etag {
            Some(etag) => self.header("if-match", etag),
            None => self,
        }
    }

    pub(super) fn json(mut self, value: &impl Serialize) -> Request {
        let bytes = serde_json::to_vec(value).expect("our wire types have string keys and no failing serializers");
        self.body = RequestBody::Bytes { content_type: "application/json", bytes: bytes.into() };
        self
    }

    pub(super) fn form(mut self, pairs: &[(&str, &str)]) -> Request {
        let bytes = encode_form(pairs);
        self.body = RequestBody::Bytes { content_type: "application/x-www-form-urlencoded", bytes: bytes.into() };
        self
    }

    pub(super) fn file(mut self, content_type: impl Into<String>, body: FileBody) -> Request {
        self.body = RequestBody::File { content_type: content_type.into(), body };
        self
    }

    pub(super) fn without_token(mut self) -> Request {
        self.with_token = false;
        self
    }
}

/// A form is written like a query.
fn encode_form(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("form:/").expect("a constant that is a URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place_in_the_path() {
        let base = Url::parse("https://api.box.com/2.0").unwrap();
        let request = Request::below(Method::GET, &base, &["files", "../users?x=1"]).query("fields", "id,name");
        assert_eq!(request.url.as_str(), "https://api.box.com/2.0/files/..%2Fusers%3Fx=1?fields=id%2Cname");
    }

    #[test]
    fn forms_are_escaped() {
        assert_eq!(encode_form(&[("a", "1 &2"), ("b", "ü")]), "a=1+%262&b=%C3%BC");
    }
}

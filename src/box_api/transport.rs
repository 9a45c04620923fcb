//! Calls without an answer of Box's: what the network, a proxy or TLS says, and what a person can do about it.
//!
//! URLs are left out of every text, since download and realtime URLs open their content to whoever has them.

use super::meaning::{ApiError, Meaning};
use std::error::Error;

/// What libraries say, and what to do. The first that is found counts.
const ADVICE: &[(&[&str], &str)] = &[
    (
        &["proxy authorization required", "proxy authentication required", "407"],
        "the proxy asks for a user name and a password: write them into HTTPS_PROXY or the key 'proxy', as http://USER:PASSWORD@HOST:PORT",
    ),
    (
        &[
            "not valid yet",
            "notvalidyet",
            "certificate expired",
            "certificate has expired",
            "expired: verification time",
        ],
        "the server's certificate is not valid at this machine's time: check the clock ('timedatectl')",
    ),
    (
        &["unknownissuer", "unknown issuer", "self-signed", "self signed"],
        "the server's certificate is signed by an authority that this machine does not know: where a company looks into HTTPS, give its certificate with --ca-file; in a public network, open a browser and sign in there first",
    ),
    (
        &["not valid for name", "notvalidforname"],
        "the server shows the certificate of somebody else: in a public network, open a browser and sign in there first",
    ),
    (&["dns error", "failed to lookup address"], "the server's name is not found: is this machine online?"),
    (
        &["tunnel error", "unsuccessful tunnel"],
        "the proxy does not let this through: check HTTPS_PROXY or the key 'proxy'",
    ),
];

/// What reqwest reports when no answer came.
pub(super) fn failed(call: &'static str, error: reqwest::Error) -> ApiError {
    let meaning = if error.is_builder() {
        Meaning::BadOptions
    } else if error.is_connect() {
        Meaning::NotSent
    } else {
        Meaning::OutcomeUnknown
    };
    let text = causes(&error.without_url());
    match advice(&text) {
        Some(advice) => ApiError::new(call, meaning, format!("{advice} ({text})")),
        None => ApiError::new(call, meaning, text),
    }
}

/// An answer that cannot be Box's.
pub(super) fn intercepted(call: &'static str, what: &str) -> ApiError {
    let text = format!(
        "{what}: in a public network, open a browser and sign in there first; in a company, its filter must let api.box.com through"
    );
    ApiError::new(call, Meaning::Intercepted, text)
}

fn advice(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    ADVICE.iter().find(|(signs, _)| signs.iter().any(|sign| text.contains(sign))).map(|(_, advice)| *advice)
}

/// The error and what it came from, without repetitions: `connection error: connection reset by peer`.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let line = cause.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_can_do_is_told() {
        for (said, hint) in [
            ("tunnel error: proxy authorization required", "USER:PASSWORD"),
            ("invalid peer certificate: certificate not valid yet: verification time 0", "clock"),
            ("invalid peer certificate: UnknownIssuer", "--ca-file"),
            ("invalid peer certificate: certificate not valid for name \"api.box.com\"", "open a browser"),
            ("dns error: failed to lookup address information", "online"),
        ] {
            assert!(advice(said).is_some_and(|text| text.contains(hint)), "{said}");
        }
        assert_eq!(advice("connection refused"), None);
    }
}

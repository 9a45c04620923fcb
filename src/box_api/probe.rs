//! Whether Box's hosts can be reached, asked one by one and without a token: for a person who looks for a fault.

use super::call::{Call, Request};
use super::client::{ClientOptions, Wire};
use super::error::{self, Target};
use super::limits::Class;
use super::meaning::{ApiError, Meaning};
use super::retry::Repeat;
use super::transport;
use reqwest::{Method, Url};
use std::time::{Duration, Instant};

/// A host that has not answered by then is as good as gone for a person.
const PATIENCE: Duration = Duration::from_secs(10);

const ASK: Call =
    Call::read("probe", "/users/me").class(Class::Free).repeat(Repeat::Never).target(Target::Item).patience(PATIENCE);

/// Hosts besides those of the API that Box's answers name (API.md 1.1), and what they are for.
const OTHER_HOSTS: [(&str, &str); 3] = [
    ("https://dl.boxcloud.com/", "downloads"),
    ("https://2.realtime.services.box.net/", "news of changes"),
    ("https://account.box.com/", "signing in"),
];

/// One host.
#[derive(Debug)]
pub struct Probed {
    pub host: String,
    /// What boxfs needs it for.
    pub purpose: &'static str,
    pub took: Duration,
    /// `Ok`: it answered as it should.
    pub outcome: Result<(), ApiError>,
}

/// What all hosts say, and by how many seconds Box's clock is ahead of this machine's.
///
/// # Errors
/// `BadOptions`: the server's URL, the proxy or the CA file is unusable.
pub async fn probe(options: &ClientOptions) -> Result<(Vec<Probed>, Option<i64>), ApiError> {
    let wire = Wire::new(options)?;
    let mut all = Vec::new();
    for (base, purpose) in [(&wire.hosts.api, "files and folders"), (&wire.hosts.upload, "uploads")] {
        let started = Instant::now();
        let outcome = api_answers(&wire, base).await;
        all.push(Probed { host: shown(base), purpose, took: started.elapsed(), outcome });
    }
    // A server that stands for Box says by itself where its downloads are.
    if options.server.is_none() {
        for (url, purpose) in OTHER_HOSTS {
            let started = Instant::now();
            let outcome = anything_answers(&wire, url).await;
            let host = Url::parse(url).map(|url| shown(&url)).unwrap_or_default();
            all.push(Probed { host, purpose, took: started.elapsed(), outcome });
        }
    }
    Ok((all, wire.clock_ahead_secs()))
}

/// Without a token Box asks for one: whatever does that speaks as Box does.
async fn api_answers(wire: &Wire, base: &Url) -> Result<(), ApiError> {
    let request = Request::below(Method::GET, base, &["users", "me"]).without_token();
    let asked = tokio::time::timeout(PATIENCE, wire.try_once(&ASK, &request, Vec::new())).await;
    match asked {
        Ok(Ok((error::Outcome::Done, response))) if !error::is_page(response.headers()) => Ok(()),
        Ok(Ok((error::Outcome::Done, _))) => {
            Err(transport::intercepted(ASK.name, "a web page where an answer belongs"))
        }
        Ok(Ok(_)) => Err(transport::intercepted(ASK.name, "a redirect where an answer belongs")),
        Ok(Err(error)) => match error.meaning {
            Meaning::SignInNeeded | Meaning::NotFound | Meaning::Refused | Meaning::NoAccess => Ok(()),
            _ => Err(error),
        },
        Err(_) => Err(silent()),
    }
}

/// Any answer over a connection whose certificate is right will do.
async fn anything_answers(wire: &Wire, url: &str) -> Result<(), ApiError> {
    let sent = tokio::time::timeout(PATIENCE, wire.get(url)).await;
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(transport::failed(ASK.name, error)),
        Err(_) => Err(silent()),
    }
}

fn silent() -> ApiError {
    ApiError::new(ASK.name, Meaning::NotSent, format!("no answer within {} s", PATIENCE.as_secs()))
}

/// Host, and the port where it is not the usual one.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

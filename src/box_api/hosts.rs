//! Where Box is, and who may see the token.

use super::meaning::{ApiError, Meaning};
use reqwest::Url;
use std::net::IpAddr;

/// The bases of Box's services.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    /// `/2.0`
    pub api: Url,
    /// `/api/2.0`
    pub upload: Url,
    pub token: Url,
    pub revoke: Url,
    /// Where a person signs in, in a browser.
    pub authorize: Url,
    pub reach: Reach,
}

/// Which hosts get the bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// https hosts under box.com.
    Box,
    /// The server the user named, and loopback on any port.
    Server { scheme: String, host: String },
}

impl Hosts {
    /// `server` puts all of Box at one place.
    pub(super) fn new(server: Option<&str>) -> Result<Hosts, ApiError> {
        match server {
            None => Ok(Hosts {
                api: parse("https://api.box.com/2.0")?,
                upload: parse("https://upload.box.com/api/2.0")?,
                token: parse("https://api.box.com/oauth2/token")?,
                revoke: parse("https://api.box.com/oauth2/revoke")?,
                authorize: parse("https://account.box.com/api/oauth2/authorize")?,
                reach: Reach::Box,
            }),
            Some(server) => Hosts::at(server),
        }
    }

    fn at(server: &str) -> Result<Hosts, ApiError> {
        let base = parse(server)?;
        let host = base.host_str().unwrap_or_default().to_owned();
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(&base) => {}
            "http" => {
                let text = format!(
                    "'{server}': plain http would show the token to everyone on the way; write https:// (http:// is for loopback addresses only)"
                );
                return Err(bad_options(&text));
            }
            _ => return Err(bad_options(&format!("'{server}' is not an https:// URL"))),
        }
        if !matches!(base.path(), "" | "/") || base.query().is_some() || base.fragment().is_some() {
            return Err(bad_options(&format!("'{server}': only scheme, host and port belong here")));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad_options("the server's URL must not hold a user name or password"));
        }
        let below = |path: &str| base.join(path).map_err(|error| bad_options(&format!("'{server}': {error}")));
        Ok(Hosts {
            api: below("/2.0")?,
            upload: below("/api/2.0")?,
            token: below("/oauth2/token")?,
            revoke: below("/oauth2/revoke")?,
            authorize: below("/api/oauth2/authorize")?,
            reach: Reach::Server { scheme: base.scheme().to_owned(), host },
        })
    }

    /// Whether everything is on this machine, so that no proxy stands between.
    pub(super) fn is_local(&self) -> bool {
        is_loopback(&self.api)
    }
}

impl Reach {
    /// Whether the bearer token may be sent to `url`.
    pub(super) fn allows(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        match self {
            Reach::Box => url.scheme() == "https" && (host == "box.com" || host.ends_with(".box.com")),
            Reach::Server { scheme, host: server } => {
                is_loopback(url) || (url.scheme() == scheme && host == server && scheme == "https")
            }
        }
    }
}

/// A loopback address or `localhost`, over http or https.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    matches!(url.scheme(), "http" | "https")
        && (host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// Box's hosts from an answer are followed as they are, but never to plain http on another machine.
pub(super) fn content_url(call: &'static str, text: &str) -> Result<Url, ApiError> {
    let url = Url::parse(text)
        .map_err(|error| ApiError::new(call, Meaning::BadAnswer, format!("an address in the answer: {error}")))?;
    if url.scheme() == "https" || is_loopback(&url) {
        return Ok(url);
    }
    Err(ApiError::new(call, Meaning::BadAnswer, "an address in the answer is not https"))
}

fn parse(text: &str) -> Result<Url, ApiError> {
    Url::parse(text).map_err(|error| bad_options(&format!("'{text}' is not a URL: {error}")))
}

pub(super) fn bad_options(text: &str) -> ApiError {
    ApiError::new("options", Meaning::BadOptions, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_token_goes_to_https_hosts_under_box_com_only() {
        let reach = Hosts::new(None).unwrap().reach;
        for good in ["https://api.box.com/2.0", "https://upload-las.app.box.com/x", "https://box.com/"] {
            assert!(reach.allows(&url(good)), "{good}");
        }
        for bad in [
            "http://api.box.com/2.0",
            "https://dl.boxcloud.com/d/1/x",
            "https://notbox.com/",
            "https://box.com.evil.example/",
            "http://127.0.0.1:1/",
            "https://2.realtime.services.box.net/subscribe",
        ] {
            assert!(!reach.allows(&url(bad)), "{bad}");
        }
    }

    #[test]
    fn with_a_server_the_token_goes_there_and_to_loopback() {
        let reach = Hosts::new(Some("https://box.example:8443")).unwrap().reach;
        assert!(reach.allows(&url("https://box.example:9000/x")));
        assert!(reach.allows(&url("http://127.0.0.1:5/x")));
        assert!(reach.allows(&url("http://[::1]:5/x")));
        assert!(!reach.allows(&url("http://box.example/x")));
        assert!(!reach.allows(&url("https://api.box.com/2.0")));
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:2", "https://box.example"] {
            assert!(Hosts::new(Some(good)).is_ok(), "{good}");
        }
        for bad in ["http://box.example", "ftp://127.0.0.1", "nonsense", "https://box.example/2.0", "https://u:p@h"] {
            let error = Hosts::new(Some(bad)).unwrap_err();
            assert_eq!(error.meaning, Meaning::BadOptions, "{bad}");
        }
    }

    #[test]
    fn a_server_has_all_services_below_it() {
        let hosts = Hosts::new(Some("http://127.0.0.1:8080")).unwrap();
        assert_eq!(hosts.api.as_str(), "http://127.0.0.1:8080/2.0");
        assert_eq!(hosts.upload.as_str(), "http://127.0.0.1:8080/api/2.0");
        assert_eq!(hosts.token.as_str(), "http://127.0.0.1:8080/oauth2/token");
        assert!(hosts.is_local());
    }
}

//! Which server stands for Box.

use std::fmt;
use std::net::IpAddr;

/// All of Box at one place (`--server`): scheme, host and port, nothing after them.
///
/// API under `/2.0`, uploads under `/api/2.0`, tokens at `/oauth2/token`, authorization at `/api/oauth2/authorize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: String,
}

impl Server {
    /// Reads `https://HOST[:PORT]`, or `http://` where the host is this machine.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Server, String> {
        let url = reqwest::Url::parse(text)
            .map_err(|e| format!("'{text}' is not a URL ({e}): write https://HOST or http://127.0.0.1:PORT"))?;
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => {
                return Err(format!(
                    "plain http is accepted for this machine only (127.0.0.1, ::1, localhost): write https://{host}"
                ));
            }
            other => return Err(format!("'{other}' is not a scheme boxfs speaks: write https://{host}")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name or password has no place in the server's URL".to_owned());
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("write scheme, host and port only, with nothing after them".to_owned());
        }
        Ok(Server { url: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// Without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_reaches_this_machine_only() {
        for good in ["http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:9/", "https://box.example.org"] {
            assert!(Server::parse(good).is_ok(), "{good}");
        }
        for bad in ["http://10.0.0.1:80", "http://box.com", "http://127.0.0.1.evil.org", "http://0.0.0.0:1"] {
            assert!(Server::parse(bad).unwrap_err().contains("this machine only"), "{bad}");
        }
    }

    #[test]
    fn a_server_is_scheme_host_and_port() {
        assert_eq!(Server::parse("http://127.0.0.1:8080/").unwrap().url(), "http://127.0.0.1:8080");
        for bad in ["", "box.com", "ftp://box.com", "https://u:p@box.com", "https://box.com/2.0", "https://b.com/?q"] {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }
}

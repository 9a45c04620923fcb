//! The token endpoint: every way to tokens, and their end (API.md section 2). Each answer is a value; who keeps it is the
//! caller's affair.

use super::call::{Call, Request};
use super::client::{ClientOptions, Wire, read_whole};
use super::error::Target;
use super::jwt;
use super::limits::Class;
use super::meaning::{ApiError, Meaning};
use super::retry::{Repeat, Step, Tries};
use super::sign_in::{App, AppKey, Grant, Subject, Tokens};
use crate::base::{Secret, Timestamp, failpoint, pause};
use reqwest::{Method, Url};
use serde::Deserialize;
use std::time::Duration;

/// The life of a token whose answer does not say (API.md 1.8: 60 min).
const DEFAULT_LIFE_SECS: u64 = 3600;
/// Assertions that are made anew for one sign-in: the first learns Box's time, the second has it.
const MAX_ASSERTIONS: u32 = 5;

pub(super) const REFRESH: Call = asking("refresh_token");
const BY_CODE: Call = asking("authorization_code");
const ASSERT: Call = asking("jwt_assertion");
const BY_SECRET: Call = asking("client_credentials");
const REVOKE: Call = Call::read("revoke_token", "/oauth2/revoke").class(Class::Free).target(Target::Tokens);

/// The answer may have been lost after Box spent what was sent; asking again can only tell.
const fn asking(name: &'static str) -> Call {
    Call::read(name, "/oauth2/token").class(Class::Free).repeat(Repeat::Always).target(Target::Tokens)
}

/// Signing in and out, for those who have no tokens yet.
#[derive(Clone)]
pub struct SignInClient {
    wire: Wire,
}

impl SignInClient {
    /// # Errors
    /// `BadOptions`: the server's URL, the proxy or the CA file is unusable.
    pub fn new(options: &ClientOptions) -> Result<SignInClient, ApiError> {
        Ok(SignInClient { wire: Wire::new(options)? })
    }

    /// Where a person's browser goes; it comes back to `redirect` with a code and `state`.
    pub fn authorize_url(&self, client_id: &str, redirect: &str, state: &str) -> Url {
        let mut url = self.wire.hosts.authorize.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("state", state);
        url
    }

    /// Trades the code of a finished sign-in page, which lives for half a minute.
    pub async fn by_code(&self, app: &App, code: &Secret, redirect: &str) -> Result<Tokens, ApiError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.reveal()),
            ("redirect_uri", redirect),
            ("client_id", &app.client_id),
            ("client_secret", app.client_secret.reveal()),
        ];
        ask(&self.wire, &BY_CODE, &form).await
    }

    /// Tokens for an application, which needs no person.
    ///
    /// # Errors
    /// `SignInNeeded` too for the grants that need one.
    pub async fn for_application(&self, grant: &Grant) -> Result<Tokens, ApiError> {
        for_application(&self.wire, grant).await
    }

    /// Ends a token and the other of its pair.
    pub async fn revoke(&self, app: &App, token: &Secret) -> Result<(), ApiError> {
        let request = Request::new(Method::POST, self.wire.hosts.revoke.clone()).without_token().form(&[
            ("client_id", &app.client_id),
            ("client_secret", app.client_secret.reveal()),
            ("token", token.reveal()),
        ]);
        send(&self.wire, &REVOKE, &request).await.map(drop)
    }

    /// By how many seconds Box's clock is ahead of this machine's, once Box has answered anything.
    pub fn clock_ahead_secs(&self) -> Option<i64> {
        self.wire.clock_ahead_secs()
    }
}

/// As [`SignInClient::for_application`].
pub(super) async fn for_application(wire: &Wire, grant: &Grant) -> Result<Tokens, ApiError> {
    match grant {
        Grant::Jwt { app, key, subject } => by_assertion(wire, app, key, subject).await,
        Grant::ClientCredentials { app, subject } => {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", app.client_id.as_str()),
                ("client_secret", app.client_secret.reveal()),
                ("box_subject_type", subject.kind()),
                ("box_subject_id", subject.id()),
            ];
            ask(wire, &BY_SECRET, &form).await
        }
        Grant::OAuth { .. } | Grant::DeveloperToken => {
            Err(ApiError::new(REFRESH.name, Meaning::SignInNeeded, "only a person can sign in again"))
        }
    }
}

/// Spends a refresh token.
pub(super) async fn refresh(wire: &Wire, app: &App, refresh: &Secret) -> Result<Tokens, ApiError> {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.reveal()),
        ("client_id", &app.client_id),
        ("client_secret", app.client_secret.reveal()),
    ];
    failpoint("refresh.leaving");
    let tokens = ask(wire, &REFRESH, &form).await;
    failpoint("refresh.answered");
    tokens
}

/// A clock that is off is healed by Box's: each answer tells its time, also the one that refuses.
async fn by_assertion(wire: &Wire, app: &App, key: &AppKey, subject: &Subject) -> Result<Tokens, ApiError> {
    let audience = wire.hosts.token.as_str();
    let mut tries = 0;
    loop {
        tries += 1;
        let assertion = jwt::assertion(app, key, subject, audience, wire.now_at_box())
            .map_err(|error| ApiError::new(ASSERT.name, Meaning::SignInNeeded, error.to_string()))?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.reveal()),
            ("client_id", &app.client_id),
            ("client_secret", app.client_secret.reveal()),
        ];
        match ask(wire, &ASSERT, &form).await {
            Err(error) if tries < MAX_ASSERTIONS && blames_time(&error) => log::debug!("another assertion: {error}"),
            done => return done,
        }
    }
}

/// Whether another assertion, made by Box's time, may be taken.
fn blames_time(error: &ApiError) -> bool {
    let words = ["exp", "jti", "iat", "nbf"];
    error.code.as_deref() == Some("invalid_grant")
        && error.message.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word))
}

async fn ask(wire: &Wire, call: &Call, form: &[(&str, &str)]) -> Result<Tokens, ApiError> {
    let request = Request::new(Method::POST, wire.hosts.token.clone()).without_token().form(form);
    let asked_at = Timestamp::now();
    let answer = send(wire, call, &request).await?;
    // A parser's message could quote a token.
    let answer: TokenAnswer =
        answer.json().map_err(|_| ApiError::new(call.name, Meaning::BadAnswer, "the answer holds no token"))?;
    let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE_SECS));
    Ok(Tokens {
        access: Secret::new(answer.access_token),
        expires_at: asked_at.after(life).secs,
        refresh: answer.refresh_token.map(Secret::new),
        spent: None,
    })
}

async fn send(wire: &Wire, call: &Call, request: &Request) -> Result<super::client::Answer, ApiError> {
    let mut tries = Tries::default();
    loop {
        let answer = match wire.try_once(call, request, Vec::new()).await {
            Ok((outcome, response)) => read_whole(call, outcome, response).await,
            Err(error) => Err(error),
        };
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        tries.failed += 1;
        match wire.step(call, &error, tries) {
            Step::Again { after } => pause(after).await,
            Step::AgainWithFreshToken | Step::GiveUp => return Err(error),
        }
    }
}

/// Box's answer at the token endpoint (API.md 2.1).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_assertion_helps_only_against_a_wrong_clock_or_a_used_one() {
        let told = |code: &str, text: &str| {
            blames_time(&ApiError {
                code: Some(code.into()),
                ..ApiError::new("jwt_assertion", Meaning::SignInNeeded, text)
            })
        };
        assert!(told("invalid_grant", "Please check the 'exp' claim."));
        assert!(told("invalid_grant", "A unique 'jti' value is required."));
        assert!(!told("invalid_grant", "Please check the 'sub' claim, explicitly."));
        assert!(!told("invalid_client", "exp"));
    }
}

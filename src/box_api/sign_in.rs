//! A sign-in as it is kept: by which way Box is asked for tokens, whose it is, and the tokens of the moment. Plain values;
//! nothing here talks to Box or touches a disk.

use crate::base::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A token this near to its end is renewed first, so that none expires on its way.
const EARLY: Duration = Duration::from_secs(5 * 60);

/// One person's, or one application's, sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    pub grant: Grant,
    /// The place that stands for Box; `None`: Box itself. The secrets of a sign-in go nowhere else.
    pub server: Option<String>,
    /// The user that calls are made as (API.md 2.6).
    pub as_user: Option<String>,
    /// Whose files these tokens open; a mount goes on with the same account only.
    pub account: Owner,
    pub tokens: Option<Tokens>,
    /// When somebody signed in, in seconds since 1970.
    pub since: i64,
}

/// The account behind a sign-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub id: String,
    pub login: String,
}

/// The way to tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Grant {
    /// A person in a browser; renewed by a refresh token that works once.
    OAuth { app: App },
    /// An application with a key pair.
    Jwt { app: App, key: AppKey, subject: Subject },
    /// An application with a secret.
    ClientCredentials { app: App, subject: Subject },
    /// A token from Box's developer console: an hour, and no other after it.
    DeveloperToken,
}

/// An application, as Box's developer console names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    pub client_id: String,
    #[serde(with = "kept")]
    pub client_secret: Secret,
}

/// The private half of an application's key pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppKey {
    /// Box's name of the public half.
    pub id: String,
    /// PEM, usually encrypted.
    #[serde(with = "kept")]
    pub pem: Secret,
    #[serde(with = "kept")]
    pub passphrase: Secret,
}

/// Whom an application signs in as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "lowercase")]
pub enum Subject {
    /// The service account of the enterprise.
    Enterprise(String),
    User(String),
}

/// What Box gave for the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    #[serde(with = "kept")]
    pub access: Secret,
    /// Seconds since 1970, by this machine's clock.
    pub expires_at: i64,
    #[serde(with = "kept_or_none", default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Secret>,
    /// The refresh token that brought this one: good for another try as long as Box has not seen `access` in use.
    #[serde(with = "kept_or_none", default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Secret>,
}

impl Grant {
    /// How a person calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Grant::OAuth { .. } => "browser (OAuth 2.0)",
            Grant::Jwt { .. } => "application key (JWT)",
            Grant::ClientCredentials { .. } => "client credentials",
            Grant::DeveloperToken => "developer token",
        }
    }

    pub fn app(&self) -> Option<&App> {
        match self {
            Grant::OAuth { app } | Grant::Jwt { app, .. } | Grant::ClientCredentials { app, .. } => Some(app),
            Grant::DeveloperToken => None,
        }
    }
}

impl Subject {
    /// Box's word for the kind, in assertions and forms.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Subject::Enterprise(_) => "enterprise",
            Subject::User(_) => "user",
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Subject::Enterprise(id) | Subject::User(id) => id,
        }
    }
}

impl Tokens {
    /// Whether the access token outlasts a call that begins now.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires_at > now.after(EARLY).secs
    }
}

/// A secret in the one place where it may be written: the store of sign-ins.
mod kept {
    use crate::base::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.reveal())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}

mod kept_or_none {
    use crate::base::Secret;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::reveal).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(expires_at: i64) -> Tokens {
        Tokens { access: Secret::new("acc"), expires_at, refresh: Some(Secret::new("ref")), spent: None }
    }

    #[test]
    fn a_token_counts_as_stale_five_minutes_early() {
        let now = Timestamp::new(1000, 0);
        assert!(!tokens(1300).is_fresh(now));
        assert!(tokens(1301).is_fresh(now));
    }

    #[test]
    fn a_sign_in_survives_its_text_and_never_shows_its_secrets() {
        let app = App { client_id: "id".to_owned(), client_secret: Secret::new("hunter2") };
        let key = AppKey { id: "k".to_owned(), pem: Secret::new("pem"), passphrase: Secret::new("pass") };
        for grant in [
            Grant::OAuth { app: app.clone() },
            Grant::Jwt { app: app.clone(), key, subject: Subject::User("7".to_owned()) },
            Grant::ClientCredentials { app, subject: Subject::Enterprise("9".to_owned()) },
            Grant::DeveloperToken,
        ] {
            let account = Owner { id: "1".to_owned(), login: "ada@example.org".to_owned() };
            let sign_in = SignIn { grant, server: None, as_user: None, account, tokens: Some(tokens(5)), since: 1 };
            let text = serde_json::to_string(&sign_in).unwrap();
            assert_eq!(serde_json::from_str::<SignIn>(&text).unwrap(), sign_in);
            let shown = format!("{sign_in:?}");
            assert!(!["hunter2", "\"acc\"", "\"ref\"", "\"pem\""].iter().any(|s| shown.contains(s)), "{shown}");
        }
    }
}

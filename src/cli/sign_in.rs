//! With which sign-in a command or a daemon speaks to Box: a ready token from the environment, else the profile's own.

use crate::base::Secret;
use crate::box_api::{self, ApiError, BoxClient, ClientOptions, SignIn, SignInStore, StoredSignIn, TokenSource};
use crate::config::{ApiLimits, Settings, Surroundings};

use super::exit::Failure;

/// A sign-in that can be used now.
pub(super) struct Session {
    source: TokenSource,
    /// What is stored, as it was when the session was opened; `None` with a token from the environment.
    pub stored: Option<SignIn>,
}

impl Session {
    /// # Errors
    /// Nobody is signed in, or the sign-in is for another place.
    pub(super) fn open(settings: &Settings, around: &Surroundings) -> Result<Session, Failure> {
        if let Some(token) = around.token() {
            return Ok(Session { source: TokenSource::Fixed(token.clone()), stored: None });
        }
        let store = store(settings);
        let stored = store.load().map_err(|error| Failure::sign_in(error.to_string()))?;
        let Some(sign_in) = stored else {
            return Err(Failure::sign_in(format!(
                "no sign-in: run '{}', or set BOXFS_TOKEN to an access token of Box",
                login_command(settings)
            )));
        };
        let server = server_url(settings);
        if sign_in.server != server {
            let made_at = sign_in.server.as_deref().unwrap_or("Box itself");
            return Err(Failure::sign_in(format!(
                "the stored sign-in is for {made_at}: run '{}', or choose another --profile",
                login_command(settings)
            )));
        }
        let account = Some(sign_in.account.id.clone()).filter(|id| !id.is_empty());
        let source = TokenSource::Stored(StoredSignIn { store, server, account });
        Ok(Session { source, stored: Some(sign_in) })
    }

    pub(super) fn client(&self, settings: &Settings) -> Result<BoxClient, ApiError> {
        let as_user = self.stored.as_ref().and_then(|sign_in| sign_in.as_user.clone());
        BoxClient::new(ClientOptions { as_user, ..client_options(settings) }, self.source.clone())
    }

    /// What to do when Box does not take it.
    pub(super) fn way_back(&self, settings: &Settings) -> String {
        match self.source {
            TokenSource::Fixed(_) => {
                "set BOXFS_TOKEN to a valid access token, or run 'boxfs login' without it".to_owned()
            }
            TokenSource::Stored(_) => format!("run '{}'", login_command(settings)),
        }
    }
}

/// How Box is reached, whoever asks.
pub(super) fn client_options(settings: &Settings) -> ClientOptions {
    ClientOptions {
        server: server_url(settings),
        ca_file: settings.ca_file.clone(),
        proxy: settings.proxy.clone(),
        as_user: None,
        limits: match settings.api_limits {
            ApiLimits::Box => box_api::ApiLimits::Box,
            ApiLimits::Off => box_api::ApiLimits::Off,
            ApiLimits::PerMinute(n) => box_api::ApiLimits::PerMinute(n),
        },
        user_agent: String::new(),
        upload_limit: settings.upload_limit_bytes_per_s,
        download_limit: settings.download_limit_bytes_per_s,
    }
}

/// A client with a token that is not stored yet.
pub(super) fn client_with(settings: &Settings, token: Secret, as_user: Option<String>) -> Result<BoxClient, ApiError> {
    BoxClient::new(ClientOptions { as_user, ..client_options(settings) }, TokenSource::Fixed(token))
}

pub(super) fn store(settings: &Settings) -> SignInStore {
    SignInStore::at(&settings.sign_in_file)
}

pub(super) fn server_url(settings: &Settings) -> Option<String> {
    settings.server.as_ref().map(|server| server.url().to_owned())
}

/// As a person has to type it for this profile.
pub(super) fn login_command(settings: &Settings) -> String {
    let mut command = "boxfs login".to_owned();
    if settings.profile != "default" {
        command.push_str(&format!(" --profile {}", settings.profile));
    }
    command
}

/// Calls of Box from a command, which has nothing else to do meanwhile.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("cannot start: {e}")))
}

/// What a failed call means to the person who waits for it.
pub(super) fn told(error: &ApiError, settings: &Settings) -> Failure {
    match error.meaning {
        box_api::Meaning::SignInNeeded => {
            Failure::sign_in(format!("Box does not accept the sign-in ({error}): run '{}'", login_command(settings)))
        }
        _ => Failure::new(error.to_string()),
    }
}

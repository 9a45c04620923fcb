//! With which sign-in a command or a daemon speaks to Box: a ready token from the environment, else the profile's own.

use crate::base::Secret;
use crate::box_api::{
    self, ApiError, BoxClient, ClientOptions, SignIn, SignInStore, StoredSignIn, TokenSource, new_seal_key,
};
use crate::config::{ApiLimits, Settings, Surroundings};
use crate::desktop::{Keyring, KeyringError};

use super::exit::Failure;

/// The name under which the key of a sealed sign-in travels to a daemon, among the secrets of its command's environment.
const SEAL_KEY: &str = "sign-in-key";

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
        let store = sign_in_store(settings, around)?;
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

    /// What a daemon needs that it cannot get itself: there may be no desktop around it.
    pub(super) fn hand_over(&self, around: &mut Surroundings) {
        if let TokenSource::Stored(source) = &self.source
            && let Some(key) = source.store.key()
        {
            around.secrets.insert(SEAL_KEY.to_owned(), key.clone());
        }
    }

    /// What is stored by now.
    pub(super) fn reload(&self) -> Option<SignIn> {
        match &self.source {
            TokenSource::Fixed(_) => None,
            TokenSource::Stored(source) => source.store.load().ok().flatten(),
        }
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

/// The profile's sign-in, with the key that opens it if it is sealed: from the command that started this daemon, else from the
/// desktop's keyring.
pub(super) fn sign_in_store(settings: &Settings, around: &Surroundings) -> Result<SignInStore, Failure> {
    let store = SignInStore::at(&settings.sign_in_file);
    if !store.is_sealed() {
        return Ok(store);
    }
    let key = match around.secrets.get(SEAL_KEY) {
        Some(key) => Some(key.clone()),
        None => {
            runtime()?.block_on(async { Keyring::open().await?.key(&settings.profile).await }).unwrap_or_else(|error| {
                log::debug!("the keyring: {error}");
                None
            })
        }
    };
    Ok(store.with_key(key))
}

/// Where a sign-in that is about to be made will be kept. One that replaces another keeps its form, so that daemons go on with it.
pub(super) fn store_for_login(settings: &Settings, around: &Surroundings) -> Result<SignInStore, Failure> {
    let store = sign_in_store(settings, around)?;
    if !settings.keyring || (settings.sign_in_file.exists() && !store.is_sealed()) {
        return Ok(SignInStore::at(&settings.sign_in_file));
    }
    let key = runtime()?.block_on(async {
        let keyring = Keyring::open().await?;
        if let Some(key) = keyring.key(&settings.profile).await? {
            return Ok(key);
        }
        let key = new_seal_key();
        keyring.keep(&settings.profile, &key).await?;
        Ok::<Secret, KeyringError>(key)
    });
    // Without a keyring the file alone has to do: for its owner's eyes.
    let key = key.map_err(|error| log::debug!("the keyring: {error}")).ok();
    Ok(SignInStore::at(&settings.sign_in_file).with_key(key))
}

/// Takes the profile's key out of the keyring, if one is there.
pub(super) fn forget_key(settings: &Settings) -> Result<(), Failure> {
    let forgotten = runtime()?.block_on(async { Keyring::open().await?.forget(&settings.profile).await });
    if let Err(error) = forgotten {
        log::debug!("the keyring: {error}");
    }
    Ok(())
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

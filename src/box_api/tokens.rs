//! The access token: kept, refreshed once for all who wait, and stored before it is used.
//!
//! A refresh token works once (API.md 2.2). So the refresh runs in a task of its own, which a caller that gives up cannot cut
//! off between Box's answer and the disk; it holds a file lock, under which the store is read again first, so that two
//! processes never spend one refresh token twice.

use super::call::{Call, Request};
use super::client::{Wire, read_whole};
use super::error::Target;
use super::limits::Class;
use super::meaning::{ApiError, Meaning};
use super::retry::{Repeat, Step, Tries};
use crate::base::{Secret, Timestamp, write_file_durably};
use nix::fcntl::{Flock, FlockArg};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;

/// Where access tokens come from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// A ready access token, such as a developer token: when Box refuses it, only the user has another.
    Fixed(Secret),
    /// A login whose tokens are in a file.
    Refreshing(StoredLogin),
}

/// A user's login through an application (OAuth 2).
#[derive(Debug, Clone)]
pub struct StoredLogin {
    pub client_id: String,
    pub client_secret: Secret,
    /// File with a [`TokenPair`]; a lock file stands beside it.
    pub store: PathBuf,
}

/// What a token store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    pub access: Secret,
    pub refresh: Secret,
    pub expires_at: Timestamp,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
struct StoredPair {
    access_token: String,
    refresh_token: String,
    /// Seconds since 1970.
    expires_at: i64,
}

impl TokenPair {
    /// # Errors
    /// What reading reports; `InvalidData` if the file is no token store.
    pub fn load(path: &Path) -> io::Result<TokenPair> {
        let stored: StoredPair = serde_json::from_slice(&std::fs::read(path)?)
            // The error's text could quote the file.
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a token store"))?;
        Ok(TokenPair {
            access: Secret::new(stored.access_token),
            refresh: Secret::new(stored.refresh_token),
            expires_at: Timestamp::new(stored.expires_at, 0),
        })
    }

    /// Replaces the file durably, readable by its owner only.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let stored = StoredPair {
            access_token: self.access.reveal().to_owned(),
            refresh_token: self.refresh.reveal().to_owned(),
            expires_at: self.expires_at.secs,
        };
        write_file_durably(path, &serde_json::to_vec(&stored)?, 0o600)
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires_at > now.after(EARLY)
    }
}

/// A token this near to its end is refreshed first, so that none expires on its way.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// The life of a token whose answer does not say (API.md 1.8: 60 min).
const DEFAULT_LIFE_SECS: u64 = 3600;

const REFRESH: Call = Call::read("refresh_token", "/oauth2/token")
    .class(Class::Free)
    // The answer may have been lost after Box spent the token; asking again can only tell.
    .repeat(Repeat::Always)
    .target(Target::Tokens);

/// The tokens of one client.
pub(super) struct Tokens {
    state: Arc<State>,
}

struct State {
    source: TokenSource,
    wire: Wire,
    /// Held for moments.
    current: Mutex<Option<TokenPair>>,
    /// A pair that Box gave and the disk refused: stored before anything else is tried. Held by the one refresh that runs,
    /// across its network call: that is its purpose.
    unsaved: Arc<AsyncMutex<Option<TokenPair>>>,
}

impl Tokens {
    pub(super) fn new(source: TokenSource, wire: Wire) -> Tokens {
        Tokens { state: Arc::new(State { source, wire, current: Mutex::new(None), unsaved: Arc::default() }) }
    }

    /// Whether another token can be had without the user.
    pub(super) fn can_renew(&self) -> bool {
        match &self.state.source {
            TokenSource::Fixed(_) => false,
            TokenSource::Refreshing(_) => true,
        }
    }

    /// The token for a call; refreshed first if it is about to expire.
    pub(super) async fn bearer(&self) -> Result<Secret, ApiError> {
        if let TokenSource::Fixed(token) = &self.state.source {
            return Ok(token.clone());
        }
        let fresh = self.state.current().as_ref().filter(|pair| pair.is_fresh(Timestamp::now())).cloned();
        match fresh {
            Some(pair) => Ok(pair.access),
            None => self.renew(None).await,
        }
    }

    /// A token other than `refused`, which Box no longer takes.
    ///
    /// # Errors
    /// `SignInNeeded` if Box refuses the refresh token, or there is none.
    pub(super) async fn renew(&self, refused: Option<&Secret>) -> Result<Secret, ApiError> {
        let state = Arc::clone(&self.state);
        let refused = refused.cloned();
        let task = tokio::spawn(async move { state.renew(refused.as_ref()).await });
        task.await.map_err(|error| ApiError::new(REFRESH.name, Meaning::OutcomeUnknown, error.to_string()))?
    }
}

impl State {
    fn current(&self) -> MutexGuard<'_, Option<TokenPair>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn renew(&self, refused: Option<&Secret>) -> Result<Secret, ApiError> {
        let TokenSource::Refreshing(login) = &self.source else {
            return Err(sign_in("the token was refused, and it cannot be refreshed"));
        };
        let mut unsaved = self.unsaved.lock().await;
        let usable = |pair: &TokenPair| pair.is_fresh(Timestamp::now()) && Some(&pair.access) != refused;
        // Somebody else refreshed while this one waited.
        if let Some(pair) = self.current().as_ref().filter(|pair| usable(pair)) {
            return Ok(pair.access.clone());
        }
        let locked = Locked::open(login.store.clone()).await?;
        let stored = match unsaved.take() {
            Some(pair) => self.keep(&locked, pair, &mut unsaved).await?,
            None => locked.load().await?,
        };
        let pair = if usable(&stored) {
            stored
        } else {
            let pair = self.refresh(login, &stored.refresh).await?;
            self.keep(&locked, pair, &mut unsaved).await?
        };
        *self.current() = Some(pair.clone());
        Ok(pair.access)
    }

    /// Stores `pair`, or holds it until the disk takes it.
    async fn keep(
        &self,
        locked: &Locked,
        pair: TokenPair,
        unsaved: &mut Option<TokenPair>,
    ) -> Result<TokenPair, ApiError> {
        match locked.save(pair.clone()).await {
            Ok(()) => Ok(pair),
            Err(error) => {
                *unsaved = Some(pair);
                Err(error)
            }
        }
    }

    async fn refresh(&self, login: &StoredLogin, refresh: &Secret) -> Result<TokenPair, ApiError> {
        let request = Request::new(Method::POST, self.wire.hosts.token.clone()).without_token().form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.reveal()),
            ("client_id", &login.client_id),
            ("client_secret", login.client_secret.reveal()),
        ]);
        let asked_at = Timestamp::now();
        let answer = self.ask(&request).await?;
        Ok(TokenPair {
            access: Secret::new(answer.access_token),
            refresh: answer.refresh_token.map_or_else(|| refresh.clone(), Secret::new),
            expires_at: asked_at.after(Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE_SECS))),
        })
    }

    async fn ask(&self, request: &Request) -> Result<TokenAnswer, ApiError> {
        let mut tries = Tries::default();
        loop {
            let answer = match self.wire.try_once(&REFRESH, request, Vec::new()).await {
                Ok((outcome, response)) => read_whole(&REFRESH, outcome, response).await,
                Err(error) => Err(error),
            };
            let error = match answer {
                // A parser's message could quote a token.
                Ok(answer) => {
                    return answer
                        .json()
                        .map_err(|_| ApiError::new(REFRESH.name, Meaning::BadAnswer, "the answer holds no token"));
                }
                Err(error) => error,
            };
            tries.failed += 1;
            match self.wire.step(&REFRESH, &error, tries) {
                Step::Again { after } => tokio::time::sleep(after).await,
                Step::AgainWithFreshToken | Step::GiveUp => return Err(error),
            }
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

/// The token store, locked against other processes.
struct Locked {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Locked {
    async fn open(path: PathBuf) -> Result<Locked, ApiError> {
        blocking(move || {
            let mut lock_path = path.clone().into_os_string();
            lock_path.push(".lock");
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock_path)?;
            let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
            Ok(Locked { path, _lock: lock })
        })
        .await
        .map_err(store_error)
    }

    async fn load(&self) -> Result<TokenPair, ApiError> {
        let path = self.path.clone();
        blocking(move || TokenPair::load(&path)).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => sign_in("no login is stored"),
            io::ErrorKind::InvalidData => sign_in("the stored login is damaged"),
            _ => store_error(error),
        })
    }

    async fn save(&self, pair: TokenPair) -> Result<(), ApiError> {
        let path = self.path.clone();
        blocking(move || pair.save(&path)).await.map_err(store_error)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn sign_in(text: &str) -> ApiError {
    ApiError::new(REFRESH.name, Meaning::SignInNeeded, text)
}

fn store_error(error: io::Error) -> ApiError {
    ApiError::new(REFRESH.name, Meaning::LocalFile, format!("the token store: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(expires_at: Timestamp) -> TokenPair {
        TokenPair { access: Secret::new("A"), refresh: Secret::new("R"), expires_at }
    }

    #[test]
    fn a_pair_survives_its_file_and_never_shows_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let pair = pair(Timestamp::new(1_700_000_000, 0));
        pair.save(&path).unwrap();
        assert_eq!(TokenPair::load(&path).unwrap(), pair);
        let shown = format!("{pair:?}");
        assert!(!shown.contains('A') && !shown.contains("\"R\""), "{shown}");
    }

    #[test]
    fn a_damaged_store_is_an_error_that_quotes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, r#"{"access_token":"hunter2"}"#).unwrap();
        let error = TokenPair::load(&path).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_token_counts_as_stale_five_minutes_early() {
        let now = Timestamp::new(1000, 0);
        assert!(!pair(Timestamp::new(1300, 0)).is_fresh(now));
        assert!(pair(Timestamp::new(1301, 0)).is_fresh(now));
    }
}

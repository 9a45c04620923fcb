//! The access token of a client: kept in memory, renewed once for all who wait, and stored before it is used.
//!
//! A refresh token works once, and Box forgets it for good when the access token that it brought is used for the first time.
//! So the renewal runs in a task of its own, which a caller that gives up cannot cut off between Box's answer and the disk;
//! it holds a lock that all processes respect, under which the store is read again first; and the spent refresh token stays
//! beside the one that it brought.

use super::client::Wire;
use super::grants::{self, REFRESH};
use super::meaning::{ApiError, Meaning};
use super::sign_in::{App, Grant, SignIn, Tokens as Pair};
use super::sign_in_store::{LockedSignIn, SignInStore, StoreError};
use crate::base::{Secret, Timestamp, failpoint};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Mutex as AsyncMutex;

/// Where access tokens come from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// A ready access token: when Box refuses it, only the user has another.
    Fixed(Secret),
    /// A sign-in that is kept on disk.
    Stored(StoredSignIn),
}

/// A sign-in on disk, and whose it has to be.
#[derive(Debug, Clone)]
pub struct StoredSignIn {
    pub store: SignInStore,
    /// The place that stands for Box, as in [`SignIn::server`].
    pub server: Option<String>,
    /// The account's id: a sign-in of another account is not used. `None`: whoever it is.
    pub account: Option<String>,
}

/// The tokens of one client.
pub(super) struct Tokens {
    state: Arc<State>,
}

struct State {
    source: TokenSource,
    wire: Wire,
    /// Held for moments.
    current: Mutex<Option<Pair>>,
    /// A sign-in whose tokens Box gave and the disk refused: stored before anything else is tried. Held by the one renewal
    /// that runs, across its network call: that is its purpose.
    unsaved: Arc<AsyncMutex<Option<SignIn>>>,
}

impl Tokens {
    pub(super) fn new(source: TokenSource, wire: Wire) -> Tokens {
        Tokens { state: Arc::new(State { source, wire, current: Mutex::new(None), unsaved: Arc::default() }) }
    }

    /// Whether another token can be had without asking the user at once.
    pub(super) fn can_renew(&self) -> bool {
        match &self.state.source {
            TokenSource::Fixed(_) => false,
            TokenSource::Stored(_) => true,
        }
    }

    /// The token for a call; renewed first if it is about to expire.
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
    /// `SignInNeeded` if Box refuses what the sign-in has, or there is no sign-in; never one that leaves open whether the
    /// call that wanted the token was carried out.
    pub(super) async fn renew(&self, refused: Option<&Secret>) -> Result<Secret, ApiError> {
        let state = Arc::clone(&self.state);
        let refused = refused.cloned();
        let task = tokio::spawn(async move { state.renew(refused.as_ref()).await });
        let renewed = task.await.unwrap_or_else(|e| Err(ApiError::new(REFRESH.name, Meaning::NotSent, e.to_string())));
        renewed.map_err(|error| match error.meaning {
            Meaning::OutcomeUnknown | Meaning::BadAnswer => ApiError { meaning: Meaning::NotSent, ..error },
            _ => error,
        })
    }
}

impl State {
    fn current(&self) -> MutexGuard<'_, Option<Pair>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn renew(&self, refused: Option<&Secret>) -> Result<Secret, ApiError> {
        let TokenSource::Stored(source) = &self.source else {
            return Err(sign_in_needed("the token was refused, and there is no other"));
        };
        let mut unsaved = self.unsaved.lock().await;
        let usable = |pair: &Pair| pair.is_fresh(Timestamp::now()) && Some(&pair.access) != refused;
        // Somebody else renewed while this one waited.
        if let Some(pair) = self.current().as_ref().filter(|pair| usable(pair)) {
            return Ok(pair.access.clone());
        }
        let locked = Arc::new(lock(source.store.clone()).await?);
        failpoint("refresh.locked");
        let mut sign_in = match unsaved.take() {
            Some(sign_in) => keep(&locked, sign_in, &mut unsaved).await?,
            None => load(&locked).await?,
        };
        check(source, &sign_in)?;
        let stored = sign_in.tokens.clone().filter(|pair| usable(pair));
        let pair = match stored {
            Some(pair) => pair,
            None => {
                let pair = self.ask(&sign_in).await?;
                sign_in.tokens = Some(pair.clone());
                keep(&locked, sign_in, &mut unsaved).await?;
                pair
            }
        };
        *self.current() = Some(pair.clone());
        Ok(pair.access)
    }

    /// Asks Box for other tokens.
    async fn ask(&self, sign_in: &SignIn) -> Result<Pair, ApiError> {
        match &sign_in.grant {
            Grant::OAuth { app } => self.refresh(app, sign_in.tokens.as_ref()).await,
            Grant::DeveloperToken => {
                Err(sign_in_needed("the developer token is over; the console has another, for 'boxfs login'"))
            }
            grant @ (Grant::Jwt { .. } | Grant::ClientCredentials { .. }) => {
                grants::for_application(&self.wire, grant).await
            }
        }
    }

    /// Spends the refresh token. The one before it is tried where Box does not know this one: its answer may never have
    /// been used.
    async fn refresh(&self, app: &App, tokens: Option<&Pair>) -> Result<Pair, ApiError> {
        let Some(current) = tokens.and_then(|pair| pair.refresh.as_ref()) else {
            return Err(sign_in_needed("the stored sign-in has no refresh token"));
        };
        let mut spent = current;
        let mut answer = grants::refresh(&self.wire, app, current).await;
        if let (Err(error), Some(before)) = (&answer, tokens.and_then(|pair| pair.spent.as_ref()))
            && error.meaning == Meaning::SignInNeeded
            && let Ok(pair) = grants::refresh(&self.wire, app, before).await
        {
            (spent, answer) = (before, Ok(pair));
        }
        answer.map(|pair| Pair {
            refresh: pair.refresh.or_else(|| Some(current.clone())),
            spent: Some(spent.clone()),
            ..pair
        })
    }
}

/// A sign-in goes to the place and for the account it was made for, and nowhere else.
fn check(source: &StoredSignIn, sign_in: &SignIn) -> Result<(), ApiError> {
    if source.server != sign_in.server {
        let made_at = sign_in.server.as_deref().unwrap_or("Box itself");
        return Err(sign_in_needed(&format!("the stored sign-in is for {made_at}")));
    }
    match &source.account {
        Some(account) if *account != sign_in.account.id => {
            let login = &sign_in.account.login;
            Err(sign_in_needed(&format!("the stored sign-in is that of {login}, another account than this mount's")))
        }
        _ => Ok(()),
    }
}

/// Stores `sign_in`, or holds it until the disk takes it.
async fn keep(locked: &Arc<LockedSignIn>, sign_in: SignIn, unsaved: &mut Option<SignIn>) -> Result<SignIn, ApiError> {
    let (work, copy) = (locked.clone(), sign_in.clone());
    match blocking(move || work.save(&copy)).await {
        Ok(()) => Ok(sign_in),
        Err(error) => {
            *unsaved = Some(sign_in);
            Err(error)
        }
    }
}

async fn lock(store: SignInStore) -> Result<LockedSignIn, ApiError> {
    blocking(move || store.lock()).await
}

async fn load(locked: &Arc<LockedSignIn>) -> Result<SignIn, ApiError> {
    let work = locked.clone();
    blocking(move || work.load()).await?.ok_or_else(|| sign_in_needed("nobody is signed in"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| ApiError::new(REFRESH.name, Meaning::NotSent, error.to_string()))?;
    done.map_err(|error| match error {
        StoreError::Damaged { .. }
        | StoreError::Sealed { .. }
        | StoreError::Exposed { .. }
        | StoreError::NotOurs { .. } => sign_in_needed(&error.to_string()),
        // Heals by itself, like a network that is gone.
        StoreError::Held { .. } | StoreError::Io { .. } => {
            ApiError::new(REFRESH.name, Meaning::NotSent, error.to_string())
        }
    })
}

fn sign_in_needed(text: &str) -> ApiError {
    ApiError::new(REFRESH.name, Meaning::SignInNeeded, text)
}

//! Access and refresh tokens: issuing, rotation, expiry, revocation.

use super::super::refusal::Refusal;
use super::Store;
use super::access::Who;
use super::model::*;

/// Refresh tokens live 60 days, or one use.
const REFRESH_SECS: i64 = 60 * 86_400;

/// A pair as the token endpoint answers it.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct Issued {
    pub(in crate::emulator) access: String,
    pub(in crate::emulator) refresh: Option<String>,
}

impl Store {
    /// An access token, with a refresh token where a client is given.
    pub(in crate::emulator) fn issue(&mut self, user: u64, client_id: Option<&str>) -> Issued {
        let refresh = client_id.map(|client| {
            let token = random_token();
            let row = Refresh { user, expires_at: self.now + REFRESH_SECS, client_id: client.to_owned() };
            self.refreshes.insert(token.clone(), row);
            token
        });
        let expires_at = Some(self.now + self.options.access_token_secs);
        let row = Access { user, expires_at, refresh: refresh.clone(), scopes: None, only: None, ends: None };
        let access = random_token();
        self.accesses.insert(access.clone(), row);
        Issued { access, refresh }
    }

    /// Trades a refresh token for a pair; the old one is dead at once, or as soon as the pair's access token is used.
    pub(in crate::emulator) fn refresh(&mut self, token: &str, client_id: &str) -> Result<Issued, Refusal> {
        let token = token.to_owned();
        let living = self.refreshes.get(&token).filter(|row| row.expires_at > self.now && row.client_id == client_id);
        let Some(user) = living.map(|row| row.user) else {
            return Err(Refusal::oauth(400, "invalid_grant", "Invalid refresh token"));
        };
        let issued = self.issue(user, Some(client_id));
        match self.accesses.get_mut(&issued.access) {
            Some(access) if self.options.refresh_token_until_use => access.ends = Some(token),
            _ => drop(self.refreshes.remove(&token)),
        }
        Ok(issued)
    }

    /// Whether the first use of an access token ends anything.
    pub(in crate::emulator) fn ends_something(&self, access: &str) -> bool {
        self.accesses.get(&access.to_owned()).is_some_and(|access| access.ends.is_some())
    }

    /// The first use of an access token: the refresh token that it came from dies, and every other pair from there.
    pub(in crate::emulator) fn first_use(&mut self, access: &str) {
        let access = access.to_owned();
        let Some(ended) = self.accesses.get_mut(&access).and_then(|access| access.ends.take()) else { return };
        let others: Vec<(String, Option<String>)> = self
            .accesses
            .rows()
            .iter()
            .filter(|(_, other)| other.ends.as_ref() == Some(&ended))
            .map(|(token, other)| (token.clone(), other.refresh.clone()))
            .collect();
        for (token, refresh) in others {
            self.accesses.remove(&token);
            refresh.map(|refresh| self.refreshes.remove(&refresh));
        }
        self.refreshes.remove(&ended);
    }

    /// Whom an access token stands for.
    pub(in crate::emulator) fn who_has(&self, token: &str) -> Result<Who, Refusal> {
        let Some(access) = self.accesses.get(&token.to_owned()) else {
            return Err(Refusal::unauthorized(Some(("invalid_token", "The access token provided is invalid."))));
        };
        if access.expires_at.is_some_and(|at| at <= self.now) {
            let text = "expired_token: The access token provided has expired.";
            return Err(Refusal::unauthorized(Some(("invalid_token", text))));
        }
        Ok(Who { user: access.user, scopes: access.scopes.clone(), only: access.only, link: None })
    }

    /// Kills a token of either kind and the other of its pair.
    pub(in crate::emulator) fn revoke(&mut self, token: &str) {
        let token = token.to_owned();
        let refresh = match self.accesses.get(&token) {
            Some(access) => access.refresh.clone(),
            None => Some(token.clone()),
        };
        refresh.as_ref().map(|refresh| self.refreshes.remove(refresh));
        let is_of_pair =
            |other: &String, access: &Access| *other == token || (refresh.is_some() && access.refresh == refresh);
        let pair: Vec<String> = self
            .accesses
            .rows()
            .iter()
            .filter(|(other, access)| is_of_pair(other, access))
            .map(|(other, _)| other.clone())
            .collect();
        for token in pair {
            // What the pair came from dies with it.
            let before = self.accesses.remove(&token).and_then(|access| access.ends);
            before.map(|before| self.refreshes.remove(&before));
        }
    }

    /// Makes an access token expire as of now.
    pub(in crate::emulator) fn expire(&mut self, token: &str) {
        let now = self.now;
        if let Some(access) = self.accesses.get_mut(&token.to_owned()) {
            access.expires_at = Some(now);
        }
    }
}

/// The last part of a shared link's URL: lower case, as Box's are.
pub(in crate::emulator) fn slug() -> String {
    random_token().to_lowercase()
}

/// 32 characters that nobody guesses, as Box's tokens have.
pub(in crate::emulator) fn random_token() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(32).collect()
}

//! Where a sign-in is kept: one file for its owner's eyes, replaced durably, changed under a lock that all processes respect.
//!
//! Knows nothing of Box. Reading needs no lock: a reader finds the old file or the new one, never a mixture.

use super::seal::{Sealed, seal, unseal};
use super::sign_in::SignIn;
use crate::base::{Secret, failpoint, write_file_durably};
use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A larger file is no sign-in: the largest has a key of 4096 bits in it.
const MAX_FILE_BYTES: u64 = 256 << 10;
/// A refresh with all its tries over a bad network ends within this; whoever holds the lock longer hangs.
const LOCK_LIMIT: Duration = Duration::from_secs(300);
/// How often a lock that somebody else holds is tried.
const LOCK_AGAIN: Duration = Duration::from_millis(20);

/// Why a stored sign-in cannot be used. Quotes nothing of the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} can be read by others: make it yours alone with 'chmod 600 {}'", path.display(), path.display())]
    Exposed { path: PathBuf },
    #[error("{} belongs to another user", path.display())]
    NotOurs { path: PathBuf },
    #[error("{} is damaged: sign in again with 'boxfs login'", path.display())]
    Damaged { path: PathBuf },
    #[error(
        "{} is sealed with a key of the desktop's keyring, which cannot be had here: unlock the keyring, or sign in again with 'boxfs login'",
        path.display()
    )]
    Sealed { path: PathBuf },
    #[error("another boxfs holds {} for {} s: it hangs", path.display(), LOCK_LIMIT.as_secs())]
    Held { path: PathBuf },
    #[error("cannot use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The place of one profile's sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInStore {
    path: PathBuf,
    /// Seals what is saved, and opens what is sealed.
    key: Option<Secret>,
}

impl SignInStore {
    pub fn at(path: impl Into<PathBuf>) -> SignInStore {
        SignInStore { path: path.into(), key: None }
    }

    /// With a key of [`new_seal_key`](super::new_seal_key)'s, what is saved is sealed.
    pub fn with_key(self, key: Option<Secret>) -> SignInStore {
        SignInStore { key, ..self }
    }

    pub fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// Whether a key is needed to load it.
    pub fn is_sealed(&self) -> bool {
        std::fs::read(&self.path).is_ok_and(|text| serde_json::from_slice::<Sealed>(&text).is_ok())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `None`: nobody is signed in.
    pub fn load(&self) -> Result<Option<SignIn>, StoreError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(error)),
        };
        let metadata = file.metadata().map_err(|e| self.io(e))?;
        if metadata.uid() != nix::unistd::geteuid().as_raw() {
            return Err(StoreError::NotOurs { path: self.path.clone() });
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(StoreError::Exposed { path: self.path.clone() });
        }
        let mut text = Vec::new();
        file.by_ref().take(MAX_FILE_BYTES).read_to_end(&mut text).map_err(|e| self.io(e))?;
        let text = match (serde_json::from_slice::<Sealed>(&text), &self.key) {
            (Err(_), _) => text,
            (Ok(sealed), Some(key)) => {
                unseal(&sealed, key).ok_or_else(|| StoreError::Sealed { path: self.path.clone() })?
            }
            (Ok(_), None) => return Err(StoreError::Sealed { path: self.path.clone() }),
        };
        // The parser's message could quote the file.
        serde_json::from_slice(&text).map(Some).map_err(|_| StoreError::Damaged { path: self.path.clone() })
    }

    /// What the file holds.
    fn written(&self, sign_in: &SignIn) -> Result<Vec<u8>, StoreError> {
        let text = serde_json::to_vec(sign_in).map_err(|e| self.io(e.into()))?;
        let Some(key) = &self.key else { return Ok(text) };
        let sealed = seal(&text, key).ok_or_else(|| StoreError::Sealed { path: self.path.clone() })?;
        serde_json::to_vec(&sealed).map_err(|e| self.io(e.into()))
    }

    /// Waits until nobody else changes the sign-in. Blocks.
    pub fn lock(&self) -> Result<LockedSignIn, StoreError> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| self.io(e))?;
        let lock_path = self.beside(".lock");
        let options = || OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let mut file = options().map_err(|e| self.io(e))?;
        let started = Instant::now();
        let lock = loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => break lock,
                Err(_) if started.elapsed() > LOCK_LIMIT => return Err(StoreError::Held { path: lock_path }),
                Err((back, _)) => file = back,
            }
            std::thread::sleep(LOCK_AGAIN);
        };
        self.sweep();
        Ok(LockedSignIn { store: self.clone(), _lock: lock })
    }

    /// What a process that was killed in the middle of a write has left: it holds secrets.
    fn sweep(&self) {
        let (Some(dir), Some(name)) = (self.path.parent(), self.path.file_name()) else { return };
        let mut start = name.as_encoded_bytes().to_vec();
        start.push(b'.');
        for entry in dir.read_dir().into_iter().flatten().flatten() {
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(&start)
                && bytes.ends_with(b".part")
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                log::warn!("cannot remove {}: {error}", entry.path().display());
            }
        }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path: OsString = self.path.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}

/// The right to change the stored sign-in, until this value goes.
#[derive(Debug)]
pub struct LockedSignIn {
    store: SignInStore,
    _lock: Flock<File>,
}

impl LockedSignIn {
    pub fn load(&self) -> Result<Option<SignIn>, StoreError> {
        self.store.load()
    }

    /// On the disk when this returns.
    pub fn save(&self, sign_in: &SignIn) -> Result<(), StoreError> {
        let text = self.store.written(sign_in)?;
        write_file_durably(&self.store.path, &text, 0o600).map_err(|e| self.store.io(e))?;
        failpoint("refresh.stored");
        Ok(())
    }

    pub fn remove(&self) -> Result<(), StoreError> {
        match std::fs::remove_file(&self.store.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.store.io(error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sign_in::{Grant, Owner, Tokens};
    use super::*;
    use crate::base::Secret;
    use std::os::unix::fs::PermissionsExt;

    fn sign_in(access: &str) -> SignIn {
        let tokens = Tokens { access: Secret::new(access), expires_at: 1, refresh: None, spent: None };
        let (grant, account) = (Grant::DeveloperToken, Owner::default());
        SignIn { grant, server: None, as_user: None, account, tokens: Some(tokens), since: 0 }
    }

    #[test]
    fn a_sign_in_is_kept_for_its_owner_alone_and_a_killed_writers_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let store = SignInStore::at(dir.path().join("below/work.json"));
        assert_eq!(store.load().unwrap(), None);
        store.lock().unwrap().save(&sign_in("one")).unwrap();
        std::fs::write(dir.path().join("below/work.json.77.part"), "half a token").unwrap();
        let locked = store.lock().unwrap();
        locked.save(&sign_in("two")).unwrap();
        assert_eq!(store.load().unwrap(), Some(sign_in("two")));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(store.path()), mode(store.path().parent().unwrap())), (0o600, 0o700));
        assert!(!dir.path().join("below/work.json.77.part").exists());
        locked.remove().unwrap();
        locked.remove().unwrap();
        assert_eq!(store.load().unwrap(), None);
    }

    #[test]
    fn a_sealed_sign_in_is_nothing_without_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let plain = SignInStore::at(dir.path().join("work.json"));
        let sealed = plain.clone().with_key(Some(crate::box_api::new_seal_key()));
        sealed.lock().unwrap().save(&sign_in("hunter2")).unwrap();
        assert!(plain.is_sealed());
        assert!(!std::fs::read_to_string(plain.path()).unwrap().contains("hunter2"));
        assert_eq!(sealed.load().unwrap(), Some(sign_in("hunter2")));
        assert!(matches!(plain.load(), Err(StoreError::Sealed { .. })));
        let other = plain.clone().with_key(Some(crate::box_api::new_seal_key()));
        assert!(matches!(other.load(), Err(StoreError::Sealed { .. })));
        // What is not sealed is read with a key, too.
        plain.lock().unwrap().save(&sign_in("one")).unwrap();
        assert_eq!((plain.is_sealed(), sealed.load().unwrap()), (false, Some(sign_in("one"))));
    }

    #[test]
    fn a_store_that_others_can_read_or_that_is_damaged_is_not_used_and_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let store = SignInStore::at(dir.path().join("work.json"));
        store.lock().unwrap().save(&sign_in("one")).unwrap();
        std::fs::set_permissions(store.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(store.load().unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(store.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(store.path(), r#"{"access":"hunter2"}"#).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("sign in again") && !error.contains("hunter2"), "{error}");
    }
}

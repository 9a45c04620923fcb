//! The Secret Service of the desktop (GNOME Keyring, KWallet, KeePassXC): one key for each profile, with which its sign-in is sealed.
//!
//! The tokens themselves are not in the keyring: they change each hour, and a keyring promises no durable write, which a refresh token
//! that works once needs. Secrets cross the bus in the clear, which is a socket of this user's alone.

use std::collections::HashMap;
use std::time::Duration;

use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

use crate::base::Secret;

const SERVICE: &str = "org.freedesktop.secrets";
const SERVICE_PATH: &str = "/org/freedesktop/secrets";
const DEFAULT_COLLECTION: &str = "/org/freedesktop/secrets/aliases/default";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
const ITEM_INTERFACE: &str = "org.freedesktop.Secret.Item";
const PROMPT_INTERFACE: &str = "org.freedesktop.Secret.Prompt";
/// The path that stands for "no prompt needed".
const NO_PROMPT: &str = "/";
/// A desktop that does not answer by then has no keyring for us.
const PATIENCE: Duration = Duration::from_secs(5);
/// A person types the keyring's password within this.
const PROMPT_PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("there is no keyring here")]
    Absent,
    #[error("the keyring is locked")]
    Locked,
    #[error("the keyring refuses: {0}")]
    Refused(String),
}

/// Session, parameters, value, content type, as the protocol has it.
type WireSecret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

/// An open keyring.
pub struct Keyring {
    bus: Connection,
    session: OwnedObjectPath,
}

impl Keyring {
    /// # Errors
    /// `Absent` where there is no session bus or nobody on it keeps secrets.
    pub async fn open() -> Result<Keyring, KeyringError> {
        // Without this, the bus would be guessed or started.
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() {
            return Err(KeyringError::Absent);
        }
        tokio::time::timeout(PATIENCE, Keyring::connect()).await.unwrap_or(Err(KeyringError::Absent))
    }

    async fn connect() -> Result<Keyring, KeyringError> {
        let bus = Connection::session().await.map_err(|_| KeyringError::Absent)?;
        let opening = ("plain", Variant::from(""));
        let opened =
            bus.call_method(Some(SERVICE), SERVICE_PATH, Some(SERVICE_INTERFACE), "OpenSession", &opening).await;
        let opened = opened.map_err(|_| KeyringError::Absent)?;
        let (_, session): (OwnedVariant, OwnedObjectPath) = opened.body().deserialize().map_err(refused)?;
        Ok(Keyring { bus, session })
    }

    /// The profile's key, if there is one; a locked keyring asks its owner for the password.
    pub async fn key(&self, profile: &str) -> Result<Option<Secret>, KeyringError> {
        let Some(item) = self.find(profile).await? else { return Ok(None) };
        let answer = self.call(&item, ITEM_INTERFACE, "GetSecret", &(&self.session,)).await?;
        let ((_, _, value, _),): (WireSecret,) = answer.body().deserialize().map_err(refused)?;
        String::from_utf8(value).map(|text| Some(Secret::new(text))).map_err(refused)
    }

    /// Keeps a key for the profile, in place of the one before.
    pub async fn keep(&self, profile: &str, key: &Secret) -> Result<(), KeyringError> {
        let label = format!("boxfs: sign-in of the profile {profile}");
        let properties: HashMap<&str, Variant<'_>> = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Variant::from(label)),
            ("org.freedesktop.Secret.Item.Attributes", Variant::from(attributes(profile))),
        ]);
        let secret = (&self.session, Vec::<u8>::new(), key.reveal().as_bytes().to_vec(), "text/plain");
        let asked = (properties, secret, true);
        let answer = self.call(DEFAULT_COLLECTION, COLLECTION_INTERFACE, "CreateItem", &asked).await?;
        let (_, prompt): (OwnedObjectPath, OwnedObjectPath) = answer.body().deserialize().map_err(refused)?;
        // A locked keyring would want its password here: for that the file serves as well.
        if prompt.as_str() == NO_PROMPT { Ok(()) } else { Err(KeyringError::Locked) }
    }

    /// Forgets the profile's key.
    pub async fn forget(&self, profile: &str) -> Result<(), KeyringError> {
        let Some(item) = self.find(profile).await? else { return Ok(()) };
        self.call(&item, ITEM_INTERFACE, "Delete", &()).await.map(drop)
    }

    /// The profile's item, unlocked.
    async fn find(&self, profile: &str) -> Result<Option<OwnedObjectPath>, KeyringError> {
        let answer = self.call(SERVICE_PATH, SERVICE_INTERFACE, "SearchItems", &(attributes(profile),)).await?;
        let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            answer.body().deserialize().map_err(refused)?;
        match (open.into_iter().next(), locked.into_iter().next()) {
            (Some(item), _) => Ok(Some(item)),
            (None, Some(item)) => self.unlock(&item).await.map(|()| Some(item)),
            (None, None) => Ok(None),
        }
    }

    async fn unlock(&self, item: &OwnedObjectPath) -> Result<(), KeyringError> {
        let answer = self.call(SERVICE_PATH, SERVICE_INTERFACE, "Unlock", &(vec![item],)).await?;
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = answer.body().deserialize().map_err(refused)?;
        if prompt.as_str() == NO_PROMPT {
            return Ok(());
        }
        self.call(&prompt, PROMPT_INTERFACE, "Prompt", &("",)).await?;
        let unlocked = async {
            while self.is_locked(item).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        tokio::time::timeout(PROMPT_PATIENCE, unlocked).await.unwrap_or(Err(KeyringError::Locked))
    }

    async fn is_locked(&self, item: &OwnedObjectPath) -> Result<bool, KeyringError> {
        let asked = (ITEM_INTERFACE, "Locked");
        let answer = self.call(item, "org.freedesktop.DBus.Properties", "Get", &asked).await?;
        let (locked,): (OwnedVariant,) = answer.body().deserialize().map_err(refused)?;
        bool::try_from(locked).map_err(refused)
    }

    async fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> Result<zbus::Message, KeyringError>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let called = self.bus.call_method(Some(SERVICE), path, Some(interface), method, body);
        match tokio::time::timeout(PATIENCE, called).await {
            Ok(answer) => answer.map_err(refused),
            Err(_) => Err(KeyringError::Refused(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
}

fn attributes(profile: &str) -> HashMap<&str, &str> {
    HashMap::from([("application", "boxfs"), ("profile", profile)])
}

fn refused(error: impl std::fmt::Display) -> KeyringError {
    KeyringError::Refused(error.to_string())
}

//! A sealed sign-in: encrypted with a key that is kept elsewhere, so that the file alone, or a backup of it, opens nothing.

use crate::base::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rsa::rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};

const KEY_BYTES: usize = 32;
/// Ties the text to what it is for.
const PURPOSE: &[u8] = b"boxfs sign-in 1";

/// The file of a sealed sign-in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    /// Nonce, cipher text and tag, in base64.
    sealed: String,
}

/// A key that nobody else has.
pub fn new_seal_key() -> Secret {
    let mut bytes = [0; KEY_BYTES];
    OsRng.fill_bytes(&mut bytes);
    Secret::new(STANDARD.encode(bytes))
}

/// `None` if the key is none of [`new_seal_key`]'s.
pub(super) fn seal(text: &[u8], key: &Secret) -> Option<Sealed> {
    let mut nonce = [0; NONCE_LEN];
    // A nonce by chance: one key seals some thousand texts a year, and 96 bits do not meet before billions.
    OsRng.fill_bytes(&mut nonce);
    let mut bytes = text.to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    opened_key(key)?.seal_in_place_append_tag(unique, Aad::from(PURPOSE), &mut bytes).ok()?;
    Some(Sealed { sealed: STANDARD.encode([&nonce[..], &bytes].concat()) })
}

/// `None` if the key does not fit, or somebody has changed the text.
pub(super) fn unseal(sealed: &Sealed, key: &Secret) -> Option<Vec<u8>> {
    let mut bytes = STANDARD.decode(&sealed.sealed).ok()?;
    if bytes.len() < NONCE_LEN {
        return None;
    }
    let mut text = bytes.split_off(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&bytes).ok()?;
    let opened = opened_key(key)?.open_in_place(nonce, Aad::from(PURPOSE), &mut text).ok()?.len();
    text.truncate(opened);
    Some(text)
}

fn opened_key(key: &Secret) -> Option<LessSafeKey> {
    let bytes = STANDARD.decode(key.reveal()).ok()?;
    UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_opens_and_changes_are_noticed() {
        let key = new_seal_key();
        let sealed = seal(b"hunter2", &key).unwrap();
        assert_eq!(unseal(&sealed, &key).unwrap(), b"hunter2");
        assert_eq!(unseal(&sealed, &new_seal_key()), None);
        assert_ne!(seal(b"hunter2", &key).unwrap().sealed, sealed.sealed);
        let mut bytes = STANDARD.decode(&sealed.sealed).unwrap();
        bytes[NONCE_LEN] ^= 1;
        assert_eq!(unseal(&Sealed { sealed: STANDARD.encode(bytes) }, &key), None);
        assert_eq!(unseal(&Sealed { sealed: "AA==".to_owned() }, &key), None);
        assert!(seal(b"", &Secret::new("short")).is_none());
    }
}

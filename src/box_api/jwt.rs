//! Assertions of an application with a key pair, and the file that Box's developer console hands out for it (API.md 2.4).
//!
//! Pure: time comes in as an argument, and nothing is sent from here.

use super::sign_in::{App, AppKey, Grant, Subject};
use crate::base::{Secret, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::{OsRng, RngCore};
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};
use serde::Deserialize;
use serde_json::json;

/// Box takes at most 60 s; less leaves room for a clock that is a little fast.
const LIFE_SECS: i64 = 45;
/// Bytes of chance in a `jti`; Box wants 16 to 128 characters.
const JTI_BYTES: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    #[error("it is not the JSON file of a Box application with a key pair")]
    NotJson,
    #[error(
        "it has no '{0}': download the file again from Box's developer console, under Configuration, Generate a Public/Private Keypair"
    )]
    Missing(&'static str),
    #[error("its private key cannot be opened: the passphrase does not fit, or the key is damaged")]
    Locked,
    #[error(
        "its private key is of the old form that OpenSSL encrypts in its own way: convert it with 'openssl pkcs8 -topk8 -in KEY -out NEWKEY'"
    )]
    OldForm,
    #[error("its private key cannot sign")]
    CannotSign,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigFile {
    #[serde(default)]
    box_app_settings: AppSettings,
    #[serde(default, rename = "enterpriseID")]
    enterprise_id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AppSettings {
    #[serde(rename = "clientID")]
    client_id: String,
    client_secret: String,
    app_auth: AppAuth,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AppAuth {
    #[serde(rename = "publicKeyID")]
    public_key_id: String,
    private_key: String,
    passphrase: String,
}

impl Grant {
    /// The sign-in that Box's own configuration file describes: as the enterprise's service account, or as `user`.
    ///
    /// # Errors
    /// What the file lacks. The private key is opened once, so that a wrong passphrase is told here.
    pub fn from_jwt_config(text: &str, user: Option<&str>) -> Result<Grant, JwtError> {
        // The parser's message could quote the file.
        let file: ConfigFile = serde_json::from_str(text).map_err(|_| JwtError::NotJson)?;
        let settings = file.box_app_settings;
        let auth = settings.app_auth;
        let subject = match user {
            Some(user) => Subject::User(user.to_owned()),
            None => Subject::Enterprise(file.enterprise_id.clone()),
        };
        for (value, name) in [
            (&settings.client_id, "boxAppSettings.clientID"),
            (&settings.client_secret, "boxAppSettings.clientSecret"),
            (&auth.public_key_id, "boxAppSettings.appAuth.publicKeyID"),
            (&auth.private_key, "boxAppSettings.appAuth.privateKey"),
        ] {
            if value.is_empty() {
                return Err(JwtError::Missing(name));
            }
        }
        if subject.id().is_empty() {
            return Err(JwtError::Missing("enterpriseID"));
        }
        let key = AppKey {
            id: auth.public_key_id,
            pem: Secret::new(auth.private_key),
            passphrase: Secret::new(auth.passphrase),
        };
        open(&key)?;
        let app = App { client_id: settings.client_id, client_secret: Secret::new(settings.client_secret) };
        Ok(Grant::Jwt { app, key, subject })
    }
}

/// A signed assertion, good from `now`, which is Box's time, for some seconds. Each is another one.
pub(super) fn assertion(
    app: &App,
    key: &AppKey,
    subject: &Subject,
    audience: &str,
    now: Timestamp,
) -> Result<Secret, JwtError> {
    let mut chance = [0; JTI_BYTES];
    OsRng.fill_bytes(&mut chance);
    let head = json!({"alg": "RS256", "typ": "JWT", "kid": key.id});
    let claims = json!({
        "iss": app.client_id,
        "sub": subject.id(),
        "box_sub_type": subject.kind(),
        "aud": audience,
        "jti": hex::encode(chance),
        "exp": now.secs.saturating_add(LIFE_SECS),
    });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signing = SigningKey::<Sha256>::new(open(key)?);
    let signature = signing.try_sign(signed.as_bytes()).map_err(|_| JwtError::CannotSign)?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))))
}

/// PKCS #8, encrypted as Box's console does it or plain, or plain PKCS #1.
fn open(key: &AppKey) -> Result<RsaPrivateKey, JwtError> {
    let pem = key.pem.reveal().trim();
    if pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(JwtError::OldForm);
    }
    let opened = if pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        RsaPrivateKey::from_pkcs8_encrypted_pem(pem, key.passphrase.reveal()).ok()
    } else {
        RsaPrivateKey::from_pkcs8_pem(pem).ok().or_else(|| RsaPrivateKey::from_pkcs1_pem(pem).ok())
    };
    opened.ok_or(JwtError::Locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Box's console makes them, with a key of another program that is encrypted with triple DES.
    fn config(pem: &str, passphrase: &str) -> String {
        json!({
            "boxAppSettings": {
                "clientID": "c", "clientSecret": "s",
                "appAuth": {"publicKeyID": "k", "privateKey": pem, "passphrase": passphrase},
            },
            "enterpriseID": "9", "webhooks": {"primaryKey": "x"},
        })
        .to_string()
    }

    const TRIPLE_DES: &str = include_str!("jwt/test-key.pem");

    #[test]
    fn a_key_as_the_console_encrypts_it_signs() {
        let grant = Grant::from_jwt_config(&config(TRIPLE_DES, "hunter2"), None).unwrap();
        let Grant::Jwt { app, key, subject } = grant else { panic!("{grant:?}") };
        assert_eq!(subject, Subject::Enterprise("9".to_owned()));
        let sign = || assertion(&app, &key, &subject, "aud", Timestamp::new(100, 0)).unwrap();
        let token = sign();
        let claims = token.reveal().split('.').nth(1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!((claims["exp"].as_i64(), claims["sub"].as_str()), (Some(145), Some("9")));
        assert_ne!(token, sign(), "each assertion is good once");
    }

    #[test]
    fn a_file_that_cannot_be_used_says_what_is_wrong_and_quotes_nothing() {
        let told = |text: &str| Grant::from_jwt_config(text, None).unwrap_err().to_string();
        assert!(told("hunter2").contains("not the JSON file"));
        assert!(told("{}").contains("no 'boxAppSettings.clientID'"));
        assert!(told(&config(TRIPLE_DES, "wrong")).contains("passphrase does not fit"));
        assert!(told(&config("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "x")).contains("openssl"));
        assert!(told(&config(TRIPLE_DES, "hunter2").replace("\"9\"", "\"\"")).contains("no 'enterpriseID'"));
    }
}

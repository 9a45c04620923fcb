//! The application's key pair for JWT sign-in: made once for an account, and checked against (API.md 2.4).

use std::fs;
use std::io;
use std::path::Path;

use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::pkcs5::pbes2::Parameters;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding, PrivateKeyInfo};
use rsa::rand_core::{OsRng, RngCore};
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::Verifier;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};

use super::options::Options;
use super::private::write_private;

const KEY_BITS: usize = 2048;
/// The key's name in assertions.
pub(super) const KEY_ID: &str = "emukey01";
const PASSPHRASE: &str = "emulator-passphrase";
/// Iterations of PBKDF2: OpenSSL's own default.
const ROUNDS: u32 = 2048;

/// The pair, in memory.
pub(super) struct AppKey {
    private: RsaPrivateKey,
}

impl AppKey {
    /// Reads the key of a data directory or makes it.
    pub(super) fn open(dir: &Path) -> io::Result<AppKey> {
        let path = dir.join("app-key.der");
        if let Ok(der) = fs::read(&path) {
            let private = RsaPrivateKey::from_pkcs8_der(&der).map_err(io::Error::other)?;
            return Ok(AppKey { private });
        }
        let private = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(io::Error::other)?;
        let der = private.to_pkcs8_der().map_err(io::Error::other)?;
        write_private(&path, der.as_bytes())?;
        Ok(AppKey { private })
    }

    /// The file that Box's developer console would hand out.
    pub(super) fn config(&self, options: &Options) -> io::Result<Value> {
        let pem = self.sealed_pem().map_err(io::Error::other)?;
        Ok(json!({
            "boxAppSettings": {
                "clientID": options.client_id,
                "clientSecret": options.client_secret,
                "appAuth": {"publicKeyID": KEY_ID, "privateKey": pem.as_str(), "passphrase": PASSPHRASE},
            },
            "enterpriseID": options.enterprise_id,
        }))
    }

    /// The private key under [`PASSPHRASE`], with PBKDF2: OpenSSL, and so Node, refuses to spend what scrypt asks for.
    fn sealed_pem(&self) -> Result<impl std::ops::Deref<Target = String>, rsa::pkcs8::Error> {
        let der = self.private.to_pkcs8_der()?;
        let (mut salt, mut iv) = ([0; 8], [0; 16]);
        OsRng.fill_bytes(&mut salt);
        OsRng.fill_bytes(&mut iv);
        let parameters = Parameters::pbkdf2_sha256_aes256cbc(ROUNDS, &salt, &iv)?;
        let sealed = PrivateKeyInfo::try_from(der.as_bytes())?.encrypt_with_params(parameters, PASSPHRASE)?;
        Ok(sealed.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)?)
    }

    /// Whether the signature of a JWT's first two parts is this key's.
    pub(super) fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let public = RsaPublicKey::from(&self.private);
        let Ok(signature) = Signature::try_from(signature) else { return false };
        match algorithm {
            "RS256" => VerifyingKey::<Sha256>::new(public).verify(signed, &signature).is_ok(),
            "RS384" => VerifyingKey::<Sha384>::new(public).verify(signed, &signature).is_ok(),
            "RS512" => VerifyingKey::<Sha512>::new(public).verify(signed, &signature).is_ok(),
            _ => false,
        }
    }

    /// Signs as an application does; for tests.
    #[cfg(test)]
    pub(super) fn sign(&self, signed: &[u8]) -> Vec<u8> {
        use rsa::signature::{SignatureEncoding, Signer};
        rsa::pkcs1v15::SigningKey::<Sha256>::new(self.private.clone()).sign(signed).to_vec()
    }
}

//! What the tests have in common: clients, local files, item texts.

use boxfs::base::{Secret, Sha1Digest, Timestamp};
use boxfs::box_api::{
    ApiError, ApiLimits, App, BoxClient, ClientOptions, Download, Grant, Meaning, Owner, Payload, SignIn, SignInStore,
    StoredSignIn, TokenSource, Tokens,
};
use boxfs::emulator::Emulator;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Of clients with a fixed token; no log may show it.
pub const TOKEN: &str = "hunter2-developer-token";

pub fn client(server: &str) -> BoxClient {
    client_with(server, TokenSource::Fixed(Secret::new(TOKEN)))
}

pub fn client_of(emulator: &Emulator) -> BoxClient {
    client_with(&emulator.url(), TokenSource::Fixed(Secret::new(emulator.token())))
}

pub fn client_with(server: &str, source: TokenSource) -> BoxClient {
    let options = ClientOptions { server: Some(server.to_owned()), limits: ApiLimits::Off, ..ClientOptions::default() };
    BoxClient::new(options, source).unwrap()
}

/// A stored sign-in by a browser, whose access token seems valid for another hour.
pub fn sign_in(dir: &Path, server: &str, app: App, access: &str, refresh: &str) -> SignInStore {
    let store = SignInStore::at(dir.join("sign-in.json"));
    let tokens = Tokens {
        access: Secret::new(access),
        expires_at: Timestamp::now().after(Duration::from_secs(3600)).secs,
        refresh: Some(Secret::new(refresh)),
        spent: None,
    };
    let account = Owner { id: "1".into(), login: "ada@example.org".into() };
    let (grant, server) = (Grant::OAuth { app }, Some(server.to_owned()));
    let sign_in = SignIn { grant, server, as_user: None, account, tokens: Some(tokens), since: 0 };
    store.lock().unwrap().save(&sign_in).unwrap();
    store
}

pub fn login(server: &str, store: &SignInStore) -> TokenSource {
    TokenSource::Stored(StoredSignIn { store: store.clone(), server: Some(server.to_owned()), account: None })
}

/// Bytes that differ everywhere, the same for each call.
pub fn noise(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(len as u64);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

pub fn local_file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

pub fn payload(bytes: &[u8]) -> Payload {
    Payload {
        file: local_file(bytes),
        len: bytes.len() as u64,
        sha1: Sha1Digest::of(bytes),
        progress: Some(Arc::new(AtomicU64::new(0))),
    }
}

pub async fn read_all(mut download: Download) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A file as a server answers with it.
pub fn file_json(id: &str, name: &str) -> String {
    format!(r#"{{"type":"file","id":"{id}","etag":"0","name":"{name}","size":3,"parent":{{"id":"0"}}}}"#)
}

/// Why a call failed.
pub fn meaning<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Meaning {
    result.unwrap_err().meaning
}

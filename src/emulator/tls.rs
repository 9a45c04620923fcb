//! HTTPS with a certificate authority of the emulator's own, for its own addresses and for Box's hosts.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::private::write_private;

/// The names that the certificate is good for.
const NAMES: [&str; 14] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "api.box.com",
    "upload.box.com",
    "upload.app.box.com",
    "account.box.com",
    "app.box.com",
    "dl.boxcloud.com",
    "public.boxcloud.com",
    "realtime.services.box.net",
    "1.realtime.services.box.net",
    "2.realtime.services.box.net",
    "*.realtime.services.box.net",
];

/// The authority and a server's side of TLS.
pub(super) struct Authority {
    /// What a client has to trust, PEM.
    pub(super) certificate: String,
    pub(super) acceptor: TlsAcceptor,
}

impl Authority {
    /// Reads the authority of a data directory or makes it, and a certificate that it signs.
    pub(super) fn open(dir: &Path) -> io::Result<Authority> {
        let (certificate, key) = authority_files(dir)?;
        let issuer = Issuer::new(authority_params()?, key);
        let mut params = CertificateParams::new(NAMES.map(str::to_owned)).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, "Box emulator");
        params.use_authority_key_identifier_extension = true;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let leaf = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Authority { certificate, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// What the authority says of itself; the same each time, so that what it signs names it rightly after a restart.
fn authority_params() -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(io::Error::other)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Box emulator authority (trust it for tests only)");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The authority's certificate and key; both or neither are there.
fn authority_files(dir: &Path) -> io::Result<(String, KeyPair)> {
    let (certificate_file, key_file) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    if let (Ok(certificate), Ok(key)) = (fs::read_to_string(&certificate_file), fs::read_to_string(&key_file)) {
        return Ok((certificate, KeyPair::from_pem(&key).map_err(io::Error::other)?));
    }
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = authority_params()?.self_signed(&key).map_err(io::Error::other)?.pem();
    fs::write(&certificate_file, &certificate)?;
    write_private(&key_file, key.serialize_pem().as_bytes())?;
    Ok((certificate, key))
}

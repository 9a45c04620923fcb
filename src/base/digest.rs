//! SHA-1, Box's digest of contents: hex in `Content-MD5` and `sha1`, base64 in `Digest` (API.md 9, row 7).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The SHA-1 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha1Digest([u8; 20]);

/// A digest that Box sent and that is none.
#[derive(Debug, thiserror::Error)]
#[error("'{text}' is not a SHA-1 in hex")]
pub struct DigestError {
    text: String,
}

impl Sha1Digest {
    pub fn of(bytes: &[u8]) -> Sha1Digest {
        Sha1Digest(Sha1::digest(bytes).into())
    }

    pub fn from_bytes(bytes: [u8; 20]) -> Sha1Digest {
        Sha1Digest(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    pub fn from_hex(text: &str) -> Result<Sha1Digest, DigestError> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| DigestError { text: text.chars().take(60).collect() })?;
        Ok(Sha1Digest(bytes))
    }

    /// 40 lower-case hex characters.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Sha1Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Sha1Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha1({})", self.to_hex())
    }
}

/// A SHA-1 that grows with the bytes it is given.
#[derive(Clone, Default)]
pub struct Sha1Hasher(Sha1);

impl Sha1Hasher {
    pub fn new() -> Sha1Hasher {
        Sha1Hasher::default()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> Sha1Digest {
        Sha1Digest(self.0.finalize().into())
    }
}

/// Bytes read at a time when a file is hashed: large enough that the system call costs nothing beside the hash.
const HASH_BUFFER_BYTES: usize = 1 << 20;

/// The SHA-1 of the first `len` bytes of `file`.
///
/// # Errors
/// `UnexpectedEof` if the file is shorter than `len`; else what reading reports.
pub fn hash_file(file: &File, len: u64) -> io::Result<Sha1Digest> {
    let mut hasher = Sha1Hasher::new();
    let mut buffer = vec![0; HASH_BUFFER_BYTES.min(usize::try_from(len).unwrap_or(HASH_BUFFER_BYTES).max(1))];
    let mut offset = 0;
    while offset < len {
        let want = buffer.len().min(usize::try_from(len - offset).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer[..want], offset)?;
        hasher.update(&buffer[..want]);
        offset += want as u64;
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_empty_digest_is_the_well_known_one() {
        assert_eq!(Sha1Digest::of(b"").to_hex(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(Sha1Digest::of(b"").to_base64(), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    }

    #[test]
    fn a_file_hashes_like_its_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
        file.write_all(&bytes).unwrap();
        assert_eq!(hash_file(&file, 3_000_000).unwrap(), Sha1Digest::of(&bytes));
        assert_eq!(hash_file(&file, 10).unwrap(), Sha1Digest::of(&bytes[..10]));
        assert!(hash_file(&file, 3_000_001).is_err());
    }

    #[test]
    fn hex_goes_both_ways_and_nonsense_is_refused() {
        let d = Sha1Digest::of(b"x");
        assert_eq!(Sha1Digest::from_hex(&d.to_hex()).unwrap(), d);
        assert!(Sha1Digest::from_hex("abc").is_err());
        assert!(Sha1Digest::from_hex("").is_err());
    }
}

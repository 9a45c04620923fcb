//! What a spool file says about itself, for the day the database does not: an extended attribute, or a file beside it
//! where the disk's file system has none.

use super::error::{Result, meaning};
use crate::base::{Ino, Sha1Digest};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whose bytes a spool file holds, in words that outlive the database. A snapshot: where a folder above was renamed afterwards, the ids
/// that Box gave tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    #[serde(with = "number")]
    pub ino: Ino,
    pub name: String,
    /// Box's id of the file, if Box had it.
    pub box_id: Option<String>,
    /// The version that the bytes were made from.
    #[serde(default)]
    pub base_version: Option<String>,
    #[serde(default, with = "digest")]
    pub base_sha1: Option<Sha1Digest>,
    /// The folders it was in, from the root's child down: name, and Box's id if Box had it.
    #[serde(default)]
    pub above: Vec<(String, Option<String>)>,
    /// Every byte is there; if not, only the database knows which.
    #[serde(default)]
    pub whole: bool,
}

mod number {
    //! An inode number as a plain one.

    use super::Ino;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(ino: &Ino, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(ino.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ino, D::Error> {
        u64::deserialize(deserializer).map(Ino)
    }
}

mod digest {
    //! A digest in hexadecimal digits; one that cannot be read is none.

    use super::Sha1Digest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(digest: &Option<Sha1Digest>, serializer: S) -> Result<S::Ok, S::Error> {
        digest.map(Sha1Digest::to_hex).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sha1Digest>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|hex| Sha1Digest::from_hex(&hex).ok()))
    }
}

const ATTRIBUTE: &str = "user.boxfs.identity";
/// The extension of the file beside a spool file on file systems without extended attributes.
pub(super) const SIDECAR: &str = "identity";

/// Notes `identity` at the data file `path`. Moves the file's ctime.
pub(super) fn write(path: &Path, identity: &Identity) -> Result<()> {
    let json = to_json(identity);
    match xattr::set(path, ATTRIBUTE, &json) {
        Err(e) if has_no_attributes(&e) => fs::write(sidecar(path), &json),
        other => other,
    }
    .map_err(meaning("the identity of a spool file"))
}

/// Notes `identity` beside the data file `path`, whose ctime, by which its close is known, stays as it is. It counts more than what
/// the file itself says.
pub(super) fn write_beside(path: &Path, identity: &Identity) -> Result<()> {
    fs::write(sidecar(path), to_json(identity)).map_err(meaning("the identity of a spool file"))
}

/// The identity noted at the data file `path`; `None` if there is none that can be read.
pub(super) fn read(path: &Path) -> Option<Identity> {
    let beside = fs::read(sidecar(path)).ok().and_then(|json| serde_json::from_slice(&json).ok());
    beside.or_else(|| serde_json::from_slice(&xattr::get(path, ATTRIBUTE).ok()??).ok())
}

/// Removes what [`write`] may have put beside the data file `path`.
pub(super) fn remove_sidecar(path: &Path) {
    // Not there on most disks, and harmless where it stays.
    let _ = fs::remove_file(sidecar(path));
}

fn sidecar(path: &Path) -> PathBuf {
    path.with_extension(SIDECAR)
}

fn to_json(identity: &Identity) -> Vec<u8> {
    serde_json::to_vec(identity).expect("numbers and texts always serialize")
}

/// `ENOSPC` too: ext4 has no room left in the inode's one attribute block.
fn has_no_attributes(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSPC | libc::E2BIG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"").unwrap();
        let identity = Identity {
            ino: Ino(7),
            name: "Ünter \"quote\".txt".into(),
            box_id: Some("5".into()),
            base_version: Some("v".into()),
            base_sha1: Some(Sha1Digest::of(b"x")),
            above: vec![("folder".into(), Some("3".into())), ("fresh".into(), None)],
            whole: true,
        };
        assert_eq!(read(&path), None);
        write(&path, &identity).unwrap();
        assert_eq!(read(&path), Some(identity.clone()));
        let before = fs::metadata(&path).unwrap();
        let renamed = Identity { name: "renamed".into(), ..identity.clone() };
        write_beside(&path, &renamed).unwrap();
        assert_eq!(read(&path), Some(renamed));
        assert_eq!(
            crate::content::Stamp::of_metadata(&fs::metadata(&path).unwrap()),
            crate::content::Stamp::of_metadata(&before)
        );

        let bare = dir.path().join("bare");
        fs::write(&bare, b"").unwrap();
        fs::write(sidecar(&bare), to_json(&identity)).unwrap();
        assert_eq!(read(&bare), Some(identity));
    }

    #[test]
    fn nonsense_is_no_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"").unwrap();
        fs::write(sidecar(&path), b"{}").unwrap();
        assert_eq!(read(&path), None);
    }
}

//! What a spool file says about itself, for the day the database does not: an extended attribute, or a file beside it
//! where the disk's file system has none.

use super::error::{Result, meaning};
use crate::base::Ino;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whose bytes a spool file holds. A snapshot of when it was written: renames afterwards need not be noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub ino: Ino,
    /// The folder it was in.
    pub parent: Ino,
    /// Box's id of that folder, if Box had it.
    pub parent_box_id: Option<String>,
    pub name: String,
    /// Box's id of the file, if Box had it.
    pub box_id: Option<String>,
}

/// The attribute's JSON.
#[derive(Serialize, Deserialize)]
struct Wire {
    ino: u64,
    parent: u64,
    parent_box_id: Option<String>,
    name: String,
    box_id: Option<String>,
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

/// The identity noted at the data file `path`; `None` if there is none that can be read.
pub(super) fn read(path: &Path) -> Option<Identity> {
    let noted = xattr::get(path, ATTRIBUTE).ok().flatten();
    let json = noted.or_else(|| fs::read(sidecar(path)).ok())?;
    let wire: Wire = serde_json::from_slice(&json).ok()?;
    Some(Identity {
        ino: Ino(wire.ino),
        parent: Ino(wire.parent),
        parent_box_id: wire.parent_box_id,
        name: wire.name,
        box_id: wire.box_id,
    })
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
    let wire = Wire {
        ino: identity.ino.0,
        parent: identity.parent.0,
        parent_box_id: identity.parent_box_id.clone(),
        name: identity.name.clone(),
        box_id: identity.box_id.clone(),
    };
    serde_json::to_vec(&wire).expect("numbers and texts always serialize")
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
            parent: Ino::ROOT,
            parent_box_id: Some("0".into()),
            name: "Ünter \"quote\".txt".into(),
            box_id: None,
        };
        assert_eq!(read(&path), None);
        write(&path, &identity).unwrap();
        assert_eq!(read(&path), Some(identity.clone()));

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

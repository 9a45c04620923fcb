//! Files that only their owner reads: keys, and what has tokens in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const OWNER_READS_AND_WRITES: u32 = 0o600;
const OWNER_ENTERS: u32 = 0o700;

/// Opens a file as `options` say; it is the owner's only, were it there before or not.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(OWNER_READS_AND_WRITES).open(path)?;
    let permissions = file.metadata()?.permissions();
    if permissions.mode() & !OWNER_READS_AND_WRITES & 0o777 != 0 {
        file.set_permissions(Permissions::from_mode(OWNER_READS_AND_WRITES))?;
    }
    Ok(file)
}

/// Replaces what a file has.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    open_private(path, File::options().write(true).create(true).truncate(true))?.write_all(bytes)
}

/// Makes a directory and those above it; one that is there stays as it is.
pub(super) fn make_private_directory(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(OWNER_ENTERS).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_could_read_is_the_owners_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}

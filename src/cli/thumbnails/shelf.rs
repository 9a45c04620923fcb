//! The desktop's thumbnail cache, as the freedesktop specification lays it out: a PNG for each file and size, named after the digest of
//! the file's URI, with the file's time in it.

use super::png;
use crate::config::Surroundings;
use md5::{Digest, Md5};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A size of thumbnails: the name of its folder, and the most pixels in height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub folder: &'static str,
    pub side: u32,
}

pub(super) const NORMAL: Size = Size { folder: "normal", side: 128 };
pub(super) const LARGE: Size = Size { folder: "large", side: 256 };

/// A file as its thumbnails name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pictured {
    pub uri: String,
    pub mtime_secs: i64,
    pub bytes: u64,
}

/// The thumbnails of one user.
pub(super) struct Shelf(PathBuf);

impl Shelf {
    /// `$XDG_CACHE_HOME/thumbnails`, usually `~/.cache/thumbnails`.
    pub fn of(around: &Surroundings) -> Option<Shelf> {
        let absolute = |name: &str| around.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(Shelf(cache.join("thumbnails")))
    }

    /// Whether there is a thumbnail of the file as it is now.
    pub fn has(&self, file: &Pictured, size: Size) -> bool {
        let Ok(found) = fs::read(self.place(file, size)) else { return false };
        png::text(&found, "Thumb::URI") == Some(&file.uri)
            && png::text(&found, "Thumb::MTIME") == Some(&file.mtime_secs.to_string())
    }

    /// Puts a picture there. Whoever looks meanwhile sees the old one or this one.
    ///
    /// # Errors
    /// `InvalidData`: it is no PNG, or larger than its place is for.
    pub fn put(&self, file: &Pictured, size: Size, picture: &[u8]) -> io::Result<()> {
        let fits = png::size_of(picture).is_some_and(|(width, height)| width.max(height) <= size.side);
        let texts = [
            ("Thumb::URI", file.uri.clone()),
            ("Thumb::MTIME", file.mtime_secs.to_string()),
            ("Thumb::Size", file.bytes.to_string()),
            ("Software", "boxfs".to_owned()),
        ];
        let picture = png::with_texts(picture, &texts).filter(|_| fits).ok_or(io::ErrorKind::InvalidData)?;
        let place = self.place(file, size);
        let folder = self.0.join(size.folder);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        // Not durable: a thumbnail that is lost is made again. Its owner's alone, which a temporary file is.
        let mut part = tempfile::NamedTempFile::new_in(&folder)?;
        io::Write::write_all(&mut part, &picture)?;
        part.persist(place)?;
        Ok(())
    }

    fn place(&self, file: &Pictured, size: Size) -> PathBuf {
        let digest = hex::encode(Md5::digest(file.uri.as_bytes()));
        self.0.join(size.folder).join(format!("{digest}.png"))
    }
}

/// The URI of an absolute path, escaped as GLib escapes it: the digest is of its letters.
pub(super) fn uri_of(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()/&=:@+$,".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_that_of_the_specification() {
        // The specification's own example.
        let uri = uri_of(Path::new("/home/jens/photos/me.png"));
        let file = Pictured { uri, mtime_secs: 0, bytes: 0 };
        let place = Shelf("/t".into()).place(&file, NORMAL);
        assert_eq!(place, Path::new("/t/normal/c6ee772d9e49320e97ec29a7eb5b1697.png"));
    }

    #[test]
    fn a_uri_is_escaped_like_the_desktops() {
        let uri = uri_of(Path::new("/Übung/a b#c?d%[e];f&g=(h)'i'~"));
        assert_eq!(uri, "file:///%C3%9Cbung/a%20b%23c%3Fd%25%5Be%5D%3Bf&g=(h)'i'~");
    }
}

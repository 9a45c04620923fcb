//! Bytes on disk: blobs, each written once, digested while written, and read through maps. Knows nothing of files or versions.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use memmap2::Mmap;
use sha1::{Digest, Sha1};
use sha2::Sha512;

use super::store::{Content, Extent};

/// Bytes handed out at once; large enough that calls do not count.
const CHUNK_BYTES: usize = 256 * 1024;
/// Blobs of one directory, so that none grows to a million entries.
const BLOBS_PER_DIRECTORY: u64 = 4096;

/// The directory of blobs.
#[derive(Debug)]
pub(super) struct Contents {
    dir: PathBuf,
    next: AtomicU64,
}

impl Contents {
    /// Opens or makes the directory; blobs for which `wanted` is false are left over from a crash and go.
    pub(super) fn open(dir: &Path, wanted: impl Fn(u64) -> bool) -> io::Result<Contents> {
        fs::create_dir_all(dir)?;
        let mut largest = 0;
        for shelf in fs::read_dir(dir)? {
            for blob in fs::read_dir(shelf?.path())? {
                let blob = blob?;
                let id = blob.file_name().to_str().and_then(|name| name.parse().ok());
                let Some(id) = id else { continue };
                largest = largest.max(id);
                if !wanted(id) {
                    fs::remove_file(blob.path())?;
                }
            }
        }
        Ok(Contents { dir: dir.to_owned(), next: AtomicU64::new(largest + 1) })
    }

    fn path(&self, blob: u64) -> PathBuf {
        self.dir.join((blob / BLOBS_PER_DIRECTORY).to_string()).join(blob.to_string())
    }

    /// A pen for a blob of its own.
    pub(super) fn create(&self) -> io::Result<Pen> {
        let blob = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path(blob);
        let create = || File::options().write(true).create_new(true).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                create()?
            }
            other => other?,
        };
        Ok(Pen { blob, file, path, hash: Sha1::new(), len: 0, sha512: None, kept: false })
    }

    pub(super) fn remove(&self, blob: u64) {
        if let Err(error) = fs::remove_file(self.path(blob)) {
            log::warn!("emulator: blob {blob} stays on disk: {error}");
        }
    }

    /// A reader of `len` bytes of a content from `offset` on; both within its size.
    pub(super) fn read(&self, content: &Content, offset: u64, len: u64) -> Reader {
        let piece = |extent: Extent| Piece { path: self.path(extent.blob), offset: extent.start, len: extent.len };
        let mut pieces: Vec<Piece> = content.slice(offset, len).into_iter().map(piece).collect();
        pieces.reverse();
        Reader { pieces, open: None }
    }

    /// All bytes of a content; for tests and small things.
    pub(super) fn read_all(&self, content: &Content) -> io::Result<Vec<u8>> {
        let mut reader = self.read(content, 0, content.size);
        let mut all = Vec::with_capacity(content.size as usize);
        while let Some(chunk) = reader.next_chunk()? {
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// Writes a content at once.
    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<Content> {
        let mut pen = self.create()?;
        pen.write(bytes)?;
        Ok(pen.finish().into_content())
    }
}

/// Writes one blob. Dropped without [`Pen::finish`], the blob goes.
#[derive(Debug)]
pub(super) struct Pen {
    blob: u64,
    file: File,
    path: PathBuf,
    hash: Sha1,
    len: u64,
    /// Made only where a client sends it.
    sha512: Option<Sha512>,
    kept: bool,
}

/// A finished blob.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) blob: u64,
    pub(super) len: u64,
    pub(super) sha1: [u8; 20],
    pub(super) sha512: Option<Vec<u8>>,
}

impl Pen {
    /// Makes the SHA-512 too; before the first byte.
    pub(super) fn with_sha512(mut self) -> Pen {
        self.sha512 = Some(Sha512::new());
        self
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn finish(mut self) -> Written {
        self.kept = true;
        Written {
            blob: self.blob,
            len: self.len,
            sha1: std::mem::take(&mut self.hash).finalize().into(),
            sha512: self.sha512.take().map(|sha512| sha512.finalize().to_vec()),
        }
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing refers to it; what stays is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Written {
    pub(super) fn into_content(self) -> Content {
        let extent = Extent { blob: self.blob, start: 0, len: self.len };
        Content { size: self.len, sha1: hex::encode(self.sha1), extents: vec![extent] }
    }
}

#[derive(Debug)]
struct Piece {
    path: PathBuf,
    offset: u64,
    len: u64,
}

/// A blob as memory, which sockets take from the page cache without a copy in between.
fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    // SAFETY: nobody changes or shortens a blob once it is written; one that is removed stays for those who have it mapped.
    let map = unsafe { Mmap::map(&file) }?;
    Ok(Bytes::from_owner(map))
}

/// Reads a range of a content chunk by chunk.
#[derive(Debug)]
pub(super) struct Reader {
    /// Still to read, the next one last.
    pieces: Vec<Piece>,
    /// What the next one lies in, if it was read from already.
    open: Option<Bytes>,
}

impl Reader {
    /// Maps what is read first, so that it can be read although its name goes.
    pub(super) fn open_first(&mut self) -> io::Result<()> {
        if let Some(piece) = self.pieces.last() {
            self.open = Some(map(&piece.path)?);
        }
        Ok(())
    }

    pub(super) fn remaining(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len).sum()
    }

    /// The next bytes, `None` at the end.
    pub(super) fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let Some(piece) = self.pieces.last() else { return Ok(None) };
        let (offset, wanted) = (piece.offset, piece.len.min(CHUNK_BYTES as u64) as usize);
        let map = match self.open.take() {
            Some(map) => map,
            None => map(&piece.path)?,
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        if map.len().saturating_sub(start) < wanted {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} is too short", piece.path.display())));
        }
        let chunk = map.slice(start..start + wanted);
        match self.pieces.last_mut() {
            Some(piece) if piece.len > wanted as u64 => {
                piece.offset += wanted as u64;
                piece.len -= wanted as u64;
                self.open = Some(map);
            }
            _ => drop(self.pieces.pop()),
        }
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_over_several_blobs_is_read_also_while_their_names_go() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), |_| true).unwrap();
        let long = vec![7; CHUNK_BYTES + 1];
        let mut content = contents.write_all(&long).unwrap();
        let second = contents.write_all(b"second").unwrap();
        content.extents.extend(second.extents);
        content.size += second.size;
        let mut reader = contents.read(&content, 1, content.size - 2);
        reader.open_first().unwrap();
        contents.remove(content.extents[0].blob);
        let mut read = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            read.extend_from_slice(&chunk);
        }
        assert_eq!(read, [&long[1..], b"secon"].concat());
    }

    #[test]
    fn a_blob_that_has_lost_its_end_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), |_| true).unwrap();
        let content = contents.write_all(b"all of it").unwrap();
        let file = File::options().write(true).open(contents.path(content.extents[0].blob)).unwrap();
        file.set_len(3).unwrap();
        let error = contents.read(&content, 0, content.size).next_chunk().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

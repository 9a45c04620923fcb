//! A zip archive read as it comes, one entry after the other, by the headers in front of them; its directory at the end is not looked at.
//! Pure. Holds what has come and was not taken yet, never an entry.

use bytes::{Buf, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};

const ENTRY: &[u8] = b"PK\x03\x04";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const DIRECTORY: &[u8] = b"PK\x01\x02";
/// The end of an archive without an entry.
const END: &[u8] = b"PK\x05\x06";
const SIGNATURE_BYTES: usize = 4;
/// What is in front of an entry's name.
const HEAD_BYTES: usize = 30;
/// Flags: the entry is encrypted; its sizes come after it.
const ENCRYPTED: u16 = 1;
const DESCRIBED: u16 = 1 << 3;
/// Ways of storing an entry.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Stands for a size that is elsewhere (zip64).
const ELSEWHERE: u32 = u32::MAX;
/// Unpacked bytes that are given at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What comes next of an archive.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// An entry begins; its path.
    Entry(String),
    /// Bytes of it.
    Bytes(Vec<u8>),
    EntryEnd,
    /// There are no more entries.
    End,
}

/// It is no archive that can be read this way.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the archive cannot be read: {0}")]
pub struct Unreadable(&'static str);

/// An archive on its way.
pub struct Unzip<S> {
    come: BytesMut,
    state: State,
    /// The size of an entry, where the archive says it too late.
    size_of: S,
}

enum State {
    Between,
    Stored {
        left: u64,
        described: bool,
    },
    Deflated {
        inflate: Box<Decompress>,
        described: bool,
    },
    /// In front of what is said of an entry after it.
    Described,
    Over,
}

impl<S: Fn(&str) -> Option<u64>> Unzip<S> {
    pub fn new(size_of: S) -> Unzip<S> {
        Unzip { come: BytesMut::new(), state: State::Between, size_of }
    }

    /// More of the archive has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.come.extend_from_slice(bytes);
    }

    /// The next piece; `None`: more has to come first.
    pub fn next(&mut self) -> Result<Option<Piece>, Unreadable> {
        match &mut self.state {
            State::Between => self.entry(),
            State::Stored { left: 0, described } => {
                let described = *described;
                Ok(Some(self.end_entry(described)))
            }
            State::Stored { .. } if self.come.is_empty() => Ok(None),
            State::Stored { left, .. } => {
                let len = self.come.len().min(PIECE_BYTES).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= len as u64;
                Ok(Some(Piece::Bytes(self.come.split_to(len).to_vec())))
            }
            State::Deflated { inflate, described } => {
                let described = *described;
                match unpack(inflate, &mut self.come)? {
                    Unpacked::Bytes(bytes) => Ok(Some(Piece::Bytes(bytes))),
                    Unpacked::More => Ok(None),
                    Unpacked::Last(bytes) if bytes.is_empty() => Ok(Some(self.end_entry(described))),
                    Unpacked::Last(bytes) => {
                        self.state = State::Stored { left: 0, described };
                        Ok(Some(Piece::Bytes(bytes)))
                    }
                }
            }
            State::Described => self.descriptor(),
            State::Over => Ok(Some(Piece::End)),
        }
    }

    fn end_entry(&mut self, described: bool) -> Piece {
        self.state = if described { State::Described } else { State::Between };
        Piece::EntryEnd
    }

    fn entry(&mut self) -> Result<Option<Piece>, Unreadable> {
        let Some(signature) = self.come.get(..SIGNATURE_BYTES) else { return Ok(None) };
        if signature == DIRECTORY || signature == END {
            self.state = State::Over;
            return Ok(Some(Piece::End));
        }
        if signature != ENTRY {
            return Err(Unreadable("there is no entry where one should be"));
        }
        let Some(head) = self.come.get(..HEAD_BYTES) else { return Ok(None) };
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let (flags, method) = (short(6), short(8));
        let packed = u32::from_le_bytes([head[18], head[19], head[20], head[21]]);
        let (name_bytes, extra_bytes) = (usize::from(short(26)), usize::from(short(28)));
        let all = HEAD_BYTES + name_bytes + extra_bytes;
        if self.come.len() < all {
            return Ok(None);
        }
        let name = String::from_utf8_lossy(&self.come[HEAD_BYTES..HEAD_BYTES + name_bytes]).into_owned();
        self.come.advance(all);
        let described = flags & DESCRIBED != 0;
        let unsaid = described || packed == ELSEWHERE;
        self.state = match method {
            _ if flags & ENCRYPTED != 0 => return Err(Unreadable("an entry is encrypted")),
            DEFLATED => State::Deflated { inflate: Box::new(Decompress::new(false)), described },
            STORED if unsaid => {
                let size = (self.size_of)(&name).ok_or(Unreadable("an entry's size is not known"))?;
                State::Stored { left: size, described }
            }
            STORED => State::Stored { left: packed.into(), described },
            _ => return Err(Unreadable("an entry is packed in an unknown way")),
        };
        Ok(Some(Piece::Entry(name)))
    }

    /// What comes after an entry has four shapes; the right one ends where something else begins.
    fn descriptor(&mut self) -> Result<Option<Piece>, Unreadable> {
        let Some(start) = self.come.get(..SIGNATURE_BYTES) else { return Ok(None) };
        let lens = if start == DESCRIPTOR { [16, 24] } else { [12, 20] };
        for len in lens {
            let Some(next) = self.come.get(len..len + SIGNATURE_BYTES) else { return Ok(None) };
            if next == ENTRY || next == DIRECTORY {
                self.come.advance(len);
                self.state = State::Between;
                return self.entry();
            }
        }
        Err(Unreadable("an entry does not end where it should"))
    }
}

enum Unpacked {
    Bytes(Vec<u8>),
    /// The entry's last, perhaps none.
    Last(Vec<u8>),
    /// More has to come first.
    More,
}

fn unpack(inflate: &mut Decompress, come: &mut BytesMut) -> Result<Unpacked, Unreadable> {
    let (taken, given) = (inflate.total_in(), inflate.total_out());
    let mut out = vec![0; PIECE_BYTES];
    let status = inflate.decompress(come, &mut out, FlushDecompress::None);
    let status = status.map_err(|_| Unreadable("an entry is packed wrongly"))?;
    // Both are bounded by the buffers.
    come.advance((inflate.total_in() - taken) as usize);
    out.truncate((inflate.total_out() - given) as usize);
    Ok(match status {
        Status::StreamEnd => Unpacked::Last(out),
        Status::Ok | Status::BufError if out.is_empty() => Unpacked::More,
        Status::Ok | Status::BufError => Unpacked::Bytes(out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    /// How an entry is written.
    #[derive(Clone, Copy)]
    struct How {
        method: u16,
        described: bool,
        signed: bool,
        wide: bool,
    }

    fn entry(name: &str, bytes: &[u8], how: How) -> Vec<u8> {
        let mut packed = Vec::with_capacity(bytes.len() + 100);
        match how.method {
            DEFLATED => {
                let mut deflate = Compress::new(Compression::fast(), false);
                deflate.compress_vec(bytes, &mut packed, FlushCompress::Finish).unwrap();
            }
            _ => packed.extend_from_slice(bytes),
        }
        let flags = if how.described { DESCRIBED } else { 0 };
        let size = |size: usize| if how.described { 0 } else { size as u32 };
        let mut out = ENTRY.to_vec();
        for number in [20, flags, how.method, 0, 0, 0, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&size(packed.len()).to_le_bytes());
        out.extend_from_slice(&size(bytes.len()).to_le_bytes());
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(&3_u16.to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"xyz");
        out.extend_from_slice(&packed);
        if how.described {
            out.extend_from_slice(if how.signed { DESCRIPTOR } else { b"" });
            out.extend_from_slice(&[7; 4]);
            out.extend_from_slice(&vec![9; if how.wide { 16 } else { 8 }]);
        }
        out
    }

    /// The entries, read in steps of `step` bytes.
    fn read(archive: &[u8], step: usize) -> Result<Vec<(String, Vec<u8>)>, Unreadable> {
        let mut unzip = Unzip::new(|name| (name != "unknown").then_some(5));
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        for chunk in archive.chunks(step) {
            unzip.feed(chunk);
            while let Some(piece) = unzip.next()? {
                match piece {
                    Piece::Entry(name) => found.push((name, Vec::new())),
                    Piece::Bytes(bytes) => found.last_mut().unwrap().1.extend(bytes),
                    Piece::EntryEnd => {}
                    Piece::End => return Ok(found),
                }
            }
        }
        panic!("no end: {found:?}");
    }

    #[test]
    fn entries_are_read_however_they_are_stored_and_come() {
        let large = vec![b'a'; 200_000];
        for described in [false, true] {
            for (signed, wide) in [(true, true), (true, false), (false, true), (false, false)] {
                for step in [1, 7, 1_000_000] {
                    let how = |method| How { method, described, signed, wide };
                    let archive = [
                        entry("stored", b"12345", how(STORED)),
                        entry("a/deflated", &large, how(DEFLATED)),
                        entry("nothing", b"", how(DEFLATED)),
                        entry("last", b"abcde", how(STORED)),
                        DIRECTORY.to_vec(),
                    ]
                    .concat();
                    let found = read(&archive, step).unwrap();
                    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
                    assert_eq!(names, ["stored", "a/deflated", "nothing", "last"]);
                    assert!(
                        found[0].1 == b"12345"
                            && found[1].1 == large
                            && found[2].1.is_empty()
                            && found[3].1 == b"abcde"
                    );
                }
            }
        }
        assert_eq!(read(END, 1).unwrap(), []);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let described = How { method: STORED, described: true, signed: true, wide: false };
        assert!(read(&entry("unknown", b"12345", described), 9).is_err());
        assert!(read(&entry("odd", b"12345", How { method: 12, ..described }), 9).is_err());
        assert!(read(b"<html>", 9).is_err());
        let mut longer = entry("a", b"123456", described);
        longer.extend_from_slice(&[0; 40]);
        assert!(read(&longer, 9).is_err());
    }
}

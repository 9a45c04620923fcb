//! `multipart/form-data` read as a stream: one part after the other, each in chunks.

use bytes::{Bytes, BytesMut};

use super::super::refusal::Refusal;
use super::inbox::Inbox;

/// Headers of one part, bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The parts of a body, in order.
pub(super) struct Multipart<'a> {
    inbox: &'a mut Inbox,
    /// What ends a part: line break, two dashes, boundary.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    /// The body of the part is read; the delimiter is next in the buffer.
    at_delimiter: bool,
    ended: bool,
}

/// What a part says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) filename: Option<String>,
}

impl Multipart<'_> {
    /// `content_type` is the request's header.
    pub(super) fn new<'a>(inbox: &'a mut Inbox, content_type: Option<&str>) -> Result<Multipart<'a>, Refusal> {
        let boundary = content_type.and_then(boundary_of);
        let boundary =
            boundary.ok_or_else(|| Refusal::bad("content-type", "not multipart/form-data with a boundary"))?;
        let mut delimiter = b"\r\n--".to_vec();
        delimiter.extend_from_slice(boundary.as_bytes());
        // The first boundary may have no line before it.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Ok(Multipart { inbox, delimiter, buffer, at_delimiter: false, ended: false })
    }

    /// Skips to the next part; `None` after the last.
    pub(super) async fn next_part(&mut self) -> Result<Option<Head>, Refusal> {
        while self.chunk().await?.is_some() {}
        if self.ended {
            return Ok(None);
        }
        let _ = self.buffer.split_to(self.delimiter.len());
        self.at_delimiter = false;
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        if self.buffer.starts_with(b"--") {
            self.ended = true;
            return Ok(None);
        }
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(end);
                let _ = self.buffer.split_to(b"\r\n\r\n".len());
                return Ok(Some(read_head(&String::from_utf8_lossy(&head))));
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(Refusal::bad("body", "the headers of a part are too long"));
            }
            self.more().await?;
        }
    }

    /// The next bytes of the part, `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.at_delimiter || self.ended {
            return Ok(None);
        }
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, &self.delimiter) {
                self.at_delimiter = true;
                return Ok((end > 0).then(|| self.buffer.split_to(end).freeze()));
            }
            // What could be the beginning of a delimiter stays.
            let safe = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
            if safe > 0 {
                return Ok(Some(self.buffer.split_to(safe).freeze()));
            }
            if !self.read_more().await? {
                return self.cut_short();
            }
        }
    }

    /// Remembers the bytes of a part that is no file, for those who judge what was said.
    pub(super) fn keep(&mut self, said: &[u8]) {
        self.inbox.keep(said);
    }

    /// Box takes a body of unknown length that ends early for a short file (API.md 9, surprise 6).
    fn cut_short(&mut self) -> Result<Option<Bytes>, Refusal> {
        self.ended = true;
        if self.inbox.announced().is_some_and(|left| left > 0) || self.buffer.is_empty() {
            return Err(Refusal::bad("body", "the body ends before its closing boundary"));
        }
        Ok(Some(self.buffer.split().freeze()))
    }

    async fn read_more(&mut self) -> Result<bool, Refusal> {
        let Some(bytes) = self.inbox.next().await? else { return Ok(false) };
        self.buffer.extend_from_slice(&bytes);
        Ok(true)
    }

    async fn more(&mut self) -> Result<(), Refusal> {
        match self.read_more().await? {
            true => Ok(()),
            false => Err(Refusal::bad("body", "the body ends in the middle of a part")),
        }
    }
}

fn boundary_of(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (!boundary.is_empty() && boundary.len() <= 70).then_some(boundary)
}

fn read_head(text: &str) -> Head {
    let named = |line: &&str| line.to_ascii_lowercase().starts_with("content-disposition:");
    let Some(line) = text.split("\r\n").find(named) else { return Head::default() };
    Head { name: parameter(line, "name").unwrap_or_default(), filename: parameter(line, "filename") }
}

/// The value of `name=value` or `name="value"` between semicolons.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=')?;
        let key = key.rsplit(';').next().unwrap_or(key).trim();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted),
            None => match after.split_once(';') {
                Some((value, next)) => (value.trim().to_owned(), next),
                None => (after.trim().to_owned(), ""),
            },
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
}

fn quoted_value(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (false, '"') => return (value, &quoted[at + 1..]),
            _ => {
                value.push(c);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_quoted_or_not() {
        let line = r#"Content-Disposition: form-data; name="file"; filename="a \"b\"; c=.txt""#;
        assert_eq!(parameter(line, "name").as_deref(), Some("file"));
        assert_eq!(parameter(line, "filename").as_deref(), Some("a \"b\"; c=.txt"));
        assert_eq!(boundary_of("multipart/form-data; boundary=xyz; charset=x").as_deref(), Some("xyz"));
        assert_eq!(boundary_of("multipart/form-data; boundary=\"x y\"").as_deref(), Some("x y"));
        assert_eq!(boundary_of("application/json; boundary=x"), None);
    }
}

//! The text chunks of a PNG, which say of what a thumbnail is and how old (PNG specification 5 and 11.3.4). Pure.

/// What every PNG begins with.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Length, type and checksum around a chunk's data.
const AROUND: usize = 12;
/// Of the header chunk: its data has a fixed size.
const HEADER_BYTES: usize = AROUND + 13;
const TEXT: &[u8] = b"tEXt";

/// Width and height; `None` for what is no PNG.
pub(super) fn size_of(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(SIGNATURE)?.get(..HEADER_BYTES)?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    (header.get(4..8)? == b"IHDR").then_some((number(8)?, number(12)?))
}

/// The picture with these texts in it, each a keyword and a value in Latin-1; its own texts of those names are left out.
pub(super) fn with_texts(png: &[u8], texts: &[(&str, String)]) -> Option<Vec<u8>> {
    size_of(png)?;
    let mut out = png.get(..SIGNATURE.len() + HEADER_BYTES)?.to_vec();
    for (keyword, value) in texts {
        push(&mut out, TEXT, &[keyword.as_bytes(), b"\0", value.as_bytes()].concat());
    }
    for chunk in chunks(png).skip(1) {
        let replaced =
            text_of(&chunk).is_some_and(|(keyword, _)| texts.iter().any(|(own, _)| own.as_bytes() == keyword));
        if !replaced {
            push(&mut out, chunk.kind, chunk.data);
        }
    }
    Some(out)
}

/// The value of a text of a PNG.
pub(super) fn text<'p>(png: &'p [u8], keyword: &str) -> Option<&'p str> {
    let mut texts = chunks(png).filter_map(|chunk| text_of(&chunk));
    texts.find(|(found, _)| *found == keyword.as_bytes()).and_then(|(_, value)| std::str::from_utf8(value).ok())
}

struct Chunk<'p> {
    kind: &'p [u8],
    data: &'p [u8],
}

/// The chunks, as far as they are whole.
fn chunks(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = png.strip_prefix(SIGNATURE).unwrap_or_default();
    std::iter::from_fn(move || {
        let len = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        let len = usize::try_from(len).ok()?;
        let chunk = Chunk { kind: rest.get(4..8)?, data: rest.get(8..)?.get(..len)? };
        rest = rest.get(len.checked_add(AROUND)?..)?;
        Some(chunk)
    })
}

fn text_of<'p>(chunk: &Chunk<'p>) -> Option<(&'p [u8], &'p [u8])> {
    let end = chunk.data.iter().position(|byte| *byte == 0).filter(|_| chunk.kind == TEXT)?;
    Some((&chunk.data[..end], &chunk.data[end + 1..]))
}

fn push(out: &mut Vec<u8>, kind: &[u8], data: &[u8]) {
    // Chunks come from a picture of a megabyte, or are a line of text.
    let len = u32::try_from(data.len()).expect("far below 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
    out.extend_from_slice(&checksum([kind, data].iter().copied().flatten().copied()).to_be_bytes());
}

/// CRC-32 as PNG and zip have it. Bit by bit: thumbnails are small.
fn checksum(bytes: impl Iterator<Item = u8>) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of 32 times 16, a text, an end.
    fn picture() -> Vec<u8> {
        let mut png = SIGNATURE.to_vec();
        push(&mut png, b"IHDR", &[0, 0, 0, 32, 0, 0, 0, 16, 8, 6, 0, 0, 0]);
        push(&mut png, TEXT, b"Software\0somebody's");
        push(&mut png, b"IEND", b"");
        png
    }

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(checksum(b"123456789".iter().copied()), 0xcbf4_3926);
        // Every PNG ends so.
        assert!(picture().ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));
    }

    #[test]
    fn texts_are_put_behind_the_header_and_read_again() {
        let texts = [("Thumb::URI", "file:///a%20b".to_owned()), ("Software", "boxfs".to_owned())];
        let png = with_texts(&picture(), &texts).unwrap();
        assert_eq!(size_of(&png), Some((32, 16)));
        assert_eq!(text(&png, "Thumb::URI"), Some("file:///a%20b"));
        assert_eq!(text(&png, "Software"), Some("boxfs"));
        assert_eq!(text(&png, "Thumb::MTIME"), None);
        let kinds: Vec<_> = chunks(&png).map(|chunk| chunk.kind).collect();
        assert_eq!(kinds, [b"IHDR", b"tEXt", b"tEXt", b"IEND"]);
        assert_eq!(with_texts(&png, &texts).unwrap(), png);
    }

    #[test]
    fn what_is_no_picture_is_none() {
        let cut = &picture()[..20];
        for bad in [&b""[..], b"GIF89a", SIGNATURE, cut] {
            assert!(size_of(bad).is_none() && with_texts(bad, &[]).is_none() && text(bad, "a").is_none());
        }
        // A length that reaches beyond the end.
        let mut png = picture();
        png[SIGNATURE.len() + HEADER_BYTES] = 0xff;
        assert_eq!(text(&png, "Software"), None);
    }
}

//! Zip downloads: several items as one archive, stored without compression (API.md 8.7).

use std::collections::BTreeMap;
use std::io;

use hyper::Method;
use serde_json::{Value, json};

use super::super::archives::Archive;
use super::super::contents::{Contents, Pen};
use super::super::desk::Desk;
use super::super::refusal::Refusal;
use super::super::store::{Act, Content, Key, Kind, Store, Who, id_text};
use super::answer::{Answer, Payload};
use super::call::{Call, encode, item_key, text};

/// Box takes this many files.
const MAX_FILES: usize = 10_000;
/// What the classic format holds; larger archives are not made.
const MAX_BYTES: u64 = u32::MAX as u64 - 64 * 1024 * 1024;
/// How long an archive can be fetched.
const LIFE_SECS: i64 = 30 * 60;

/// Items and what they are called in an archive.
type Named = Vec<(String, Key)>;

/// `/zip_downloads...` on the API's side.
pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    match rest {
        [] => {
            super::only(call, Method::POST)?;
            create(call).await
        }
        [id, "status"] => {
            super::only(call, Method::GET)?;
            call.who()?;
            let job = call.desk.archives.get(id).ok_or_else(Refusal::not_found)?;
            let count = job.files.len();
            Ok(Answer::ok(&json!({
                "total_file_count": count,
                "downloaded_file_count": if job.sent { count } else { 0 },
                "skipped_file_count": 0,
                "skipped_folder_count": 0,
                "state": if job.sent { "succeeded" } else { "in_progress" },
            })))
        }
        _ => Err(Refusal::not_found()),
    }
}

async fn create(call: &mut Call) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let body = call.json().await?;
    let items = body["items"].as_array().ok_or_else(|| Refusal::bad("items", "'items' is required"))?;
    let keys = items.iter().map(|item| item_in(item, &who)).collect::<Result<Vec<Key>, Refusal>>()?;
    let (files, conflicts) = call.desk.read(|store| {
        let (named, conflicts) = names_in_archive(store, &who, &keys)?;
        Ok::<_, Refusal>((collect(store, named), conflicts))
    })?;
    let bytes: u64 = files.iter().map(|(_, content)| content.size).sum();
    if files.len() > MAX_FILES || bytes > MAX_BYTES {
        return Err(Refusal::bad("items", "too many files or bytes for one archive"));
    }
    let name = text(&body, "download_file_name")?.unwrap_or("archive").trim_end_matches(".zip").to_owned();
    let expires = call.desk.clock.now() + LIFE_SECS;
    let archive = Archive { name, files, expires, sent: false };
    let id = call.desk.archives.add(archive, call.desk.clock.now());
    let expires = call.desk.read(|store| store.time(expires));
    Ok(Answer::json(
        202,
        &json!({
            "download_url": format!("{}/2.0/zip_downloads/{id}/content", call.places.downloads),
            "status_url": format!("{}/2.0/zip_downloads/{id}/status", call.places.api),
            "expires_at": expires,
            "name_conflicts": conflicts,
        }),
    ))
}

fn item_in(item: &Value, who: &Who) -> Result<Key, Refusal> {
    let kind = match text(item, "type")? {
        Some("file") => Kind::File,
        Some("folder") => Kind::Folder,
        _ => return Err(Refusal::bad("items", "an item is a file or a folder")),
    };
    item_key(kind, text(item, "id")?.unwrap_or(""), who)
}

/// What each item is called in the archive, and who had to be renamed: all of those that share a name, as Box does.
fn names_in_archive(store: &Store, who: &Who, keys: &[Key]) -> Result<(Named, Vec<Value>), Refusal> {
    let mut named = Vec::new();
    for key in keys {
        named.push((store.allow(who, *key, Act::Download)?.name.clone(), *key));
    }
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (name, _)) in named.iter().enumerate() {
        groups.entry(name.to_lowercase()).or_default().push(at);
    }
    let mut conflicts = Vec::new();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let renamed = group.into_iter().map(|at| {
            let (name, key) = &mut named[at];
            let original = name.clone();
            *name = match original.rsplit_once('.') {
                Some((_, extension)) if key.kind == Kind::File => format!("{}.{extension}", super::hex_id(6)),
                _ => super::hex_id(6),
            };
            json!({"id": id_text(*key), "type": key.kind.word(), "original_name": original, "download_name": name})
        });
        conflicts.push(Value::Array(renamed.collect()));
    }
    Ok((named, conflicts))
}

/// The files of the items, with their paths in the archive.
fn collect(store: &Store, mut open: Named) -> Vec<(String, Content)> {
    let mut files = Vec::new();
    while let Some((path, key)) = open.pop() {
        match key.kind {
            Kind::File => files.extend(store.current(key.id).map(|(_, version)| (path, version.content.clone()))),
            Kind::Folder => {
                let child = |child: &Key| store.items.get(child).map(|item| (format!("{path}/{}", item.name), *child));
                open.extend(store.children(key.id).values().filter_map(child));
            }
            Kind::WebLink => {}
        }
    }
    files
}

/// `GET /zip_downloads/:id/content` on the download listener.
pub(super) fn download(call: &Call, id: &str) -> Result<Answer, Refusal> {
    super::only(call, Method::GET)?;
    let job =
        call.desk.archives.get(id).filter(|job| job.expires > call.desk.clock.now()).ok_or_else(Refusal::not_found)?;
    let content = write_archive(&call.desk, &job.files)?;
    let mut reader = call.desk.contents.read(&content, 0, content.size);
    reader.open_first()?;
    // The open file outlives its name.
    content.extents.iter().for_each(|extent| call.desk.contents.remove(extent.blob));
    call.desk.archives.mark_sent(id);
    let mut answer = Answer::empty(200)
        .header("content-type", "application/octet-stream")
        .header("content-length", content.size.to_string())
        .header("content-disposition", format!("attachment;filename*=UTF-8''{}.zip", encode(&job.name)));
    answer.payload = Payload::Content(reader);
    Ok(answer)
}

fn write_archive(desk: &Desk, files: &[(String, Content)]) -> io::Result<Content> {
    let mut pen = desk.contents.create()?;
    let mut directory = Vec::new();
    for (path, content) in files {
        let at = pen.len() as u32;
        let crc = crc_of(&desk.contents, content)?;
        let head = entry_head(path, crc, content.size as u32);
        pen.write(&[b"PK\x03\x04", &head[..], path.as_bytes()].concat())?;
        copy(&desk.contents, content, &mut pen)?;
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&head);
        // Comment length, disk, internal and external attributes.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(path.as_bytes());
    }
    let at = pen.len() as u32;
    let count = (files.len() as u16).to_le_bytes();
    pen.write(&directory)?;
    let sizes = [(directory.len() as u32).to_le_bytes(), at.to_le_bytes()].concat();
    pen.write(&[b"PK\x05\x06\0\0\0\0", &count[..], &count[..], &sizes[..], b"\0\0"].concat())?;
    Ok(pen.finish().into_content())
}

/// What local and central headers share: version, flags (UTF-8), method (stored), time, CRC, sizes, name length.
fn entry_head(path: &str, crc: u32, size: u32) -> Vec<u8> {
    let mut head = vec![0x14, 0, 0, 0x08, 0, 0, 0, 0, 0x21, 0];
    head.extend_from_slice(&crc.to_le_bytes());
    head.extend_from_slice(&size.to_le_bytes());
    head.extend_from_slice(&size.to_le_bytes());
    head.extend_from_slice(&(path.len() as u16).to_le_bytes());
    head.extend_from_slice(&[0, 0]);
    head
}

fn copy(contents: &Contents, content: &Content, pen: &mut Pen) -> io::Result<()> {
    let mut reader = contents.read(content, 0, content.size);
    while let Some(chunk) = reader.next_chunk()? {
        pen.write(&chunk)?;
    }
    Ok(())
}

fn crc_of(contents: &Contents, content: &Content) -> io::Result<u32> {
    let mut crc = u32::MAX;
    let mut reader = contents.read(content, 0, content.size);
    while let Some(chunk) = reader.next_chunk()? {
        crc = chunk.iter().fold(crc, |crc, byte| CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8));
    }
    Ok(!crc)
}

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_zip() {
        let crc = b"123456789".iter().fold(u32::MAX, |crc, b| CRC_TABLE[usize::from(crc as u8 ^ b)] ^ (crc >> 8));
        assert_eq!(!crc, 0xcbf4_3926);
    }
}

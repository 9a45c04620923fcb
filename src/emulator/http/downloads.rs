//! Downloads: the redirect on the API's side, and the second listener, whose URLs carry their own permission
//! (API.md section 6).

use hyper::Method;
use sha1::{Digest, Sha1};

use super::super::clock;
use super::super::desk::Desk;
use super::super::refusal::Refusal;
use super::super::store::{Act, Content, Key, Kind};
use super::Door;
use super::answer::{Answer, Payload};
use super::call::{Call, encode, item_key};

/// `GET /files/:id/content`: 302 to a URL of the download listener.
pub(super) async fn redirect(call: &mut Call, id: &str) -> Result<Answer, Refusal> {
    super::only(call, Method::GET)?;
    let who = call.who()?;
    let file = item_key(Kind::File, id, &who)?.id;
    let key = Key::file(file);
    let version = call.param("version").filter(|version| !version.is_empty());
    let wanted = version.map(|v| v.parse::<u64>().map_err(|_| Refusal::not_found())).transpose()?;
    let now = call.desk.clock.now();
    let version = call.desk.read(|store| {
        store.allow(&who, key, Act::Download)?;
        if store.lock_of(key).is_some_and(|lock| lock.no_download && lock.by != who.user) {
            return Err(Refusal::locked());
        }
        let id = match wanted {
            Some(id) => id,
            None => store.current(file).map(|(id, _)| id).ok_or_else(Refusal::not_found)?,
        };
        match store.version_of(&who, file, id)?.trashed {
            Some(_) => Err(Refusal::trashed()),
            None => Ok(id),
        }
    })?;
    if call.desk.not_ready(version) {
        return Ok(Answer::empty(202).header("retry-after", "1"));
    }
    let expires = now + call.desk.options.download_url_secs;
    let url = format!("{}/d/1/{}/download", call.places.downloads, ticket(&call.desk, version, expires));
    Ok(Answer::empty(302).header("location", url))
}

/// What makes a download URL valid: version, expiry, and a digest that only this server can make.
fn ticket(desk: &Desk, version: u64, expires: i64) -> String {
    let seal = Sha1::digest(format!("{version}/{expires}/{}/{}", desk.options.client_secret, desk.options.token));
    format!("{version:x}-{expires:x}-{}", hex::encode(seal))
}

fn read_ticket(desk: &Desk, text: &str) -> Option<(u64, i64)> {
    let mut parts = text.split('-');
    let version = u64::from_str_radix(parts.next()?, 16).ok()?;
    let expires = i64::from_str_radix(parts.next()?, 16).ok()?;
    (ticket(desk, version, expires) == text).then_some((version, expires))
}

/// The download listener's paths.
pub(super) async fn route(call: &mut Call, path: &str) -> Result<Answer, Refusal> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    super::routes::check(Door::Downloads, call.method.as_str(), &segments)?;
    match segments.as_slice() {
        ["d", "1", ticket, "download"] => download(call, ticket),
        ["2.0", "zip_downloads", id, "content"] => super::zips::download(call, id),
        ["subscribe"] => super::events::subscribe(call).await,
        _ => Err(Refusal::not_found()),
    }
}

fn download(call: &Call, ticket: &str) -> Result<Answer, Refusal> {
    if call.method != Method::GET && call.method != Method::HEAD {
        return Err(Refusal::method_not_allowed());
    }
    let (version, expires) = read_ticket(&call.desk, ticket).ok_or_else(Refusal::not_found)?;
    if expires <= call.desk.clock.now() {
        return Err(Refusal::new(403, "forbidden", "The download URL has expired"));
    }
    let found = call.desk.read(|store| {
        let row = store.versions.get(&version)?;
        let name = store.items.get(&Key::file(row.file)).map_or_else(|| row.name.clone(), |item| item.name.clone());
        Some((row.content.clone(), name, row.created_at))
    });
    let (content, name, at) = found.ok_or_else(Refusal::not_found)?;
    let answer = match range_of(call, content.size) {
        Range::Whole => body(call, &content, 200, 0, content.size),
        Range::Part(first, last) => body(call, &content, 206, first, last + 1 - first)
            .header("content-range", format!("bytes {first}-{last}/{}", content.size)),
        Range::Outside if call.desk.options.range_error_400 => {
            return Err(Refusal::new(400, "requested_page_out_of_range", "Requested page out of range"));
        }
        Range::Outside => {
            let refusal = Refusal::new(416, "requested_range_not_satisfiable", "Requested Range Not Satisfiable");
            return Err(refusal.header("content-range", format!("bytes */{}", content.size)));
        }
    };
    Ok(answer
        .header("content-type", "application/octet-stream")
        .header("accept-ranges", "bytes")
        .header("last-modified", clock::http_date(at))
        .header("content-disposition", disposition(&name)))
}

fn body(call: &Call, content: &Content, status: u16, first: u64, len: u64) -> Answer {
    let mut answer = Answer::empty(status).header("content-length", len.to_string());
    if call.method == Method::GET {
        answer.payload = Payload::Content(call.desk.contents.read(content, first, len));
    }
    answer
}

fn disposition(name: &str) -> String {
    let ascii: String =
        name.chars().map(|c| if c.is_ascii_graphic() && c != '"' || c == ' ' { c } else { '_' }).collect();
    format!("attachment;filename=\"{ascii}\";filename*=UTF-8''{}", encode(name))
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    /// First and last byte.
    Part(u64, u64),
    Outside,
}

/// A single range of bytes; anything else that is asked for is the whole, as RFC 9110 allows.
fn range_of(call: &Call, size: u64) -> Range {
    call.header("range").map_or(Range::Whole, |range| read_range(range, size))
}

fn read_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Whole;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), last) if last.is_ok() || text.trim().ends_with('-') => {
            let last = last.unwrap_or(u64::MAX).min(size.saturating_sub(1));
            match first {
                first if first >= size => Range::Outside,
                first if first > last => Range::Whole,
                first => Range::Part(first, last),
            }
        }
        (Err(_), Ok(tail)) if first.trim().is_empty() => match tail.min(size) {
            0 => Range::Outside,
            tail => Range::Part(size - tail, size - 1),
        },
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let rows = [
            ("bytes=0-9", 100, Range::Part(0, 9)),
            ("bytes=90-", 100, Range::Part(90, 99)),
            ("bytes=90-200", 100, Range::Part(90, 99)),
            ("bytes=-10", 100, Range::Part(90, 99)),
            ("bytes=-200", 100, Range::Part(0, 99)),
            ("bytes=100-", 100, Range::Outside),
            ("bytes=0-0", 0, Range::Outside),
            ("bytes=-0", 100, Range::Outside),
            ("bytes=9-0", 100, Range::Whole),
            ("bytes=0-1,5-6", 100, Range::Whole),
            ("lines=0-1", 100, Range::Whole),
            ("bytes=x", 100, Range::Whole),
        ];
        for (text, size, expected) in rows {
            assert_eq!(read_range(text, size), expected, "{text} of {size}");
        }
    }
}

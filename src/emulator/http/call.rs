//! One request, decoded: who asks, for what, with which parameters.

use std::sync::Arc;

use hyper::Method;
use hyper::header::HeaderMap;
use serde_json::Value;

use super::super::clock;
use super::super::desk::{Desk, Places};
use super::super::refusal::Refusal;
use super::super::store::{Key, Kind, Precondition, Who, root_of};
use super::inbox::Inbox;

/// The request and what it works on.
pub(in crate::emulator) struct Call {
    pub(in crate::emulator) desk: Arc<Desk>,
    /// What the caller takes this server to be, for URLs in answers.
    pub(in crate::emulator) places: Arc<Places>,
    pub(in crate::emulator) method: Method,
    /// The caller is on this machine.
    pub(in crate::emulator) local: bool,
    pub(in crate::emulator) query: Vec<(String, String)>,
    pub(in crate::emulator) headers: HeaderMap,
    pub(in crate::emulator) inbox: Inbox,
}

impl Call {
    pub(in crate::emulator) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(in crate::emulator) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A switch in the query; Box's SDK for Python writes `True`.
    pub(in crate::emulator) fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A whole number in the query, refused with `code` where it is none.
    pub(in crate::emulator) fn number(&self, name: &str, code: &str, otherwise: u64) -> Result<u64, Refusal> {
        match self.param(name) {
            None | Some("") => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| Refusal::new(400, code, format!("Invalid value for {name}"))),
        }
    }

    /// The bearer token as sent, in the header or, where Box takes it there, in the query.
    fn token(&self) -> Option<&str> {
        let sent = self.header("authorization");
        let bearer = sent.and_then(|value| value.split_once(' '));
        match bearer {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
            _ => self.param("access_token"),
        }
    }

    /// Who asks, by token, `As-User` and shared link; 401 where nobody.
    pub(in crate::emulator) fn who(&self) -> Result<Who, Refusal> {
        let token = self.token().ok_or_else(|| Refusal::unauthorized(None))?;
        if self.desk.read(|store| store.ends_something(token)) {
            self.desk.write(|store| {
                store.first_use(token);
                Ok(())
            })?;
        }
        self.desk.read(|store| {
            let mut who = store.who_has(token)?;
            if let Some(user) = self.header("as-user") {
                who = store.act_for(&who, user)?;
            }
            if let Some(link) = self.header("boxapi") {
                who.link = store.open_link(&pairs(link))?;
            }
            Ok(who)
        })
    }

    /// Makes the token of this call expire, as a fault.
    pub(in crate::emulator) fn expire_token(&self) {
        let Some(token) = self.token() else { return };
        let expired = self.desk.write(|store| {
            store.expire(token);
            Ok(())
        });
        if let Err(refusal) = expired {
            log::warn!("emulator: {}", refusal.message);
        }
    }

    /// `?fields=`, split; empty is as if it were not there.
    pub(in crate::emulator) fn fields(&self) -> Option<Vec<String>> {
        let fields = self.param("fields")?;
        let names: Vec<String> =
            fields.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect();
        (!names.is_empty()).then_some(names)
    }

    pub(in crate::emulator) fn if_match(&self) -> Precondition {
        Precondition(self.header("if-match").map(|etag| bare_etag(etag).to_owned()))
    }

    /// Whether `If-None-Match` names the etag.
    pub(in crate::emulator) fn has_already(&self, etag: u64) -> bool {
        let etag = etag.to_string();
        self.header("if-none-match").is_some_and(|sent| sent.split(',').any(|one| bare_etag(one) == etag))
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(in crate::emulator) async fn json(&mut self) -> Result<Value, Refusal> {
        let bytes = self.inbox.small().await?;
        if bytes.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|_| Refusal::bad("entity-body", "the body is not JSON"))?;
        if !value.is_object() {
            return Err(Refusal::bad("entity-body", "the body is not a JSON object"));
        }
        Ok(value)
    }

    /// The body as a form.
    pub(in crate::emulator) async fn form(&mut self) -> Result<Vec<(String, String)>, Refusal> {
        let bytes = self.inbox.small().await?;
        Ok(pairs(&String::from_utf8_lossy(&bytes)))
    }
}

fn bare_etag(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

/// An id in a path: Box answers 405 to one that is not a number (API.md 3.2).
pub(in crate::emulator) fn item_key(kind: Kind, id: &str, who: &Who) -> Result<Key, Refusal> {
    if kind == Kind::Folder && id == "0" {
        return Ok(Key::folder(root_of(who.user)));
    }
    let digits = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    let id: Option<u64> = id.parse().ok().filter(|_| digits);
    match id {
        // No number of 64 bits: well formed, but nobody's id.
        None if digits => Err(Refusal::not_found()),
        None => Err(Refusal::method_not_allowed()),
        Some(id) => Ok(Key { kind, id: id & !(1 << 63) }),
    }
}

/// A folder named in a body: its id as text or number.
pub(in crate::emulator) fn folder_in(value: &Value, name: &str, who: &Who) -> Result<Option<u64>, Refusal> {
    let id = match value {
        Value::Null => return Ok(None),
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return Err(Refusal::bad(name, "not a folder id")),
    };
    match item_key(Kind::Folder, &id, who) {
        Ok(key) => Ok(Some(key.id)),
        Err(refusal) if refusal.status == 405 => Err(Refusal::bad(name, "not a folder id")),
        Err(refusal) => Err(refusal),
    }
}

/// A text property; null is as if it were not there.
pub(in crate::emulator) fn text<'a>(value: &'a Value, name: &str) -> Result<Option<&'a str>, Refusal> {
    match &value[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(Refusal::bad(name, "not a text")),
    }
}

/// A time property, whole seconds since 1970.
pub(in crate::emulator) fn time(value: &Value, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = text(value, name)? else { return Ok(None) };
    clock::read(text).map(Some).ok_or_else(|| Refusal::bad(name, format!("Invalid date/time: {text}")))
}

/// A number property; Box takes it as text too.
pub(in crate::emulator) fn number(value: &Value, name: &str) -> Result<Option<u64>, Refusal> {
    let parsed = match &value[name] {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    parsed.map(Some).ok_or_else(|| Refusal::bad(name, "not a number"))
}

/// `a=b&c=d`, decoded.
pub(in crate::emulator) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key, true), decode(value, true))
    };
    text.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

/// Percent decoding; what is not UTF-8 afterwards is replaced.
pub(in crate::emulator) fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], value) {
            (_, Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) if plus_is_space => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A query value, encoded.
pub(in crate::emulator) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let expected = vec![("a b".to_owned(), "1/2".to_owned()), ("c".to_owned(), String::new())];
        assert_eq!(pairs("a+b=1%2F2&c"), expected);
        assert_eq!(decode("100%", true), "100%");
        assert_eq!(decode("%zz%41", false), "%zzA");
    }

    #[test]
    fn ids_that_are_no_numbers_are_405_and_unknown_ones_404() {
        let who = Who::user(7);
        assert_eq!(item_key(Kind::File, "abc", &who).err().map(|r| r.status), Some(405));
        assert_eq!(item_key(Kind::File, "-1", &who).err().map(|r| r.status), Some(405));
        assert_eq!(item_key(Kind::File, "99999999999999999999999", &who).err().map(|r| r.status), Some(404));
        assert_eq!(item_key(Kind::Folder, "0", &who).ok(), Some(Key::folder(root_of(7))));
    }
}

//! Folders: create, list by offset and by marker, the trash as a listing.

use std::cmp::Ordering;

use hyper::Method;
use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::store::{Act, Detail, Key, Kind, Store, View, Who};
use super::answer::Answer;
use super::call::{Call, folder_in, item_key, text};
use super::items;

const DEFAULT_LIMIT: u64 = 100;
/// Larger limits are clamped, not refused.
const MAX_LIMIT: u64 = 1000;
/// Offsets beyond are refused.
const MAX_OFFSET: u64 = 10_000;

pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    match rest {
        [] if call.method == Method::POST => create(call).await,
        [] => Err(Refusal::method_not_allowed()),
        ["trash", "items"] => {
            super::only(call, Method::GET)?;
            let who = call.who()?;
            let page = Page::of(call)?;
            call.desk.read(|store| page.answer(store, &who, store.trash_of(&who)))
        }
        [id, "items"] => {
            super::only(call, Method::GET)?;
            list(call, id)
        }
        [id, rest @ ..] => items::route(call, Kind::Folder, id, rest).await,
    }
}

async fn create(call: &mut Call) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let body = call.json().await?;
    let name = text(&body, "name")?.ok_or_else(|| Refusal::bad("name", "'name' is required"))?;
    let parent = folder_in(&body["parent"]["id"], "parent", &who)?;
    let parent = parent.ok_or_else(|| Refusal::bad("parent", "'parent' is required"))?;
    let fields = call.fields();
    call.desk.write(|store| {
        let key = store.create(&who, parent, name, None)?;
        Ok(Answer::json(201, &items::show(store, &who, key, &fields)))
    })
}

fn list(call: &Call, id: &str) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let key = item_key(Kind::Folder, id, &who)?;
    let page = Page::of(call)?;
    call.desk.read(|store| {
        store.allow(&who, key, Act::See)?;
        if page.plain() {
            return Ok(page.quick(store, &who, key.id));
        }
        page.answer(store, &who, store.listing(&who, key.id))
    })
}

/// An order of items within a type.
type Compare<'a> = Box<dyn Fn(&Key, &Key) -> Ordering + 'a>;

/// Which part of a listing is wanted, and how.
struct Page {
    limit: u64,
    from: From,
    sort: String,
    descending: bool,
    fields: Option<Vec<String>>,
}

enum From {
    Offset(u64),
    /// The type and folded name of the last item of the page before; `None` is the beginning.
    Marker(Option<(Kind, String)>),
}

impl Page {
    fn of(call: &Call) -> Result<Page, Refusal> {
        let limit = call.number("limit", "invalid_limit", DEFAULT_LIMIT)?;
        let offset = call.number("offset", "invalid_offset", 0)?;
        if offset > MAX_OFFSET {
            return Err(Refusal::new(400, "invalid_offset", "Offset is above the maximum of 10000"));
        }
        let marker = match call.param("marker") {
            None | Some("" | "0") => None,
            Some(text) => Some(read_marker(text).ok_or_else(|| Refusal::bad("marker", "Invalid marker"))?),
        };
        let by_marker = call.flag("usemarker");
        Ok(Page {
            limit: limit.min(MAX_LIMIT),
            from: if by_marker { From::Marker(marker) } else { From::Offset(offset) },
            sort: call.param("sort").unwrap_or("name").to_owned(),
            descending: call.param("direction").is_some_and(|d| d.eq_ignore_ascii_case("desc")),
            fields: call.fields(),
        })
    }

    /// In the order in which the store keeps folders.
    fn plain(&self) -> bool {
        self.sort == "name" && !self.descending && matches!(self.from, From::Marker(_))
    }

    fn render(&self, store: &Store, who: &Who, keys: &[Key]) -> Vec<Value> {
        let view = View { who, detail: Detail::Mini, fields: self.fields.as_deref() };
        keys.iter().map(|key| store.render(&view, *key)).collect()
    }

    /// A page by marker without a list of the whole folder, which may have a million items.
    fn quick(&self, store: &Store, who: &Who, folder: u64) -> Answer {
        use std::ops::Bound::{Excluded, Unbounded};
        let From::Marker(after) = &self.from else { unreachable!("only a page by marker is plain") };
        let start = after.as_ref().map_or(Unbounded, Excluded);
        let shared = store.listing_if_shared(who, folder);
        let children = shared.as_ref().unwrap_or_else(|| store.children(folder));
        let mut rest = children.range((start, Unbounded));
        let some: Vec<(&(Kind, String), &Key)> = rest.by_ref().take(self.limit as usize).collect();
        let more = rest.next().is_some();
        let keys: Vec<Key> = some.iter().map(|(_, key)| **key).collect();
        let marker = some.last().filter(|_| more).map(|(place, _)| write_marker(place));
        self.by_marker(store, self.render(store, who, &keys), marker)
    }

    fn by_marker(&self, store: &Store, entries: Vec<Value>, marker: Option<String>) -> Answer {
        let mut page = json!({"limit": self.limit, "entries": entries});
        match marker {
            Some(marker) => page["next_marker"] = json!(marker),
            None if store.options.empty_last_marker => page["next_marker"] = json!(""),
            None => page["next_marker"] = Value::Null,
        }
        Answer::ok(&page)
    }

    fn answer(&self, store: &Store, who: &Who, mut keys: Vec<Key>) -> Result<Answer, Refusal> {
        self.arrange(store, &mut keys)?;
        match &self.from {
            From::Offset(offset) => {
                let start = (*offset as usize).min(keys.len());
                let end = (start + self.limit as usize).min(keys.len());
                let direction = if self.descending { "DESC" } else { "ASC" };
                Ok(Answer::ok(&json!({
                    "total_count": keys.len(),
                    "entries": self.render(store, who, &keys[start..end]),
                    "offset": offset,
                    "limit": self.limit,
                    "order": [{"by": "type", "direction": "ASC"}, {"by": self.sort, "direction": direction}],
                })))
            }
            From::Marker(after) => {
                let place = |key: &Key| (key.kind, format!("{}", key.id));
                let start = match after {
                    Some(after) => keys.iter().position(|key| place(key) == *after).map_or(keys.len(), |at| at + 1),
                    None => 0,
                };
                let end = (start + self.limit as usize).min(keys.len());
                let marker = (end < keys.len()).then(|| keys[start..end].last().map(|key| write_marker(&place(key))));
                Ok(self.by_marker(store, self.render(store, who, &keys[start..end]), marker.flatten()))
            }
        }
    }

    /// Sorts: type first, then what was asked for.
    fn arrange(&self, store: &Store, keys: &mut [Key]) -> Result<(), Refusal> {
        let date = |key: &Key| store.items.get(key).map_or(0, |item| item.modified_at);
        let compare: Compare = match self.sort.as_str() {
            "name" => Box::new(|_, _| Ordering::Equal),
            "id" => Box::new(|a, b| a.id.cmp(&b.id)),
            "date" => Box::new(|a, b| date(a).cmp(&date(b))),
            "size" => Box::new(|a, b| store.size_of(*a).cmp(&store.size_of(*b))),
            _ => return Err(Refusal::bad("sort", "not one of id, name, date, size")),
        };
        if self.descending && self.sort == "name" {
            keys.reverse();
        }
        keys.sort_by(|a, b| {
            let second = compare(a, b);
            a.kind.cmp(&b.kind).then(if self.descending { second.reverse() } else { second })
        });
        Ok(())
    }
}

fn write_marker(place: &(Kind, String)) -> String {
    let text = serde_json::to_vec(place).unwrap_or_default();
    hex::encode(text)
}

fn read_marker(text: &str) -> Option<(Kind, String)> {
    serde_json::from_slice(&hex::decode(text).ok()?).ok()
}

//! Search by name (API.md 8.6). Finds at once what Box finds minutes later.

use hyper::Method;
use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::store::{Act, Detail, Item, Key, View};
use super::answer::Answer;
use super::call::Call;

const DEFAULT_LIMIT: u64 = 30;
const MAX_LIMIT: u64 = 200;
const MAX_OFFSET: u64 = 10_000;

pub(super) fn search(call: &Call) -> Result<Answer, Refusal> {
    super::only(call, Method::GET)?;
    let who = call.who()?;
    let query = call.param("query").filter(|query| !query.is_empty());
    let query = query.ok_or_else(|| Refusal::bad("query", "'query' is required"))?.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let limit = call.number("limit", "invalid_limit", DEFAULT_LIMIT)?;
    if limit > MAX_LIMIT {
        return Err(Refusal::new(400, "invalid_limit", "Limit is above the maximum of 200"));
    }
    let offset = call.number("offset", "invalid_offset", 0)?;
    if offset > MAX_OFFSET {
        return Err(Refusal::new(400, "invalid_offset", "Offset is above the maximum of 10000"));
    }
    // Folder 0 is everything.
    let listed = call.param("ancestor_folder_ids").unwrap_or("");
    let ancestors: Vec<u64> = listed.split(',').filter_map(|id| id.trim().parse().ok()).filter(|id| *id != 0).collect();
    let kind = call.param("type").map(str::to_owned);
    let fields = call.fields();
    call.desk.read(|store| {
        let named = |item: &Item| {
            let name = item.name.to_lowercase();
            words.iter().all(|word| name.contains(word))
        };
        let below = |key: Key| ancestors.is_empty() || ancestors.iter().any(|folder| store.is_below(key, *folder));
        let found: Vec<Key> = store
            .items
            .rows()
            .iter()
            .filter(|(key, item)| !key.is_root() && kind.as_deref().is_none_or(|k| k == key.kind.word()) && named(item))
            .map(|(key, _)| *key)
            .filter(|key| below(*key) && store.may(&who, *key, Act::See) && !store.in_trash(*key))
            .collect();
        let view = View { who: &who, detail: Detail::Standard, fields: fields.as_deref() };
        let some = found.iter().skip(offset as usize).take(limit as usize);
        let entries: Vec<Value> = some.map(|key| store.render(&view, *key)).collect();
        Ok(Answer::ok(&json!({
            "total_count": found.len(),
            "limit": limit,
            "offset": offset,
            "type": "search_results_items",
            "entries": entries,
        })))
    })
}

//! Collaborations over HTTP (API.md 8.8).

use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::store::{Act, Detail, Key, Kind, Store, View, Who};
use super::answer::Answer;
use super::call::{Call, item_key, text};

/// What an item's list says of its pages; all is in the first.
const LIST_LIMIT: u64 = 1000;

pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    let who = call.who()?;
    let method = call.method.clone();
    match (method.as_str(), rest) {
        ("POST", []) => create(call, &who).await,
        ("GET", [id]) => {
            let id = number_of(id)?;
            call.desk.read(|store| {
                store.collaboration(&who, id)?;
                Ok(Answer::ok(&collaboration(store, &who, id)))
            })
        }
        ("PUT", [id]) => {
            let id = number_of(id)?;
            let body = call.json().await?;
            let role = text(&body, "role")?.ok_or_else(|| Refusal::bad("role", "'role' is required"))?;
            call.desk.write(|store| {
                store.change_role(&who, id, role)?;
                Ok(Answer::ok(&collaboration(store, &who, id)))
            })
        }
        ("DELETE", [id]) => {
            let id = number_of(id)?;
            call.desk.write(|store| store.end_collaboration(&who, id))?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// `GET /folders/:id/collaborations`.
pub(super) fn list(call: &Call, who: &Who, item: Key) -> Result<Answer, Refusal> {
    call.desk.read(|store| {
        store.allow(who, item, Act::See)?;
        let entries: Vec<Value> =
            store.collaborations_of(item).into_iter().map(|id| collaboration(store, who, id)).collect();
        Ok(Answer::ok(&json!({"entries": entries, "limit": LIST_LIMIT, "next_marker": null})))
    })
}

fn number_of(id: &str) -> Result<u64, Refusal> {
    id.parse().map_err(|_| Refusal::method_not_allowed())
}

async fn create(call: &mut Call, who: &Who) -> Result<Answer, Refusal> {
    let body = call.json().await?;
    let kind = match text(&body["item"], "type")? {
        Some("file") => Kind::File,
        _ => Kind::Folder,
    };
    let id = text(&body["item"], "id")?.ok_or_else(|| Refusal::bad("item", "'item' is required"))?;
    let item = item_key(kind, id, who)?;
    let role = text(&body, "role")?.ok_or_else(|| Refusal::bad("role", "'role' is required"))?;
    let grantee = &body["accessible_by"];
    let (id, login) = (text(grantee, "id")?, text(grantee, "login")?);
    call.desk.write(|store| {
        let named = |(key, user): &(&u64, &super::super::store::User)| {
            id.is_some_and(|id| *id == key.to_string()) || login.is_some_and(|login| login == user.login)
        };
        let user = store.users.rows().iter().find(named).map(|(id, _)| *id);
        let user = user.ok_or_else(|| Refusal::bad("accessible_by", "no such user in this enterprise"))?;
        let id = store.collaborate(who, item, user, role)?;
        Ok(Answer::json(201, &collaboration(store, who, id)))
    })
}

fn collaboration(store: &Store, who: &Who, id: u64) -> Value {
    let Some(row) = store.collaborations.get(&id) else { return Value::Null };
    let view = View { who, detail: Detail::Mini, fields: None };
    json!({
        "type": "collaboration",
        "id": id.to_string(),
        "item": store.render(&view, row.item),
        "accessible_by": store.user_mini(row.user),
        "invite_email": null,
        "role": row.role,
        "status": row.status,
        "expires_at": null,
        "is_access_only": false,
        "acknowledged_at": store.time(row.created_at),
        "created_by": store.user_mini(row.created_by),
        "created_at": store.time(row.created_at),
        "modified_at": store.time(row.created_at),
    })
}

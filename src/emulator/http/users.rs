//! `users/me` and the users of the enterprise.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::super::refusal::Refusal;
use super::super::store::Store;
use super::answer::Answer;
use super::call::Call;

pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    super::only(call, Method::GET)?;
    let who = call.who()?;
    let fields = call.fields();
    match rest {
        ["me"] => call.desk.read(|store| Ok(Answer::ok(&user(store, who.user, &fields)))),
        [] => call.desk.read(|store| {
            let wanted = call.param("filter_term").unwrap_or("").to_lowercase();
            let named = |id: &&u64| {
                let found = store.users.get(*id);
                found.is_some_and(|u| {
                    u.login.to_lowercase().starts_with(&wanted) || u.name.to_lowercase().starts_with(&wanted)
                })
            };
            let users: Vec<Value> =
                store.users.rows().keys().filter(named).map(|id| user(store, *id, &fields)).collect();
            Ok(Answer::ok(&json!({"total_count": users.len(), "entries": users, "limit": 100, "offset": 0})))
        }),
        [id] => {
            let id: u64 = id.parse().map_err(|_| Refusal::method_not_allowed())?;
            call.desk.read(|store| match store.users.contains(&id) {
                true => Ok(Answer::ok(&user(store, id, &fields))),
                false => Err(Refusal::not_found()),
            })
        }
        _ => Err(Refusal::not_found()),
    }
}

/// Bytes as Box writes them: very large plans come as floats with an exponent.
fn bytes(store: &Store, amount: u64) -> Value {
    if store.options.space_as_float { json!(amount as f64) } else { json!(amount) }
}

fn user(store: &Store, id: u64, fields: &Option<Vec<String>>) -> Value {
    let mut all = store.user_mini(id);
    let created = store.users.get(&id).map_or(0, |user| user.created_at);
    let standard = json!({
        "created_at": store.time(created),
        "modified_at": store.time(created),
        "language": "en",
        "timezone": "America/Los_Angeles",
        "space_amount": bytes(store, store.options.space_amount),
        "space_used": bytes(store, store.used_by(id)),
        "max_upload_size": bytes(store, store.options.max_upload_size),
        "status": "active",
        "job_title": "",
        "phone": "",
        "address": "",
        "avatar_url": format!("https://app.box.com/api/avatar/large/{id}"),
        "notification_email": null,
    });
    if let (Value::Object(all), Value::Object(standard)) = (&mut all, standard) {
        all.extend(standard);
    }
    let Some(fields) = fields else { return all };
    let kept = |name: &String| ["type", "id"].contains(&name.as_str()) || fields.contains(name);
    match all {
        Value::Object(all) => Value::Object(all.into_iter().filter(|(name, _)| kept(name)).collect::<Map<_, _>>()),
        other => other,
    }
}

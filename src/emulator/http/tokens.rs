//! The token endpoint: refresh with single-use rotation, and revocation.

use hyper::Method;
use serde_json::json;

use super::super::refusal::Refusal;
use super::super::store::{Issued, Store};
use super::answer::Answer;
use super::call::Call;

pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    super::only(call, Method::POST)?;
    let form = Form(call.form().await?);
    match rest {
        ["token"] => call.desk.write(|store| grant(store, &form)),
        ["revoke"] => call.desk.write(|store| {
            form.check_client(store)?;
            let token = form.need("token")?;
            store.revoke(token);
            Ok(Answer::empty(200))
        }),
        _ => Err(Refusal::not_found()),
    }
}

/// A decoded form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || Refusal::oauth(400, "invalid_request", &format!("The {name} parameter is required"));
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    }

    /// The application, by its secret.
    pub(super) fn check_client<'a>(&'a self, store: &Store) -> Result<&'a str, Refusal> {
        let id = self.need("client_id")?;
        let secret = self.get("client_secret").unwrap_or("");
        if id == store.options.client_id && secret == store.options.client_secret {
            return Ok(id);
        }
        Err(Refusal::oauth(400, "invalid_client", "The client credentials are invalid"))
    }
}

fn grant(store: &mut Store, form: &Form) -> Result<Answer, Refusal> {
    match form.need("grant_type")? {
        "refresh_token" => {
            let client = form.check_client(store)?;
            let issued = store.refresh(form.need("refresh_token")?, client)?;
            Ok(issued_answer(store, &issued))
        }
        _ => Err(Refusal::oauth(400, "unsupported_grant_type", "Unrecognized \"grant_type\" parameter")),
    }
}

fn issued_answer(store: &Store, issued: &Issued) -> Answer {
    let mut body = json!({
        "access_token": issued.access,
        "expires_in": store.options.access_token_secs,
        "restricted_to": [],
        "token_type": "bearer",
    });
    if let Some(refresh) = &issued.refresh {
        body["refresh_token"] = json!(refresh);
    }
    Answer::ok(&body)
}

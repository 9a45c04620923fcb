//! The sign-in page, the token endpoint and revocation. What a grant takes is in `grants`.

use hyper::Method;

use super::super::desk::CodeGrant;
use super::super::refusal::Refusal;
use super::super::store::Store;
use super::answer::{Answer, Payload};
use super::call::{Call, encode};
use super::grants;

/// `/oauth2/token` and `/oauth2/revoke`.
pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    super::only(call, Method::POST)?;
    let form = Form(call.form().await?);
    match rest {
        ["token"] => grants::grant(&call.desk, &form),
        ["revoke"] => call.desk.write(|store| {
            form.check_client(store)?;
            store.revoke(form.need("token")?);
            Ok(Answer::empty(200))
        }),
        _ => Err(Refusal::not_found()),
    }
}

/// A decoded form.
pub(super) struct Form(pub(super) Vec<(String, String)>);

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

/// `GET /api/oauth2/authorize` shows a form; `POST` of that form redirects with a code. PKCE is ignored, as at Box.
pub(super) async fn authorize(call: &mut Call) -> Result<Answer, Refusal> {
    let sent = match call.method {
        Method::GET => Form(call.query.clone()),
        Method::POST => Form([call.form().await?, call.query.clone()].concat()),
        _ => return Err(Refusal::method_not_allowed()),
    };
    if sent.need("client_id")? != call.desk.options.client_id {
        return Err(Refusal::oauth(400, "invalid_client", "The client id is not known"));
    }
    if sent.need("response_type")? != "code" {
        return Err(Refusal::oauth(400, "unsupported_response_type", "The response_type is not 'code'"));
    }
    let redirect = redirect_uri(call, &sent)?;
    if call.method == Method::GET {
        return Ok(page(call, &sent, &redirect));
    }
    let state = sent.get("state").map(|state| format!("&state={}", encode(state))).unwrap_or_default();
    let joint = if redirect.contains('?') { '&' } else { '?' };
    let user = sent.get("user").and_then(|user| user.parse::<u64>().ok());
    let user = user.filter(|user| call.desk.read(|store| store.users.contains(user)));
    let answer = match user {
        Some(user) => {
            let redirect_uri = sent.get("redirect_uri").map(str::to_owned);
            format!("code={}", call.desk.add_code(CodeGrant { user, redirect_uri, expires: 0 }))
        }
        None => "error=access_denied&error_description=The+user+denied+access".to_owned(),
    };
    Ok(Answer::empty(302).header("location", format!("{redirect}{joint}{answer}{state}")))
}

/// Where the browser goes: a registered URI; of loopback ones the port may be another.
fn redirect_uri(call: &Call, sent: &Form) -> Result<String, Refusal> {
    let registered = &call.desk.options.redirect_uris;
    let Some(wanted) = sent.get("redirect_uri").filter(|uri| !uri.is_empty()) else {
        let missing = || Refusal::oauth(400, "redirect_uri_missing", "The redirect_uri is missing");
        return registered.first().filter(|_| registered.len() == 1).cloned().ok_or_else(missing);
    };
    let same = |known: &String| known == wanted || (is_loopback(wanted) && without_port(known) == without_port(wanted));
    if registered.iter().any(same) || (registered.is_empty() && is_loopback(wanted)) {
        return Ok(wanted.to_owned());
    }
    Err(Refusal::oauth(400, "redirect_uri_mismatch", "The redirect_uri is not a registered one"))
}

fn is_loopback(uri: &str) -> bool {
    ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|base| {
        let rest = uri.strip_prefix(base);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?']))
    })
}

/// The URI with the digits of its port left out.
fn without_port(uri: &str) -> String {
    let Some((base, path)) = uri.split_once("://").and_then(|(_, rest)| rest.split_once('/')) else {
        return uri.to_owned();
    };
    let host = base.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(base, |h| h.0);
    format!("{host}/{path}")
}

fn page(call: &Call, sent: &Form, redirect: &str) -> Answer {
    let hidden: String = sent
        .0
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value)))
        .collect();
    let users: String = call.desk.read(|store| {
        let button = |(id, user): (&u64, &super::super::store::User)| {
            let (name, login) = (escape(&user.name), escape(&user.login));
            format!("<p><button name=\"user\" value=\"{id}\">Grant access as {name} ({login})</button></p>")
        };
        store.users.rows().iter().map(button).collect()
    });
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign in to the emulator</title>\
         <h1>Sign in to the Box emulator</h1><p>The application goes on at <code>{}</code>.</p>\
         <form method=\"post\" action=\"/api/oauth2/authorize\">{hidden}{users}\
         <p><button name=\"deny\" value=\"1\">Deny access</button></p></form></html>\n",
        escape(redirect)
    );
    let mut answer = Answer::empty(200).header("content-type", "text/html; charset=utf-8");
    answer.payload = Payload::Bytes(html.into());
    answer
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        assert!(is_loopback("http://127.0.0.1:53682/"));
        assert!(!is_loopback("http://127.0.0.1.example.com/"));
        assert_eq!(without_port("http://127.0.0.1:53682/x"), without_port("http://127.0.0.1/x"));
        assert_ne!(without_port("http://127.0.0.1:1/x"), without_port("http://127.0.0.1:1/y"));
    }
}

//! The ways to an access token besides refresh: code, JWT, client credentials, downscoping (API.md section 2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::app_key::{AppKey, KEY_ID};
use super::super::desk::Desk;
use super::super::refusal::Refusal;
use super::super::store::{Access, Issued, Kind, Store, UserRole, Who, random_token};
use super::answer::Answer;
use super::call::item_key;
use super::tokens::Form;

/// Assertions may not be good for longer.
const MAX_ASSERTION_SECS: i64 = 60;
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

fn invalid_grant(why: &str) -> Refusal {
    Refusal::oauth(400, "invalid_grant", why)
}

/// `POST /oauth2/token`.
pub(super) fn grant(desk: &Desk, form: &Form) -> Result<Answer, Refusal> {
    match form.need("grant_type")? {
        "refresh_token" => desk.write(|store| {
            let client = form.check_client(store)?;
            let issued = store.refresh(form.need("refresh_token")?, client)?;
            Ok(issued_answer(store, &issued))
        }),
        "authorization_code" => code(desk, form),
        "client_credentials" => desk.write(|store| {
            form.check_client(store)?;
            let (kind, id) = (form.need("box_subject_type")?, form.need("box_subject_id")?);
            let user = subject(store, kind, id).ok_or_else(|| invalid_grant("Grant credentials are invalid"))?;
            let issued = store.issue(user, None);
            Ok(issued_answer(store, &issued))
        }),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => assertion(desk, form),
        "urn:ietf:params:oauth:grant-type:token-exchange" => desk.write(|store| exchange(store, form)),
        _ => Err(Refusal::oauth(400, "unsupported_grant_type", "Unrecognized \"grant_type\" parameter")),
    }
}

fn code(desk: &Desk, form: &Form) -> Result<Answer, Refusal> {
    let client = desk.read(|store| form.check_client(store).map(str::to_owned))?;
    let grant = desk.take_code(form.need("code")?).ok_or_else(|| invalid_grant("Invalid or expired code"))?;
    if form.get("redirect_uri").is_some_and(|sent| grant.redirect_uri.as_deref() != Some(sent)) {
        return Err(Refusal::oauth(400, "redirect_uri_mismatch", "The redirect URI is not that of the code"));
    }
    desk.write(|store| {
        let issued = store.issue(grant.user, Some(&client));
        Ok(issued_answer(store, &issued))
    })
}

/// The user an application may sign in as: itself for the enterprise, or a user of it.
fn subject(store: &mut Store, kind: &str, id: &str) -> Option<u64> {
    match kind {
        "enterprise" if id == store.options.enterprise_id => Some(service_account(store)),
        "user" => id.parse().ok().filter(|id| store.users.contains(id)),
        _ => None,
    }
}

/// The application's own user, with a root folder of its own.
fn service_account(store: &mut Store) -> u64 {
    let there = store.users.rows().iter().find(|(_, user)| user.role == UserRole::Service).map(|(id, _)| *id);
    there.unwrap_or_else(|| {
        store.add_user("Emulator Application", "AutomationUser_1_emulator@boxdevedition.com", UserRole::Service)
    })
}

fn assertion(desk: &Desk, form: &Form) -> Result<Answer, Refusal> {
    desk.read(|store| form.check_client(store).map(drop))?;
    let key = desk.app_key()?;
    let claims = read_assertion(key, form.need("assertion")?)?;
    check_claims(desk, &claims)?;
    let (kind, id) = (claims["box_sub_type"].as_str().unwrap_or(""), claims["sub"].as_str().unwrap_or(""));
    desk.write(|store| {
        let user =
            subject(store, kind, id).ok_or_else(|| invalid_grant("The subject is not one of this enterprise"))?;
        let issued = store.issue(user, None);
        Ok(issued_answer(store, &issued))
    })
}

/// The claims of a JWT whose signature is right.
fn read_assertion(key: &AppKey, token: &str) -> Result<Value, Refusal> {
    let wrong = || invalid_grant("The JWT assertion cannot be read");
    let (signed, signature) = token.rsplit_once('.').ok_or_else(wrong)?;
    let (head, claims) = signed.split_once('.').ok_or_else(wrong)?;
    let json = |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (head, claims) = (json(head).ok_or_else(wrong)?, json(claims).ok_or_else(wrong)?);
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong())?;
    // Box's Node SDK names no key.
    if head.get("kid").is_some_and(|kid| kid != KEY_ID) {
        return Err(invalid_grant("OAuth JWT signature verification failed: unknown 'kid'"));
    }
    if !key.verify(head["alg"].as_str().unwrap_or(""), signed.as_bytes(), &signature) {
        return Err(invalid_grant("OAuth JWT signature verification failed"));
    }
    Ok(claims)
}

fn check_claims(desk: &Desk, claims: &Value) -> Result<(), Refusal> {
    let now = desk.clock.now();
    if claims["iss"] != desk.options.client_id.as_str() {
        return Err(invalid_grant("The 'iss' claim is not the client id"));
    }
    let audience = claims["aud"].as_str().unwrap_or("");
    if audience != "https://api.box.com/oauth2/token" && audience != format!("{}/oauth2/token", desk.places.api) {
        return Err(invalid_grant("The 'aud' claim is not the token endpoint"));
    }
    match claims["exp"].as_i64() {
        Some(at) if at > now && at <= now + MAX_ASSERTION_SECS => {}
        _ => return Err(invalid_grant("Please check the 'exp' claim.")),
    }
    let jti = claims["jti"].as_str().unwrap_or("");
    if !(16..=128).contains(&jti.len()) {
        return Err(invalid_grant("Please check the 'jti' claim."));
    }
    if !desk.first_use_of(jti) {
        return Err(invalid_grant("A unique 'jti' value is required."));
    }
    Ok(())
}

/// A token that may do less, perhaps to one item only.
fn exchange(store: &mut Store, form: &Form) -> Result<Answer, Refusal> {
    if form.need("subject_token_type")? != ACCESS_TOKEN_TYPE {
        return Err(Refusal::oauth(400, "invalid_request", "Unknown subject_token_type"));
    }
    let subject = store.who_has(form.need("subject_token")?).map_err(|_| invalid_grant("Invalid subject token"))?;
    let scopes: Vec<String> = form.need("scope")?.split_whitespace().map(str::to_owned).collect();
    let only = form.get("resource").filter(|resource| !resource.is_empty());
    let only = only.map(|resource| resource_key(resource, &subject)).transpose()?;
    let expires_at = Some(store.now + store.options.access_token_secs);
    let token = random_token();
    let row = Access { user: subject.user, expires_at, refresh: None, scopes: Some(scopes.clone()), only, ends: None };
    store.accesses.insert(token.clone(), row);
    let object = only.map(|key| json!({"type": key.kind.word(), "id": super::super::store::id_text(key)}));
    let restricted = scopes.iter().map(|scope| match &object {
        Some(object) => json!({"scope": scope, "object": object}),
        None => json!({"scope": scope}),
    });
    let restricted: Vec<Value> = restricted.collect();
    Ok(Answer::ok(&json!({
        "access_token": token,
        "expires_in": store.options.access_token_secs,
        "token_type": "bearer",
        "restricted_to": restricted,
        "issued_token_type": ACCESS_TOKEN_TYPE,
    })))
}

/// `https://api.box.com/2.0/folders/123`.
fn resource_key(resource: &str, who: &Who) -> Result<super::super::store::Key, Refusal> {
    let invalid = || Refusal::oauth(400, "invalid_resource", "The resource is not a file or folder");
    let mut parts = resource.rsplit('/');
    let (id, kind) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let kind = match kind {
        "files" => Kind::File,
        "folders" => Kind::Folder,
        _ => return Err(invalid()),
    };
    item_key(kind, id, who).map_err(|_| invalid())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_believed_only_with_the_right_signature() {
        let dir = tempfile::tempdir().unwrap();
        let key = AppKey::open(dir.path()).unwrap();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID});
        let signed = format!("{}.{}", part(head), part(json!({"iss": "me"})));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        assert_eq!(read_assertion(&key, &format!("{signed}.{signature}")).unwrap()["iss"], "me");
        assert!(read_assertion(&key, &format!("{signed}x.{signature}")).is_err());
        assert!(read_assertion(&AppKey::open(dir.path()).unwrap(), &format!("{signed}.{signature}")).is_ok());
    }
}

//! The ways to sign in.

use boxfs::emulator::Options;

use crate::start;
use crate::wire::{Caller, Reply, send};

const CLIENT: &str = "client_id=emulator-client-id&client_secret=emulator-client-secret";

fn token(caller: &Caller, form: &str) -> Reply {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    send(&format!("{}/oauth2/token", caller.base), "POST", &kind, form.as_bytes())
}

#[test]
fn a_person_signs_in_by_the_page() {
    let (emulator, caller) = start(Options::default());
    let query =
        "response_type=code&client_id=emulator-client-id&redirect_uri=http%3A%2F%2F127.0.0.1%3A5000%2Fback&state=a%20b";
    let page = send(&format!("{}/api/oauth2/authorize?{query}", caller.base), "GET", &[], b"");
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.body).contains("<form method=\"post\""));
    let form = format!("{query}&user={}", emulator.first_user());
    let back = send(&format!("{}/api/oauth2/authorize", caller.base), "POST", &[], form.as_bytes());
    assert_eq!(back.status, 302);
    let location = back.header("location").unwrap();
    let code = location.strip_prefix("http://127.0.0.1:5000/back?code=").unwrap().strip_suffix("&state=a%20b").unwrap();
    let traded = token(&caller, &format!("grant_type=authorization_code&code={code}&{CLIENT}"));
    assert_eq!(traded.status, 200);
    assert!(traded.json()["refresh_token"].is_string());
    let again = token(&caller, &format!("grant_type=authorization_code&code={code}&{CLIENT}"));
    assert_eq!(again.json()["error"], "invalid_grant");
    let elsewhere = query.replace("127.0.0.1", "example.com");
    let refused = send(&format!("{}/api/oauth2/authorize?{elsewhere}", caller.base), "GET", &[], b"");
    assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some("redirect_uri_mismatch")));
    let denied =
        send(&format!("{}/api/oauth2/authorize", caller.base), "POST", &[], format!("{query}&deny=1").as_bytes());
    assert!(denied.header("location").unwrap().contains("error=access_denied"));
}

#[test]
fn an_application_signs_in_as_itself_and_as_a_user() {
    let (emulator, caller) = start(Options::default());
    let grant = |kind: &str, id: &str| {
        token(&caller, &format!("grant_type=client_credentials&box_subject_type={kind}&box_subject_id={id}&{CLIENT}"))
    };
    let own = grant("enterprise", "900000001");
    assert_eq!((own.status, own.json().get("refresh_token")), (200, None));
    let service = Caller { token: own.json()["access_token"].as_str().unwrap().to_owned(), ..caller.clone() };
    assert!(service.get("/2.0/users/me").json()["login"].as_str().unwrap().starts_with("AutomationUser"));
    let user = grant("user", &emulator.first_user()).json();
    let user = Caller { token: user["access_token"].as_str().unwrap().to_owned(), ..caller.clone() };
    assert_eq!(user.get("/2.0/users/me").json()["id"], emulator.first_user().as_str());
    assert_eq!(grant("user", "1").json()["error_description"], "Grant credentials are invalid");
    let wrong = token(
        &caller,
        "grant_type=client_credentials&client_id=x&client_secret=y&box_subject_type=user&box_subject_id=1",
    );
    assert_eq!(wrong.json()["error"], "invalid_client");
}

#[test]
fn a_downscoped_token_does_no_more_than_it_says() {
    let (emulator, caller) = start(Options::default());
    let folder = caller.new_folder("f", "0");
    let other = caller.new_folder("g", "0");
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={}&subject_token_type=urn:ietf:params:oauth:token-type:access_token&scope=base_explorer+item_download&resource=https://api.box.com/2.0/folders/{folder}",
        caller.token
    );
    let narrow = token(&caller, &form).json();
    assert_eq!(narrow["restricted_to"][0]["object"]["id"], folder.as_str());
    let narrow = Caller { token: narrow["access_token"].as_str().unwrap().to_owned(), ..caller.clone() };
    assert_eq!(narrow.get(&format!("/2.0/folders/{folder}")).status, 200);
    let outside = narrow.get(&format!("/2.0/folders/{other}"));
    assert_eq!((outside.status, outside.code().as_str()), (403, "insufficient_scope"));
    let refused = narrow.call("DELETE", &format!("/2.0/folders/{folder}"), &[], b"");
    assert_eq!((refused.status, refused.code().as_str()), (403, "insufficient_scope"));
    assert!(emulator.find("/f").is_some());
}

#[test]
fn the_jwt_configuration_is_complete() {
    let (emulator, caller) = start(Options::default());
    let config: serde_json::Value = serde_json::from_str(&emulator.jwt_config().unwrap()).unwrap();
    let key = config["boxAppSettings"]["appAuth"]["privateKey"].as_str().unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let wrong = format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c&{CLIENT}");
    assert_eq!(token(&caller, &wrong).json()["error"], "invalid_grant");
}

#[test]
fn a_spent_refresh_token_lives_until_what_it_brought_is_used() {
    for until_use in [true, false] {
        let (emulator, caller) = start(Options { refresh_token_until_use: until_use, ..Options::default() });
        let (_, refresh) = emulator.issue_tokens(&emulator.first_user()).unwrap();
        let spend = || token(&caller, &format!("grant_type=refresh_token&refresh_token={refresh}&{CLIENT}"));
        let (lost, again) = (spend(), spend());
        assert_eq!((lost.status, again.status), (200, if until_use { 200 } else { 400 }));
        let used = if until_use { again } else { lost };
        let used = Caller { token: used.json()["access_token"].as_str().unwrap().to_owned(), ..caller.clone() };
        assert_eq!(used.get("/2.0/users/me").status, 200);
        assert_eq!(spend().json()["error"], "invalid_grant");
    }
}

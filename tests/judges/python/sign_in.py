"""Sign-in in each mode of the SDK: developer token, OAuth with refresh and revocation, JWT, client credentials."""

import html.parser
import json
import re
import urllib.error
import urllib.parse
import urllib.request

from box_sdk_gen import (
    BoxCCGAuth,
    BoxDeveloperTokenAuth,
    BoxJWTAuth,
    BoxOAuth,
    BoxSDKError,
    CCGConfig,
    GetAuthorizeUrlOptions,
    JWTConfig,
    OAuthConfig,
)

from court import COURT, client, client_of, control, equal, network, refused, run

REDIRECT = "http://127.0.0.1:53682/callback"


class Form(html.parser.HTMLParser):
    """The fields of the sign-in page, and its first button."""

    def __init__(self, text):
        super().__init__()
        self.fields = {}
        self.button = None
        self.action = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form":
            self.action = found["action"]
        elif tag == "input":
            self.fields[found["name"]] = found["value"]
        elif tag == "button" and self.button is None:
            self.button = (found["name"], found["value"])


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def grant_in_browser(url):
    """Goes through the sign-in page as a browser does, and answers the parameters of the redirect."""
    if not COURT["proxied"]:
        url = url.replace("https://account.box.com", COURT["url"])
    browser = urllib.request.build_opener(NoRedirect())
    form = Form(browser.open(url, timeout=30).read().decode())
    fields = dict([*form.fields.items(), form.button])
    target = urllib.parse.urljoin(url, form.action)
    try:
        browser.open(target, data=urllib.parse.urlencode(fields).encode(), timeout=30)
    except urllib.error.HTTPError as answer:
        equal(answer.code, 302, "the form's answer")
        location = answer.headers["location"]
    assert location.startswith(REDIRECT + "?"), location
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))


def oauth():
    return BoxOAuth(OAuthConfig(COURT["client_id"], COURT["client_secret"]))


def signed_in():
    auth = oauth()
    url = auth.get_authorize_url(options=GetAuthorizeUrlOptions(redirect_uri=REDIRECT, state="a b&c"))
    got = grant_in_browser(url)
    equal(got["state"], "a b&c", "state")
    auth.get_tokens_authorization_code_grant(got["code"], network_session=network())
    return auth, got["code"]


def a_developer_token_signs_in():
    me = client().users.get_user_me()
    equal((me.type, me.status), ("user", "active"), "me")
    wrong = client_of(BoxDeveloperTokenAuth(token="no such token"))
    # The SDK asks its auth for another token on 401, and a developer token has none.
    try:
        wrong.users.get_user_me()
    except BoxSDKError as error:
        assert "developer token" in str(error).lower(), error
    else:
        raise AssertionError("a wrong token was taken")


def a_browser_signs_in_by_oauth():
    auth, code = signed_in()
    equal(client_of(auth).users.get_user_me().id, client().users.get_user_me().id, "user")
    again = refused(400, None, lambda: oauth().get_tokens_authorization_code_grant(code, network_session=network()))
    equal(again.body["error"], "invalid_grant", "a code used twice")


def a_refresh_token_is_good_once():
    auth, _ = signed_in()
    first = auth.token_storage.get()
    assert 3000 < first.expires_in < 5000 and first.token_type == "bearer", first
    second = auth.refresh_token(network_session=network())
    assert second.refresh_token != first.refresh_token and second.access_token != first.access_token
    # Until then the answer could have been lost.
    client_of(auth).users.get_user_me()
    auth.token_storage.store(first)
    reused = refused(400, None, lambda: auth.refresh_token(network_session=network()))
    equal(reused.body["error"], "invalid_grant", "a refresh token used twice")
    auth.token_storage.store(second)
    client_of(auth).users.get_user_me()


def an_unknown_access_token_is_refreshed_by_the_sdk():
    auth, _ = signed_in()
    token = auth.token_storage.get()
    token.access_token = "expired long ago"
    auth.token_storage.store(token)
    client_of(auth).users.get_user_me()
    assert auth.token_storage.get().access_token != "expired long ago"


def a_revoked_token_is_dead():
    auth, _ = signed_in()
    auth.revoke_token(network_session=network())
    dead = auth.token_storage.get()
    bare = client_of(BoxDeveloperTokenAuth(token=dead.access_token))
    try:
        bare.users.get_user_me()
    except BoxSDKError:
        pass
    else:
        raise AssertionError("a revoked token was taken")
    refused(400, None, lambda: auth.refresh_token(network_session=network()))


def a_downscoped_token_can_do_less():
    auth, _ = signed_in()
    token = auth.downscope_token(["base_explorer", "item_download"], network_session=network())
    assert token.restricted_to, token
    less = client(token.access_token)
    less.folders.get_folder_by_id("0")
    refused(403, "insufficient_scope", lambda: less.folders.create_folder("no", {"id": "0"}))


def an_application_signs_in_by_jwt():
    config = json.dumps(control("GET", "jwt-config"))
    auth = BoxJWTAuth(JWTConfig.from_config_json_string(config))
    service = client_of(auth)
    login = service.users.get_user_me().login
    assert re.fullmatch(r"AutomationUser_.*@boxdevedition\.com", login), login
    equal(service.folders.get_folder_items("0").entries, [], "the service account's root")
    user = client().users.get_user_me().id
    equal(client_of(auth.with_user_subject(user)).users.get_user_me().id, user, "JWT for a user")
    forged = json.loads(config)
    forged["boxAppSettings"]["appAuth"]["publicKeyID"] = "wrong"
    bad = BoxJWTAuth(JWTConfig.from_config_json_string(json.dumps(forged)))
    equal(refused(400, None, lambda: bad.refresh_token(network_session=network())).body["error"], "invalid_grant")


def an_application_signs_in_by_client_credentials():
    config = CCGConfig(COURT["client_id"], COURT["client_secret"], enterprise_id=COURT["enterprise_id"])
    auth = BoxCCGAuth(config)
    service = client_of(auth).users.get_user_me()
    assert service.login.startswith("AutomationUser_"), service.login
    user = client().users.get_user_me().id
    equal(client_of(auth.with_user_subject(user)).users.get_user_me().id, user, "CCG for a user")
    wrong = BoxCCGAuth(CCGConfig(COURT["client_id"], "wrong", enterprise_id=COURT["enterprise_id"]))
    equal(refused(400, None, lambda: wrong.refresh_token(network_session=network())).body["error"], "invalid_client")
    nobody = BoxCCGAuth(CCGConfig(COURT["client_id"], COURT["client_secret"], enterprise_id="1"))
    equal(refused(400, None, lambda: nobody.refresh_token(network_session=network())).body["error"], "invalid_grant")


def an_admin_acts_as_a_user():
    other = client(COURT["other_token"]).users.get_user_me().id
    equal(client().with_as_user_header(other).users.get_user_me().id, other, "As-User")
    mine = client().users.get_user_me().id
    denied = client(COURT["other_token"]).with_as_user_header(mine)
    refused(403, "access_denied_insufficient_permissions", denied.users.get_user_me)


if __name__ == "__main__":
    run(
        a_developer_token_signs_in,
        a_browser_signs_in_by_oauth,
        a_refresh_token_is_good_once,
        an_unknown_access_token_is_refreshed_by_the_sdk,
        a_revoked_token_is_dead,
        a_downscoped_token_can_do_less,
        an_application_signs_in_by_jwt,
        an_application_signs_in_by_client_credentials,
        an_admin_acts_as_a_user,
    )

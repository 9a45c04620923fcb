// Sign-in in each mode of the SDK: developer token, OAuth with refresh and revocation, JWT, client credentials.
'use strict';

const {
  BoxCcgAuth, BoxDeveloperTokenAuth, BoxJwtAuth, BoxOAuth, CcgConfig, JwtConfig, OAuthConfig,
} = require('box-node-sdk');
const { COURT, assert, client, clientOf, control, network, refused, run } = require('./court');

const REDIRECT = 'http://127.0.0.1:53682/callback';
const ID = { clientId: COURT.client_id, clientSecret: COURT.client_secret };

/** Goes through the sign-in page as a browser does, and answers the parameters of the redirect. */
async function grantInBrowser(url) {
  const page = url.replace('https://account.box.com', COURT.url);
  const html = await (await fetch(page)).text();
  const fields = new URLSearchParams();
  const unescape = (text) => text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&amp;', '&');
  for (const [, name, value] of html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)) {
    fields.append(unescape(name), unescape(value));
  }
  const [, button, user] = html.match(/<button name="([^"]*)" value="([^"]*)">/);
  fields.append(button, user);
  const action = new URL(html.match(/action="([^"]*)"/)[1], page);
  const answer = await fetch(action, { method: 'POST', body: fields, redirect: 'manual' });
  assert.equal(answer.status, 302);
  const location = answer.headers.get('location');
  assert.ok(location.startsWith(`${REDIRECT}?`), location);
  return new URL(location).searchParams;
}

const oauth = () => new BoxOAuth({ config: new OAuthConfig(ID) });

async function signedIn() {
  const auth = oauth();
  const got = await grantInBrowser(auth.getAuthorizeUrl({ redirectUri: REDIRECT, state: 'a b&c' }));
  assert.equal(got.get('state'), 'a b&c');
  await auth.getTokensAuthorizationCodeGrant(got.get('code'), network());
  return auth;
}

async function aDeveloperTokenSignsIn() {
  const me = await client().users.getUserMe();
  assert.deepEqual([me.type, me.status], ['user', 'active']);
  await assert.rejects(clientOf(new BoxDeveloperTokenAuth({ token: 'wrong' })).users.getUserMe());
}

async function aBrowserSignsInByOauth() {
  const auth = await signedIn();
  assert.equal((await clientOf(auth).users.getUserMe()).id, (await client().users.getUserMe()).id);
}

async function aRefreshTokenIsGoodOnce() {
  const auth = await signedIn();
  const first = await auth.tokenStorage.get();
  const second = await auth.refreshToken(network());
  assert.notEqual(second.refreshToken, first.refreshToken);
  // Until then the answer could have been lost.
  await clientOf(auth).users.getUserMe();
  await auth.tokenStorage.store(first);
  const again = await refused(400, undefined, () => auth.refreshToken(network()));
  assert.equal(again.body.error, 'invalid_grant');
}

async function anUnknownAccessTokenIsRefreshedByTheSdk() {
  const auth = await signedIn();
  const token = await auth.tokenStorage.get();
  await auth.tokenStorage.store({ ...token, accessToken: 'expired long ago' });
  await clientOf(auth).users.getUserMe();
  assert.notEqual((await auth.tokenStorage.get()).accessToken, 'expired long ago');
}

async function aRevokedTokenIsDead() {
  const auth = await signedIn();
  const { accessToken } = await auth.tokenStorage.get();
  await auth.revokeToken(network());
  await assert.rejects(client(accessToken).users.getUserMe());
}

async function aDownscopedTokenCanDoLess() {
  const auth = await signedIn();
  const token = await auth.downscopeToken(['base_explorer', 'item_download'], undefined, undefined, network());
  const less = client(token.accessToken);
  await less.folders.getFolderById('0');
  await refused(403, 'insufficient_scope', () => less.folders.createFolder({ name: 'no', parent: { id: '0' } }));
}

async function anApplicationSignsInByJwt() {
  const config = JwtConfig.fromConfigJsonString(JSON.stringify(await control('GET', 'jwt-config')));
  const auth = new BoxJwtAuth({ config });
  const { login } = await clientOf(auth).users.getUserMe();
  assert.match(login, /^AutomationUser_.*@boxdevedition\.com$/);
  const { id } = await client().users.getUserMe();
  assert.equal((await clientOf(auth.withUserSubject(id)).users.getUserMe()).id, id);
}

async function anApplicationSignsInByClientCredentials() {
  const auth = new BoxCcgAuth({ config: new CcgConfig({ ...ID, enterpriseId: COURT.enterprise_id }) });
  assert.match((await clientOf(auth).users.getUserMe()).login, /^AutomationUser_/);
  const { id } = await client().users.getUserMe();
  assert.equal((await clientOf(auth.withUserSubject(id)).users.getUserMe()).id, id);
  const nobody = new BoxCcgAuth({ config: new CcgConfig({ ...ID, enterpriseId: '1' }) });
  const answer = await refused(400, undefined, () => nobody.refreshToken(network()));
  assert.equal(answer.body.error, 'invalid_grant');
}

async function anAdminActsAsAUser() {
  const { id } = await client(COURT.other_token).users.getUserMe();
  assert.equal((await client().withAsUserHeader(id).users.getUserMe()).id, id);
}

module.exports = { signedIn };

if (require.main === module) {
  run(
    aDeveloperTokenSignsIn, aBrowserSignsInByOauth, aRefreshTokenIsGoodOnce, anUnknownAccessTokenIsRefreshedByTheSdk,
    aRevokedTokenIsDead, aDownscopedTokenCanDoLess, anApplicationSignsInByJwt, anApplicationSignsInByClientCredentials,
    anAdminActsAsAUser,
  );
}

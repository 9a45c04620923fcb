// The SDK's own retries, provoked by the emulator's faults: 429, 500, 202, closed connections, expired tokens.
'use strict';

const {
  MIB, assert, client, clientOf, content, control, fileIn, folderIn, generateByteStreamFromBuffer, impatient, noise,
  run, sha1,
} = require('./court');
const { signedIn } = require('./sign_in');

const BOX = client(undefined, impatient());
let top;

/** Runs a block under a script of faults; the function it gets answers the statuses of the calls to a path. */
async function under(rules, block) {
  await control('PUT', 'faults', { seed: 1, rules });
  const before = (await control('GET', 'requests')).length;
  const seen = async (method, path) => {
    const requests = (await control('GET', 'requests')).slice(before);
    return requests.filter((r) => r.method === method && r.path.includes(path)).map((r) => r.status);
  };
  try {
    await block(seen);
  } finally {
    await control('DELETE', 'faults');
  }
}

const answer = (method, path, status, times, more = {}) => ({
  method, path, times, do: { kind: 'answer', status, ...more },
});

async function a429IsWaitedOut() {
  top = await folderIn(BOX, '0', 'retries');
  await under([answer('GET', '/2.0/users/me*', 429, 2, { retry_after: 1 })], async (seen) => {
    await BOX.users.getUserMe();
    assert.deepEqual(await seen('GET', '/2.0/users/me'), [429, 429, 200]);
  });
}

async function a500IsAskedAgain() {
  await under([answer('GET', '/2.0/folders/*', 500, 2)], async (seen) => {
    await BOX.folders.getFolderById(top.id);
    assert.deepEqual(await seen('GET', '/2.0/folders/'), [500, 500, 200]);
  });
}

async function fiveFailuresAreAnError() {
  await under([answer('GET', '/2.0/users/me*', 502, 10)], async (seen) => {
    await assert.rejects(BOX.users.getUserMe(), (error) => error.responseInfo.statusCode === 502);
    assert.deepEqual(await seen('GET', '/2.0/users/me'), [502, 502, 502, 502, 502]);
  });
}

async function anUploadIsSentAgain() {
  const data = noise(300_000, 5);
  await under([answer('POST', '/api/2.0/files/content*', 500, 1)], async (seen) => {
    assert.equal((await fileIn(BOX, top.id, 'again.bin', data)).sha1, sha1(data));
    assert.deepEqual(await seen('POST', '/api/2.0/files/content'), [500, 201]);
  });
}

async function aClosedConnectionIsOpenedAgain() {
  const rule = { method: 'GET', path: '/2.0/folders/*', times: 1, do: { kind: 'close_before' } };
  await under([rule], async (seen) => {
    await BOX.folders.getFolderById(top.id);
    assert.equal((await seen('GET', '/2.0/folders/')).at(-1), 200);
  });
}

async function partsAreSentAgain() {
  const data = noise(21 * MIB, 8);
  await under([answer('PUT', '/api/2.0/files/upload_sessions/*', 500, 1)], async (seen) => {
    const file = generateByteStreamFromBuffer(data);
    const made = await BOX.chunkedUploads.uploadBigFile(file, 'parts.bin', data.length, top.id);
    assert.equal(made.sha1, sha1(data));
    assert.deepEqual(await seen('PUT', '/upload_sessions/'), [500, 200, 200, 200]);
  });
}

/** This SDK looks for `Retry-After` among names in lower case: it takes 202 for an answer without bytes, and no wait. */
async function a202IsNothingYet() {
  const made = await fileIn(BOX, top.id, 'later.bin', Buffer.from('later'));
  const path = `/2.0/files/${made.id}/content`;
  await under([answer('GET', `${path}*`, 202, 1, { retry_after: 1 })], async (seen) => {
    assert.equal(await BOX.downloads.downloadFile(made.id), undefined);
    assert.equal((await content(BOX, made.id)).toString(), 'later');
    assert.deepEqual(await seen('GET', path), [202, 302]);
  });
}

async function aTokenThatExpiresInTheMiddleIsRefreshed() {
  const data = noise(21 * MIB, 9);
  const box = clientOf(await signedIn(), impatient());
  const rule = { method: 'PUT', path: '*/upload_sessions/*', nth: 2, do: { kind: 'expire_token' } };
  await under([rule], async (seen) => {
    const file = generateByteStreamFromBuffer(data);
    const made = await box.chunkedUploads.uploadBigFile(file, 'expired.bin', data.length, top.id);
    assert.equal(made.sha1, sha1(data));
    assert.deepEqual(await seen('PUT', '/upload_sessions/'), [200, 401, 200, 200]);
  });
}

run(
  a429IsWaitedOut, a500IsAskedAgain, fiveFailuresAreAnError, anUploadIsSentAgain, aClosedConnectionIsOpenedAgain,
  partsAreSentAgain, a202IsNothingYet, aTokenThatExpiresInTheMiddleIsRefreshed,
);

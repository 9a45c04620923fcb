// What every judge shares: the emulator's addresses, clients of Box's SDK that talk to it, and plain checks.
//
// The emulator is told by the environment variable JUDGE, a JSON object. With "proxied" in it the SDK keeps Box's own
// host names and comes through the proxy of HTTPS_PROXY; otherwise it is given the emulator's address as base URL.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const http = require('node:http');
const { BoxClient, BoxDeveloperTokenAuth } = require('box-node-sdk');
const { BaseUrls, BoxRetryStrategy, NetworkSession } = require('box-node-sdk/networking');
const { generateByteStreamFromBuffer, readByteStream } = require('box-node-sdk/internal');

const COURT = JSON.parse(process.env.JUDGE);
const MIB = 1024 * 1024;

/** The SDK's network session for this emulator, with its own retries unless told otherwise. */
function network(retryStrategy) {
  const fields = {};
  if (!COURT.proxied) {
    const base = COURT.url;
    fields.baseUrls = new BaseUrls({ baseUrl: base, uploadUrl: `${base}/api`, oauth2Url: `${base}/api/oauth2` });
  }
  if (retryStrategy) fields.retryStrategy = retryStrategy;
  return new NetworkSession(fields);
}

const clientOf = (auth, retries) => new BoxClient({ auth, networkSession: network(retries) });

/** A client with a developer token: the first user's, or another's. */
const client = (token = COURT.token, retries = undefined) => clientOf(new BoxDeveloperTokenAuth({ token }), retries);

/** The SDK's own retries, with shorter waits where the server names none. */
const impatient = () => new BoxRetryStrategy({ retryBaseInterval: 0.05 });

/** Asks the emulator about itself, past the SDK. */
function control(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${COURT.token}` };
    const request = http.request(`${COURT.url}/_emulator/${path}`, { method, headers, timeout: 30_000 }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (answer.statusCode >= 300) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
        else resolve(text ? JSON.parse(text) : undefined);
      });
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Runs a call that Box refuses, and answers what the SDK says of the answer. */
async function refused(status, code, call) {
  try {
    await call();
  } catch (error) {
    const info = error.responseInfo;
    if (!info) throw error;
    assert.deepEqual([info.statusCode, info.body?.code], [status, code]);
    return info;
  }
  throw new Error(`not refused with ${status} ${code}`);
}

/** Bytes that do not compress and are the same each time. */
function noise(size, seed) {
  const key = crypto.createHash('sha256').update(`noise ${seed}`).digest();
  return crypto.createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

const sha1 = (data) => crypto.createHash('sha1').update(data).digest('hex');

async function eventually(condition, seconds, what) {
  const limit = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > limit) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A folder made in another. */
const folderIn = (box, parent, name) => box.folders.createFolder({ name, parent: { id: parent } });

async function fileIn(box, parent, name, data) {
  const file = generateByteStreamFromBuffer(data);
  const made = await box.uploads.uploadFile({ attributes: { name, parent: { id: parent } }, file });
  return made.entries[0];
}

async function versionOf(box, id, name, data, ifMatch) {
  const file = generateByteStreamFromBuffer(data);
  const headers = ifMatch === undefined ? {} : { ifMatch };
  const made = await box.uploads.uploadFileVersion(id, { attributes: { name }, file }, { headers });
  return made.entries[0];
}

/** All bytes of a file, a version of it, or a range. */
async function content(box, id, options) {
  return readByteStream(await box.downloads.downloadFile(id, options));
}

/** Runs the trials in order; the name of each is in the output before it starts. */
async function run(...trials) {
  for (const trial of trials) {
    const started = Date.now();
    console.log(`${trial.name} ...`);
    await trial();
    console.log(`${trial.name}: ${(Date.now() - started) / 1000} s`);
  }
  process.exit(0);
}

module.exports = {
  COURT, MIB, assert, client, clientOf, content, control, eventually, fileIn, folderIn, generateByteStreamFromBuffer,
  impatient, network, noise, readByteStream, refused, run, sha1, versionOf,
};

// Uploads and downloads through the SDK: preflight, digests, its helper for big files, ranges. This SDK has no helper
// for versions of big files and none for plans: a version goes up in parts by hand.
'use strict';

const {
  MIB, assert, client, content, control, fileIn, folderIn, generateByteStreamFromBuffer, noise, refused, run, sha1,
} = require('./court');

const crypto = require('node:crypto');

const BOX = client();
const BIG_BYTES = 25 * MIB + 12345;
let top;

async function aPreflightFindsWhatAnUploadWould() {
  top = await folderIn(BOX, '0', 'transfers');
  const check = () => BOX.uploads.preflightFileUploadCheck({ name: 'p.bin', size: 4, parent: { id: top.id } });
  assert.match((await check()).uploadUrl, /^http/);
  const made = await fileIn(BOX, top.id, 'p.bin', Buffer.from('pppp'));
  const taken = await refused(409, 'item_name_in_use', check);
  assert.equal(taken.contextInfo.conflicts.id, made.id);
}

async function aWrongDigestIsRefused() {
  const upload = (contentMd5) => BOX.uploads.uploadFile(
    { attributes: { name: 'd.bin', parent: { id: top.id } }, file: generateByteStreamFromBuffer(Buffer.from('data')) },
    { headers: { contentMd5 } },
  );
  await refused(400, 'bad_digest', () => upload(sha1('other')));
  assert.equal((await upload(sha1('data'))).entries[0].size, 4);
}

async function aBigFileGoesUpInParts() {
  const data = noise(BIG_BYTES, 2);
  const file = generateByteStreamFromBuffer(data);
  const made = await BOX.chunkedUploads.uploadBigFile(file, 'big.bin', data.length, top.id);
  assert.deepEqual([made.size, made.sha1], [data.length, sha1(data)]);
  for (const [first, last] of [[0, 0], [8 * MIB - 1, 8 * MIB], [BIG_BYTES - 5, BIG_BYTES - 1]]) {
    const range = await content(BOX, made.id, { headers: { range: `bytes=${first}-${last}` } });
    assert.deepEqual(range, data.subarray(first, last + 1));
  }
  assert.equal(sha1(await content(BOX, made.id)), sha1(data));
}

/** The parts of a session that are not known to its plan are sent; answers all of them and how many were sent. */
async function sendParts(session, data) {
  const parts = [];
  let sent = 0;
  for (let offset = 0; offset < data.length; offset += session.partSize) {
    const chunk = data.subarray(offset, offset + session.partSize);
    const sha512 = crypto.createHash('sha512').update(chunk).digest('hex');
    const { data: plan } = await BOX.makeRequest({
      method: 'POST',
      url: session.rawData.session_endpoints.plan,
      data: { parts: [{ offset, size: chunk.length, sha512 }] },
    });
    const { hits } = plan;
    if (hits.length > 0) {
      parts.push({ partId: hits[0].part_id, offset, size: chunk.length });
      continue;
    }
    sent += 1;
    const digest = `sha=${crypto.createHash('sha1').update(chunk).digest('base64')}`;
    const contentRange = `bytes ${offset}-${offset + chunk.length - 1}/${data.length}`;
    const stream = generateByteStreamFromBuffer(chunk);
    const { part } = await BOX.chunkedUploads.uploadFilePart(session.id, stream, { digest, contentRange });
    parts.push(part);
  }
  return { parts, sent };
}

async function aVersionOfABigFileSendsOnlyWhatChanged() {
  const data = noise(BIG_BYTES, 3);
  const first = generateByteStreamFromBuffer(data);
  const made = await BOX.chunkedUploads.uploadBigFile(first, 'planned.bin', data.length, top.id);
  data[9 * MIB] ^= 1;
  const session = await BOX.chunkedUploads.createFileUploadSessionForExistingFile(made.id, { fileSize: data.length });
  const { parts, sent } = await sendParts(session, data);
  assert.equal(sent, 1);
  const digest = `sha=${crypto.createHash('sha1').update(data).digest('base64')}`;
  const files = await BOX.chunkedUploads.createFileUploadSessionCommit(session.id, { parts }, { digest });
  assert.deepEqual([files.entries[0].id, files.entries[0].sha1], [made.id, sha1(data)]);
}

async function aSessionByHandIsStrict() {
  const open = (fileName, fileSize) =>
    BOX.chunkedUploads.createFileUploadSession({ folderId: top.id, fileSize, fileName });
  await refused(400, 'file_size_too_small', () => open('small.bin', 1000));
  await refused(409, 'item_name_in_use', () => open('big.bin', BIG_BYTES));
  const session = await open('hand.bin', BIG_BYTES);
  assert.deepEqual((await BOX.chunkedUploads.getFileUploadSessionParts(session.id)).entries, []);
  await BOX.chunkedUploads.deleteFileUploadSessionById(session.id);
  await refused(404, 'not_found', () => BOX.chunkedUploads.getFileUploadSessionById(session.id));
  assert.ok((await control('GET', 'sessions')).length >= 3);
}

run(
  aPreflightFindsWhatAnUploadWould, aWrongDigestIsRefused, aBigFileGoesUpInParts,
  aVersionOfABigFileSendsOnlyWhatChanged, aSessionByHandIsStrict,
);

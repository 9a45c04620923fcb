// The life of folders and files through the SDK: names, moves, copies, versions, trash, links, locks, metadata.
'use strict';

const { createNull } = require('box-node-sdk/internal');
const {
  COURT, assert, client, content, eventually, fileIn, folderIn, noise, readByteStream, refused, run, sha1, versionOf,
} = require('./court');

const BOX = client();
const OTHER = client(COURT.other_token);
const text = (data) => Buffer.from(data);

async function aFolderLivesAndDies() {
  const top = await folderIn(BOX, '0', 'life of folders');
  assert.deepEqual([top.type, top.parent.id, top.itemStatus, top.etag], ['folder', '0', 'active', '0']);
  const below = await folderIn(BOX, top.id, 'below');
  const taken = await refused(409, 'item_name_in_use', () => folderIn(BOX, top.id, 'BELOW'));
  assert.equal(taken.contextInfo.conflicts[0].id, below.id);
  await refused(400, 'item_name_invalid', () => folderIn(BOX, top.id, 'a/b'));
  const renamed = await BOX.folders.updateFolderById(below.id, { requestBody: { name: 'under' } });
  assert.deepEqual([renamed.name, renamed.etag], ['under', '1']);
  const aside = await folderIn(BOX, top.id, 'aside');
  const moved = await BOX.folders.updateFolderById(below.id, { requestBody: { parent: { id: aside.id } } });
  assert.equal(moved.parent.id, aside.id);
  const into = { requestBody: { parent: { id: below.id } } };
  await refused(400, 'cyclical_folder_structure', () => BOX.folders.updateFolderById(aside.id, into));
  // Of an answer to DELETE the SDK keeps the status only.
  await refused(400, undefined, () => BOX.folders.deleteFolderById(top.id));
  await BOX.folders.deleteFolderById(top.id, { queryParams: { recursive: true } });
  await refused(404, 'trashed', () => BOX.folders.getFolderById(top.id));
}

async function aListingComesInPages() {
  const top = await folderIn(BOX, '0', 'pages');
  const wanted = [];
  for (let n = 0; n < 7; n += 1) wanted.push((await folderIn(BOX, top.id, `entry ${n}`)).name);
  const found = [];
  let marker;
  do {
    const page = await BOX.folders.getFolderItems(top.id, { queryParams: { usemarker: true, marker, limit: 3 } });
    found.push(...page.entries.map((entry) => entry.name));
    marker = page.nextMarker;
  } while (marker);
  assert.deepEqual(found.sort(), wanted.sort());
  const page = await BOX.folders.getFolderItems(top.id, { queryParams: { offset: 6, limit: 3 } });
  assert.deepEqual([page.totalCount, page.entries.length], [7, 1]);
}

async function aFileLivesAndDies() {
  const top = await folderIn(BOX, '0', 'life of files');
  const data = noise(70_000, 1);
  const made = await fileIn(BOX, top.id, 'one.bin', data);
  assert.deepEqual([made.size, made.sha1, made.etag], [data.length, sha1(data), '0']);
  assert.equal(sha1(await content(BOX, made.id)), sha1(data));
  const range = await content(BOX, made.id, { headers: { range: 'bytes=1000-1999' } });
  assert.deepEqual(range, data.subarray(1000, 2000));
  const taken = await refused(409, 'item_name_in_use', () => fileIn(BOX, top.id, 'ONE.bin', text('')));
  assert.equal(taken.contextInfo.conflicts.sha1, sha1(data));
  const rename = (name, ifMatch) =>
    BOX.files.updateFileById(made.id, { requestBody: { name }, headers: { ifMatch } });
  assert.equal((await rename('two.bin', '0')).etag, '1');
  await refused(412, 'precondition_failed', () => rename('three.bin', '0'));
  const aside = await folderIn(BOX, top.id, 'aside');
  const requestBody = { parent: { id: aside.id }, name: 'three.bin' };
  const moved = await BOX.files.updateFileById(made.id, { requestBody });
  assert.deepEqual([moved.parent.id, moved.name], [aside.id, 'three.bin']);
  await BOX.files.deleteFileById(made.id);
  await refused(404, 'trashed', () => BOX.files.getFileById(made.id));
}

async function versionsAreKeptPromotedAndDeleted() {
  const top = await folderIn(BOX, '0', 'versions');
  const made = await fileIn(BOX, top.id, 'v.txt', text('first'));
  const first = made.fileVersion.id;
  const after = await versionOf(BOX, made.id, 'v.txt', text('the second'), made.etag);
  await refused(412, 'precondition_failed', () => versionOf(BOX, made.id, 'v.txt', text('late'), made.etag));
  await versionOf(BOX, made.id, 'v.txt', text('and the third'));
  const past = await BOX.fileVersions.getFileVersions(made.id);
  assert.deepEqual(past.entries.map((entry) => entry.id), [after.fileVersion.id, first]);
  const old = await content(BOX, made.id, { queryParams: { version: first } });
  assert.equal(old.toString(), 'first');
  const requestBody = { id: first, type: 'file_version' };
  const promoted = await BOX.fileVersions.promoteFileVersion(made.id, { requestBody });
  assert.notEqual(promoted.id, first);
  assert.equal((await content(BOX, made.id)).toString(), 'first');
  await BOX.fileVersions.deleteFileVersionById(made.id, after.fileVersion.id);
  const undelete = { requestBody: { trashedAt: createNull() } };
  await BOX.fileVersions.updateFileVersionById(made.id, after.fileVersion.id, undelete);
}

async function copiesAreOtherItems() {
  const top = await folderIn(BOX, '0', 'copies');
  const source = await folderIn(BOX, top.id, 'source');
  const made = await fileIn(BOX, source.id, 'c.txt', text('copy me'));
  await refused(409, 'item_name_in_use', () => BOX.files.copyFile(made.id, { parent: { id: source.id } }));
  const copied = await BOX.files.copyFile(made.id, { parent: { id: top.id }, name: 'd.txt' });
  assert.notEqual(copied.id, made.id);
  const whole = await BOX.folders.copyFolder(source.id, { parent: { id: top.id }, name: 'target' });
  const inside = (await BOX.folders.getFolderItems(whole.id)).entries;
  assert.equal((await content(BOX, inside[0].id)).toString(), 'copy me');
}

async function theTrashGivesBackAndForgets() {
  const top = await folderIn(BOX, '0', 'trash');
  const made = await fileIn(BOX, top.id, 't.txt', text('trash me'));
  await BOX.files.deleteFileById(made.id);
  assert.equal((await BOX.trashedFiles.getTrashedFileById(made.id)).itemStatus, 'trashed');
  const listed = await BOX.trashedItems.getTrashedItems({ limit: 1000 });
  assert.ok(listed.entries.some((entry) => entry.id === made.id));
  await fileIn(BOX, top.id, 't.txt', text('another'));
  await refused(409, 'item_name_in_use', () => BOX.trashedFiles.restoreFileFromTrash(made.id));
  const back = await BOX.trashedFiles.restoreFileFromTrash(made.id, { requestBody: { name: 'back.txt' } });
  assert.deepEqual([back.id, back.name], [made.id, 'back.txt']);
  await BOX.files.deleteFileById(made.id);
  await BOX.trashedFiles.deleteTrashedFileById(made.id);
  await refused(404, 'not_found', () => BOX.files.getFileById(made.id));
  await BOX.folders.deleteFolderById(top.id, { queryParams: { recursive: true } });
  assert.equal((await BOX.trashedFolders.restoreFolderFromTrash(top.id)).id, top.id);
}

async function aSharedLinkOpensAFileToOthers() {
  const top = await folderIn(BOX, '0', 'links');
  const made = await fileIn(BOX, top.id, 's.txt', text('share me'));
  await refused(404, 'not_found', () => OTHER.files.getFileById(made.id));
  const fields = { fields: 'shared_link' };
  const wanted = { sharedLink: { access: 'open', password: 'Secret123@' } };
  const { sharedLink } = await BOX.sharedLinksFiles.addShareLinkToFile(made.id, wanted, fields);
  const boxapi = `shared_link=${sharedLink.url}&shared_link_password=Secret123@`;
  const find = () => OTHER.sharedLinksFiles.findFileForSharedLink({}, { boxapi });
  assert.equal((await find()).id, made.id);
  assert.equal((await content(OTHER, made.id, { headers: { boxapi } })).toString(), 'share me');
  await BOX.sharedLinksFiles.removeSharedLinkFromFile(made.id, { sharedLink: createNull() }, fields);
  await refused(404, 'not_found', find);
}

async function aLockKeepsOthersOut() {
  const top = await folderIn(BOX, '0', 'locks');
  const item = { type: 'folder', id: top.id };
  const accessibleBy = { type: 'user', id: (await OTHER.users.getUserMe()).id };
  await BOX.userCollaborations.createCollaboration({ item, accessibleBy, role: 'editor' });
  const made = await fileIn(BOX, top.id, 'l.txt', text('mine'));
  const queryParams = { fields: ['lock'] };
  const lock = { access: 'lock', isDownloadPrevented: false };
  const locked = await BOX.files.updateFileById(made.id, { requestBody: { lock }, queryParams });
  assert.equal(locked.lock.type, 'lock');
  await refused(403, 'access_denied_item_locked', () => versionOf(OTHER, made.id, 'l.txt', text('theirs')));
  await BOX.files.updateFileById(made.id, { requestBody: { lock: createNull() }, queryParams });
  await versionOf(OTHER, made.id, 'l.txt', text('theirs'));
}

async function metadataIsKeptBesideAFile() {
  const made = await fileIn(BOX, (await folderIn(BOX, '0', 'metadata')).id, 'm.txt', text('m'));
  const place = [made.id, 'global', 'properties'];
  await BOX.fileMetadata.createFileMetadataById(...place, { color: 'red' });
  await refused(409, 'tuple_already_exists', () => BOX.fileMetadata.createFileMetadataById(...place, { a: 'b' }));
  await BOX.fileMetadata.updateFileMetadataById(...place, [{ op: 'replace', path: '/color', value: 'blue' }]);
  assert.equal((await BOX.fileMetadata.getFileMetadataById(...place)).extraData.color, 'blue');
  await BOX.fileMetadata.deleteFileMetadataById(...place);
  await refused(404, 'instance_not_found', () => BOX.fileMetadata.getFileMetadataById(...place));
}

async function searchThumbnailsAndArchivesWork() {
  const top = await folderIn(BOX, '0', 'others');
  const made = await fileIn(BOX, top.id, 'needle in the hay.txt', text('found'));
  const query = { query: 'needle', ancestorFolderIds: [top.id], type: 'file' };
  const hits = await eventually(async () => {
    const { entries } = await BOX.search.searchForContent(query);
    return entries.length > 0 && entries;
  }, 10, 'a hit');
  assert.equal(hits[0].id, made.id);
  const picture = await readByteStream(await BOX.files.getFileThumbnailById(made.id, 'png'));
  assert.equal(picture.subarray(1, 4).toString(), 'PNG');
  const archive = await BOX.zipDownloads.downloadZip({ items: [{ type: 'file', id: made.id }] });
  assert.equal((await readByteStream(archive)).subarray(0, 2).toString(), 'PK');
}

run(
  aFolderLivesAndDies, aListingComesInPages, aFileLivesAndDies, versionsAreKeptPromotedAndDeleted, copiesAreOtherItems,
  theTrashGivesBackAndForgets, aSharedLinkOpensAFileToOthers, aLockKeepsOthersOut, metadataIsKeptBesideAFile,
  searchThumbnailsAndArchivesWork,
);

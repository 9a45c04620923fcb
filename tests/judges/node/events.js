// Events through the SDK: what happened, and its EventStream over the long poll.
'use strict';

const { assert, client, eventually, fileIn, folderIn, run } = require('./court');

const BOX = client();

const now = async () =>
  String((await BOX.events.getEvents({ streamType: 'changes', streamPosition: 'now' })).nextStreamPosition);

async function everyChangeIsTold() {
  let streamPosition = await now();
  const top = await folderIn(BOX, '0', 'events');
  const made = await fileIn(BOX, top.id, 'e.txt', Buffer.from('event'));
  await BOX.files.updateFileById(made.id, { requestBody: { name: 'f.txt' } });
  await BOX.files.deleteFileById(made.id);
  const told = new Map();
  for (;;) {
    const page = await BOX.events.getEvents({ streamType: 'changes', streamPosition, limit: 2 });
    const news = page.entries.filter((event) => !told.has(event.eventId));
    if (news.length === 0) break;
    news.forEach((event) => told.set(event.eventId, `${event.eventType} ${event.source.id}`));
    streamPosition = String(page.nextStreamPosition);
  }
  const wanted = [`ITEM_CREATE ${top.id}`, `ITEM_UPLOAD ${made.id}`, `ITEM_RENAME ${made.id}`, `ITEM_TRASH ${made.id}`];
  assert.deepEqual([...told.values()].sort(), wanted.sort());
}

async function theEventStreamTellsWhatHappensMeanwhile() {
  const stream = BOX.events.getEventStream({ streamType: 'changes', streamPosition: await now() });
  const told = [];
  const errors = [];
  stream.on('data', (event) => told.push(`${event.eventType} ${event.source?.name}`));
  stream.on('error', (error) => errors.push(error));
  for (let n = 0; n < 5; n += 1) {
    const folder = await folderIn(BOX, '0', `stream ${n}`);
    await eventually(() => told.includes(`ITEM_CREATE stream ${n}`), 20, `the event of 'stream ${n}'`);
    await fileIn(BOX, folder.id, `in ${n}`, Buffer.from('x'));
    await eventually(() => told.includes(`ITEM_UPLOAD in ${n}`), 20, `the event of 'in ${n}'`);
  }
  stream.destroy();
  assert.deepEqual(errors, []);
  assert.equal(told.length, 10);
}

run(everyChangeIsTold, theEventStreamTellsWhatHappensMeanwhile);

// The requests of an upload and of a resumed upload: tests, chunks and answers.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file, hollow } = require('./support/dialogue.js');

test('a file is tested, sent chunk by chunk, and successful only after the last answer', () => {
  const d = new Dialogue();
  const [f] = d.add(file('a.txt', 25));
  d.client.upload();
  d.asks('GET a.txt 1');
  assert.equal(d.open[0].headers.Accept, 'application/json');
  d.answers(404, { size: 25, held: [], complete: false });
  d.asks('POST a.txt 1', 'POST a.txt 2', 'POST a.txt 3');
  d.answers(200, 'OK');
  d.answers(201, 'OK');
  assert.equal(f.isComplete(), false);
  assert.deepEqual(d.saw('fileSuccess'), []);
  d.answers(200, 'last');
  assert.equal(f.isComplete(), true);
  assert.deepEqual(d.saw('fileSuccess'), [['fileSuccess', f, 'last']]);
  assert.deepEqual(d.told(), ['fileAdded', 'filesAdded', 'uploadStart', 'fileSuccess', 'complete']);
  assert.equal(d.client.progress(), 1);
  assert.equal(d.client.isUploading(), false);
});

test('2xx answers other than 200 and 201 confirm nothing', () => {
  for (const status of [202, 204, 206]) {
    const d = new Dialogue({ testChunks: false });
    const [f] = d.add(file('a', 5));
    d.client.upload();
    d.answers(status);
    assert.equal(f.isComplete(), false);
    assert.equal(d.saw('fileRetry').length, 1);
  }
});

test('one answer lists the held ranges, in any order, adjacent and overlapping', () => {
  const d = new Dialogue();
  const [f] = d.add(file('a', 60));
  d.client.upload();
  d.answers(404, { size: 60, held: [[40, 60], [10, 15], [15, 33], [12, 14]], complete: false });
  // Held: 2, 3, 5, 6. Chunk 4 (30 to 40) is held only in part.
  d.asks('POST a 1', 'POST a 4');
  assert.deepEqual(f.chunks.map((one) => one.status()),
    ['uploading', 'success', 'success', 'uploading', 'success', 'success']);
  assert.equal(f.progress(), 40 / 60);
});

test('the long last chunk is held only if all of its bytes are', () => {
  const d = new Dialogue({ forceChunkSize: false });
  const [f] = d.add(file('a', 39));
  assert.deepEqual(f.chunks.map((one) => one.endByte), [10, 20, 39]);
  d.client.upload();
  d.answers(200, { size: 39, held: [[0, 30]], complete: false });
  d.asks('POST a 3');
});

test('a complete file needs one request and no upload', () => {
  const d = new Dialogue();
  d.add(file('a', 25));
  d.client.upload();
  d.answers(200, { size: 25, held: [[0, 25]], complete: true });
  d.asks();
  assert.equal(d.saw('fileSuccess').length, 1);
  assert.equal(d.count, 1);
});

test('10,000 chunks resume with one test request', () => {
  const d = new Dialogue();
  d.add(hollow('big', 100000));
  d.client.upload();
  d.answers(200, { size: 100000, held: [[0, 99990]], complete: false });
  d.asks('POST big 10000');
  d.answers(200);
  assert.equal(d.saw('complete').length, 1);
  assert.equal(d.count, 2);
});

test('a server that answers without ranges is asked for each chunk', () => {
  for (const body of ['OK', '"OK"', 'null', '{"held": 3}', { size: 7, held: [[0, 25]], complete: true }]) {
    const d = new Dialogue();
    d.add(file('a', 25));
    d.client.upload();
    d.answers(200, body);
    d.asks('GET a 2', 'GET a 3');
    assert.equal(d.open[0].headers.Accept, undefined);
    d.answers(404);
    d.asks('GET a 3', 'POST a 2');
    d.answers(204);
    d.asks('POST a 2', 'POST a 3');
  }
});

test('invalid ranges mark no chunk as held', () => {
  const d = new Dialogue();
  d.add(file('a', 20));
  d.client.upload();
  d.answers(404, { size: 20, held: [null, [5], [-3, 9], [20, 0], ['x', 'y'], [0, 1]], complete: false });
  d.asks('POST a 1', 'POST a 2');
});

test('a test without an answer is repeated, and after three the chunk is sent', () => {
  const d = new Dialogue();
  d.add(file('a', 25));
  d.client.upload();
  for (const status of [0, 503]) {
    d.asks('GET a 1');
    d.answers(status);
    d.asks();
    d.pass(60000);
  }
  d.answers(503);
  // Now the test of the second chunk asks for the ranges.
  d.asks('POST a 1', 'GET a 2');
  d.answers(404, { size: 25, held: [[0, 25]], complete: false }, {}, 1);
  d.asks('POST a 1');
  assert.equal(d.saw('fileSuccess').length, 0);
  d.answers(200);
  assert.equal(d.saw('fileSuccess').length, 1);
});

test('an empty file is one empty chunk and counts in the progress', () => {
  const d = new Dialogue();
  const [empty, other] = d.add(file('empty', 0), file('b', 9));
  assert.equal(empty.chunks[0].status(), 'pending');
  assert.deepEqual(empty.chunks.map((one) => [one.startByte, one.endByte]), [[0, 0]]);
  assert.equal(d.client.progress(), 0);
  d.client.upload();
  d.answers(404, { size: 0, held: [], complete: false });
  d.asks('GET b 1', 'POST empty 1');
  assert.deepEqual([empty.chunks[0].status(), empty.chunks[0].progress()], ['uploading', 0]);
  assert.equal(d.open[1].query.get('resumableCurrentChunkSize'), '0');
  d.answers(200, '', {}, 1);
  assert.equal(empty.progress(), 1);
  assert.equal(d.client.progress(), 0.1);
  assert.equal(other.progress(), 0);
});

test('an empty file that the server already has needs no upload', () => {
  const d = new Dialogue();
  d.add(file('empty', 0));
  d.client.upload();
  d.answers(200, { size: 0, held: [], complete: true });
  assert.equal(d.count, 1);
  assert.equal(d.saw('complete').length, 1);
});

test('chunk layouts: floor with a long last chunk, or ceil with a remainder', () => {
  const sizes = (size, forceChunkSize) => new Dialogue({ forceChunkSize }).add(file('a', size))[0]
    .chunks.map((one) => one.endByte - one.startByte);
  assert.deepEqual([1, 9, 10, 11, 19, 20, 29].map((n) => sizes(n, false)),
    [[1], [9], [10], [11], [19], [10, 10], [10, 19]]);
  assert.deepEqual([1, 9, 10, 11, 19, 20, 29].map((n) => sizes(n, true)),
    [[1], [9], [10], [10, 1], [10, 9], [10, 10], [10, 10, 9]]);
});

test('several files share the slots, and each has one first test', () => {
  const d = new Dialogue({ simultaneousUploads: 2 });
  d.add(file('a', 20), file('b', 20), file('c', 20));
  d.client.upload();
  d.asks('GET a 1', 'GET b 1');
  d.answers(404);
  d.asks('GET b 1', 'POST a 1');
});

test('prioritizeFirstAndLastChunk sends the first and last chunks of all files first', () => {
  const d = new Dialogue({ prioritizeFirstAndLastChunk: true, testChunks: false, simultaneousUploads: 6 });
  d.add(file('a', 30), file('b', 30));
  d.client.upload();
  d.asks('POST a 1', 'POST a 3', 'POST b 1', 'POST b 3', 'POST a 2', 'POST b 2');
});

test('an upload without files is complete', () => {
  const d = new Dialogue();
  d.client.upload();
  assert.deepEqual(d.told(), ['uploadStart', 'complete']);
  assert.equal(d.client.progress(), 0);
});

test('files that are added during an upload are uploaded too', () => {
  const d = new Dialogue({ testChunks: false });
  d.add(file('a', 5));
  d.client.upload();
  d.add(file('b', 5));
  d.asks('POST a 1', 'POST b 1');
});

test('markChunksCompleted skips chunks, and the last chunk must remain', () => {
  const d = new Dialogue({ testChunks: false });
  const [f] = d.add(file('a', 40));
  f.markChunksCompleted(4);
  assert.equal(f.progress(), 0);
  f.markChunksCompleted(3);
  assert.equal(f.progress(), 0.75);
  d.client.upload();
  d.asks('POST a 4');
});

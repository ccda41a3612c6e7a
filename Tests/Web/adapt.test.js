// The size of requests follows the connection, within the server's limits. Files of one chunk need no test.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file, hollow } = require('./support/dialogue.js');

const ours = { 'X-Upload-Outcome': 'stored' };

/**
 * A server that reads requests by the rules of PROTOCOL.md, How bytes are matched to files: it checks the numbers of
 * each request, and that no byte is confirmed twice.
 */
class ByteServer {
  held = [];
  lengths = [];
  limits = { maxFileSize: 1e12, maxChunkSize: 160, maxBodySize: 65856, types: null };

  constructor(size, { forceChunkSize = true, ...limits } = {}) {
    this.size = size;
    this.forceChunkSize = forceChunkSize;
    for (const name of ['maxChunkSize', 'maxBodySize']) if (name in limits) this.limits[name] = limits[name];
  }

  range(query) {
    const [number, chunkSize, current, total, count] = ['ChunkNumber', 'ChunkSize', 'CurrentChunkSize', 'TotalSize',
      'TotalChunks'].map((name) => Number(query.get(`resumable${name}`)));
    assert.equal(total, this.size);
    assert.ok(Number.isInteger(number) && number >= 1 && number <= count, `number ${number} of ${count}`);
    assert.equal(count, Math.max(1, (this.forceChunkSize ? Math.ceil : Math.floor)(total / chunkSize)));
    const from = (number - 1) * chunkSize;
    assert.equal(current, number === count ? total - from : chunkSize, 'the size of this chunk');
    assert.ok(chunkSize <= this.limits.maxChunkSize, `${chunkSize} bytes`);
    return [from, from + current];
  }

  answerTest(d, complete = false) {
    const held = this.held.slice().sort((a, b) => a[0] - b[0]);
    d.answers(complete ? 200 : 404, { size: this.size, held, complete, limits: this.limits }, ours);
  }

  store(request) {
    const [from, to] = this.range(request.query);
    assert.ok(this.held.every(([a, b]) => to <= a || from >= b), 'no byte is sent twice');
    this.held.push([from, to]);
    this.lengths.push(to - from);
  }

  /** Stores the oldest open request after so many milliseconds. */
  take(d, milliseconds = 10, index = 0) {
    d.pass(milliseconds);
    this.store(d.open[index]);
    d.answers(200, 'OK', ours, index);
  }

  get bytes() {
    return this.held.reduce((sum, [from, to]) => sum + to - from, 0);
  }
}

/** An upload whose first test the server has answered. */
const begin = (size, options = {}, server = new ByteServer(size, options)) => {
  const d = new Dialogue({ simultaneousUploads: 1, ...options });
  const [f] = d.add(hollow('a', size));
  d.client.upload();
  server.answerTest(d);
  return { d, f, server };
};

test('requests grow on a fast connection, up to the largest chunk that the server accepts', () => {
  for (const forceChunkSize of [true, false]) {
    for (const size of [3000, 3005, 2999, 10, 25, 161]) {
      const { d, f, server } = begin(size, { forceChunkSize });
      while (d.open.length > 0) server.take(d);
      assert.equal(server.bytes, size);
      assert.equal(f.isComplete(), true);
      assert.equal(f.confirmedSize, size);
      assert.equal(d.saw('fileSuccess').length, 1);
      assert.deepEqual(f.chunks.map((chunk) => chunk.status()), f.chunks.map(() => 'success'));
      const { chunks } = f;
      assert.deepEqual(chunks.slice(1).map((one) => one.startByte), chunks.slice(0, -1).map((one) => one.endByte));
      if (size >= 2999) {
        const most = Math.max(...server.lengths);
        assert.ok(most >= 160 && most < 320, `${most}`);
        assert.ok(server.lengths.length < size / 10 / 8, `${server.lengths.length} requests`);
      }
    }
  }
});

test('the bytes of a request are those of all its chunks', async () => {
  const text = Array.from({ length: 200 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  const server = new ByteServer(text.length);
  const d = new Dialogue({ simultaneousUploads: 1, method: 'octet', digest: null });
  d.add(new File([text], 'a', { lastModified: 1 }));
  d.client.upload();
  server.answerTest(d);
  let isJoined = false;
  while (d.open.length > 0) {
    const [request] = d.open;
    const [from, to] = server.range(request.query);
    isJoined = isJoined || to - from > 10;
    assert.equal(await request.body.text(), text.slice(from, to));
    server.take(d);
  }
  assert.ok(isJoined);
});

test('without limits in the JSON, or with adaptChunkSize false, each request is one chunk', () => {
  const cases = [
    [{}, { limits: undefined }], [{}, { limits: null }], [{}, { limits: 7 }], [{}, { limits: {} }],
    [{}, { limits: { maxFileSize: 1e9 } }], [{}, { limits: { maxChunkSize: 'many' } }],
    [{ adaptChunkSize: false }, { limits: { maxChunkSize: 160 } }], [{ preprocess: (one) => one.preprocessFinished() },
      { limits: { maxChunkSize: 160 } }],
  ];
  for (const [options, more] of cases) {
    const d = new Dialogue({ simultaneousUploads: 1, ...options });
    d.add(hollow('a', 300));
    d.client.upload();
    d.answers(404, { size: 300, held: [], complete: false, ...more }, ours);
    for (let i = 0; i < 30; i++) {
      assert.equal(d.open[0].query.get('resumableCurrentChunkSize'), '10');
      d.answers(200, 'OK', ours);
    }
    assert.equal(d.saw('fileSuccess').length, 1);
  }
});

test('a server that only answers chunk by chunk gets chunks of the configured size', () => {
  const d = new Dialogue({ simultaneousUploads: 1 });
  d.add(hollow('a', 100));
  d.client.upload();
  for (let i = 0; i < 20; i++) {
    assert.equal(d.open[0].query.get('resumableChunkSize'), '10');
    d.answers(d.open[0].method === 'GET' ? 404 : 200, 'OK');
  }
  assert.equal(d.count, 20);
});

test('limits can be read once the server has told them', () => {
  const { d, server } = begin(300);
  assert.deepEqual(d.client.limits, server.limits);
  assert.equal(new Dialogue().client.limits, null);
});

test('a request that takes one to four seconds is kept, a slower one makes the next ones smaller', () => {
  const { d, server } = begin(20000);
  while (Number(d.open[0].query.get('resumableChunkSize')) < 160) server.take(d);
  const sizes = (times) => times.map((time) => {
    server.take(d, time);
    return Number(d.open[0].query.get('resumableChunkSize'));
  });
  assert.deepEqual(sizes([2000, 3900, 1100]).every((size) => size === 160), true);
  assert.ok(sizes([8100]).at(-1) <= 40, 'two seconds at that speed');
  assert.equal(sizes([60000, 60000]).at(-1), 10, 'but never less than chunkSize');
});

test('lost connections make requests smaller, and the bytes are sent once more only', () => {
  for (const status of [0, 502, 504, 408]) {
    const { d, f, server } = begin(20000);
    while (Number(d.open[0].query.get('resumableChunkSize')) < 160) server.take(d);
    const sizes = [];
    for (let i = 0; i < 6; i++) {
      sizes.push(Number(d.open[0].query.get('resumableChunkSize')));
      d.answers(status);
      d.pass(60000);
    }
    assert.equal(sizes[0], 160);
    assert.equal(sizes.at(-1), 10, String(sizes));
    assert.ok(sizes.every((size, i) => i === 0 || size <= sizes[i - 1]));
    while (d.open.length > 0) server.take(d);
    assert.deepEqual([server.bytes, f.isComplete()], [20000, true]);
  }
});

test('a connection that large requests break is not tried with them all the time', () => {
  // A proxy that closes the connection instead of answering 413.
  const { d, f, server } = begin(20000);
  let broken = 0;
  for (let i = 0; i < 5000 && d.open.length > 0; i++) {
    if (Number(d.open[0].query.get('resumableCurrentChunkSize')) <= 40) {
      server.take(d);
    } else {
      broken++;
      d.answers(0);
      d.pass(60000);
    }
  }
  assert.deepEqual([f.isComplete(), server.bytes], [true, 20000]);
  assert.ok(broken > 1 && broken * 8 <= server.lengths.length, `${broken} of ${server.lengths.length}`);
});

test('the server\'s own "later" is no sign of a bad connection', () => {
  const { d, server } = begin(20000);
  while (Number(d.open[0].query.get('resumableChunkSize')) < 160) server.take(d);
  d.answers(503, '', { ...ours, 'Retry-After': '1' });
  d.pass(3000);
  assert.equal(d.open[0].query.get('resumableChunkSize'), '160');
});

test('requests grow fourfold, and after a lost connection twofold', () => {
  for (const [isBroken, expected] of [[false, 40], [true, 20]]) {
    const { d, f, server } = begin(60000, { simultaneousUploads: 4 });
    if (isBroken) { d.answers(0); d.pass(60000); }
    let largest = 10;
    while (largest === 10) {
      server.take(d);
      largest = Math.max(...d.open.map((request) => Number(request.query.get('resumableChunkSize'))));
    }
    assert.equal(largest, expected);
    while (d.open.length > 0) server.take(d);
    assert.deepEqual([f.isComplete(), server.bytes], [true, 60000]);
  }
});

test('a request carries no more than the web server passes on, the rest of the file included', () => {
  for (const forceChunkSize of [true, false]) {
    for (const size of [3_000_000, 3_000_005, 2_999_999]) {
      const limits = { maxChunkSize: 1e6, maxBodySize: 65536 + 165_000 };
      const { d, f, server } = begin(
        size, { forceChunkSize, chunkSize: 10_000 }, new ByteServer(size, { forceChunkSize, ...limits }));
      while (d.open.length > 0) server.take(d);
      const most = Math.max(...server.lengths);
      assert.ok(most >= 160_000 && most <= 165_000, `${most} bytes of ${size}`);
      assert.deepEqual([f.isComplete(), server.bytes], [true, size]);
    }
  }
});

test('chunks whose last one would not pass the web server are cut again', () => {
  for (const [forceChunkSize, size, expected] of [
    [false, 3_000_000, 300_000], [false, 3_090_000, 300_000], [false, 3_290_000, 240_000], [true, 3_290_000, 300_000],
    [false, 599_999, 240_000],
  ]) {
    const limits = { maxChunkSize: 1e6, maxBodySize: 65536 + 480_000 };
    const { d, f, server } = begin(
      size, { forceChunkSize, chunkSize: 300_000 }, new ByteServer(size, { forceChunkSize, ...limits }));
    assert.equal(d.open[0].query.get('resumableChunkSize'), String(expected), `${size} bytes`);
    while (d.open.length > 0) server.take(d);
    assert.ok(server.lengths.every((length) => length <= 480_000), String(server.lengths));
    assert.deepEqual([f.isComplete(), server.bytes], [true, size]);
  }
});

test('a limit that leaves no room for the fields is halved', () => {
  const limits = { maxChunkSize: 1e6, maxBodySize: 60_000 };
  const { d, server } = begin(
    90_000, { chunkSize: 90_000, forceChunkSize: true }, new ByteServer(90_000, limits));
  while (d.open.length > 0) server.take(d);
  assert.deepEqual(server.lengths, [30_000, 30_000, 30_000]);
});

test('after a refused larger request, the next ones are half as large, or as large as one that was accepted', () => {
  for (const accepted of [40, 80]) {
    const { d, f, server } = begin(60000);
    while (d.open.length > 0) {
      if (Number(d.open[0].query.get('resumableCurrentChunkSize')) <= accepted) server.take(d);
      else { d.answers(413, 'too large'); d.pass(60000); }
    }
    assert.equal(Math.max(...server.lengths), accepted);
    assert.deepEqual([server.bytes, f.isComplete(), d.saw('fileError').length], [60000, true, 0]);
  }
});

test('a larger request may be refused by any status', () => {
  for (const [status, headers] of [[413, {}], [413, ours], [415, ours], [500, ours]]) {
    const { d, f, server } = begin(3000);
    while (Number(d.open[0].query.get('resumableChunkSize')) < 40) server.take(d);
    d.answers(status, 'too large', headers);
    d.pass(60000);
    const sizes = new Set();
    while (d.open.length > 0) {
      sizes.add(Number(d.open[0].query.get('resumableCurrentChunkSize')));
      server.take(d);
    }
    assert.ok(Math.max(...sizes) <= 20);
    assert.deepEqual([server.bytes, f.isComplete(), d.saw('fileError').length], [3000, true, 0]);
  }
});

test('one request at a time is larger than all before, so that a refusal costs one request, and nothing waits', () => {
  const { d, f, server } = begin(6000, { simultaneousUploads: 3 });
  const sizeOf = (request) => Number(request.query.get('resumableCurrentChunkSize'));
  let refused = 0;
  for (let round = 0; d.open.length > 0; round++) {
    const accepted = Math.max(10, ...server.lengths);
    assert.ok(d.open.filter((request) => sizeOf(request) > accepted).length <= 1, String(d.open.map(sizeOf)));
    const index = round % d.open.length;
    if (sizeOf(d.open[index]) <= 40) {
      server.take(d, 10, index);
    } else {
      refused++;
      d.answers(413, 'too large', ours, index);
      assert.ok(d.open.length >= 3 || server.bytes > 5900, 'sent again at once');
    }
  }
  assert.ok(refused === 1 || refused === 2, `${refused}: of 160 bytes and of 80`);
  assert.ok(server.lengths.slice(-100, -30).every((length) => length === 40), String(server.lengths));
  assert.deepEqual([server.bytes, f.isComplete(), f.trouble], [6000, true, null]);
  assert.deepEqual(d.saw('fileRetry'), []);
});

test('if that size is refused as well, the chunks are sent one by one', () => {
  const { d, f, server } = begin(3000);
  while (Number(d.open[0].query.get('resumableChunkSize')) < 40) server.take(d);
  for (let i = 0; i < 2; i++) { d.answers(413, 'too large', ours); d.pass(60000); }
  while (d.open.length > 0) {
    assert.equal(d.open[0].query.get('resumableCurrentChunkSize'), '10');
    server.take(d);
  }
  assert.deepEqual([server.bytes, f.isComplete(), d.saw('fileError').length], [3000, true, 0]);
});

test('a file that is refused for another reason ends after single chunks were tried', () => {
  const { d, server } = begin(3000);
  while (Number(d.open[0].query.get('resumableChunkSize')) < 40) server.take(d);
  for (let i = 0; i < 3; i++) { d.answers(415, 'not this type', ours); d.pass(60000); }
  assert.deepEqual(d.saw('fileError').map((one) => one[2]), ['not this type']);
});

test('several requests at a time share a file, whatever their order and outcome', () => {
  let seed = 1;
  const random = (n) => { seed = (seed * 48271) % 2147483647; return seed % n; };
  for (let round = 0; round < 60; round++) {
    const size = 1 + random(4000);
    const options = { simultaneousUploads: 1 + random(5), forceChunkSize: round % 2 === 0 };
    const { d, f, server } = begin(size, options);
    for (let i = 0; i < 5000 && !f.isComplete(); i++) {
      const action = random(20);
      if (action === 0) { d.client.pause(); d.client.upload(); }
      else if (action === 1) { f.pause(true); f.pause(false); }
      else if (action === 2) { f.abort(); d.client.upload(); }
      else if (action === 3) f.chunks[random(f.chunks.length)].abort();
      if (d.open.length === 0) { d.client.uploadNextChunk(); d.pass(60000); continue; }
      const index = random(d.open.length);
      if (d.open[index].method === 'GET') server.answerTest(d);
      else if (action === 4) d.answers([0, 502, 503][random(3)], '', {}, index);
      else if (action === 5) d.open[index].upload.onprogress({ loaded: random(11), total: 10 });
      else server.take(d, random(6000), index);
      const busy = new Set(f.chunks.filter((one) => one.status() === 'uploading').map((one) => one._lead || one));
      assert.ok(busy.size <= options.simultaneousUploads);
      assert.equal(f.confirmedSize, server.bytes);
    }
    assert.deepEqual([f.isComplete(), server.bytes, f.progress()], [true, size, 1], `round ${round}`);
  }
});

test('progress of a chunk that another one leads', () => {
  const { d, f, server } = begin(20000);
  while (Number(d.open[0].query.get('resumableChunkSize')) < 40) server.take(d);
  const from = (Number(d.open[0].query.get('resumableChunkNumber')) - 1) * 40 / 10;
  const group = f.chunks.slice(from, from + 4);
  assert.deepEqual([group[0].startByte, group[0].endByte], [from * 10, from * 10 + 40], 'for functions of the page');
  d.open[0].upload.onprogress({ loaded: 25, total: 40 });
  assert.deepEqual(group.map((chunk) => chunk.progress()), [25 / 40, 1, 0.5, 0]);
  const [request] = d.open;
  group[2].abort();
  assert.equal(request.aborted, true);
  assert.deepEqual(group.map((one) => one.status()), Array(4).fill('pending'));
  assert.deepEqual(group.map((one) => one.endByte - one.startByte), Array(4).fill(10));
  d.client.uploadNextChunk();
  while (d.open.length > 0) server.take(d);
  assert.deepEqual([f.isComplete(), server.bytes], [true, 20000]);
  assert.equal(f.chunks.every((chunk) => chunk.message() === 'OK' || chunk.xhr === null), true);
  assert.equal(f.chunks.filter((chunk) => chunk.endByte - chunk.startByte !== 10).length, 0);
});

test('chunks with options of their own are sent alone', () => {
  const { d, f, server } = begin(400);
  f.chunks[9].opts.headers = { 'X-Mine': '1' };
  const alone = [];
  while (d.open.length > 0) {
    if (d.open[0].headers['X-Mine']) alone.push(d.open[0].query.get('resumableCurrentChunkSize'));
    server.take(d);
  }
  assert.deepEqual(alone, ['10']);
  assert.equal(server.bytes, 400);
});

test('with prioritizeFirstAndLastChunk the first and last chunk stay small', () => {
  const server = new ByteServer(3000);
  const d = new Dialogue({ simultaneousUploads: 1, prioritizeFirstAndLastChunk: true });
  d.add(hollow('first', 20), hollow('a', 3000));
  d.client.upload();
  server.size = 20;
  server.answerTest(d);
  server.take(d);
  server.size = 3000;
  server.held = [];
  while (d.open[0].query.get('resumableFilename') === 'first') d.answers(200, 'OK', ours);
  server.answerTest(d);
  while (d.open.length > 0) server.take(d);
  assert.deepEqual(server.lengths.slice(1, 3), [10, 10]);
  assert.equal(server.bytes, 3000);
});

test('a last chunk that no coarser layout starts with stays small', () => {
  const options = { forceChunkSize: false, prioritizeFirstAndLastChunk: true };
  const { d, server } = begin(3000, options);
  while (d.open.length > 0) server.take(d);
  const small = new ByteServer(55, options);
  d.add(hollow('b', 55));
  d.client.upload();
  small.answerTest(d);
  while (d.open.length > 0) small.take(d);
  assert.deepEqual(small.held, [[0, 10], [40, 55], [10, 20], [20, 30], [30, 40]]);
});

test('only the latest requests are kept, for groups, too', () => {
  const small = new ByteServer(60000);
  small.limits.maxChunkSize = 20;
  const { d, f, server } = begin(60000, {}, small);
  while (d.open.length > 0) server.take(d);
  const kept = new Set(f.chunks.map((chunk) => chunk.xhr).filter(Boolean));
  assert.equal(kept.size, 1000);
});

test('chunks that are larger than the server allows are cut again', () => {
  for (const [held, complete] of [[[], false], [[[0, 320]], false], [[[0, 1000]], true]]) {
    const server = new ByteServer(1000);
    const d = new Dialogue({ simultaneousUploads: 1, chunkSize: 400 });
    const [f] = d.add(hollow('a', 1000));
    assert.equal(f.chunks.length, 3);
    d.client.upload();
    server.held = held.slice();
    server.answerTest(d, complete);
    assert.equal(f.chunks.length, 7);
    assert.equal(f.confirmedSize, server.bytes);
    while (d.open.length > 0) server.take(d);
    assert.deepEqual([f.isComplete(), server.bytes, d.saw('complete').length], [true, 1000, 1]);
    assert.equal(d.add(hollow('b', 1000))[1].chunks.length, 7, 'later files are cut so at once');
  }
  const d = new Dialogue({ chunkSize: 400, adaptChunkSize: false });
  const [f] = d.add(hollow('a', 1000));
  d.client.upload();
  d.answers(404, { size: 1000, held: [], complete: false, limits: { maxChunkSize: 160 } }, ours);
  assert.equal(f.chunks.length, 3, 'not if it is fixed');
});

test('a file may be cancelled while it is cut again', () => {
  const d = new Dialogue({ chunkSize: 400 });
  const [f] = d.add(hollow('a', 1000));
  d.client.upload();
  d.client.on('fileProgress', () => f.cancel());
  d.answers(404, { size: 1000, held: [[0, 160]], complete: false, limits: { maxChunkSize: 160 } }, ours);
  assert.deepEqual([d.client.files, d.client.isUploading(), d.saw('complete').length], [[], false, 1]);
});

test('once the server is known to be ours, files of one chunk are sent without a test, six at a time', () => {
  const d = new Dialogue();
  d.add(...Array.from({ length: 20 }, (_, i) => file(`f${i}`, 5)), file('big', 25));
  d.client.upload();
  d.asks('GET f0 1', 'GET f1 1', 'GET f2 1');
  d.answers(404, '', ours);
  d.asks('GET f1 1', 'GET f2 1', 'POST f0 1', 'POST f3 1', 'POST f4 1', 'POST f5 1');
  for (let i = 0; i < 2; i++) d.answers(404, '', ours);
  while (!d.open.some((one) => one.query.get('resumableFilename') === 'big')) {
    assert.ok(d.open.length <= 6);
    d.answers(200, 'OK', ours);
  }
  assert.equal(d.open.length, 3, 'a larger file takes one of three');
  assert.equal(d.open.at(-1).method, 'GET', 'files of several chunks are tested');
  assert.equal(d.count, 20 + 3 + 1);
});

test('other servers get a test for each file and three requests, and a set number is kept', () => {
  const names = (count) => Array.from({ length: count }, (_, i) => file(`f${i}`, 5));
  const other = new Dialogue();
  other.add(...names(9));
  other.client.upload();
  for (let i = 0; i < 18; i++) {
    assert.ok(other.open.length <= 3);
    other.answers(other.open[0].method === 'GET' ? 404 : 200, 'OK');
  }
  assert.equal(other.count, 18);
  for (const simultaneousUploads of [1, 2, 3]) {
    const d = new Dialogue({ simultaneousUploads, testChunks: false });
    d.add(...names(9));
    d.client.upload();
    while (d.open.length > 0) {
      assert.ok(d.open.length <= simultaneousUploads);
      d.answers(200, 'OK', ours);
    }
  }
});

test('a file of one chunk that is larger than the server allows is tested and cut', () => {
  const d = new Dialogue({ chunkSize: 400, simultaneousUploads: 1 });
  d.add(hollow('a', 500), hollow('b', 500));
  d.client.upload();
  d.answers(404, { size: 500, held: [], complete: false, limits: { maxChunkSize: 160 } }, ours);
  while (d.open[0].query.get('resumableFilename') === 'a') d.answers(200, 'OK', ours);
  d.asks('GET b 1');
});

// Behaviour of Resumable.js 1.1 that pages rely on, apart from the differences that Sources/Web/README.md lists.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file, hollow } = require('./support/dialogue.js');

const uploading = (options, ...files) => {
  const d = new Dialogue({ testChunks: false, ...options });
  d.add(...files);
  d.client.upload();
  return d;
};

test('pause() of a file toggles, pause(true) and pause(false) do not', () => {
  const d = uploading({ simultaneousUploads: 1 }, file('a', 5));
  const [a] = d.client.files;
  for (const isPaused of [true, false, true]) {
    a.pause();
    assert.equal(a.isPaused(), isPaused);
    d.asks(...(isPaused ? [] : ['POST a 1']));
  }
  a.pause(true);
  assert.equal(a.isPaused(), true);
  a.pause(false);
  a.pause(false);
  assert.equal(a.isPaused(), false);
  d.asks('POST a 1');
});

test('toggling the pause of a file does not start an upload that is not running', () => {
  const d = new Dialogue({ testChunks: false });
  const [a, b] = d.add(file('a', 5), file('b', 5));
  a.pause();
  a.pause();
  d.asks();
  b.pause();
  d.client.upload();
  d.asks('POST a 1');
  d.client.pause();
  b.pause();
  d.asks();
  d.client.upload();
  assert.equal(d.open.length, 2);
});

test('abort is not a pause', () => {
  const d = uploading({}, file('a', 5));
  const [a] = d.client.files;
  a.abort();
  assert.equal(a.isPaused(), false);
  a.pause();
  assert.equal(a.isPaused(), true);
});

test('chunk.xhr and chunk.message() can be read after the answer', () => {
  const d = new Dialogue({ simultaneousUploads: 1 });
  const [f] = d.add(file('a', 25));
  const [one, two, three] = f.chunks;
  const seen = [];
  d.client.on('fileProgress', () => seen.push(f.chunks.map((chunk) => chunk.message())));
  d.client.on('fileSuccess', () => seen.push(f.chunks.map((chunk) => [chunk.xhr.status, chunk.message()])));
  assert.deepEqual([one.xhr, one.message()], [null, '']);
  d.client.upload();
  assert.equal(one.xhr, d.open[0]);
  d.answers(200, { size: 25, held: [[0, 10]], complete: false });
  for (const [chunk, status, body] of [[two, 201, '{"id": 2}'], [three, 200, '{"id": 3}']]) {
    assert.equal(chunk.xhr, d.open[0]);
    const request = d.answers(status, body, { 'X-Trace': 't' });
    assert.equal(chunk.xhr, request);
    assert.equal(chunk.xhr.getResponseHeader('X-Trace'), 't');
  }
  assert.deepEqual(seen.at(-1),
    [[200, JSON.stringify({ size: 25, held: [[0, 10]], complete: false })], [201, '{"id": 2}'], [200, '{"id": 3}']]);
});

test('chunk.xhr of chunks that one test confirms is that test', () => {
  const d = new Dialogue();
  const [f] = d.add(file('a', 25));
  d.client.upload();
  const request = d.answers(200, { size: 25, held: [[0, 25]], complete: true });
  assert.deepEqual(f.chunks.map((chunk) => chunk.xhr), [request, request, request]);
  const [g] = new Dialogue().add(file('a', 25)).slice(-1);
  assert.equal(g.chunks[1].xhr, null);
});

test('chunk.xhr can be read in fileRetry and fileError, and is null after a pause', () => {
  const d = uploading({}, file('a', 5));
  const [chunk] = d.client.files[0].chunks;
  const statuses = [];
  for (const name of ['fileRetry', 'fileError']) {
    d.client.on(name, (f) => statuses.push([name, f.chunks[0].xhr.status, f.chunks[0].message()]));
  }
  d.answers(503, 'later');
  d.pass(60000);
  d.client.pause();
  assert.equal(chunk.xhr, null);
  d.client.upload();
  d.answers(415, 'never');
  assert.deepEqual(statuses, [['fileRetry', 503, 'later'], ['fileError', 415, 'never']]);
});

test('only the latest thousand chunks keep their request', () => {
  const d = uploading({ simultaneousUploads: 1 }, hollow('a', 20000));
  const [f] = d.client.files;
  for (let i = 0; i < 2000; i++) d.answers(200, 'OK');
  assert.equal(f.chunks.filter((chunk) => chunk.xhr).length, 1000);
  assert.deepEqual([f.chunks[999].xhr, f.chunks[999].message()], [null, '']);
  assert.equal(f.chunks[1000].message(), 'OK');
});

test('a request that is retried while others are answered keeps its own', () => {
  const d = uploading({ simultaneousUploads: 2 }, hollow('a', 20000));
  const [first] = d.client.files[0].chunks;
  d.answers(503);
  d.pass(60000);
  for (let i = 0; i < 1500; i++) d.answers(200, 'OK', {}, d.open[0] === first.xhr ? 1 : 0);
  assert.equal(d.open.includes(first.xhr), true);
});

test('fileProgress is fired when a chunk is started, also after a retry', () => {
  const d = uploading({ simultaneousUploads: 1, throttleProgressCallbacks: 100 }, file('a', 15));
  const names = () => d.events.map((one) => one[0]).filter((name) => /^file(Progress|Retry|Success)$/.test(name));
  assert.deepEqual(names(), ['fileProgress']);
  d.answers(503);
  assert.deepEqual(names(), ['fileProgress', 'fileRetry']);
  d.pass(60000);
  assert.deepEqual(names(), ['fileProgress', 'fileRetry', 'fileProgress']);
  d.answers(200);
  d.answers(200);
  assert.deepEqual(names().slice(3), ['fileProgress', 'fileProgress', 'fileProgress', 'fileSuccess']);
});

test('nothing is sent if a listener of the first progress pauses, cancels or removes the file', () => {
  for (const stop of [(f) => f.pause(), (f) => f.cancel(), (f, r) => r.pause(), (f, r) => { r.files = []; }]) {
    const d = new Dialogue({ testChunks: false });
    d.client.on('fileProgress', (f) => stop(f, d.client));
    d.add(file('a', 5));
    d.client.upload();
    d.asks();
    assert.equal(d.count, 0);
  }
});

test('cancel of a file and of all fires fileProgress after the removal', () => {
  const d = uploading({ simultaneousUploads: 1 }, file('a', 15), file('b', 5), file('c', 5));
  const [a, b, c] = d.client.files;
  d.answers(200);
  d.events.length = 0;
  const left = [];
  d.client.on('fileProgress', (f) => left.push([f, d.client.files.length, d.client.progress()]));
  b.cancel();
  assert.deepEqual(left.splice(0), [[b, 2, 0.5]]);
  d.client.cancel();
  assert.deepEqual(left.slice(-2), [[c, 1, 10 / 15], [a, 0, 0]]);
});

test('defaults follow the documentation of Resumable.js 1.1: no limit of retries, and empty files are accepted', () => {
  const d = uploading({}, file('empty', 0));
  assert.equal(d.client.files.length, 1);
  for (let i = 0; i < 150; i++) { d.answers(503); d.pass(60000); }
  assert.equal(d.client.files[0].chunks[0].retries, 150);
  assert.deepEqual(d.saw('fileError'), []);
});

test('a failed file is not complete, and complete is fired nonetheless', () => {
  const d = uploading({}, file('a', 5));
  d.answers(415);
  assert.equal(d.client.files[0].isComplete(), false);
  assert.equal(d.saw('complete').length, 1);
});

test('filesAdded lists duplicates and refused files, also if nothing was added', () => {
  const d = new Dialogue({ maxFileSize: 10, maxFileSizeErrorCallback: () => {} });
  const [a, large] = [file('a', 5), file('large', 11)];
  d.add(a);
  d.add(a, large);
  assert.deepEqual(d.saw('filesAdded').at(-1).slice(1).map((one) => one.map((f) => f.name)), [[], ['large', 'a']]);
});

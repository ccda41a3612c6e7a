// Failures and interruptions: refusals, retries and waits, pause, cancel, offline, sleep.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file, hollow } = require('./support/dialogue.js');

const sending = (options) => {
  const d = new Dialogue({ testChunks: false, ...options });
  d.add(file('a', 5));
  d.client.upload();
  return d;
};

test('permanentErrors fail the file at once, with the server\'s message', () => {
  for (const status of [400, 401, 403, 404, 409, 413, 415, 500, 501]) {
    const d = sending();
    const [f] = d.client.files;
    d.answers(status, 'no such type');
    assert.deepEqual(d.saw('fileError'), [['fileError', f, 'no such type']]);
    assert.deepEqual(d.saw('error'), [['error', 'no such type', f]]);
    assert.equal(f.isComplete(), false);
    assert.equal(f.chunks[0].status(), 'error');
    assert.equal(f.progress(), 1);
    assert.equal(d.saw('complete').length, 1);
    d.pass(1e7);
    d.asks();
  }
});

test('permanentError is true after a refusal, false after the last retry, and reset by retry()', () => {
  for (const [status, permanent] of [[415, true], [503, false], [0, false]]) {
    const d = sending({ maxChunkRetries: 0 });
    const [f] = d.client.files;
    assert.equal(f.permanentError, false);
    d.answers(status);
    assert.equal(d.saw('fileError').length, 1);
    assert.equal(f.permanentError, permanent);
    f.retry();
    assert.equal(f.permanentError, false);
  }
});

test('413 with Retry-After is temporary (RFC 9110, section 15.5.14)', () => {
  const d = sending();
  d.answers(413, '', { 'Retry-After': '3' });
  d.pass(4000);
  d.asks('POST a 1');
});

test('temporary statuses are retried', () => {
  for (const status of [0, 408, 422, 429, 502, 503, 504]) {
    const d = sending();
    d.answers(status);
    d.asks();
    d.pass(60000);
    d.asks('POST a 1');
    assert.equal(d.saw('fileRetry').length, 1);
  }
});

test('a refusal without a message gets one', () => {
  let d = sending();
  d.answers(415);
  assert.equal(d.saw('fileError')[0][2], 'The server answered 415.');
  d = sending({ maxChunkRetries: 0 });
  d.answers(0);
  assert.equal(d.saw('fileError')[0][2], 'The server cannot be reached.');
});

test('permanentErrors and maxChunkRetries can be set', () => {
  let d = sending({ permanentErrors: [503] });
  d.answers(503);
  assert.equal(d.saw('fileError').length, 1);
  d = sending({ maxChunkRetries: 2 });
  for (let i = 0; i < 3; i++) { d.answers(503); d.pass(60000); }
  assert.equal(d.saw('fileRetry').length, 2);
  assert.equal(d.saw('fileError').length, 1);
});

test('waits double up to a minute, with full jitter', () => {
  const d = sending();
  for (const span of [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]) {
    d.answers(503);
    d.pass(span * 0.5 - 1);
    d.asks();
    d.pass(1);
    d.asks('POST a 1');
  }
});

test('Retry-After is used, in seconds or as a date, up to an hour', () => {
  let d = sending();
  d.chance = 0;
  d.answers(503, '', { 'Retry-After': '7' });
  d.pass(6999); d.asks(); d.pass(1); d.asks('POST a 1');
  d.answers(503, '', { 'Retry-After': new Date(d.time + 9000).toUTCString() });
  d.pass(7000); d.asks(); d.pass(2000); d.asks('POST a 1');
  d.answers(503, '', { 'Retry-After': '999999' });
  d.pass(3599999); d.asks(); d.pass(1); d.asks('POST a 1');
  d.answers(503, '', { 'Retry-After': 'soon' });
  d.pass(0); d.asks('POST a 1');
});

test('chunkRetryInterval is a fixed wait', () => {
  const d = sending({ chunkRetryInterval: 300 });
  for (let i = 0; i < 3; i++) {
    d.answers(503, '', { 'Retry-After': '50' });
    d.pass(299); d.asks(); d.pass(1); d.asks('POST a 1');
  }
});

test('a waiting chunk keeps its slot', () => {
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 1 });
  d.add(file('a', 30));
  d.client.upload();
  d.answers(503);
  assert.equal(d.client.isUploading(), true);
  d.asks();
});

test('pause ends requests and waits, and upload() sends the missing chunks', () => {
  const d = new Dialogue({ testChunks: false });
  const [f] = d.add(file('a', 40));
  d.client.upload();
  d.answers(200);
  d.answers(503);
  const [open] = d.open;
  open.upload.onprogress({ loaded: 9, total: 10 });
  d.client.pause();
  assert.equal(open.aborted, true);
  assert.equal(d.client.isUploading(), false);
  assert.deepEqual(f.chunks.map((chunk) => chunk.progress()), [1, 0, 0, 0], 'the unconfirmed bytes are lost');
  assert.equal(d.told().at(-1), 'pause');
  d.pass(1e6);
  d.asks();
  assert.equal(d.window.listeners + d.document.listeners, 0);
  d.client.upload();
  assert.deepEqual(d.open.map((one) => one.query.get('resumableChunkNumber')).sort(), ['2', '3', '4']);
  for (let i = 0; i < 3; i++) d.answers(200);
  assert.equal(f.isComplete(), true);
  assert.equal(d.window.listeners + d.document.listeners, 0);
});

test('an answer after pause() is ignored', () => {
  const d = sending();
  const [open] = d.open;
  d.client.pause();
  open.status = 200;
  open.onload();
  open.upload.onprogress({ loaded: 5, total: 5 });
  assert.equal(d.client.files[0].isComplete(), false);
  assert.equal(d.client.progress(), 0);
});

test('after a pause during the first test the ranges are requested again', () => {
  const d = new Dialogue();
  d.add(file('a', 20));
  d.client.upload();
  d.client.pause();
  d.client.upload();
  d.asks('GET a 1');
  assert.equal(d.open[0].headers.Accept, 'application/json');
});

test('a request that fails offline waits for the network, not for a time', () => {
  const d = sending();
  d.online = false;
  d.answers(0);
  d.pass(1e7);
  d.asks();
  d.online = true;
  d.window.dispatchEvent(new Event('online'));
  d.asks('POST a 1');
  assert.equal(d.client.files[0].chunks[0].retries, 0);
});

test('after the offline event nothing is sent until an answer or upload()', () => {
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 2 });
  d.add(file('a', 30));
  d.client.upload();
  d.answers(0);
  d.window.dispatchEvent(new Event('offline'));
  d.pass(1e6);
  d.document.dispatchEvent(new Event('visibilitychange'));
  d.asks('POST a 2');
  d.answers(200);
  d.asks('POST a 1', 'POST a 3');
  d.window.dispatchEvent(new Event('offline'));
  d.answers(0);
  d.client.upload();
  d.asks('POST a 3', 'POST a 1');
});

test('the online event does not shorten the wait that the server asked for', () => {
  const d = sending();
  d.answers(503, '', { 'Retry-After': '50' });
  d.window.dispatchEvent(new Event('online'));
  d.asks();
});

test('after sleep the upload continues by the clock, without waiting for the timer', () => {
  for (const [where, event] of [['window', 'pageshow'], ['document', 'visibilitychange']]) {
    const d = sending();
    d.answers(503);
    d.time += 1e6;
    d[where].dispatchEvent(new Event(event));
    d.asks('POST a 1');
  }
});

test('a file that cannot be read fails instead of being retried like a lost connection', async () => {
  const arrayBuffer = () => Promise.reject(new Error('NotReadableError'));
  const slices = [];
  const slice = (from, to) => {
    slices.push([from, to]);
    return Object.assign(new Blob([]), { arrayBuffer });
  };
  const unreadable = { slice };
  const d = new Dialogue({ testChunks: false });
  const [a, b, c] = d.add({ ...hollow('a', 5), ...unreadable }, hollow('b', 5), { ...hollow('c', 5), ...unreadable });
  d.client.upload();
  for (let i = 0; i < 3; i++) d.answers(0);
  // After a pause the result no longer counts.
  c.pause();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(d.saw('fileError'), [['fileError', a, 'a cannot be read any more.']]);
  assert.equal(a.permanentError, false);
  assert.deepEqual(slices, [[0, 5], [0, 5], [0, 1], [0, 1]], 'one byte is read');
  d.pass(60000);
  d.asks('POST b 1');
  assert.equal(b.isUploading(), true);
});

/** A file whose bytes can be read while `is.there`. */
function removable(name, size, is = { there: true }) {
  const reads = [];
  const slice = (from, to) => Object.assign(new Blob([]), {
    arrayBuffer: async () => {
      reads.push([from, to]);
      if (!is.there) throw new Error('AbortError');
      return new ArrayBuffer(Math.min(to, is.length ?? size) - Math.min(from, is.length ?? size));
    },
  });
  return { file: { ...hollow(name, size), slice }, is, reads };
}

const settled = () => new Promise((resolve) => { setImmediate(resolve); });

test('the file of a request that does not move is read, and fails if that is impossible', async () => {
  const d = new Dialogue({ testChunks: false });
  const { file: given, is, reads } = removable('a', 25);
  const [a] = d.add(given);
  d.client.upload();
  d.pass(3000);
  assert.deepEqual(reads, [], 'nothing has stood still for long');
  d.open[1].upload.onprogress({ loaded: 5, total: 10 });
  d.pass(3000);
  assert.deepEqual(reads, [[0, 1], [20, 21]], 'one byte of each request that stands still');
  await settled();
  assert.equal(a.isUploading(), true, 'a slow connection is no reason to fail');
  is.there = false;
  d.pass(3000);
  await settled();
  assert.deepEqual(d.saw('fileError'), [['fileError', a, 'a cannot be read any more.']]);
  assert.equal(a.failure.reason, 'unreadable');
  d.asks();
  is.there = true;
  a.retry();
  d.asks('POST a 1', 'POST a 2', 'POST a 3');
});

test('a file that has become shorter cannot be read, an empty one can', async () => {
  const d = new Dialogue({ testChunks: false });
  const { file: cut, is } = removable('cut', 20);
  const { file: empty } = removable('empty', 0);
  d.add(cut, empty);
  is.length = 15;
  d.client.upload();
  d.pass(6000);
  await settled();
  assert.deepEqual(d.saw('fileError'), [], 'the first bytes are there');
  d.answers(200);
  is.length = 5;
  d.pass(6000);
  await settled();
  assert.deepEqual(d.saw('fileError').map((one) => one[1].fileName), ['cut']);
  d.asks('POST empty 1');
});

test('files are watched only while requests are open', () => {
  const d = new Dialogue({ testChunks: false });
  d.add(file('a', 10));
  d.client.upload();
  assert.equal(d.timers.size, 1);
  d.answers(200);
  d.pass(3000);
  assert.equal(d.timers.size, 0);
});

test('a timeout by xhrTimeout counts as a lost connection', () => {
  const d = sending({ xhrTimeout: 1234 });
  assert.equal(d.open[0].timeout, 1234);
  d.open.pop().ontimeout();
  d.pass(60000);
  d.asks('POST a 1');
});

test('cancel ends a wait', () => {
  const d = sending();
  d.answers(503);
  d.client.cancel();
  assert.equal(d.timers.size, 0);
  d.window.dispatchEvent(new Event('online'));
  d.pass(1e6);
  d.asks();
});

test('cancel removes all files, and sends nothing by default', () => {
  const d = sending();
  const [open] = d.open;
  d.client.cancel();
  assert.equal(open.aborted, true);
  assert.deepEqual(d.client.files, []);
  assert.equal(d.client.getSize(), 0);
  assert.deepEqual(d.told().slice(-3), ['beforeCancel', 'fileRemoved', 'cancel']);
  d.asks();
});

test('deleteOnCancel sends DELETE for unfinished files', () => {
  const d = new Dialogue({ testChunks: false, deleteOnCancel: true, query: { upload_token: 't' } });
  const [a, b] = d.add(file('a', 5), file('b', 5));
  d.client.upload();
  d.answers(200);
  b.cancel();
  d.asks('DELETE b 1');
  assert.equal(d.open[0].query.get('upload_token'), 't');
  assert.equal(d.open[0].query.get('resumableIdentifier'), b.uniqueIdentifier);
  d.answers(200);
  a.cancel();
  b.cancel();
  d.asks();
  assert.equal(d.saw('complete').length, 1);
});

test('deleteOnCancel applies to removeFile too, and survives an exception of the headers function', () => {
  let broken = false;
  const headers = () => { if (broken) throw new Error('no token'); return {}; };
  const d = new Dialogue({ testChunks: false, deleteOnCancel: true, headers });
  const [a, b, c] = d.add(file('a', 5), file('b', 5), file('c', 5));
  d.client.removeFile(a);
  d.asks('DELETE a 1');
  assert.deepEqual(d.saw('fileProgress'), []);
  c.cancel();
  assert.deepEqual(d.saw('fileProgress'), [['fileProgress', c]], 'as ever');
  broken = true;
  d.client.cancel();
  assert.deepEqual(d.saw('fileRemoved'), [['fileRemoved', a], ['fileRemoved', c], ['fileRemoved', b]]);
  assert.equal(d.saw('cancel').length, 1);
  assert.throws(() => d.pass(0), /no token/);
});

test('one file pauses and resumes alone', () => {
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 1 });
  const [a, b] = d.add(file('a', 5), file('b', 5));
  d.client.upload();
  a.pause();
  assert.equal(a.isPaused(), true);
  assert.equal(a.isUploading(), false);
  d.asks('POST b 1');
  d.answers(200);
  d.client.upload();
  d.asks();
  assert.equal(d.saw('complete').length, 0);
  a.resume();
  assert.equal(a.isPaused(), false);
  d.asks('POST a 1');
  a.pause();
  a.upload();
  d.asks('POST a 1');
  a.pause(true);
  d.asks();
  a.pause(false);
  d.asks('POST a 1');
  d.answers(200);
  assert.equal(d.saw('complete').length, 1);
  assert.equal(b.isComplete(), true);
});

test('failed and removed files do not resume', () => {
  const d = new Dialogue({ testChunks: false });
  const [failed, removed] = d.add(file('failed', 5), file('removed', 5));
  d.client.upload();
  d.answers(415);
  removed.cancel();
  failed.resume();
  removed.resume();
  d.asks();
  failed.retry();
  d.asks('POST failed 1');
});

test('abort stops a file until the next upload', () => {
  const d = sending();
  const [a] = d.client.files;
  a.abort();
  d.asks();
  d.pass(1e6);
  d.asks();
  d.client.upload();
  d.asks('POST a 1');
  a.chunks[0].abort();
  a.chunks[0].abort();
  d.client.uploadNextChunk();
  d.asks('POST a 1');
});

test('a file that is paused after abort stays paused', () => {
  const d = sending();
  const [a] = d.client.files;
  a.abort();
  a.pause();
  d.client.upload();
  d.asks();
  a.resume();
  d.asks('POST a 1');
});

test('after a pause the interrupted files continue before the others', () => {
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 2 });
  d.add(file('a', 5), file('b', 5), file('c', 5));
  d.client.upload();
  d.asks('POST a 1', 'POST b 1');
  d.client.pause();
  d.client.upload();
  d.asks('POST a 1', 'POST b 1');
});

test('retry and bootstrap start again with a test', () => {
  const d = new Dialogue();
  const [a] = d.add(file('a', 20));
  d.client.upload();
  d.answers(404, { size: 20, held: [[0, 10]], complete: false });
  d.answers(415, 'no');
  assert.equal(d.client.progress(), 1);
  a.retry();
  assert.equal(d.client.progress(), 0);
  d.asks('GET a 1');
  d.answers(404, { size: 20, held: [[0, 10]], complete: false });
  d.asks('POST a 2');
  d.answers(200);
  assert.equal(d.saw('complete').length, 2);
  a.opts.chunkSize = 4;
  a.bootstrap();
  assert.equal(a.chunks.length, 5);
  assert.equal(a.progress(), 0);
});

test('removeFile stops one file', () => {
  const d = new Dialogue({ testChunks: false });
  const [a, b] = d.add(file('a', 5), file('b', 5));
  d.client.upload();
  d.client.removeFile(a);
  d.client.removeFile(a);
  d.asks('POST b 1');
  assert.deepEqual(d.client.files, [b]);
  d.answers(200);
  assert.equal(d.saw('complete').length, 1);
  d.client.removeFile({ _removed: false });
  const one = new Dialogue({ testChunks: false, simultaneousUploads: 1 });
  const [first] = one.add(file('a', 5), file('b', 5));
  one.client.upload();
  one.client.removeFile(first);
  one.asks('POST b 1');
});

test('an exception in a function of the page is reported, fails the file and frees the slot', () => {
  const broken = () => { throw new Error('the page\'s own'); };
  for (const name of ['query', 'headers', 'target', 'preprocess', 'preprocessFile']) {
    const d = new Dialogue({ testChunks: false, simultaneousUploads: 1 });
    const [a, b] = d.add(file('a', 5), file('b', 5));
    a.opts[name] = broken;
    d.client.upload();
    assert.deepEqual(d.saw('fileError'), [['fileError', a, 'Error: the page\'s own']], name);
    assert.equal(a.permanentError, true);
    d.asks('POST b 1');
    assert.throws(() => d.pass(0), /the page's own/);
    d.answers(200);
    assert.equal(b.isComplete(), true);
    assert.equal(d.saw('complete').length, 1);
  }
});

test('an exception after the test or between retries fails the file, too', () => {
  const d = new Dialogue({ query: (f) => { if (f.opts.broken) throw new Error('late'); return {}; } });
  const [a, b] = d.add(file('a', 5), file('b', 5));
  d.client.upload();
  a.opts.broken = true;
  d.answers(404);
  d.answers(404);
  d.asks('POST b 1');
  b.opts.broken = true;
  d.answers(503);
  assert.throws(() => d.pass(60000), /late/);
  assert.throws(() => d.pass(60000), /late/);
  assert.deepEqual(d.saw('fileError').map((one) => one[1]), [a, b]);
});

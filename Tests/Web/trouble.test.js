// The library's reports to a page about trouble and its end: why a file waits, a retry by hand, the final path.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file } = require('./support/dialogue.js');

const options = { testChunks: false, simultaneousUploads: 1, chunkRetryInterval: 5000 };

test('a file that waits for a retry tells status, message and time, until the next confirmation', () => {
  const d = new Dialogue(options);
  const [f] = d.add(file('a', 20));
  d.client.upload();
  assert.equal(f.trouble, null);
  d.answers(503, 'The disk is full.');
  assert.deepEqual(f.trouble, { status: 503, message: 'The disk is full.', due: d.time + 5000 });
  d.pass(5000);
  d.asks('POST a 1');
  assert.equal(f.trouble.status, 503, 'sending again is no success yet');
  d.answers(0);
  assert.deepEqual(f.trouble, { status: 0, message: '', due: d.time + 5000 });
  d.pass(5000);
  d.answers(200);
  assert.equal(f.trouble, null);
});

test('an answered test, a pause and a failure end the trouble, too', () => {
  for (const end of [
    (d) => { d.pass(5000); d.answers(404); },
    (d) => d.client.files[0].pause(),
    (d) => { d.pass(5000); d.answers(404); d.answers(415, 'No.'); },
    (d) => { d.client.files[0].retry(); },
  ]) {
    const d = new Dialogue({ ...options, testChunks: true });
    const [f] = d.add(file('a', 20));
    d.client.upload();
    d.answers(502);
    assert.equal(f.trouble.status, 502);
    end(d);
    assert.equal(f.trouble, null);
  }
});

test('retryNow sends everything that waits, whatever it waits for', () => {
  const d = new Dialogue({ ...options, simultaneousUploads: 3 });
  const [f] = d.add(file('a', 30));
  d.client.upload();
  d.answers(503, '', { 'Retry-After': '3600' });
  d.answers(502);
  d.online = false;
  d.answers(0);
  d.asks();
  d.client.retryNow();
  d.asks('POST a 1', 'POST a 2', 'POST a 3');
  d.answers(200);
  d.answers(200);
  d.answers(200);
  assert.equal(f.isComplete(), true);
  d.client.retryNow();
  d.asks();
});

test('the path that the server reports for a finished file is its finalPath', () => {
  const finish = (headers) => {
    const d = new Dialogue(options);
    const [f] = d.add(file('a', 20));
    let path;
    d.client.on('fileSuccess', () => { path = f.finalPath; });
    d.client.upload();
    d.answers(200, '', headers);
    assert.equal(f.finalPath, '', 'only the last chunk completes the file');
    d.answers(200, '', headers);
    return path;
  };
  assert.equal(finish({ 'X-Upload-Path': 'album/%E5%BD%B1%E7%89%87%20(1).mp4' }), 'album/影片 (1).mp4');
  assert.equal(finish({}), '');
  assert.equal(finish({ 'X-Upload-Path': '%E5%BD' }), '', 'an invalid path is ignored');
});

test('a failure has a reason and the status of the answer', async () => {
  const failureOf = async (fail, more = {}) => {
    const d = new Dialogue({ ...options, ...more });
    const [f] = d.add(file('a', 20));
    assert.equal(f.failure, null);
    d.client.upload();
    await fail(d, f);
    assert.equal(d.saw('fileError').length, 1);
    const { failure } = f;
    f.retry();
    assert.equal(f.failure, null, 'a retry forgets the failure');
    return failure;
  };
  assert.deepEqual(await failureOf((d) => d.answers(415, 'No.')), { reason: 'refused', status: 415 });
  assert.deepEqual(await failureOf((d) => d.answers(503), { maxChunkRetries: 0 }), { reason: 'refused', status: 503 });
  assert.deepEqual(await failureOf((d) => d.answers(0), { maxChunkRetries: 0 }), { reason: 'unreachable', status: 0 });
  assert.deepEqual(await failureOf((d, f) => {
    f.file.slice = () => ({ arrayBuffer: () => Promise.reject(new Error('moved')) });
    d.answers(0);
    return new Promise(setImmediate).then(() => { delete f.file.slice; });
  }), { reason: 'unreadable', status: 0 });
  let calls = 0;
  const broken = { query: () => { if (++calls === 1) throw new Error('the page\'s own'); } };
  assert.deepEqual(await failureOf((d) => { try { d.pass(0); } catch { /* reported */ } }, broken),
    { reason: 'page', status: 0 });
});

test('a file that the server held already was not sent', () => {
  for (const [held, sends] of [[[[0, 20]], 0], [[[0, 10]], 1]]) {
    const d = new Dialogue({ ...options, testChunks: true });
    const [f] = d.add(file('a', 20));
    d.client.upload();
    d.answers(held[0][1] === 20 ? 200 : 404, { size: 20, held, complete: held[0][1] === 20 });
    assert.equal(f.wasHeld(), sends === 0);
    for (let i = 0; i < sends; i++) d.answers(200);
    assert.equal(f.isComplete(), true);
    assert.equal(f.wasHeld(), sends === 0);
  }
});

test('the speed after a stall is measured anew', () => {
  const d = new Dialogue({ ...options, chunkSize: 1000, chunkRetryInterval: 60000 });
  const [f] = d.add(file('a', 100000));
  d.client.upload();
  for (let i = 0; i < 20; i++) { d.pass(1000); d.answers(200); }
  assert.ok(Math.abs(d.client.speed() - 1000) < 100);
  for (let i = 0; i < 5; i++) {
    d.open[0].upload.onprogress({ loaded: 1000, total: 1000 });
    d.answers(503);
    d.pass(60000);
  }
  d.answers(200);
  for (let i = 0; i < 5; i++) { d.pass(1000); d.answers(200); }
  assert.ok(Math.abs(d.client.speed() - 1000) < 300, String(d.client.speed()));
  assert.ok(Math.abs(f.speed() - 1000) < 300, String(f.speed()));
});

test('a dropped folder without files is reported, and so is an entry that cannot be read', async () => {
  const folder = (name, ...children) => ({
    isDirectory: true, name,
    createReader: () => { let all = children; return { readEntries: (done) => { done(all); all = []; } }; },
  });
  const locked = { isFile: true, name: 'locked', file: (_, fail) => fail(new Error('no')) };
  const some = { isFile: true, name: 'some', fullPath: '/full/some', file: (done) => done(file('some', 1)) };
  const entries = [folder('empty'), folder('nested', folder('deep')), folder('full', folder('void'), some),
    folder('shut', locked)];
  const d = new Dialogue(options);
  const items = entries.map((entry) => ({ kind: 'file', webkitGetAsEntry: () => entry }));
  await d.client.handleDropEvent(Object.assign(new Event('drop'), { dataTransfer: { items } }));
  assert.deepEqual(d.saw('entrySkipped').map((one) => one.slice(1)),
    [['locked', 'unreadable'], ['empty', 'empty'], ['nested', 'empty']]);
  assert.deepEqual(d.client.files.map((f) => f.relativePath), ['full/some']);
  assert.deepEqual(d.saw('error').map((one) => one[1]),
    ['locked cannot be read.', 'empty is an empty folder.', 'nested is an empty folder.']);
});

test('a dropped path that leads nowhere is reported, and files without an entry are added', async () => {
  const missing = Object.assign(file('missing', 0), { arrayBuffer: () => Promise.reject(new Error('NotFoundError')) });
  const made = file('made', 3);
  const empty = file('empty', 0);
  const some = { isFile: true, name: 'some', fullPath: '/some', file: (done) => done(file('some', 1)) };
  const item = (entry, given) => ({ kind: 'file', webkitGetAsEntry: () => entry, getAsFile: () => given });
  for (const [items, expected] of [
    [[item(null, missing)], []],
    [[item(null, missing), item(some), item(null, made), item(null, empty), item(null, null)], ['some', 'made', 'empty']],
    [[item(null, made)], ['made']],
  ]) {
    const d = new Dialogue(options);
    const files = items.map((one) => one.getAsFile()).filter(Boolean);
    await d.client.handleDropEvent(Object.assign(new Event('drop'), { dataTransfer: { items, files } }));
    assert.deepEqual(d.client.files.map((f) => f.fileName), expected);
    const isMissing = items.length !== 1 || expected.length === 0;
    assert.deepEqual(d.saw('entrySkipped'), isMissing ? [['entrySkipped', 'missing', 'unreadable']] : []);
  }
});

test('the limits that a test reports come before the first byte, and a listener may remove the file', () => {
  const limits = { maxFileSize: 10, maxChunkSize: 5, maxBodySize: 65546, types: null };
  const d = new Dialogue({ ...options, testChunks: true, simultaneousUploads: 2 });
  d.add(file('large', 20), file('small', 5));
  d.client.on('limits', (told) => {
    for (const f of [...d.client.files]) if (f.size > told.maxFileSize) d.client.removeFile(f);
  });
  d.client.upload();
  d.asks('GET large 1', 'GET small 1');
  d.answers(404, { size: 20, held: [], complete: false, limits });
  assert.deepEqual(d.saw('limits'), [['limits', limits]]);
  d.asks('GET small 1');
  d.answers(404, { size: 5, held: [], complete: false, limits });
  d.asks('POST small 1');
  d.answers(200);
  assert.deepEqual(d.told().slice(-2), ['fileSuccess', 'complete']);
});

test('a server that reports no limits fires no event', () => {
  const d = new Dialogue({ ...options, testChunks: true });
  d.add(file('a', 20));
  d.client.upload();
  d.answers(404, { size: 20, held: [], complete: false });
  d.asks('POST a 1');
  assert.deepEqual(d.saw('limits'), []);
});

test('checkServer asks by a test, which is no upload', async () => {
  const check = async (answer, more = {}) => {
    const d = new Dialogue({ ...options, testChunks: true, ...more });
    const [f] = d.add(file('a', 20));
    const result = f.checkServer();
    if (answer) {
      await new Promise(setImmediate);
      d.asks('GET a 1');
      answer(d);
    }
    assert.equal(f.isUploading(), false);
    return result;
  };
  assert.equal(await check((d) => d.answers(404)), true);
  assert.equal(await check((d) => d.answers(415)), true);
  for (const status of [0, 502, 503, 504]) assert.equal(await check((d) => d.answers(status)), false);
  assert.equal(await check((d) => d.answers(200, '<html>Sign in')), false);
  assert.equal(await check((d) => d.answers(404), { query: () => Promise.resolve({ token: 'x' }) }), true);
  assert.equal(await check(null, { testChunks: false }), false);
  assert.equal(await check(null, { query: () => Promise.reject(new Error('no')) }), false);
  assert.equal(await check(null, { query: () => { throw new Error('no'); } }), false);
});

test('a test that the server refuses fails the file without sending a chunk', () => {
  const d = new Dialogue({ ...options, testChunks: true });
  const [f] = d.add(file('a', 20));
  d.client.upload();
  d.answers(415, 'The file is too large.', { 'X-Upload-Outcome': 'refused' });
  assert.deepEqual(d.saw('fileError'), [['fileError', f, 'The file is too large.']]);
  assert.deepEqual(f.failure, { reason: 'refused', status: 415 });
  d.asks();

  const other = new Dialogue({ ...options, testChunks: true });
  other.add(file('a', 20));
  other.client.upload();
  other.answers(415, 'A server without outcomes.');
  other.asks('POST a 1');
});

test('a refused test tells the limits before the file fails, and its message is the text of the error', () => {
  const d = new Dialogue({ ...options, testChunks: true });
  const [f] = d.add(file('a', 20));
  const limits = { maxFileSize: 10, types: null };
  d.client.upload();
  d.answers(415, { message: 'The file is too large.', limits }, { 'X-Upload-Outcome': 'refused' });
  assert.deepEqual(d.events.filter(([name]) => name === 'limits' || name === 'fileError'),
    [['limits', limits], ['fileError', f, 'The file is too large.']]);
  assert.deepEqual(f.failure, { reason: 'refused', status: 415 });
  d.asks();
});

test('a page that removes a file because of the limits hears no error of it', () => {
  const d = new Dialogue({ ...options, testChunks: true });
  const [f] = d.add(file('a', 20));
  d.client.on('limits', () => d.client.removeFile(f));
  d.client.upload();
  d.answers(415, { message: 'No.', limits: { maxFileSize: 10 } }, { 'X-Upload-Outcome': 'refused' });
  assert.deepEqual(d.saw('fileError'), []);
  d.asks();
});

test('askLimits asks by a test of the file, whose answer has the limits also if it is refused', async () => {
  const limits = { maxFileSize: 10, types: '.pdf' };
  for (const [status, body, outcome] of [
    [415, { message: 'No.', limits }, 'refused'], [404, { size: 20, held: [], complete: false, limits }, 'missing'],
  ]) {
    const d = new Dialogue({ ...options, testChunks: true, parameterNamespace: 'x.' });
    const [f] = d.add(file('a.bin', 20, { type: 'text/plain' }));
    const asked = f.askLimits();
    const query = Object.fromEntries(d.open[0].query);
    d.answers(status, body, { 'X-Upload-Outcome': outcome });
    await asked;
    d.asks();
    assert.deepEqual(d.saw('limits'), [['limits', limits]]);
    assert.equal(query['x.resumableFilename'], 'a.bin');
    assert.equal(query['x.resumableTotalSize'], '20');
  }
});

test('askLimits is content with an answer without limits, and believes only the upload server', async () => {
  const limits = { maxFileSize: 10 };
  for (const [status, body, headers, redirected] of [
    [415, 'No.', { 'X-Upload-Outcome': 'refused' }], [403, 'Forbidden', {}], [413, '<html>', {}], [503, '', {}],
    [404, { size: 20, held: [], complete: false }, {}], [0, ''], [200, { limits }, {}, 'http://elsewhere/login'],
  ]) {
    const d = new Dialogue({ ...options, testChunks: true });
    const [f] = d.add(file('a', 20));
    const asked = f.askLimits();
    if (redirected) d.open[0].responseURL = redirected;
    d.answers(status, body, headers);
    await asked;
    d.asks();
    assert.deepEqual(d.saw('limits'), []);
  }
});

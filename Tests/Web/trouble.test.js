// What the library tells a page about trouble and its end: why a file waits, a retry by hand, the final path.
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

// Foreign answers: redirects, login pages and proxies in front of the server confirm nothing.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const vm = require('node:vm');
const { pathToFileURL } = require('node:url');
const { Dialogue, file } = require('./support/dialogue.js');

const ours = (outcome) => ({ 'X-Upload-Outcome': outcome });
const login = '<!DOCTYPE html>\n<html lang="en"><title>Sign in</title></html>';

const sending = (options) => {
  const d = new Dialogue({ testChunks: false, ...options });
  d.add(file('a', 5));
  d.client.upload();
  return d;
};

/** Answers the next request after a redirect. */
const redirected = (d, address, status = 200, headers = {}) => {
  d.open[0].responseURL = address;
  d.answers(status, 'OK', headers);
};

const clearError = (status) => (
  `The answer (status ${status}) did not come from the upload server. You may have to sign in again.`);

test('a chunk that was redirected to another address is retried, and fails with a clear error', () => {
  const d = sending();
  const [f] = d.client.files;
  for (let i = 1; i <= 3; i++) {
    redirected(d, 'http://test/login?next=%2Fup');
    assert.equal(f.isComplete(), false);
    assert.equal(d.saw('fileRetry').length, Math.min(2, i));
    d.pass(60000);
  }
  assert.deepEqual(d.saw('fileError'), [['fileError', f, clearError(200)]]);
  assert.equal(f.permanentError, false, 'after signing in the file can be sent');
  assert.deepEqual(d.saw('fileSuccess'), []);
  f.retry();
  d.answers(200);
  assert.equal(d.saw('fileSuccess').length, 1);
});

test('a redirect to another path, query or origin counts, a fragment or another spelling does not', () => {
  const confirms = (target, responseURL) => {
    const d = sending({ target: () => target });
    redirected(d, responseURL);
    return d.saw('fileSuccess').length === 1;
  };
  assert.equal(confirms('/up?a=1', 'http://test/up?a=1'), true);
  assert.equal(confirms('/up?a=1', 'http://test/up?a=2'), false);
  assert.equal(confirms('/up', 'http://test/up/'), false);
  assert.equal(confirms('http://one/up', 'http://two/up'), false);
  assert.equal(confirms('http://one/up', 'https://one/up'), false, 'a redirect makes a GET of a POST');
  assert.equal(confirms('/a b/../up#part', 'http://test/up'), true);
  assert.equal(confirms('http://user:secret@one/up', 'http://one/up'), true);
  assert.equal(confirms('http://one:80/up', 'http://one/up'), true);
  assert.equal(confirms('/up', '/up'), true);
  assert.equal(confirms('/up', '/login'), false);
  assert.equal(confirms('/up', ''), true, 'some browsers report no address');
});

test('the address is compared with the page as base, whose scheme may be an upgrade', () => {
  const path = require.resolve('../../Sources/Web/resumable.js');
  const source = fs.readFileSync(path, 'utf8');
  const confirms = (page, target, responseURL) => {
    const d = new Dialogue();
    const scope = vm.createContext({ URL, Blob, File, FormData, ...page });
    vm.runInContext(source, scope, { filename: pathToFileURL(path).href });
    d.client = new scope.Resumable({ target: () => target, testChunks: false, platform: d.platform });
    d.client.addFile(file('a', 5));
    d.client.upload();
    redirected(d, responseURL);
    return d.client.files[0].isComplete();
  };
  const secure = { document: { baseURI: 'https://page/x/' } };
  assert.equal(confirms(secure, 'up', 'https://page/x/up'), true);
  assert.equal(confirms(secure, 'up', 'https://login/x/up'), false);
  assert.equal(confirms(secure, 'http://page/up', 'https://page/up'), true, 'upgrade-insecure-requests');
  assert.equal(confirms({ location: { href: 'http://page/x/' } }, 'up', 'http://page/x/up'), true);
  assert.equal(confirms({ location: { href: 'http://page/x/' } }, 'up', 'http://other/x/up'), false);
});

test('a test that was redirected says nothing about the chunk', () => {
  const d = new Dialogue();
  const [f] = d.add(file('a', 25));
  d.client.upload();
  for (let i = 0; i < 3; i++) {
    d.asks('GET a 1');
    d.open[0].responseURL = 'http://test/login';
    d.answers(200, { size: 25, held: [[0, 25]], complete: true }, ours('held'));
    d.pass(60000);
  }
  d.asks('POST a 1', 'GET a 2');
  assert.equal(f.confirmedSize, 0);
});

test('once a target has sent X-Upload-Outcome, an answer without it counts for nothing', () => {
  const d = sending({ simultaneousUploads: 1 });
  d.answers(200, 'OK', ours('stored'));
  const [, b] = d.add(file('a', 5), file('b', 5));
  d.client.upload();
  for (const status of [200, 404, 415]) {
    d.asks('POST b 1');
    d.answers(status, 'OK');
    d.pass(60000);
  }
  assert.deepEqual(d.saw('fileError'), [['fileError', b, clearError(415)]]);
  assert.equal(b.permanentError, false);
});

test('an answer of the server in between starts the count again', () => {
  const d = sending();
  d.answers(503, '', ours('retry'));
  for (let i = 0; i < 6; i++) {
    d.pass(60000);
    d.answers(200, 'hello', i % 2 ? ours('retry') : {});
    if (i % 2) break;
  }
  assert.equal(d.saw('fileSuccess').length, 1);
  const e = sending();
  e.answers(503, '', ours('retry'));
  for (let i = 0; i < 10; i++) {
    e.pass(60000);
    if (i % 3 < 2) e.answers(200, 'hello'); else e.answers(503, '', ours('retry'));
  }
  assert.deepEqual(e.saw('fileError'), []);
});

test('temporary statuses of a proxy are retried without a limit, and their Retry-After is used', () => {
  const d = sending();
  d.answers(503, '', ours('retry'));
  for (const status of [0, 408, 429, 502, 503, 504, 502, 502]) {
    d.pass(60000);
    d.asks('POST a 1');
    d.answers(status);
  }
  d.pass(60000);
  d.answers(502, '', { 'Retry-After': '100' });
  d.pass(99999);
  d.asks();
  d.pass(1000);
  d.answers(200, '', ours('stored'));
  assert.equal(d.saw('fileSuccess').length, 1);
});

test('a test without the header says nothing about the chunk once the target is known', () => {
  const d = new Dialogue({ simultaneousUploads: 1 });
  d.add(file('a', 25), file('b', 25));
  d.client.upload();
  d.answers(200, { size: 25, held: [[0, 25]], complete: true }, ours('held'));
  for (let i = 0; i < 3; i++) {
    d.asks('GET b 1');
    d.answers(200, { size: 25, held: [[0, 25]], complete: true });
    d.pass(60000);
  }
  d.asks('POST b 1');
});

test('targets are known one by one', () => {
  const d = new Dialogue({ testTarget: '/test', simultaneousUploads: 1 });
  d.add(file('a', 5), file('b', 5));
  d.client.upload();
  d.answers(404, '', ours('missing'));
  d.answers(200, 'OK');
  assert.equal(d.saw('fileSuccess').length, 1, 'another server takes the chunks');
  d.answers(200, 'OK');
  d.pass(60000);
  d.asks('GET b 1');
});

test('against other servers each 200 and 201 counts, but a whole HTML page does not', () => {
  for (const body of ['OK', '', '{}', '<p>OK</p>', 'saved <html>']) {
    const d = sending();
    d.answers(200, body);
    assert.equal(d.saw('fileSuccess').length, 1, body);
  }
  for (const body of [login, '  <html>', '<!doctype html >']) {
    const d = sending();
    for (let i = 0; i < 3; i++) { d.answers(200, body); d.pass(60000); }
    assert.deepEqual(d.saw('fileError').map((one) => one[2]), [clearError(200)], body);
  }
});

test('error pages in HTML of other servers keep their meaning', () => {
  let d = new Dialogue();
  d.add(file('a', 5));
  d.client.upload();
  d.answers(404, login);
  d.asks('POST a 1');
  d = sending();
  d.answers(415, login);
  assert.deepEqual(d.saw('fileError').map((one) => one[2]), [login]);
});

test('a page of the server itself with the header counts', () => {
  const d = sending();
  d.answers(200, login, ours('stored'));
  assert.equal(d.saw('fileSuccess').length, 1);
});

// What stands in a request: address, parameters, headers, body.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, Resumable, file } = require('./support/dialogue.js');

/** Waits for digests and readers, which take their own time; at most ten seconds. */
const until = async (isSo) => {
  for (let i = 0; i < 5000 && !isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(isSo());
};
const settle = (d) => until(() => d.open.length > 0);

const send = (options, f = file('a b&c.txt', 25, { type: 'text/plain' })) => {
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 1, generateUniqueIdentifier: () => 'id', ...options });
  d.add(f);
  d.client.upload();
  return d;
};

const expected = {
  resumableChunkNumber: '1', resumableChunkSize: '10', resumableCurrentChunkSize: '10', resumableTotalSize: '25',
  resumableType: 'text/plain', resumableIdentifier: 'id', resumableFilename: 'a b&c.txt',
  resumableRelativePath: 'a b&c.txt', resumableTotalChunks: '3',
};

test('multipart: all parameters in the address and, before the file part, in the body', async () => {
  const d = send({ query: { upload_token: 'my_token' } });
  const [request] = d.open;
  assert.equal(request.method, 'POST');
  assert.equal(new URL(request.url, 'http://t').pathname, '/up');
  const all = { upload_token: 'my_token', ...expected };
  assert.deepEqual(Object.fromEntries(request.query), all);
  const entries = [...request.body];
  const [name, part] = entries.pop();
  assert.deepEqual(Object.fromEntries(entries), all);
  assert.equal(name, 'file');
  assert.equal(part.name, 'a b&c.txt');
  assert.equal(part.type, 'application/octet-stream');
  assert.equal(await part.text(), 'x'.repeat(10));
});

test('method octet: the body is the chunk', async () => {
  const d = send({ method: 'octet', uploadMethod: 'PUT' });
  const [request] = d.open;
  assert.equal(request.method, 'PUT');
  assert.deepEqual(Object.fromEntries(request.query), expected);
  assert.equal(request.body.type, 'application/octet-stream');
  assert.equal(await request.body.text(), 'x'.repeat(10));
});

test('setChunkTypeFromFile', () => {
  assert.equal(send({ method: 'octet', setChunkTypeFromFile: true }).open[0].body.type, 'text/plain');
});

test('a test has the same parameters; testTarget, testMethod', () => {
  const d = send({ testChunks: true, testTarget: '/test?x=1', testMethod: 'HEAD' });
  const [request] = d.open;
  assert.equal(request.method, 'HEAD');
  assert.ok(request.url.startsWith('/test?x=1&'));
  assert.deepEqual(Object.fromEntries(request.query), { x: '1', ...expected });
  assert.equal(request.body, null);
});

test('target as a function gets the encoded parameters', () => {
  const seen = [];
  const target = (pairs) => { seen.push(pairs); return '/elsewhere'; };
  assert.equal(send({ target }).open[0].url, '/elsewhere');
  assert.ok(seen[0].includes('resumableFilename=a%20b%26c.txt'));
  const d = send({ testTarget: target, testChunks: true });
  assert.equal(d.open[0].url, '/elsewhere');
});

test('every parameter can be renamed or left out; parameterNamespace stands before all', () => {
  const names = {
    chunkNumber: 'Number', chunkSize: 'Size', currentChunkSize: 'Current', totalSize: 'Total', type: 'Type',
    identifier: 'Id', fileName: 'Name', relativePath: 'Path', totalChunks: 'Chunks',
  };
  const options = Object.fromEntries(Object.entries(names).map(([key, name]) => [`${key}ParameterName`, name]));
  const d = send({ ...options, parameterNamespace: 'flow', fileParameterName: 'Part', query: { q: 1 } });
  assert.deepEqual([...d.open[0].query.keys()].sort(), ['flowq', ...Object.values(names).map((name) => `flow${name}`)].sort());
  assert.equal([...d.open[0].body].at(-1)[0], 'flowPart');
  for (const falsy of [null, false, '']) {
    const none = Object.fromEntries(Object.keys(options).map((key) => [key, falsy]));
    assert.deepEqual([...send(none).open[0].query], []);
  }
});

test('query: object or function, lists, and ours win', () => {
  const query = (f, chunk) => ({ who: f.fileName, n: chunk.offset, tag: ['x', 'y'], resumableTotalSize: 'wrong' });
  const [request] = send({ query }).open;
  assert.equal(request.query.get('who'), 'a b&c.txt');
  assert.equal(request.query.get('n'), '0');
  assert.deepEqual(request.query.getAll('tag'), ['x', 'y']);
  assert.deepEqual(request.body.getAll('tag'), ['x', 'y']);
  assert.deepEqual(request.query.getAll('resumableTotalSize'), ['25']);
  const d = send({});
  d.client.updateQuery({ fresh: 'yes' });
  d.answers(200);
  assert.equal(d.open[0].query.get('fresh'), 'yes');
  assert.equal(send({ query: null }).open.length, 1);
});

test('headers: object or function; withCredentials', () => {
  assert.deepEqual(send({ headers: { 'X-A': '1' } }).open[0].headers, { 'X-A': '1' });
  assert.deepEqual(send({ headers: (f) => ({ 'X-Name': f.fileName }) }).open[0].headers, { 'X-Name': 'a b&c.txt' });
  assert.equal(send({}).open[0].withCredentials, false);
  assert.equal(send({ withCredentials: true }).open[0].withCredentials, true);
  assert.equal(send({ testChunks: true, headers: { Accept: 'text/plain' } }).open[0].headers.Accept, 'text/plain');
});

test('digest: SHA-256 of the chunk as a parameter, in multipart and octet', async () => {
  // SHA-256 of "abc": FIPS 180-2, appendix B.1, in Base64.
  const digest = 'sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:';
  globalThis.crypto ??= require('node:crypto').webcrypto;
  for (const method of ['multipart', 'octet']) {
    const d = send({ method, digest: 'sha-256' }, new File(['abc'], 'a'));
    await settle(d);
    assert.equal(d.open[0].query.get('resumableChunkDigest'), digest);
    if (method === 'multipart') assert.equal(d.open[0].body.get('resumableChunkDigest'), digest);
  }
  const d = send({ digest: 'sha-256', digestParameterName: null }, new File(['abc'], 'a'));
  await settle(d);
  assert.equal(d.open[0].query.has('resumableChunkDigest'), false);
});

test('digest without a secure context: said once, sent without', (t) => {
  const crypto = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  Object.defineProperty(globalThis, 'crypto', { value: undefined, configurable: true });
  const warn = t.mock.method(console, 'warn', () => {});
  try {
    const d = send({ digest: 'sha-256' });
    assert.equal(d.open[0].query.has('resumableChunkDigest'), false);
    d.answers(200);
    assert.equal(warn.mock.callCount(), 1);
  } finally {
    if (crypto) Object.defineProperty(globalThis, 'crypto', crypto); else delete globalThis.crypto;
  }
});

globalThis.crypto ??= require('node:crypto').webcrypto;

test('a pause while the digest is made sends nothing', async () => {
  const d = send({ digest: 'sha-256' });
  d.client.pause();
  // A digest that was asked for later is made later: when it is there, the first one was too.
  const later = send({ digest: 'sha-256' });
  await settle(later);
  await new Promise((resolve) => setTimeout(resolve, 20));
  d.asks();
  d.client.upload();
  await settle(d);
  d.asks('POST a b&c.txt 1');
});

test('chunkFormat base64 sends a data URL', async () => {
  globalThis.FileReader = class {
    readAsDataURL(blob) {
      blob.arrayBuffer().then((bytes) => {
        this.result = `data:${blob.type};base64,${Buffer.from(bytes).toString('base64')}`;
        this.onload();
      });
    }
  };
  const d = send({ chunkFormat: 'base64' }, new File(['abc'], 'a'));
  await settle(d);
  assert.equal(d.open[0].body.get('file'), 'data:application/octet-stream;base64,YWJj');
});

test('a file that cannot be read any more fails, and says so', async () => {
  globalThis.FileReader = class { readAsDataURL() { setImmediate(() => this.onerror()); } };
  const d = send({ chunkFormat: 'base64' });
  await until(() => d.saw('fileError').length > 0);
  assert.equal(d.saw('fileError')[0][2], 'a b&c.txt cannot be read any more.');
});

test('preprocess: once a chunk, before test and sending, even across a pause', () => {
  const seen = [];
  const d = new Dialogue({ preprocess: (chunk) => seen.push(chunk), simultaneousUploads: 1 });
  d.add(file('a', 5));
  d.client.upload();
  assert.equal(d.client.isUploading(), true);
  d.asks();
  d.client.pause();
  d.client.upload();
  d.asks();
  seen[0].preprocessFinished();
  seen[0].preprocessFinished();
  d.asks('GET a 1');
  d.client.pause();
  d.client.upload();
  d.asks('GET a 1');
  assert.equal(seen.length, 1);
});

test('preprocess that ends at once', () => {
  const d = send({ preprocess: (chunk) => chunk.preprocessFinished() });
  d.asks('POST a b&c.txt 1');
});

test('preprocessFile: before any chunk, in the slots; a pause starts it again', () => {
  const seen = [];
  const d = new Dialogue({ preprocessFile: (f) => seen.push(f), testChunks: false, simultaneousUploads: 2 });
  const [a, b] = d.add(file('a', 5), file('b', 5), file('c', 5));
  d.client.upload();
  assert.deepEqual(seen, [a, b]);
  assert.equal(a.isUploading(), true);
  b.pause();
  assert.equal(seen.length, 3);
  a.preprocessFinished();
  d.asks('POST a 1');
  b.resume();
  d.answers(200);
  assert.deepEqual(seen.map((f) => f.fileName), ['a', 'b', 'c', 'b']);
});

test('preprocessFile that ends at once', () => {
  const d = send({ preprocessFile: (f) => f.preprocessFinished() });
  d.asks('POST a b&c.txt 1');
});

test('the documented defaults', () => {
  const r = Resumable();
  const documented = {
    target: '/', testTarget: null, chunkSize: 1048576, forceChunkSize: false, simultaneousUploads: 3,
    fileParameterName: 'file', chunkNumberParameterName: 'resumableChunkNumber',
    totalChunksParameterName: 'resumableTotalChunks', chunkSizeParameterName: 'resumableChunkSize',
    totalSizeParameterName: 'resumableTotalSize', identifierParameterName: 'resumableIdentifier',
    fileNameParameterName: 'resumableFilename', relativePathParameterName: 'resumableRelativePath',
    currentChunkSizeParameterName: 'resumableCurrentChunkSize', typeParameterName: 'resumableType', query: {},
    testMethod: 'GET', uploadMethod: 'POST', parameterNamespace: '', headers: {}, method: 'multipart',
    prioritizeFirstAndLastChunk: false, testChunks: true, preprocess: null, preprocessFile: null,
    generateUniqueIdentifier: null, maxFiles: undefined, minFileSize: undefined, maxFileSize: undefined, fileType: [],
    maxChunkRetries: undefined, chunkRetryInterval: undefined, withCredentials: false, xhrTimeout: 0,
    setChunkTypeFromFile: false, dragOverClass: 'dragover', chunkFormat: 'blob', clearInput: true,
    throttleProgressCallbacks: 0.5, deleteOnCancel: false, digest: null,
  };
  for (const [name, value] of Object.entries(documented)) assert.deepEqual(r.getOpt(name), value, name);
  assert.deepEqual(new Resumable({ chunkSize: 3 }).getOpt(['chunkSize', 'target']), { chunkSize: 3, target: '/' });
});

// The content of requests: address, parameters, headers, body.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file, hollow } = require('./support/dialogue.js');

/** Waits for digests and readers, which are asynchronous, at most ten seconds. */
const until = async (isSo) => {
  for (let i = 0; i < 5000 && !isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(isSo());
};
const settle = (d) => until(() => d.open.length > 0);

const send = (options, f = file('a b&c.txt', 25, { type: 'text/plain' })) => {
  const generateUniqueIdentifier = () => 'id';
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 1, generateUniqueIdentifier, ...options });
  d.add(f);
  d.client.upload();
  return d;
};

const expected = {
  resumableChunkNumber: '1', resumableChunkSize: '10', resumableCurrentChunkSize: '10', resumableTotalSize: '25',
  resumableType: 'text/plain', resumableIdentifier: 'id', resumableFilename: 'a b&c.txt',
  resumableRelativePath: 'a b&c.txt', resumableTotalChunks: '3', resumableLastModified: '1',
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

test('each chunk is sent with its number, its size and its bytes', async () => {
  const letters = () => new File(['aaaaaaaaaabbbbbbbbbbccccc'], 'a');
  const layouts = { true: ['aaaaaaaaaa', 'bbbbbbbbbb', 'ccccc'], false: ['aaaaaaaaaa', 'bbbbbbbbbbccccc'] };
  for (const [forceChunkSize, parts] of Object.entries(layouts)) {
    const d = send({ forceChunkSize: forceChunkSize === 'true', simultaneousUploads: 3 }, letters());
    assert.equal(d.open.length, parts.length);
    for (const [i, { query, body }] of d.open.entries()) {
      assert.equal(query.get('resumableChunkNumber'), String(i + 1));
      assert.equal(query.get('resumableChunkSize'), '10');
      assert.equal(query.get('resumableCurrentChunkSize'), String(parts[i].length));
      assert.equal(query.get('resumableTotalChunks'), String(parts.length));
      assert.equal(await body.get('file').text(), parts[i]);
    }
  }
});

test('method octet: the body is the chunk', async () => {
  const d = send({ method: 'octet', uploadMethod: 'PUT' });
  const [request] = d.open;
  assert.equal(request.method, 'PUT');
  assert.deepEqual(Object.fromEntries(request.query), expected);
  assert.equal(request.body.type, 'application/octet-stream');
  assert.equal(await request.body.text(), 'x'.repeat(10));
});

test('setChunkTypeFromFile sets the type of the part; an octet request is always application/octet-stream', () => {
  const [part] = send({ setChunkTypeFromFile: true }).open[0].body.getAll('file');
  assert.equal(part.type, 'text/plain');
  assert.equal(send({}).open[0].headers['Content-Type'], undefined, 'the browser writes it, with the boundary');
  for (const setChunkTypeFromFile of [true, false]) {
    const [request] = send({ method: 'octet', setChunkTypeFromFile, chunkFormat: 'base64' }).open;
    assert.equal(request.headers['Content-Type'], 'application/octet-stream');
    assert.equal(request.body.size, 10, 'bytes, not base64');
  }
  const { headers } = send({ method: 'octet', headers: { 'content-type': 'application/offset+octet-stream' } }).open[0];
  assert.deepEqual(headers, { 'content-type': 'application/offset+octet-stream' });
});

test('a test has the same parameters; testTarget, testMethod', () => {
  const d = send({ testChunks: true, testTarget: '/test?x=1', testMethod: 'HEAD' });
  const [request] = d.open;
  assert.equal(request.method, 'HEAD');
  assert.ok(request.url.startsWith('/test?x=1&'));
  assert.deepEqual(Object.fromEntries(request.query), { x: '1', ...expected });
  assert.equal(request.body, null);
});

test('the modification time is sent with tests and chunks, in milliseconds since the epoch', () => {
  const sent = (f, options) => {
    const d = send({ testChunks: true, ...options }, f);
    const inTest = d.open[0].query.get('resumableLastModified');
    d.answers(404);
    const [{ query, body }] = d.open;
    if (body.getAll) assert.equal(body.get('resumableLastModified'), inTest);
    assert.equal(query.get('resumableLastModified'), inTest);
    return inTest;
  };
  const at = (lastModified) => file('a', 5, { lastModified });
  assert.equal(sent(at(1700000000123)), '1700000000123');
  assert.equal(sent(at(0)), '0');
  assert.equal(sent(at(-5)), '-5', 'before 1970');
  assert.equal(sent(at(7), { method: 'octet' }), '7');
  assert.equal(sent({ ...hollow('a', 5), lastModified: undefined }), null);
  assert.equal(sent(at(7), { lastModifiedParameterName: '' }), null);
});

test('a file that has changed under the same identifier is sent with its new modification time', () => {
  const times = [1, 2].map((lastModified) => (
    send({}, file('a', 5, { lastModified })).open[0].query.get('resumableLastModified')));
  assert.deepEqual(times, ['1', '2']);
});

test('target as a function gets the encoded parameters', () => {
  const seen = [];
  const target = (pairs) => { seen.push(pairs); return '/elsewhere'; };
  assert.equal(send({ target }).open[0].url, '/elsewhere');
  assert.ok(seen[0].includes('resumableFilename=a%20b%26c.txt'));
  const d = send({ testTarget: target, testChunks: true });
  assert.equal(d.open[0].url, '/elsewhere');
});

test('every parameter can be renamed or omitted, and parameterNamespace precedes all of them', () => {
  const options = {
    chunkNumberParameterName: 'Number', chunkSizeParameterName: 'Size', currentChunkSizeParameterName: 'Current',
    totalSizeParameterName: 'Total', typeParameterName: 'Type', identifierParameterName: 'Id',
    fileNameParameterName: 'Name', relativePathParameterName: 'Path', totalChunksParameterName: 'Chunks',
    lastModifiedParameterName: 'Modified',
  };
  const d = send({ ...options, parameterNamespace: 'flow', fileParameterName: 'Part', query: { q: 1 } });
  assert.deepEqual(Object.fromEntries(d.open[0].query), {
    flowNumber: '1', flowSize: '10', flowCurrent: '10', flowTotal: '25', flowType: 'text/plain', flowId: 'id',
    flowName: 'a b&c.txt', flowPath: 'a b&c.txt', flowChunks: '3', flowModified: '1',
    flowq: '1',
  });
  assert.equal([...d.open[0].body].at(-1)[0], 'flowPart');
  for (const falsy of [null, false, '']) {
    const none = Object.fromEntries(Object.keys(options).map((key) => [key, falsy]));
    const [request] = send(none).open;
    assert.equal(request.url, '/up');
    assert.deepEqual([...request.body].map(([name]) => name), ['file']);
    // Omitting one parameter does not change the others.
    const { resumableType, ...others } = expected;
    assert.deepEqual(Object.fromEntries(send({ typeParameterName: falsy }).open[0].query), others);
    const d = send({ ...none, testChunks: true });
    assert.equal(d.open[0].url, '/up');
  }
});

test('query is an object or a function, may have lists, and replaces parameters of the same name', () => {
  const query = (f, chunk) => ({ who: f.fileName, n: chunk.offset, tag: ['x', 'y'], resumableTotalSize: 26 });
  const [request] = send({ query }).open;
  assert.equal(request.query.get('who'), 'a b&c.txt');
  assert.equal(request.query.get('n'), '0');
  assert.deepEqual(request.query.getAll('tag'), ['x', 'y']);
  assert.deepEqual(request.body.getAll('tag'), ['x', 'y']);
  // As in Resumable.js 1.1 the page's value is sent, but only once.
  assert.deepEqual(request.query.getAll('resumableTotalSize'), ['26']);
  assert.deepEqual(request.body.getAll('resumableTotalSize'), ['26']);
  const d = send({});
  d.client.updateQuery({ fresh: 'yes' });
  d.answers(200);
  assert.equal(d.open[0].query.get('fresh'), 'yes');
  assert.equal(send({ query: null }).open.length, 1);
});

test('headers is an object or a function; withCredentials is set on requests', () => {
  assert.deepEqual(send({ headers: { 'X-A': '1' } }).open[0].headers, { 'X-A': '1' });
  assert.deepEqual(send({ headers: (f) => ({ 'X-Name': f.fileName }) }).open[0].headers, { 'X-Name': 'a b&c.txt' });
  assert.equal(send({}).open[0].withCredentials, false);
  assert.equal(send({ withCredentials: true }).open[0].withCredentials, true);
  const plain = { accept: 'text/plain' };
  assert.deepEqual(send({ testChunks: true, headers: plain }).open[0].headers, plain);
  assert.deepEqual(send({ headers: null }).open[0].headers, {});
  const seen = [];
  const d = send({ headers: (f, chunk) => { seen.push(f.fileName, chunk.offset); return {}; } });
  assert.deepEqual(seen, ['a b&c.txt', 0]);
  assert.equal(d.open.length, 1);
});

test('digest sends the SHA-256 of the chunk as a field of the form, or as Content-Digest with octets', async () => {
  // SHA-256 of "abc": FIPS 180-2, appendix B.1, in Base64, as a dictionary member of RFC 9530.
  const digest = 'sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:';
  const abc = () => new File(['abc'], 'a');
  const sent = async (options) => {
    const d = send({ digest: 'sha-256', ...options }, abc());
    await settle(d);
    return d.open[0];
  };
  const form = await sent({});
  assert.equal(form.query.get('resumableChunkDigest'), digest);
  assert.equal(form.body.get('resumableChunkDigest'), digest);
  assert.equal(form.headers['Content-Digest'], undefined, 'the content is the form, not the chunk');
  assert.equal((await sent({ digestParameterName: 'sum', parameterNamespace: 'x' })).body.get('xsum'), digest);
  assert.equal((await sent({ digestParameterName: null })).query.has('resumableChunkDigest'), false);
  const octet = await sent({ method: 'octet' });
  assert.equal(octet.headers['Content-Digest'], digest);
  assert.equal(octet.query.has('resumableChunkDigest'), false);
  assert.equal(send({}).open[0].query.has('resumableChunkDigest'), false, 'nothing by default');
});

test('a chunk with a wrong digest is sent again with a new digest', async () => {
  const d = send({ digest: 'sha-256', method: 'octet' });
  await settle(d);
  d.answers(503, 'The chunk did not arrive as it was sent.', { 'Retry-After': '1' });
  d.pass(60000);
  await settle(d);
  d.asks('POST a b&c.txt 1');
});

test('without a secure context chunks are sent without digest, with one warning', (t) => {
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

test('nothing is sent after a pause during the computation of the digest', async () => {
  const d = send({ digest: 'sha-256' });
  d.client.pause();
  // Digests are computed in order, so the first one is finished when the later one is.
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

test('a file that can no longer be read fails with a message', async () => {
  globalThis.FileReader = class { readAsDataURL() { setImmediate(() => this.onerror()); } };
  const d = send({ chunkFormat: 'base64' });
  await until(() => d.saw('fileError').length > 0);
  assert.equal(d.saw('fileError')[0][2], 'a b&c.txt cannot be read any more.');
});

test('preprocess is called once for each chunk, before test and upload, even across a pause', () => {
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

test('preprocess may finish at once', () => {
  const d = send({ preprocess: (chunk) => chunk.preprocessFinished() });
  d.asks('POST a b&c.txt 1');
});

test('preprocessFile is called before the chunks, takes a slot, and is called again after a pause', () => {
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

test('preprocessFile may finish at once', () => {
  const d = send({ preprocessFile: (f) => f.preprocessFinished() });
  d.asks('POST a b&c.txt 1');
});

// The inputs of callers: lists, promises, iterables, Blobs, and options in other spellings.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, Resumable, file } = require('./support/dialogue.js');
const { Element } = require('./support/element.js');

const endOfTask = () => new Promise((resolve) => setImmediate(resolve));

const send = (options, f = file('a', 5)) => {
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 1, ...options });
  d.add(f);
  d.client.upload();
  return d;
};

test('each value of a list in query is a parameter of its own, in address and form', () => {
  const lists = {
    array: { tag: ['red', 'blue'] }, URLSearchParams: new URLSearchParams('tag=red&tag=blue'),
    Map: new Map([['tag', ['red', 'blue']]]), pairs: [['tag', 'red'], ['tag', 'blue']],
  };
  for (const [name, query] of Object.entries(lists)) {
    for (const given of [query, () => query]) {
      const [request] = send({ query: given }).open;
      assert.deepEqual(request.query.getAll('tag'), ['red', 'blue'], name);
      assert.deepEqual(request.body.getAll('tag'), ['red', 'blue'], name);
    }
    assert.deepEqual(send({ query, method: 'octet' }).open[0].query.getAll('tag'), ['red', 'blue']);
    assert.deepEqual(send({ query, testChunks: true }).open[0].query.getAll('tag'), ['red', 'blue']);
  }
  assert.deepEqual(send({ query: { tag: ['red'] } }).open[0].query.getAll('tag'), ['red']);
  assert.deepEqual(send({ query: { tag: [] } }).open[0].query.getAll('tag'), []);
  assert.deepEqual(send({ query: lists.URLSearchParams, parameterNamespace: 'x' }).open[0].query.getAll('xtag'),
    ['red', 'blue']);
});

test('a list in query replaces a parameter of the library', () => {
  const [request] = send({ query: [['resumableType', 'a'], ['resumableType', 'b']] }).open;
  assert.deepEqual(request.query.getAll('resumableType'), ['a', 'b']);
});

test('headers may be a Headers object', () => {
  const { headers } = send({ headers: new Headers({ 'X-A': '1' }), testChunks: true }).open[0];
  assert.deepEqual(headers, { Accept: 'application/json', 'x-a': '1' });
});

test('target may be a URL object', () => {
  const { url } = send({ target: new URL('http://one/up?x=1') }).open[0];
  assert.ok(url.startsWith('http://one/up?x=1&resumableChunkNumber=1'));
});

test('query and headers may be asynchronous, for tests and chunks', async () => {
  let tokens = 0;
  const d = send({
    testChunks: true,
    query: async () => ({ upload_token: `t${++tokens}` }), headers: async () => ({ 'X-A': '1' }),
  });
  assert.equal(d.client.isUploading(), true);
  for (const expected of ['t1', 't2']) {
    d.asks();
    await endOfTask();
    const [request] = d.open;
    assert.equal(request.query.get('upload_token'), expected);
    assert.equal(request.headers['X-A'], '1');
    d.answers(expected === 't1' ? 404 : 200);
  }
  assert.equal(d.saw('fileSuccess').length, 1);
  const one = send({ headers: async () => ({ 'X-A': '2' }), query: { q: 1 } });
  await endOfTask();
  assert.deepEqual([one.open[0].headers['X-A'], one.open[0].query.get('q')], ['2', '1']);
});

test('nothing is sent after a pause or cancel while a promise of the page is pending', async () => {
  for (const method of ['pause', 'cancel', 'destroy']) {
    let resolve;
    const d = send({ query: () => new Promise((done) => { resolve = done; }) });
    const late = resolve;
    d.client[method]();
    late({});
    await endOfTask();
    d.asks();
    if (method !== 'pause') continue;
    d.client.upload();
    resolve({});
    await endOfTask();
    d.asks('POST a 1');
  }
});

test('a rejected promise of query or headers is retried like a lost connection, and then fails the file', async () => {
  for (const option of ['query', 'headers']) {
    let isBroken = true;
    const d = send({ [option]: async () => { if (isBroken) throw new Error('no token'); return {}; } });
    const [f] = d.client.files;
    for (let i = 1; i <= 3; i++) {
      await endOfTask();
      d.asks();
      assert.equal(d.saw('fileRetry').length, Math.min(2, i));
      if (i < 3) d.pass(60000);
    }
    assert.deepEqual(d.saw('fileError'), [['fileError', f, 'Error: no token']]);
    assert.equal(f.permanentError, false);
    isBroken = false;
    f.retry();
    await endOfTask();
    d.asks('POST a 1');
    d.answers(200);
    assert.equal(f.isComplete(), true);
  }
});

test('while the browser is offline a token that cannot be fetched does not fail the file', async () => {
  const d = send({ query: async () => { if (!d.online) throw new Error('Failed to fetch'); return {}; } });
  d.client.pause();
  d.online = false;
  d.client.upload();
  for (let i = 0; i < 5; i++) { await endOfTask(); d.client.upload(); }
  await endOfTask();
  assert.deepEqual(d.saw('fileError'), []);
  d.online = true;
  d.window.dispatchEvent(new Event('online'));
  await endOfTask();
  d.asks('POST a 1');
});

test('a late rejection changes nothing', async () => {
  let reject;
  const d = send({ query: () => new Promise((_, fail) => { reject = fail; }) });
  d.client.pause();
  reject(new Error('late'));
  await endOfTask();
  d.pass(1e6);
  assert.deepEqual([d.saw('fileRetry'), d.saw('fileError')], [[], []]);
});

test('an exception after an asynchronous query fails the file', async () => {
  const d = send({ query: async () => ({}), target: () => { throw new Error('no target'); } });
  await endOfTask();
  assert.deepEqual(d.saw('fileError').map((one) => one[2]), ['Error: no target']);
  assert.throws(() => d.pass(0), /no target/);
});

test('deleteOnCancel waits for an asynchronous query, and survives its rejection', async () => {
  for (const isBroken of [false, true]) {
    const query = async () => {
      if (isBroken) throw new Error('no token');
      return { upload_token: 't' };
    };
    const d = new Dialogue({ deleteOnCancel: true, query });
    const [f] = d.add(file('a', 5));
    f.cancel();
    await endOfTask();
    if (isBroken) assert.throws(() => d.pass(0), /no token/);
    else assert.equal(d.open[0].query.get('upload_token'), 't');
    assert.equal(d.open.length, isBroken ? 0 : 1);
    assert.deepEqual([d.saw('fileError'), d.timers.size], [[], 0]);
  }
});

test('a function of the page may pause or cancel its file before the request is sent', () => {
  for (const option of ['query', 'headers', 'target']) {
    for (const method of ['pause', 'cancel']) {
      const d = new Dialogue({ testChunks: false, simultaneousUploads: 1 });
      const [a] = d.add(file('a', 5), file('b', 5));
      a.opts[option] = () => { a[method](); return option === 'target' ? '/up' : {}; };
      d.client.upload();
      d.asks('POST b 1');
      assert.equal(a.chunks[0].status(), 'pending');
    }
  }
});

test('dragOverClass may have several class names or none, and a drop is always prevented', () => {
  const cases = { 'a b': ['a', 'b'], ' a\t\nb ': ['a', 'b'], '': [], ' ': [] };
  for (const [dragOverClass, classes] of [...Object.entries(cases), [null, []], [undefined, ['dragover']]]) {
    const d = new Dialogue({ dragOverClass });
    const node = new Element('DIV');
    d.client.assignDrop(node);
    const files = { dataTransfer: { types: ['Files'], files: [] } };
    assert.equal(node.tell('dragover', files).defaultPrevented, true);
    assert.deepEqual([...node.classes], classes);
    node.tell('dragleave', {});
    assert.deepEqual([...node.classes], []);
    node.tell('dragenter', files);
    assert.equal(node.tell('drop', files).defaultPrevented, true);
    assert.deepEqual([...node.classes], []);
    node.tell('dragenter', files);
    d.client.unAssignDrop(node);
    assert.deepEqual([...node.classes], []);
  }
});

test('a drop is prevented even if the class names are invalid', () => {
  const d = new Dialogue({ dragOverClass: 'dragover' });
  const node = new Element('DIV');
  node.classList.remove = () => { throw new Error('no classes'); };
  d.client.assignDrop(node);
  const event = new Event('drop', { cancelable: true });
  Object.defineProperty(event, 'currentTarget', { value: node });
  assert.throws(() => d.client.handleDropEvent(event), /no classes/);
  assert.equal(event.defaultPrevented, true);
});

test('media types match without their parameters, in options and files', () => {
  const types = ['text/plain; charset=utf-8', ' image/* ; q=0.5', '*.pdf'];
  for (const fileType of [types, types.join(',')]) {
    const d = new Dialogue({ fileType });
    const files = d.add(file('a', 1, { type: 'text/plain' }), file('b', 1, { type: 'TEXT/plain;charset=x' }),
      file('c', 1, { type: 'image/png' }), file('d.pdf', 1), file('e', 1, { type: 'text/html' }), file('f.txt', 1));
    assert.deepEqual(files.map((f) => f.fileName), ['a', 'b', 'c', 'd.pdf']);
    const node = new Element('DIV');
    d.client.assignBrowse(node);
    assert.equal(node.children[0].attributes.get('accept'), 'text/plain,image/*,.pdf');
  }
  for (const fileType of [null, undefined, '', []]) {
    assert.equal(new Dialogue({ fileType }).add(file('a', 1)).length, 1, 'no limit');
  }
});

test('a fractional chunkSize is rounded down, and a size in a string is a number', () => {
  for (const [chunkSize, ends] of [[10.9, [10, 20, 25]], ['10', [10, 20, 25]], [1e400, [25]]]) {
    const d = send({ chunkSize });
    const [f] = d.add(file('b', 25)).slice(-1);
    assert.deepEqual(f.chunks.map((chunk) => chunk.endByte), ends);
    assert.match(d.open[0].query.get('resumableChunkSize'), /^\d+$/);
  }
  const e = new Dialogue({ chunkSize: 0.9 });
  e.client.addFile(file('a', 1));
  assert.throws(() => e.pass(0), /chunkSize must be at least 1, not 0.9/);
});

test('a Blob can be added, and Blobs of one size are different files', async () => {
  const d = new Dialogue({ testChunks: false });
  const [one, two] = [new Blob(['one'], { type: 'text/plain' }), new Blob(['two'])];
  d.client.addFiles([one, two, one]);
  d.pass(0);
  const [a, b] = d.client.files;
  assert.deepEqual([a.fileName, a.relativePath, a.size, d.client.files.length], ['blob', 'blob', 3, 2]);
  assert.notEqual(a.uniqueIdentifier, b.uniqueIdentifier);
  assert.match(a.uniqueIdentifier, /^3-blob-[0-9a-z]{14}$/);
  assert.deepEqual(d.saw('filesAdded')[0][2], [one], 'the same Blob is a duplicate');
  d.client.upload();
  const [request] = d.open;
  assert.equal(request.query.get('resumableFilename'), 'blob');
  assert.equal(request.query.get('resumableType'), 'text/plain');
  assert.equal(request.query.has('resumableLastModified'), false);
  assert.equal(request.body.get('file').name, 'blob');
  assert.equal(await request.body.get('file').text(), 'one');
  const named = Object.assign(new Blob(['one']), { name: 'recording.webm' });
  const identifier = () => new Resumable().identifierOf(named);
  assert.equal(identifier(), identifier());
  assert.match(identifier(), /^3-recordingwebm-/);
});

// The list of files: pages assign it, change it, and remove files while events are fired.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file } = require('./support/dialogue.js');

const uploading = (options, ...names) => {
  const d = new Dialogue({ testChunks: false, ...options });
  d.add(...names.map((name) => file(name, 15)));
  d.client.upload();
  return d;
};

/** How a page may empty the list. */
const clearings = {
  'r.files = []': (r) => { r.files = []; },
  'r.files.length = 0': (r) => { r.files.length = 0; },
  'r.files.splice(0)': (r) => { r.files.splice(0); },
  'r.cancel()': (r) => r.cancel(),
};

for (const [name, clear] of Object.entries(clearings)) {
  test(`${name} removes the files, ends their requests, and allows the same files again`, () => {
    const d = uploading({}, 'a', 'b');
    const requests = d.open.slice();
    const files = d.client.files.slice();
    clear(d.client);
    assert.equal(d.client.getSize(), 0);
    assert.equal(d.client.progress(), 0);
    assert.equal(d.client.isUploading(), false);
    assert.deepEqual(requests.map((one) => one.aborted), [true, true, true]);
    assert.deepEqual(new Set(d.saw('fileRemoved').map((one) => one[1])), new Set(files));
    assert.equal(d.client.getFromUniqueIdentifier(files[0].uniqueIdentifier), false);
    d.pass(1e6);
    d.asks();
    d.add(file('a', 15));
    assert.deepEqual(d.client.files.map((f) => f.fileName), ['a']);
    assert.deepEqual(d.saw('filesAdded').at(-1)[2], [], 'not skipped as a duplicate');
    d.client.upload();
    for (let i = 0; i < 2; i++) d.answers(200);
    assert.equal(d.saw('fileSuccess').length, 1);
  });
}

test('a new list keeps the files that are in it, in its order', () => {
  const d = uploading({ simultaneousUploads: 1 }, 'a', 'b', 'c', 'd');
  const [a, b, c, e] = d.client.files;
  d.client.files = [e, c, e, a, null, 'x', { _id: 99 }];
  assert.deepEqual(d.client.files, [e, c, a]);
  assert.deepEqual(d.saw('fileRemoved'), [['fileRemoved', b]]);
  assert.equal(d.client.getSize(), 45);
  d.asks('POST a 1');
  d.answers(200);
  d.asks('POST d 1');
  d.client.files = null;
  assert.deepEqual(d.client.files, []);
});

test('files that the page takes out of the list or puts back are noticed', () => {
  const d = uploading({ simultaneousUploads: 1 }, 'a', 'b', 'c');
  const [a, b] = d.client.files;
  d.answers(200);
  d.client.files.shift();
  d.client.upload();
  d.asks('POST b 1');
  assert.equal(d.client.getSize(), 30);
  d.client.files.push(a);
  assert.equal(d.client.getSize(), 45);
  assert.equal(d.client.getFromUniqueIdentifier(a.uniqueIdentifier), a);
  b.cancel();
  for (let i = 0; i < 3; i++) d.answers(200);
  assert.equal(a.isComplete(), true);
  assert.equal(d.saw('complete').length, 1);
  assert.equal(d.client.progress(), 1);
});

test('a file of another instance does not enter the list', () => {
  const [one, two] = [uploading({}, 'a'), uploading({}, 'b')];
  one.client.files = [...one.client.files, two.client.files[0]];
  assert.deepEqual(one.client.files.map((f) => f.fileName), ['a']);
  one.client.removeFile(two.client.files[0]);
});

test('removeFile takes a proxy, as Vue makes them', () => {
  const d = uploading({}, 'a', 'b');
  /** As Vue's `reactive`: objects that are read through a proxy are proxies, too. */
  const reactive = (object) => new Proxy(object, {
    get: (target, name, receiver) => {
      const value = Reflect.get(target, name, receiver);
      const isFixed = Object.getOwnPropertyDescriptor(target, name)?.configurable === false;
      return typeof value === 'object' && value && !isFixed ? reactive(value) : value;
    },
  });
  const [a] = d.client.files;
  d.client.removeFile(reactive(a));
  assert.deepEqual(d.client.files.map((f) => f.fileName), ['b']);
  const whole = reactive(d.client);
  whole.removeFile(reactive(d.client).files[0]);
  assert.deepEqual(d.client.files, []);
  d.add(file('c', 5));
  whole.files = [];
  assert.deepEqual(d.client.files, []);
  assert.equal(d.client.getSize(), 0);
  d.client.removeFile(null);
});

test('a listener may cancel its file, whatever the event', () => {
  for (const name of ['fileAdded', 'fileProgress', 'fileRetry', 'fileSuccess', 'fileError', 'fileRemoved']) {
    const d = new Dialogue({ testChunks: false, throttleProgressCallbacks: 0, simultaneousUploads: 1 });
    d.client.on(name, (f) => { if (f.fileName === 'a') f.cancel(); });
    d.add(file('a', 15), file('b', 5));
    if (name === 'fileRemoved') d.client.files[0].cancel();
    d.client.upload();
    for (const status of [200, 0, 415]) {
      if (d.open.length > 0 && d.open[0].query.get('resumableFilename') === 'a') d.answers(status);
      d.pass(60000);
      if (name === 'fileSuccess' && status === 200) d.answers(200);
    }
    assert.deepEqual(d.client.files.map((f) => f.fileName), ['b'], name);
    assert.equal(d.saw('fileRemoved').length, 1, name);
    d.asks('POST b 1');
    d.answers(200);
    assert.equal(d.saw('complete').length, 1, name);
    assert.equal(d.client.progress(), 1);
  }
});

test('a file that is cancelled by the progress of its last chunk is not successful', () => {
  const d = uploading({ simultaneousUploads: 1 }, 'a');
  d.answers(200);
  d.client.on('fileProgress', (f) => f.cancel());
  d.answers(200);
  assert.deepEqual(d.told().slice(-2), ['fileRemoved', 'complete']);
  assert.deepEqual(d.saw('fileSuccess'), []);
});

test('a file that is cancelled by fileRetry is not checked for readability', async () => {
  const arrayBuffer = () => Promise.reject(new Error('NotReadableError'));
  const d = new Dialogue({ testChunks: false });
  d.client.on('fileRetry', (f) => f.cancel());
  d.add(Object.assign(file('a', 5), { slice: () => Object.assign(new Blob([]), { arrayBuffer }) }));
  d.client.upload();
  d.answers(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(d.saw('fileError'), []);
});

test('functions of the page may cancel or pause their file', () => {
  for (const option of ['preprocess', 'preprocessFile']) {
    for (const method of ['cancel', 'pause', 'abort']) {
      const d = new Dialogue({
        testChunks: false, simultaneousUploads: 1,
        [option]: (one) => {
          const f = one.fileObj || one;
          if (f.fileName === 'a') f[method](); else one.preprocessFinished();
        },
      });
      d.add(file('a', 5), file('b', 5));
      d.client.upload();
      d.asks('POST b 1');
    }
  }
  const d = new Dialogue({ preprocess: (chunk) => { chunk.fileObj.cancel(); throw new Error('the page\'s own'); } });
  d.add(file('a', 5));
  d.client.upload();
  assert.deepEqual(d.saw('fileError'), [], 'it is no longer on the list');
  assert.throws(() => d.pass(0), /the page's own/);
});

test('listeners may call the methods of the instance whose events they hear', () => {
  const calls = [
    ['uploadStart', (r) => r.upload()], ['complete', (r) => r.upload()], ['complete', (r) => { r.files = []; }],
    ['fileProgress', (r) => r.cancel()], ['beforeCancel', (r) => r.cancel()], ['fileRemoved', (r) => r.cancel()],
    ['fileProgress', (r) => { r.files = []; }], ['fileRemoved', (r) => { r.files = []; }],
  ];
  for (const [name, call] of calls) {
    const d = new Dialogue({ testChunks: false, throttleProgressCallbacks: 0, simultaneousUploads: 1 });
    d.client.on(name, () => call(d.client));
    d.add(file('a', 15), file('b', 5));
    d.client.upload();
    while (d.open.length > 0) d.answers(200);
    if (name === 'beforeCancel') d.client.cancel();
    if (name === 'fileRemoved') d.client.files = [];
    if (name === 'fileRemoved') assert.equal(d.saw(name).length, 2, 'once for each file');
    assert.ok(d.saw(name).length <= 5, name);
    assert.ok(d.saw('complete').length <= 1 && d.saw('cancel').length <= 1, name);
  }
});

test('complete is fired again for files that its listener adds', () => {
  const d = new Dialogue({ testChunks: false });
  const more = [file('b', 5), file('c', 5)];
  d.client.on('complete', () => {
    if (more.length > 0) d.client.addFile(more.pop());
    d.client.upload();
  });
  d.add(file('a', 5));
  d.client.upload();
  for (let i = 0; i < 3; i++) { d.answers(200); d.pass(0); }
  assert.equal(d.saw('complete').length, 3);
});

test('after cancel the progress of the page returns to 0', () => {
  const d = uploading({ simultaneousUploads: 1 }, 'a', 'b');
  d.answers(200);
  const shown = [];
  d.client.on('fileProgress', () => shown.push(d.client.progress()));
  d.client.cancel();
  assert.equal(shown.at(-1), 0);
  assert.deepEqual(d.saw('fileRemoved').map((one) => one[1].fileName), ['b', 'a']);
});

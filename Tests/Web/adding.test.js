// Adding files: all checks precede any change, and promises of the page that are rejected block nothing.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file } = require('./support/dialogue.js');

const endOfTask = () => new Promise((resolve) => setImmediate(resolve));
const names = (files) => files.map((f) => f.fileName ?? f.name);

test('with maxFiles 1 a refused or duplicate file does not replace the file that is uploaded', () => {
  const limits = { maxFiles: 1, maxFileSize: 10, fileType: ['txt'], testChunks: false };
  const d = new Dialogue(limits);
  const [running] = d.add(file('a.txt', 5));
  d.client.upload();
  for (const refused of [file('b.txt', 11), file('b.pdf', 5), file('a.txt', 5)]) d.add(refused);
  assert.deepEqual(d.client.files, [running]);
  d.asks('POST a.txt 1');
  assert.deepEqual(d.saw('fileRemoved'), []);
  assert.equal(d.saw('error').length, 2);
  d.add(file('c.txt', 5));
  assert.deepEqual(names(d.client.files), ['c.txt']);
});

test('with maxFiles 1 a file whose chunks cannot be cut does not replace the file that is uploaded', () => {
  const d = new Dialogue({ maxFiles: 1 });
  d.add(file('a', 5));
  d.client.opts.chunkSize = 0;
  d.client.addFile(file('b', 5));
  assert.throws(() => d.pass(0), RangeError);
  d.pass(0);
  assert.deepEqual(names(d.client.files), ['a']);
  assert.deepEqual(names(d.saw('filesAdded').at(-1)[2]), ['b']);
});

test('the replaced file leaves the list at once, and fileRemoved follows fileAdded', () => {
  const d = new Dialogue({ maxFiles: 1, testChunks: false });
  const [a] = d.add(file('a', 5));
  d.client.upload();
  d.client.addFile(file('b', 5));
  assert.deepEqual(names(d.client.files), ['b']);
  d.events.length = 0;
  d.pass(0);
  const [b] = d.client.files;
  assert.deepEqual(d.events.filter((one) => /^files?(Added|Removed)/.test(one[0])),
    [['fileAdded', b, undefined], ['fileRemoved', a], ['filesAdded', [b], []]]);
  d.asks('POST b 1');
});

test('refused and duplicate files do not count for maxFiles', () => {
  const refusals = [];
  const d = new Dialogue({
    maxFiles: 3, maxFileSize: 10, maxFilesErrorCallback: (files, count) => refusals.push([names(files), count]),
    maxFileSizeErrorCallback: () => {},
  });
  d.add(file('a', 5));
  const twice = file('b', 5);
  d.add(file('large', 11), file('a', 5), twice, twice, file('c', 5));
  assert.deepEqual(names(d.client.files), ['a', 'b', 'c']);
  assert.deepEqual(names(d.saw('filesAdded').at(-1)[2]), ['large', 'a', 'b']);
  d.add(file('large', 11), file('a', 5), file('d', 5));
  assert.deepEqual(refusals, [[['d'], 1]]);
  assert.deepEqual(d.saw('filesAdded').at(-1).slice(1).map(names), [[], ['large', 'a']]);
  d.add(file('a', 5), file('b', 5), file('c', 5));
  assert.equal(refusals.length, 1, 'three duplicates exceed nothing');
});

test('duplicateOf tells which file on the list a skipped one is the same as', async () => {
  let refuses = false;
  const generateUniqueIdentifier = async (f) => {
    if (refuses) throw new Error('no identifier');
    return String(f.size);
  };
  const d = new Dialogue({ generateUniqueIdentifier });
  const given = [file('a', 5), file('same', 5), file('b', 6)];
  d.add(...given);
  await endOfTask();
  const again = file('again', 6);
  d.add(again);
  await endOfTask();
  const [a, b] = d.client.files;
  assert.deepEqual(names([a, b]), ['a', 'b']);
  assert.deepEqual([...given, again].map((one) => d.client.duplicateOf(one)), [undefined, a, undefined, b]);
  refuses = true;
  d.add(again);
  await endOfTask();
  assert.deepEqual(names(d.saw('filesAdded').at(-1)[2]), ['again']);
  assert.equal(d.client.duplicateOf(again), undefined, 'it has no identifier this time');
  d.client.removeFile(a);
  assert.equal(d.client.duplicateOf(given[1]), undefined);
});

test('promised identifiers respect maxFiles, whenever they arrive', async () => {
  const waiting = [];
  const generateUniqueIdentifier = (f) => new Promise((resolve) => waiting.push(() => resolve(f.name)));
  for (const [maxFiles, expected] of [[1, ['c']], [2, ['a', 'b']]]) {
    const refused = [];
    const d = new Dialogue({
      maxFiles, generateUniqueIdentifier, maxFilesErrorCallback: (files) => refused.push(...names(files)),
    });
    for (const name of ['a', 'b', 'c']) d.client.addFile(file(name, 5));
    while (waiting.length > 0) { waiting.shift()(); await endOfTask(); }
    assert.deepEqual(names(d.client.files), expected);
    assert.deepEqual(refused, maxFiles === 1 ? [] : ['c']);
  }
  const d = new Dialogue({ maxFiles: 2, generateUniqueIdentifier: async () => 'same' });
  d.client.addFiles([file('a', 5), file('b', 5), file('c', 5)]);
  await endOfTask();
  assert.deepEqual(d.saw('filesAdded').map((one) => one.slice(1).map(names)), [[['a'], ['b', 'c']]]);
});

test('files keep their order when identifiers arrive in another order', async () => {
  const waiting = {};
  const d = new Dialogue({
    generateUniqueIdentifier: (f) => (f.name === 'b' ? 'b' : new Promise((done) => { waiting[f.name] = done; })),
  });
  d.client.addFiles([file('a', 5), file('b', 5), file('c', 5)]);
  waiting.c('c');
  await endOfTask();
  waiting.a('a');
  await endOfTask();
  assert.deepEqual(names(d.client.files), ['a', 'b', 'c']);
});

test('a rejected promise of generateUniqueIdentifier skips the file and fires error', async () => {
  const d = new Dialogue({
    generateUniqueIdentifier: (f) => (f.name === 'bad' ? Promise.reject(new Error('no network')) : f.name),
  });
  d.client.addFiles([file('bad', 5), file('good', 5)]);
  await endOfTask();
  assert.deepEqual(d.saw('error').map((one) => one[1]), ['bad cannot be added: Error: no network']);
  assert.deepEqual(d.saw('filesAdded').map((one) => one.slice(1).map(names)), [[['good'], ['bad']]]);
});

test('a file that is removed before it was announced has no events', () => {
  const d = new Dialogue({ maxFiles: 1 });
  d.client.addFile(file('a', 5));
  d.client.files[0].cancel();
  d.client.addFile(file('b', 5));
  d.client.addFile(file('c', 5));
  d.pass(0);
  assert.deepEqual(d.told(), ['fileAdded', 'filesAdded']);
  assert.deepEqual(names(d.client.files), ['c']);
  const e = new Dialogue();
  e.client.on('fileAdded', () => { e.client.files = []; });
  e.add(file('a', 5), file('b', 5));
  assert.deepEqual(e.told().sort(), ['fileAdded', 'fileRemoved', 'filesAdded'], 'b was not announced');
});

test('files that arrive after destroy are not added', async () => {
  const d = new Dialogue({ generateUniqueIdentifier: async () => 'id' });
  d.client.addFile(file('a', 5));
  d.client.destroy();
  await endOfTask();
  assert.deepEqual(d.client.files, []);
});

test('a rejected promise of preprocess or preprocessFile fails the file and frees the slot', async () => {
  for (const option of ['preprocess', 'preprocessFile']) {
    const d = new Dialogue({
      testChunks: false, simultaneousUploads: 1,
      [option]: async (one) => {
        if ((one.fileObj || one).fileName === 'a') throw new Error('cannot be read');
        one.preprocessFinished();
      },
    });
    const [a, b] = d.add(file('a', 5), file('b', 5));
    d.client.upload();
    await endOfTask();
    assert.deepEqual(d.saw('fileError'), [['fileError', a, 'Error: cannot be read']], option);
    assert.equal(a.permanentError, true);
    d.asks('POST b 1');
    d.answers(200);
    assert.equal(d.saw('complete').length, 1);
    assert.equal(b.isComplete(), true);
    assert.throws(() => d.pass(0), /cannot be read/);
  }
});

test('a rejection after the file was paused, finished or removed changes nothing', async () => {
  for (const option of ['preprocess', 'preprocessFile']) {
    for (const meanwhile of ['pause', 'cancel', 'preprocessFinished']) {
      let reject;
      const d = new Dialogue({
        testChunks: false,
        [option]: (one) => {
          if (meanwhile === 'preprocessFinished') one.preprocessFinished();
          return new Promise((_, fail) => { reject = fail; });
        },
      });
      const [f] = d.add(file('a', 5));
      d.client.upload();
      if (meanwhile !== 'preprocessFinished') f[meanwhile]();
      reject(new Error('late'));
      await endOfTask();
      assert.deepEqual(d.saw('fileError'), [], `${option} ${meanwhile}`);
    }
  }
});

// The interface for pages: events, adding files, identifiers, browsing, dropping, progress.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, Resumable, file, hollow } = require('./support/dialogue.js');

/** As much of an element as the library touches. */
class Node extends EventTarget {
  nodeType = 1;
  attributes = new Map();
  children = [];
  classes = new Set();
  clicks = 0;
  classList = { add: (name) => this.classes.add(name), remove: (name) => this.classes.delete(name) };
  constructor(tagName, type) {
    super();
    this.tagName = tagName;
    this.type = type;
    this.ownerDocument = { createElement: (name) => new Node(name.toUpperCase(), 'file') };
  }
  setAttribute(name, value) { this.attributes.set(name, value); }
  removeAttribute(name) { this.attributes.delete(name); }
  hasAttribute(name) { return this.attributes.has(name); }
  appendChild(child) { this.children.push(child); }
  contains(other) { return other === this || this.children.includes(other); }
  click() { this.clicks++; }
  tell(type, more) {
    const event = Object.assign(new Event(type, { cancelable: true }), more);
    this.dispatchEvent(event);
    return event;
  }
}

const entryOf = (f, path) => ({ isFile: true, name: f.name, fullPath: path, file: (done) => done(f) });
/** Gives its entries two at a time, as browsers give them a hundred at a time. */
const folderOf = (name, entries) => ({
  isDirectory: true, name,
  createReader: () => { let at = 0; return { readEntries: (done) => done(entries.slice(at, at += 2)) }; },
});
const dropOf = (entries) => ({
  dataTransfer: { types: ['Files'], items: entries.map((entry) => ({ kind: 'file', webkitGetAsEntry: () => entry })) },
});

test('with and without new, and unsupported browsers', () => {
  assert.ok(Resumable() instanceof Resumable);
  assert.ok(new Resumable({}) instanceof Resumable);
  assert.equal(new Resumable().support, true);
  const list = globalThis.FileList;
  delete globalThis.FileList;
  assert.equal(new Resumable().support, false);
  globalThis.FileList = list;
});

test('the ES module is the same function', async () => {
  const esm = await import('../../Sources/Web/resumable.mjs');
  assert.equal(esm.default, Resumable);
  assert.equal(esm.Resumable, Resumable);
});

test('a classic script sets the global; AMD gets a definition', () => {
  const vm = require('node:vm');
  const path = require.resolve('../../Sources/Web/resumable.js');
  const source = require('node:fs').readFileSync(path, 'utf8');
  // Under its own address, so that coverage counts it.
  const filename = require('node:url').pathToFileURL(path).href;
  const page = vm.createContext({ navigator: { onLine: true } });
  vm.runInContext(source, page, { filename });
  assert.equal(vm.runInContext('typeof Resumable', page), 'function');
  const { isOnline } = new page.Resumable()._platform;
  assert.equal(isOnline(), true);
  page.navigator.onLine = false;
  assert.equal(isOnline(), false);
  let made;
  const define = Object.assign((factory) => { made = factory(); }, { amd: {} });
  vm.runInContext(source, vm.createContext({ define }), { filename });
  assert.equal(typeof made, 'function');
});

test('the browser\'s own requests, clock and timers are the default platform', async () => {
  const sent = [];
  globalThis.XMLHttpRequest = class {
    open() {} setRequestHeader() {} abort() {} getResponseHeader() { return null; }
    send() { sent.push(this); }
  };
  const r = new Resumable({ testChunks: false, chunkRetryInterval: 1, maxChunkRetries: 1 });
  r.addFile(file('a', 1));
  await new Promise((resolve) => r.on('filesAdded', resolve));
  r.upload();
  const finished = new Promise((resolve) => r.on('fileError', resolve));
  sent[0].onerror();
  while (sent.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  sent[1].status = 503;
  sent[1].onload();
  await finished;
  const jittered = new Resumable({ testChunks: false });
  jittered.addFile(file('a', 1));
  jittered.upload();
  sent[2].status = 503;
  sent[2].onload();
  jittered.cancel();
  delete globalThis.XMLHttpRequest;
});

test('event names match in any case; catchAll receives all events; off removes listeners', () => {
  const r = new Resumable();
  const heard = [];
  const one = (...args) => heard.push(['one', ...args]);
  r.on('FILEadded', one).on('catchall', (...args) => heard.push(['all', ...args]));
  r.fire('fileAdded', 1, 2);
  assert.deepEqual(heard.splice(0), [['one', 1, 2], ['all', 'fileAdded', 1, 2]]);
  r.off('fileAdded', one);
  r.off('unheard', one);
  r.off('catchAll');
  r.fire('fileAdded');
  assert.deepEqual(heard, []);
});

test('a listener that throws is reported, and the other listeners still run', () => {
  const d = new Dialogue({ testChunks: false });
  d.client.on('fileSuccess', () => { throw new Error('the page\'s own'); });
  d.add(file('a', 5));
  d.client.upload();
  d.answers(200);
  assert.equal(d.saw('complete').length, 1);
  assert.throws(() => d.pass(0), /the page's own/);
});

test('adding a file fires fileAdded, filesAdded and the chunking events', () => {
  const d = new Dialogue();
  const event = new Event('change');
  const a = file('a', 25);
  d.client.addFiles([a, a], event);
  assert.deepEqual(d.told(), []);
  d.pass(0);
  const [f] = d.client.files;
  assert.deepEqual(d.saw('fileAdded'), [['fileAdded', f, event]]);
  assert.deepEqual(d.saw('filesAdded'), [['filesAdded', [f], [a]]]);
  assert.deepEqual(d.saw('chunkingStart'), [['chunkingStart', f]]);
  assert.deepEqual(d.saw('chunkingProgress'), [['chunkingProgress', f, 1]]);
  assert.deepEqual(d.saw('chunkingComplete'), [['chunkingComplete', f]]);
  assert.equal(f.resumableObj, d.client);
  assert.equal(f.file, a);
  assert.equal(f.container, null);
  assert.deepEqual([f.fileName, f.relativePath, f.size], ['a', 'a', 25]);
  assert.equal(d.client.getSize(), 25);
  assert.equal(f.chunks[0].resumableObj, d.client);
  assert.equal(f.chunks[0].getOpt('chunkSize'), 10);
});

test('getFromUniqueIdentifier finds a file whose identifier the page has changed', () => {
  const d = new Dialogue();
  const [f] = d.add(file('a', 25));
  assert.equal(d.client.getFromUniqueIdentifier(f.uniqueIdentifier), f);
  const old = f.uniqueIdentifier;
  f.uniqueIdentifier = 'mine';
  assert.equal(d.client.getFromUniqueIdentifier('mine'), f);
  assert.equal(d.client.getFromUniqueIdentifier(old), false);
});

test('generateUniqueIdentifier returns a string or a promise; a rejected promise skips the file', async () => {
  const event = new Event('drop');
  const seen = [];
  const d = new Dialogue({
    generateUniqueIdentifier: async (f, e) => {
      seen.push([f.name, e]);
      if (f.name === 'bad') throw new Error('no identifier');
      return `id-${f.name}`;
    },
  });
  const told = new Promise((resolve) => d.client.on('filesAdded', (...args) => resolve(args)));
  d.client.addFiles([file('a', 1), file('bad', 1)], event);
  const [added, skipped] = await told;
  assert.deepEqual(added.map((f) => f.uniqueIdentifier), ['id-a']);
  assert.deepEqual(skipped.map((f) => f.name), ['bad']);
  assert.deepEqual(seen, [['a', event], ['bad', event]]);
});

test('generateUniqueIdentifier: an empty result means the default; a function that throws skips the file', async () => {
  const usual = new Dialogue().add(file('a', 1))[0].uniqueIdentifier;
  for (const nothing of ['', null, undefined]) {
    const [f] = new Dialogue({ generateUniqueIdentifier: () => nothing }).add(file('a', 1));
    assert.equal(f.uniqueIdentifier, usual);
  }
  const d = new Dialogue({ generateUniqueIdentifier: () => { throw new Error('the page\'s own'); } });
  d.client.addFile(file('a', 1));
  assert.throws(() => d.pass(0), /the page's own/);
  d.pass(0);
  assert.equal(d.saw('filesAdded')[0][2].length, 1);
  const later = new Dialogue({ generateUniqueIdentifier: () => Promise.resolve('') });
  later.client.addFile(file('a', 1));
  await new Promise((resolve) => later.client.on('filesAdded', resolve));
  assert.equal(later.client.files[0].uniqueIdentifier, usual);
});

test('default identifiers keep the documented shape and never collide', () => {
  const identifier = (name, size = 7, extra = {}) => (
    new Dialogue().add({ ...hollow(name, size), ...extra })[0].uniqueIdentifier);
  assert.match(identifier('holiday_1-a.mp4', 1048576), /^1048576-holiday_1-amp4-[0-9a-z]{14}$/);
  // Written down once: with another value, uploads that an earlier release began would not go on.
  assert.equal(identifier('holiday_1-a.mp4', 1048576), '1048576-holiday_1-amp4-0zc713r0mhah1m');
  assert.equal(identifier('a.txt'), identifier('a.txt'));
  const names = ['a.b.txt', 'ab.txt', 'a b.txt', 'abtxt', '2024-01-02.mp4', '2024-10-2.mp4', '2024.1.02', '2024.10.2',
    '20.24102', '会议记录.mp4', '会议纪要.mp4', '記錄.mp4', 'é', 'e\u0301', 'x'.repeat(250), 'x'.repeat(251)];
  const all = names.map((name) => identifier(name));
  all.push(identifier('a.txt'), identifier('a.txt', 8), identifier('a.txt', 7, { lastModified: 2 }),
    identifier('a.txt', 7, { lastModified: undefined }),
    identifier('a.txt', 7, { webkitRelativePath: 'x/a.txt' }),
    identifier('a.txt', 7, { webkitRelativePath: 'y/a.txt' }));
  for (let i = 0; i < 20000; i++) {
    all.push(identifier(`${i % 100}.${Math.floor(i / 100)}`), identifier(`片${String.fromCharCode(0x4e00 + i)}`));
  }
  assert.equal(new Set(all).size, all.length);
  // Many servers make a folder of it, and a name has 255 bytes at most.
  for (const one of all) assert.ok(Buffer.byteLength(one) <= 255);
});

test('files of the same name in different folders are all added', () => {
  const d = new Dialogue();
  const paths = ['x/a', 'y/a'];
  const files = d.add(...paths.map((relativePath) => file('a', 1, { extra: { relativePath } })));
  assert.deepEqual(files.map((f) => f.relativePath), paths);
});

test('maxFiles: a selection over the limit is refused as a whole; a single file replaces the old one', () => {
  const calls = [];
  const maxFilesErrorCallback = (...args) => calls.push(args);
  let d = new Dialogue({ maxFiles: 2, maxFilesErrorCallback });
  const three = [file('a', 1), file('b', 1), file('c', 1)];
  d.add(...three);
  assert.deepEqual(calls.splice(0), [[three, 0]]);
  assert.equal(d.client.files.length, 0);
  const names = () => d.client.files.map((f) => f.fileName);
  d.add(file('a', 1));
  d.add(file('b', 1), file('c', 1));
  assert.deepEqual([names(), calls.splice(0).length], [['a'], 1]);
  d.add(file('b', 1));
  d.add(file('c', 1));
  assert.deepEqual([names(), calls.splice(0).length], [['a', 'b'], 1]);
  d = new Dialogue({ maxFiles: 1, maxFilesErrorCallback });
  d.add(file('a', 1));
  d.add(file('b', 1));
  assert.deepEqual([names(), calls.length], [['b'], 0]);
  d.add(file('c', 1), file('d', 1));
  assert.deepEqual([names(), calls.length], [['b'], 1]);
});

test('minFileSize, maxFileSize and fileType, with their callbacks', () => {
  const calls = [];
  const told = (name) => (f, count) => calls.push([name, f.name, count]);
  const d = new Dialogue({
    minFileSize: 2, maxFileSize: 4, fileType: ['.JPG', 'txt', 'video/*', 'application/pdf'],
    minFileSizeErrorCallback: told('min'), maxFileSizeErrorCallback: told('max'), fileTypeErrorCallback: told('type'),
  });
  d.add(file('a.jpg', 1), file('b.jpg', 2), file('c.TXT', 4), file('d.txt', 5), file('e.exe', 3), file('txt', 3),
    file('f', 3, { type: 'video/mp4' }), file('g', 3, { type: 'application/pdf' }),
    file('h', 3, { type: 'image/png' }));
  assert.deepEqual(calls,
    [['min', 'a.jpg', 0], ['max', 'd.txt', 1], ['type', 'e.exe', 2], ['type', 'txt', 3], ['type', 'h', 4]]);
  assert.deepEqual(d.client.files.map((f) => f.fileName), ['b.jpg', 'c.TXT', 'f', 'g']);
  assert.equal(d.saw('filesAdded')[0][2].length, 5);
  assert.equal(new Dialogue({ fileTypes: ['jpg'] }).add(file('a.txt', 1), file('a.jpg', 1)).length, 1);
  assert.equal(new Dialogue({ fileType: ['*'] }).add(file('a.txt', 1)).length, 1);
  assert.equal(new Dialogue({ fileType: 'jpg, txt' }).add(file('a.txt', 1)).length, 1);
});

test('without callbacks, refusals go to the error listeners or the console, never to an alert box', (t) => {
  globalThis.alert = () => assert.fail('an alert box');
  const tell = (options, ...files) => {
    const d = new Dialogue(options);
    d.add(...files);
    return d.saw('error').map((one) => one[1]);
  };
  const [a, b, c] = ['a', 'b', 'c'].map((name) => file(name, 1));
  assert.deepEqual(tell({ maxFiles: 1 }, a, b), ['Please upload at most 1 file at a time.']);
  assert.deepEqual(tell({ maxFiles: 2 }, a, b, c), ['Please upload at most 2 files at a time.']);
  assert.deepEqual(tell({ minFileSize: 999 }, file('a', 1)), ['a is too small. It must have at least 999 bytes.']);
  assert.deepEqual(tell({ minFileSize: 1024 }, file('a', 1)), ['a is too small. It must have at least 1.02 kB.']);
  assert.deepEqual(tell({ minFileSize: 1e6 }, a), ['a is too small. It must have at least 1 MB.']);
  assert.deepEqual(tell({ minFileSize: 1e9 }, a), ['a is too small. It must have at least 1 GB.']);
  assert.deepEqual(tell({ maxFileSize: 2.5e6 }, hollow('a', 1e9)), ['a is too large. It may have at most 2.5 MB.']);
  assert.deepEqual(tell({ maxFileSize: 2e12 }, hollow('a', 3e12)), ['a is too large. It may have at most 2000 GB.']);
  assert.deepEqual(tell({ maxFileSize: 0 }, a), ['a is too large. It may have at most 0 bytes.']);
  assert.deepEqual(tell({ fileType: ['jpg'] }, file('a', 1)), ['a has a type that is not allowed. Allowed types: jpg.']);
  const warn = t.mock.method(console, 'warn', () => {});
  new Resumable({ maxFiles: 1 }).addFiles([file('a', 1), file('b', 1)]);
  assert.equal(warn.mock.callCount(), 1);
  delete globalThis.alert;
});

test('assignBrowse on any element: a hidden input, by mouse and keyboard', () => {
  const d = new Dialogue({ fileType: ['jpg', '.png', 'video/*'] });
  const link = new Node('A');
  d.client.assignBrowse(link);
  const [input] = link.children;
  assert.deepEqual([input.attributes.get('type'), input.hidden, input.multiple], ['file', true, true]);
  assert.equal(input.attributes.get('accept'), '.jpg,.png,video/*');
  assert.deepEqual([link.attributes.get('tabindex'), link.attributes.get('role')], ['0', 'button']);
  assert.equal(link.tell('click').defaultPrevented, true);
  link.tell('keydown', { key: 'Enter' });
  link.tell('keydown', { key: ' ' });
  assert.equal(link.tell('keydown', { key: 'Tab' }).defaultPrevented, false);
  assert.equal(input.clicks, 3);
  // The input's own click comes up to the node, and must not open the dialogue again.
  const up = new Event('click');
  Object.defineProperty(up, 'target', { value: input });
  link.dispatchEvent(up);
  assert.equal(input.clicks, 3);
});

test('assignBrowse on buttons, inputs, lists and folders', () => {
  const d = new Dialogue({ maxFiles: 1 });
  const button = new Node('BUTTON');
  const named = new Node('A');
  named.setAttribute('role', 'menuitem');
  named.setAttribute('tabindex', '-1');
  const link = new Node('A');
  link.setAttribute('href', '#');
  const input = new Node('INPUT', 'file');
  d.client.assignBrowse([button, named, link], true);
  d.client.assignBrowse(input);
  d.client.assignBrowse(null);
  // Elements that the keyboard reaches anyway are left as they are, and not clicked twice.
  for (const node of [button, link]) {
    assert.deepEqual([node.hasAttribute('role'), node.hasAttribute('tabindex')], [false, false]);
    assert.equal(node.tell('keydown', { key: 'Enter' }).defaultPrevented, false);
    node.tell('click');
    assert.equal(node.children[0].clicks, 1);
  }
  assert.deepEqual([named.attributes.get('role'), named.attributes.get('tabindex')], ['menuitem', '-1']);
  assert.equal(button.children[0].hasAttribute('webkitdirectory'), true);
  assert.equal(button.children[0].hasAttribute('accept'), false);
  assert.deepEqual([input.children.length, input.multiple, input.hasAttribute('webkitdirectory')], [0, false, false]);
});

test('picking adds the files and clears the input, if clearInput', () => {
  for (const clearInput of [true, false]) {
    const d = new Dialogue({ clearInput });
    const input = new Node('INPUT', 'file');
    d.client.assignBrowse(input);
    input.files = [file('a', 1)];
    input.value = 'C:\\fakepath\\a';
    input.tell('change');
    assert.equal(d.client.files[0].container, input);
    assert.equal(input.value === '', clearInput);
  }
});

test('dragging over a drop target adds its class, and leaving removes it', () => {
  const d = new Dialogue();
  const zone = new Node('DIV');
  const child = new Node('P');
  zone.appendChild(child);
  d.client.assignDrop([zone]);
  const over = { dataTransfer: { types: ['Files'] } };
  for (const type of ['dragenter', 'dragover']) {
    zone.tell(type, over);
    assert.deepEqual([...zone.classes], ['dragover']);
    assert.equal(over.dataTransfer.dropEffect, 'copy');
  }
  zone.tell('dragleave', { relatedTarget: child });
  assert.equal(zone.classes.size, 1);
  for (const relatedTarget of [null, new Node('DIV')]) {
    zone.tell('dragover', over);
    zone.tell('dragleave', { relatedTarget });
    assert.equal(zone.classes.size, 0);
  }
  const text = { dataTransfer: { types: ['text/plain'] } };
  zone.tell('dragover', text);
  assert.deepEqual([zone.classes.size, text.dataTransfer.dropEffect], [0, 'none']);
  d.client.unAssignDrop(zone);
  zone.tell('dragover', over);
  assert.equal(zone.classes.size, 0);
});

test('dragOverClass is the class of a drop target under a drag', () => {
  const d = new Dialogue({ dragOverClass: 'hot' });
  const zone = new Node('DIV');
  d.client.assignDrop(zone);
  zone.tell('dragover', { dataTransfer: { types: ['Files'] } });
  assert.deepEqual([...zone.classes], ['hot']);
  zone.tell('drop', {});
  assert.equal(zone.classes.size, 0);
});

test('dropped folders are read completely, in order, at any depth', async () => {
  const d = new Dialogue();
  let deep = entryOf(file('bottom', 1), '/deep/bottom');
  for (let i = 0; i < 5000; i++) deep = folderOf('deep', [deep]);
  const many = Array.from({ length: 5 }, (_, i) => entryOf(file(`f${i}`, 1), `/many/f${i}`));
  const locked = { isFile: true, name: 'locked', file: (_, fail) => fail(new Error('no')) };
  const drop = dropOf([folderOf('many', many), deep, locked, entryOf(file('last', 1), '')]);
  await d.client.handleDropEvent(Object.assign(new Event('drop'), drop));
  assert.deepEqual(d.client.files.map((f) => f.relativePath),
    ['many/f0', 'many/f1', 'many/f2', 'many/f3', 'many/f4', 'deep/bottom', 'last']);
  assert.deepEqual(d.saw('error'), [['error', 'locked cannot be read.']]);
});

test('a drop without entries adds its plain files', async () => {
  const d = new Dialogue();
  const drop = (dataTransfer) => d.client.handleDropEvent(Object.assign(new Event('drop'), { dataTransfer }));
  await drop({ files: [file('a', 1)] });
  await drop({ items: [{ kind: 'file' }], files: [file('b', 1)] });
  await drop({});
  assert.deepEqual(d.client.files.map((f) => f.fileName), ['a', 'b']);
});

test('progress grows by bytes, never falls, never exceeds 1', () => {
  const d = new Dialogue({ testChunks: false, simultaneousUploads: 1, throttleProgressCallbacks: 0 });
  const [a, b] = d.add(file('a', 20), file('b', 60));
  d.client.upload();
  // The request is longer than the chunk: half of it is half of the chunk.
  d.open[0].upload.onprogress({ loaded: 500, total: 1000 });
  assert.equal(a.progress(), 0.25);
  assert.equal(a.progress(true), 5 / 80);
  assert.equal(a.confirmedSize, 0, 'it has only left');
  assert.equal(a.chunks[0].progress(), 0.5);
  assert.equal(a.chunks[0].progress(true), 0.25);
  assert.equal(d.client.progress(), 5 / 80);
  d.open[0].upload.onprogress({ loaded: 0, total: 0 });
  d.answers(503);
  assert.equal(a.progress(), 0.25);
  d.pass(60000);
  d.open[0].upload.onprogress({ loaded: 2000, total: 1000 });
  assert.equal(a.progress(), 0.5);
  d.answers(200);
  assert.equal(a.progress(), 0.5);
  assert.equal(a.confirmedSize, 10);
  assert.equal(a.chunks[0].progress(), 1);
  let last = 0;
  while (d.open.length > 0) {
    d.open[0].upload.onprogress({ loaded: 9, total: 10 });
    d.answers(200);
    assert.ok(d.client.progress() >= last && d.client.progress() <= 1);
    last = d.client.progress();
  }
  assert.equal(last, 1);
  assert.equal(b.progress(true), 60 / 80);
});

test('throttleProgressCallbacks: the seconds between fileProgress events', () => {
  const d = new Dialogue({ testChunks: false, throttleProgressCallbacks: 2 });
  d.add(file('a', 10));
  d.client.upload();
  const move = (loaded) => d.open[0].upload.onprogress({ loaded, total: 10 });
  move(1); move(2);
  d.pass(1999); move(3);
  assert.equal(d.saw('fileProgress').length, 1);
  d.pass(1); move(4);
  assert.equal(d.saw('fileProgress').length, 2);
  assert.equal(d.saw('progress').length, 2);
});

test('speed and remaining time are computed from bytes that were sent', () => {
  const d = new Dialogue({ chunkSize: 1000, simultaneousUploads: 1 });
  const [f] = d.add(hollow('a', 100000));
  d.client.upload();
  d.answers(404, { size: 100000, held: [[0, 50000]], complete: false });
  assert.equal(d.client.speed(), 0);
  assert.equal(d.client.timeRemaining(), Infinity);
  d.pass(1000);
  d.answers(200);
  assert.ok(d.client.speed() <= 1000 && f.speed() <= 1000, 'what was held has not moved');
  for (let i = 1; i < 40; i++) { d.pass(1000); d.answers(200); }
  assert.ok(Math.abs(d.client.speed() - 1000) < 30, String(d.client.speed()));
  assert.ok(Math.abs(f.timeRemaining() - 10) < 0.5, String(f.timeRemaining()));
  d.client.pause();
  d.pass(1e6);
  d.client.upload();
  for (let i = 0; i < 10; i++) { d.pass(1000); d.answers(200); }
  assert.equal(d.client.timeRemaining(), 0);
  assert.ok(f.speed() > 900);
  assert.ok(d.client.speed() > 900, 'a pause is no slowness');
});

test('speed counts bytes as they are sent, not only confirmed ones', () => {
  const d = new Dialogue({ chunkSize: 100000, testChunks: false });
  const [f] = d.add(hollow('a', 200000));
  f.markChunksCompleted(1);
  assert.equal(d.client.progress(), 0.5);
  d.client.upload();
  for (let i = 1; i <= 20; i++) {
    d.open[0].upload.onprogress({ loaded: i * 1000, total: 100000 });
    d.pass(1000);
  }
  assert.ok(Math.abs(f.speed() - 1000) < 100, String(f.speed()));
  assert.ok(Math.abs(d.client.timeRemaining() - 80) < 8, String(d.client.timeRemaining()));
});

test('methods work as detached handlers', () => {
  const d = new Dialogue({ testChunks: false });
  const [f] = d.add(file('a', 5));
  const { upload, pause } = d.client;
  upload();
  d.asks('POST a 1');
  pause();
  d.asks();
  const { retry, cancel } = f;
  retry();
  d.asks('POST a 1');
  cancel();
  assert.equal(d.client.files.length, 0);
});

test('options are looked up in the chunk, the file, the instance and the defaults, in this order', () => {
  const opts = { target: '/one' };
  const d = new Dialogue(opts);
  const [a, b] = d.add(file('a', 25), file('b', 5));
  const chunk = a.chunks[1];
  assert.deepEqual([chunk.getOpt('target'), a.getOpt('target'), d.client.getOpt('target')], ['/one', '/one', '/one']);
  d.client.defaults.xhrTimeout = 7;
  assert.equal(chunk.getOpt('xhrTimeout'), 7);
  assert.equal(new Resumable().getOpt('xhrTimeout'), 0, 'an instance has its own defaults');
  a.opts.target = '/two';
  chunk.opts.target = '/three';
  assert.deepEqual(chunk.getOpt(['target', 'xhrTimeout']), { target: '/three', xhrTimeout: 7 });
  assert.deepEqual(a.getOpt(['target', 'chunkSize']), { target: '/two', chunkSize: 10 });
  assert.deepEqual([a.chunks[0].getOpt('target'), b.getOpt('target')], ['/two', '/one']);
  a.opts.target = undefined;
  assert.equal(a.getOpt('target'), '/one', 'undefined is not set');
  d.client.opts.testChunks = false;
  d.client.upload();
  assert.deepEqual(d.open.slice(0, 2).map((one) => new URL(one.url, 'http://t').pathname), ['/one', '/three']);
});

test('the options are the caller\'s own object, which may change later', () => {
  const opts = { target: '/one' };
  const r = new Resumable(opts);
  assert.equal(r.opts, opts);
  opts.target = '/two';
  assert.equal(r.getOpt('target'), '/two');
});

test('an invalid chunkSize throws instead of chunking for ever', () => {
  for (const chunkSize of [0, -1, NaN, 'much']) {
    const d = new Dialogue({ chunkSize });
    d.client.addFile(file('a', 1));
    assert.throws(() => d.pass(0), RangeError);
    assert.equal(d.client.files.length, 0);
  }
});

test('a changed chunkSize applies to files that are added later', () => {
  const d = new Dialogue({ simultaneousUploads: 4 });
  d.add(file('a', 25));
  d.client.opts.chunkSize = 5;
  d.add(file('b', 10));
  d.client.upload();
  assert.deepEqual(d.open.map((one) => one.query.get('resumableChunkSize')), ['10', '5']);
  d.answers(404, { size: 25, held: [[0, 10]], complete: false });
  d.asks('GET b 1', 'POST a 2', 'POST a 3');
});

test('version, opts, defaults and added files are available at once', () => {
  const r = new Resumable({ target: '/x' });
  assert.equal(r.version, 1.1);
  assert.equal(r.opts.target, '/x');
  assert.equal(r.defaults.target, '/');
  r.addFile(file('a', 1));
  assert.equal(r.files.length, 1);
  assert.equal(r.files[0].chunks[0].fileObj, r.files[0]);
});

test('handleChangeEvent and handleDropEvent accept events that the page has caught itself', async () => {
  const d = new Dialogue();
  const target = { files: [file('a', 1)], value: 'a' };
  d.client.handleChangeEvent({ target });
  assert.equal(target.value, '');
  const event = Object.assign(new Event('drop', { cancelable: true }), { dataTransfer: { files: [file('b', 1)] } });
  await d.client.handleDropEvent(event);
  assert.equal(event.defaultPrevented, true);
  assert.deepEqual(d.client.files.map((f) => f.fileName), ['a', 'b']);
});

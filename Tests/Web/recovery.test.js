// Recovery of uploads: sessions that begin, crash and come back in one browser.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, Resumable, file } = require('./support/dialogue.js');
const { endOfTask, FakeIndexedDB, FakeLocks, FakeFileHandle, FakeFolderHandle } = require('./support/browser.js');
const ResumableRecovery = require('../../Sources/Web/resumable-recovery.js');

test('the module exports the class by name and as default', () => {
  assert.equal(ResumableRecovery.ResumableRecovery, ResumableRecovery);
  assert.equal(ResumableRecovery.default, ResumableRecovery);
});

/** The state of a browser that outlives its tabs. */
class Browser {
  indexedDB = new FakeIndexedDB();
  locks = new FakeLocks();
  time = Date.UTC(2026, 0, 1);
  open(options, recoveryOptions) {
    return new Tab(this, options, recoveryOptions);
  }
}

/** A page with recovery. */
class Tab {
  constructor(browser, options, { platform, ...recoveryOptions } = {}) {
    this.browser = browser;
    this.d = new Dialogue({ testChunks: false, throttleProgressCallbacks: 0, ...options });
    this.d.time = browser.time;
    this.client = this.d.client;
    this.locks = browser.locks.tab();
    this.recovery = new ResumableRecovery(this.client, {
      platform: {
        indexedDB: browser.indexedDB,
        locks: this.locks,
        document: this.d.document,
        now: this.d.platform.now,
        setTimeout: this.d.platform.setTimeout,
        clearTimeout: this.d.platform.clearTimeout,
        ...platform,
      },
      ...recoveryOptions,
    });
  }

  /** Lets time pass, and runs everything that is due. */
  async pass(milliseconds = 0) {
    for (let i = 0; i < 30; i++) await endOfTask();
    this.d.pass(milliseconds);
    this.browser.time = this.d.time;
    for (let i = 0; i < 30; i++) await endOfTask();
  }

  async add(...files) {
    this.d.add(...files);
    await this.pass();
    return this.client.files;
  }

  /** Waits long enough to see that another tab is open. */
  async list() {
    const listing = this.recovery.list();
    await this.pass(1000);
    return listing;
  }

  async names() {
    return (await this.list()).map((entry) => entry.fileName);
  }

  /** The tab crashes: its timers and requests are gone. */
  crash() {
    this.browser.time = this.d.time;
    this.d.timers.clear();
    this.d.open = [];
    this.locks.die();
  }

  drop(handles, files, type = 'drop') {
    const items = handles.map((handle) => ({ kind: 'file', getAsFileSystemHandle: async () => handle }));
    const event = Object.assign(new Event(type), { [type === 'drop' ? 'dataTransfer' : 'clipboardData']: { items } });
    this.d.document.dispatchEvent(event);
    this.client.addFiles(files, event);
  }
}

const at = (name, size, path) => file(name, size, { extra: path ? { relativePath: path } : {} });

test('unfinished uploads are stored with the details that a page shows, finished uploads are not', async () => {
  const browser = new Browser();
  const one = browser.open();
  await one.add(file('a.txt', 25, { type: 'text/plain' }), at('b', 5, 'x/b'));
  one.client.upload();
  await one.pass(2000);
  one.d.answers(200);
  // Bytes that are only sent may never arrive.
  one.d.open[0].upload.onprogress({ loaded: 10, total: 10 });
  await one.pass(2000);
  const [a] = one.client.files;
  assert.deepEqual(await one.list(), [], 'this instance uploads them');
  one.crash();

  const two = browser.open();
  const entries = await two.list();
  assert.deepEqual(entries[0], {
    uniqueIdentifier: a.uniqueIdentifier, fileName: 'a.txt', relativePath: 'a.txt', size: 25, lastModified: 1,
    type: 'text/plain', addedAt: Date.UTC(2026, 0, 1), progress: 10 / 25, hasHandle: false,
  });
  assert.equal(entries[1].relativePath, 'x/b');
  assert.equal(entries.length, 2);

  await two.add(file('a.txt', 25, { type: 'text/plain' }));
  two.client.upload();
  for (let i = 0; i < 3; i++) two.d.answers(200);
  assert.equal(two.d.saw('fileSuccess').length, 1);
  await two.pass();
  two.crash();
  assert.deepEqual(await browser.open().names(), ['b']);
});

test('with a handle one click continues the upload with the old identifier and the missing chunks', async () => {
  const browser = new Browser();
  const handle = new FakeFileHandle(file('a', 25));
  const one = browser.open();
  const event = new Event('click');
  const gone = new FakeFileHandle(file('gone', 1));
  gone.file = null;
  await one.recovery.addHandles([handle, gone], event);
  await one.pass();
  assert.deepEqual(one.d.saw('fileAdded'), [['fileAdded', one.client.files[0], event]]);
  assert.deepEqual(one.d.saw('entrySkipped'), [['entrySkipped', 'gone', 'unreadable']]);
  const { uniqueIdentifier } = one.client.files[0];
  one.crash();

  // In a new session the user is asked once more.
  handle.permission = 'prompt';
  const two = browser.open({ testChunks: true });
  const [entry] = await two.list();
  assert.equal(entry.hasHandle, true);
  assert.equal(await two.recovery.resume(entry), 'resumed');
  assert.equal(handle.asked, 1);
  await two.pass();
  assert.equal(two.client.files[0].uniqueIdentifier, uniqueIdentifier);
  two.d.asks('GET a 1');
  two.d.answers(404, { size: 25, held: [[0, 20]], complete: false });
  two.d.asks('POST a 3');
  assert.deepEqual(await two.list(), []);

  // After another crash the handle is still stored. This session finishes the upload.
  two.crash();
  const three = browser.open();
  const [again] = await three.list();
  assert.equal(again.addedAt, entry.addedAt);
  assert.equal(await three.recovery.resume(again), 'resumed');
  assert.equal(handle.asked, 1, 'granted already');
  await three.pass();
  for (let i = 0; i < 3; i++) three.d.answers(200);
  await three.pass();
  three.crash();
  assert.deepEqual(await browser.open().list(), []);
});

test('a file that has changed starts again with a new identifier', async () => {
  const generators = { default: null, 'by name alone': (f) => `id-${f.name}`, later: async (f) => `id-${f.name}` };
  for (const [name, generateUniqueIdentifier] of Object.entries(generators)) {
    for (const changed of [file('a', 26), file('a', 25, { lastModified: 2 })]) {
      const browser = new Browser();
      const handle = new FakeFileHandle(file('a', 25));
      const one = browser.open({ generateUniqueIdentifier });
      await one.recovery.addHandles([handle]);
      await one.pass();
      const old = one.client.files[0].uniqueIdentifier;
      one.crash();
      handle.file = changed;
      const two = browser.open({ generateUniqueIdentifier });
      const [entry] = await two.list();
      assert.equal(await two.recovery.resume(entry), 'changed');
      await two.pass();
      const [f] = two.client.files;
      assert.notEqual(f.uniqueIdentifier, old, name);
      assert.equal(f.size, changed.size);
      assert.equal(two.d.open[0].query.get('resumableIdentifier'), f.uniqueIdentifier);
      assert.equal(two.d.open[0].query.get('resumableLastModified'), String(changed.lastModified));
      two.crash();
      const left = await browser.open().list();
      assert.deepEqual(left.map((one) => one.uniqueIdentifier), [f.uniqueIdentifier], 'the old entry is gone');
      assert.equal(left[0].hasHandle, true);
    }
  }
});

test('without handle, permission or file, resume asks for the file and then recognises it', async () => {
  const browser = new Browser();
  const handles = ['denied', 'gone', 'throws'].map((name) => new FakeFileHandle(file(name, 5)));
  const one = browser.open();
  await one.recovery.addHandles(handles);
  await one.add(file('none', 5));
  one.crash();
  handles[0].permission = 'prompt';
  handles[0].answer = 'denied';
  handles[1].file = null;
  handles[2].queryPermission = () => { throw new DOMException('no click', 'SecurityError'); };

  const two = browser.open();
  const entries = await two.list();
  for (const entry of entries) assert.equal(await two.recovery.resume(entry), 'needsFile', entry.fileName);
  assert.equal((await two.list()).length, 4, 'all still there');
  const none = entries.find((entry) => entry.fileName === 'none');

  // First a wrong file, then the right one.
  assert.equal(two.recovery.matches(file('other', 5)), undefined);
  assert.equal(two.recovery.matches(file('none', 6)), undefined);
  assert.equal(await two.recovery.resume(none, file('other', 5)), 'needsFile');
  assert.deepEqual(two.recovery.matches(file('none', 5)), none);
  assert.equal(await two.recovery.resume(none, file('none', 5)), 'resumed');
  await two.pass();
  assert.equal(two.client.files[0].uniqueIdentifier, none.uniqueIdentifier);
  two.d.asks('POST none 1');
  assert.equal(two.recovery.matches(file('none', 5)), undefined, 'it is no longer pending');
  const gone = entries.find((entry) => entry.fileName === 'gone');
  assert.equal(await two.recovery.resume(gone, file('gone', 5)), 'resumed');
  await two.pass();
  two.crash();
  const left = await browser.open().list();
  assert.equal(left.find((entry) => entry.fileName === 'gone').hasHandle, false, 'the old handle is not stored');
});

test('matches finds an entry by path, or by name if the name is unique', async () => {
  const browser = new Browser();
  const one = browser.open();
  await one.add(at('a', 5, 'x/a'), at('a', 5, 'y/a'), at('b', 5, 'x/b'));
  one.crash();
  const two = browser.open();
  await two.list();
  assert.equal(two.recovery.matches(at('a', 5, 'y/a')).relativePath, 'y/a');
  assert.equal(two.recovery.matches(file('a', 5)), undefined, 'the name is ambiguous');
  assert.equal(two.recovery.matches(file('b', 5)).relativePath, 'x/b');
});

test('a picked file continues its entry without a call, with any generateUniqueIdentifier', async () => {
  let count = 0;
  const options = { generateUniqueIdentifier: async () => `random-${++count}` };
  const browser = new Browser();
  const one = browser.open(options);
  await one.add(at('a', 5, 'x/a'), file('b', 5));
  one.crash();
  const two = browser.open(options);
  const [a, b] = await two.list();
  const files = await two.add(at('a', 5, 'y/a'), file('b', 5, { lastModified: 2 }), at('a', 5, 'x/a'), file('b', 5));
  const identifier = (path, time) => files
    .find((f) => f.relativePath === path && f.file.lastModified === time).uniqueIdentifier;
  assert.equal(identifier('x/a', 1), a.uniqueIdentifier);
  assert.equal(identifier('b', 1), b.uniqueIdentifier);
  assert.match(identifier('y/a', 1), /^random-[34]$/);
  assert.match(identifier('b', 2), /^random-[34]$/);
  two.d.asks();
});

test('the handle of a dropped or pasted file is stored', async () => {
  for (const type of ['drop', 'paste']) {
    const browser = new Browser();
    const one = browser.open();
    one.drop([new FakeFileHandle(file('a', 5))], [file('a', 5), file('b', 5)], type);
    await one.pass();
    one.crash();
    const entries = await browser.open().list();
    assert.deepEqual(entries.map((entry) => [entry.fileName, entry.hasHandle]), [['a', true], ['b', false]]);
  }
});

test('permission for a dropped folder is asked for once, and its files are found in it', async () => {
  const browser = new Browser();
  const deep = new FakeFileHandle(file('c', 5));
  const folder = new FakeFolderHandle('x', [new FakeFileHandle(file('a', 5)), new FakeFolderHandle('y', [deep])]);
  const one = browser.open();
  one.drop([folder], [at('a', 5, 'x/a'), at('c', 5, 'x/y/c'), file('x', 5)]);
  await one.pass();
  one.crash();
  folder.permission = 'prompt';
  const two = browser.open();
  const entries = await two.list();
  assert.deepEqual(entries.map((entry) => entry.hasHandle), [true, true, false], 'a file has not the folder\'s handle');
  assert.equal(await two.recovery.resume(entries[0]), 'resumed');
  assert.equal(await two.recovery.resume(entries[1]), 'resumed');
  assert.equal(folder.asked, 1);
  await two.pass();
  assert.deepEqual(two.client.files.map((f) => [f.relativePath, f.uniqueIdentifier]),
    entries.slice(0, 2).map((entry) => [entry.relativePath, entry.uniqueIdentifier]));
});

test('drops without handles are stored without handles', async () => {
  const browser = new Browser();
  const one = browser.open();
  const drop = (dataTransfer) => {
    const event = Object.assign(new Event('drop'), { dataTransfer });
    one.d.document.dispatchEvent(event);
    one.client.addFile(file(`f${one.client.files.length}`, 5), event);
  };
  drop(undefined);
  drop({});
  drop({ items: [{ kind: 'string' }, { kind: 'file' }] });
  drop({ items: [{ kind: 'file', getAsFileSystemHandle: () => Promise.reject(new Error('no')) }] });
  drop({ items: [{ kind: 'file', getAsFileSystemHandle: () => Promise.resolve(null) }] });
  await one.pass();
  one.crash();
  assert.deepEqual((await browser.open().list()).map((entry) => entry.hasHandle), Array(5).fill(false));
});

test('an entry whose handle cannot be stored is stored without it', async () => {
  const browser = new Browser();
  const handle = Object.assign(new FakeFileHandle(file('a', 5)), { unstorable: true });
  const one = browser.open();
  await one.recovery.addHandles([handle]);
  await one.pass();
  one.crash();
  assert.deepEqual((await browser.open().list()).map((entry) => entry.hasHandle), [false]);
});

test('cancelled, removed and refused files lose their entry, temporarily failed files keep it', async () => {
  const browser = new Browser();
  const one = browser.open({ simultaneousUploads: 9, maxChunkRetries: 0 });
  const names = ['cancelled', 'removed', 'refused', 'unlucky', 'retried'];
  const [cancelled, removed, , , retried] = await one.add(...names.map((name) => file(name, 5)));
  one.client.upload();
  await one.pass();
  cancelled.cancel();
  one.client.removeFile(removed);
  one.d.asks('POST refused 1', 'POST unlucky 1', 'POST retried 1');
  one.d.answers(415);
  one.d.answers(503);
  one.d.answers(415);
  await one.pass();
  retried.retry();
  one.d.open[0].upload.onprogress({ loaded: 1, total: 2 });
  await one.pass(2000);
  one.crash();
  assert.deepEqual((await browser.open().names()).sort(), ['retried', 'unlucky']);

  const two = browser.open();
  await two.add(file('a', 5), file('b', 5));
  two.client.upload();
  two.client.cancel();
  await two.pass();
  two.crash();
  assert.deepEqual((await browser.open().names()).sort(), ['retried', 'unlucky']);
});

test('uploads of an open tab are not listed, uploads of a closed tab are', async () => {
  const browser = new Browser();
  const one = browser.open();
  const two = browser.open();
  await one.add(file('a', 5));
  assert.deepEqual(await two.names(), []);
  // During a reload the old page releases its lock while the new page already asks.
  const listing = two.recovery.list();
  await two.pass(100);
  one.crash();
  await two.pass();
  assert.deepEqual((await listing).map((entry) => entry.fileName), ['a']);
});

test('only one of two tabs gets an entry', async () => {
  for (const locks of [true, false]) {
    const browser = new Browser();
    const options = locks ? {} : { platform: { locks: undefined } };
    const one = browser.open({}, options);
    await one.recovery.addHandles([new FakeFileHandle(file('a', 5))]);
    await one.pass();
    one.crash();
    const tabs = [browser.open({}, options), browser.open({}, options)];
    const [[entry], [same]] = [await tabs[0].list(), await tabs[1].list()];
    assert.deepEqual(entry, same);
    const told = await Promise.all(tabs.map((tab) => tab.recovery.resume(entry)));
    assert.deepEqual(told.sort(), ['resumed', 'taken']);
    for (const tab of tabs) await tab.pass();
    assert.deepEqual(tabs.map((tab) => tab.client.files.length).sort(), [0, 1]);
    const loser = tabs.find((tab) => tab.client.files.length === 0);
    assert.equal(await loser.recovery.resume(entry), 'taken');
    if (locks) assert.deepEqual(await loser.list(), []);
  }
});

test('resume returns "taken" for an entry that another tab has forgotten', async () => {
  const browser = new Browser();
  const one = browser.open();
  await one.add(file('a', 5));
  one.crash();
  const two = browser.open();
  const [entry] = await two.list();
  const three = browser.open();
  await three.recovery.forget((await three.list())[0]);
  assert.equal(await two.recovery.resume(entry, file('a', 5)), 'taken');
  assert.deepEqual(await three.list(), []);
});

test('forget removes an entry, unless another tab has taken it', async () => {
  const browser = new Browser();
  const one = browser.open();
  await one.add(file('a', 5), file('b', 5));
  one.crash();
  const two = browser.open();
  const three = browser.open();
  const [a, b] = await two.list();
  await three.list();
  assert.equal(three.recovery.matches(file('b', 5)).fileName, 'b');
  await three.recovery.forget(b);
  assert.equal(three.recovery.matches(file('b', 5)), undefined);
  await three.recovery.forget(b);
  assert.deepEqual(await three.names(), ['a']);
  assert.equal(await three.recovery.resume(a, file('a', 5)), 'resumed');
  await three.pass();
  await two.recovery.forget(a);
  three.crash();
  assert.deepEqual(await two.names(), ['a']);
});

test('of a file in two tabs the first tab owns the entry until it is closed', async () => {
  const browser = new Browser();
  const one = browser.open();
  const two = browser.open();
  await one.add(file('a', 25));
  await two.add(file('a', 25));
  await two.pass(1000);
  two.client.upload();
  two.d.answers(200);
  one.crash();
  // The next write of progress finds that the owner is gone, and takes the entry.
  await two.pass(4000);
  assert.deepEqual(await browser.open().list(), []);
  two.d.answers(200);
  two.d.answers(200);
  await two.pass();
  two.crash();
  assert.deepEqual(await browser.open().list(), []);
});

test('finishing a file in one tab keeps the entry of another open tab', async () => {
  const browser = new Browser();
  const one = browser.open();
  const two = browser.open();
  await one.add(file('a', 5));
  await two.add(file('a', 5));
  two.client.upload();
  two.d.answers(200);
  await two.pass(1000);
  await two.pass(1000);
  one.crash();
  assert.deepEqual(await browser.open().names(), ['a']);
  assert.deepEqual(await two.names(), [], 'this tab has finished it');
});

test('progress is written at most every two seconds, and never falls', async () => {
  const browser = new Browser();
  const one = browser.open({ simultaneousUploads: 1 });
  await one.add(file('a', 100));
  one.client.upload();
  await one.pass(2000);
  const before = browser.indexedDB.transactions;
  for (let i = 0; i < 8; i++) {
    one.d.answers(200);
    await one.pass(100);
  }
  await one.pass(3000);
  assert.equal(browser.indexedDB.transactions - before, 1);
  one.crash();
  // A new session has no confirmed bytes until it has asked the server.
  const two = browser.open();
  const [entry] = await two.list();
  assert.equal(entry.progress, 0.8);
  await two.recovery.resume(entry, file('a', 100));
  await two.pass();
  two.client.pause();
  await two.pass(5000);
  two.crash();
  assert.equal((await browser.open().list())[0].progress, 0.8);
});

test('continuous progress is written at each interval', async () => {
  const browser = new Browser();
  const one = browser.open({ simultaneousUploads: 1 });
  await one.add(file('a', 200));
  one.client.upload();
  const before = browser.indexedDB.transactions;
  for (let i = 0; i < 10; i++) {
    one.d.answers(200);
    await one.pass(1000);
  }
  const written = browser.indexedDB.transactions - before;
  assert.ok(written >= 4 && written <= 6, String(written));
});

test('nothing is written before the lock is held, so that no tab takes the owner for closed', async () => {
  const browser = new Browser();
  let grant;
  const locks = browser.locks.tab();
  const granted = new Promise((resolve) => { grant = resolve; });
  const slow = { request: (...args) => granted.then(() => locks.request(...args)) };
  const one = browser.open({}, { platform: { locks: slow } });
  await one.add(file('a', 5));
  assert.deepEqual(await browser.open().names(), []);
  assert.equal(browser.indexedDB.transactions, 1, 'only the listing');
  grant();
  await one.pass();
  assert.equal(browser.indexedDB.transactions, 2);
  assert.deepEqual(await browser.open().names(), []);
  locks.die();
  assert.deepEqual(await browser.open().names(), ['a']);
});

test('another file with the same identifier is another entry', async () => {
  const options = { generateUniqueIdentifier: (f) => f.name };
  const browser = new Browser();
  const one = browser.open(options);
  await one.recovery.addHandles([new FakeFileHandle(file('a', 20))]);
  await one.pass();
  one.client.upload();
  one.d.answers(200);
  await one.pass(5000);
  one.crash();
  const two = browser.open(options);
  await two.add(file('a', 30));
  two.crash();
  const [entry] = await browser.open().list();
  assert.deepEqual([entry.size, entry.progress, entry.hasHandle], [30, 0, false]);
});

test('2,000 files take a few transactions, not thousands', async () => {
  const browser = new Browser();
  const one = browser.open({ simultaneousUploads: 5 });
  await one.add(...Array.from({ length: 2000 }, (_, i) => file(`f${i}`, 1)));
  for (let i = 0; i < 100; i++) await one.pass();
  assert.equal(browser.indexedDB.transactions, 1);
  assert.equal(browser.indexedDB.writes, 2000);
  one.client.upload();
  for (let i = 0; i < 2000; i++) one.d.answers(200);
  for (let i = 0; i < 100; i++) await one.pass();
  assert.equal(browser.indexedDB.transactions, 2);
  assert.equal(browser.indexedDB.writes, 4000);
  await one.add(file('last', 1));
  assert.equal(browser.indexedDB.writes, 4001);
  assert.deepEqual(await one.list(), []);
});

test('entries expire after 30 days', async () => {
  const browser = new Browser();
  const one = browser.open();
  await one.add(file('a', 5));
  one.crash();
  browser.time += 29 * 86400e3;
  const two = browser.open();
  await two.add(file('b', 5));
  two.crash();
  browser.time += 2 * 86400e3;
  assert.deepEqual(await browser.open().names(), ['b']);
  browser.time -= 2 * 86400e3;
  assert.deepEqual(await browser.open().names(), ['b'], 'it was removed');
});

test('if nothing can be stored, the upload continues', async () => {
  const breaks = {
    'no database': (browser) => { browser.indexedDB = undefined; },
    'private mode': (browser) => { browser.indexedDB.forbidden = true; },
    'disk full': (browser) => { browser.indexedDB.full = true; },
    'no locks': (browser) => {
      browser.locks = { tab: () => ({ request: () => Promise.reject(new Error('opaque origin')) }) };
    },
  };
  for (const [name, spoil] of Object.entries(breaks)) {
    const browser = new Browser();
    spoil(browser);
    const one = browser.open();
    await one.add(file('a', 15), file('b', 5));
    one.client.upload();
    await one.pass(5000);
    for (let i = 0; i < 3; i++) one.d.answers(200);
    assert.equal(one.d.saw('complete').length, 1, name);
    assert.deepEqual(await one.list(), [], name);
    await one.recovery.forget({ uniqueIdentifier: 'x' });
    assert.equal(await one.recovery.resume({ uniqueIdentifier: 'x' }), 'taken');
    one.recovery.close();
    await one.pass();
  }
});

test('a database that fails later does not affect the upload', async () => {
  const browser = new Browser();
  const one = browser.open();
  await one.add(file('a', 5), file('b', 5));
  one.crash();
  const two = browser.open();
  const [a, b] = await two.list();
  browser.indexedDB.askToClose();
  browser.indexedDB.forbidden = true;
  assert.equal(await two.recovery.resume(a, file('a', 5)), 'resumed');
  await two.pass();
  two.d.asks('POST a 1');
  await two.recovery.forget(b);
  // The database works again.
  browser.indexedDB.forbidden = false;
  assert.deepEqual(await two.names(), ['b']);
  browser.indexedDB.breakConnections();
  const before = browser.indexedDB.opened;
  assert.deepEqual(await two.names(), ['b']);
  assert.equal(browser.indexedDB.opened, before + 1);
  browser.indexedDB.full = true;
  await two.add(file('c', 5));
  browser.indexedDB.full = false;
  assert.deepEqual(await two.names(), ['b']);
});

test('close writes pending changes, releases the lock and stops listening', async () => {
  const browser = new Browser();
  const one = browser.open();
  await one.add(file('a', 25));
  const usual = new Dialogue().client.identifierOf(file('a', 25));
  one.client.upload();
  one.d.answers(200);
  one.recovery.close();
  await one.pass();
  assert.equal(one.d.document.listeners, 1, 'the listener of the instance during the upload');
  assert.equal(one.client.identifierOf(file('a', 25)), usual);
  for (const { connections } of browser.indexedDB.databases.values()) assert.equal(connections.size, 0);
  const [entry] = await browser.open().list();
  assert.equal(entry.progress, 0.4);
  one.d.answers(200);
  one.d.answers(200);
  await one.pass(5000);
  assert.equal(one.d.saw('fileSuccess').length, 1);
  assert.equal((await browser.open().list()).length, 1);
  let asked = 0;
  const item = { kind: 'file', getAsFileSystemHandle: async () => { asked++; } };
  one.d.document.dispatchEvent(Object.assign(new Event('drop'), { dataTransfer: { items: [item] } }));
  assert.equal(asked, 0);
});

test('files that the instance already has are stored, and databases are separate', async () => {
  const browser = new Browser();
  const d = new Dialogue();
  d.add(file('a', 5));
  const platform = { indexedDB: browser.indexedDB, locks: browser.locks.tab(), now: () => browser.time };
  const recovery = new ResumableRecovery(d.client, { platform, database: 'mine' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  recovery.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(await browser.open().names(), []);
  assert.deepEqual(await browser.open({}, { database: 'mine' }).names(), ['a']);
});

test('a classic script sets the global, and uses the browser\'s database and locks by default', async () => {
  const vm = require('node:vm');
  const path = require.resolve('../../Sources/Web/resumable-recovery.js');
  const source = require('node:fs').readFileSync(path, 'utf8');
  // With its own URL, so that it counts for the coverage.
  const filename = require('node:url').pathToFileURL(path).href;
  const load = (globals) => {
    const page = vm.createContext({ setTimeout, clearTimeout, AbortController, ...globals });
    vm.runInContext(source, page, { filename });
    return page;
  };
  const browser = new Browser();
  const locks = browser.locks.tab();
  const one = load({ indexedDB: browser.indexedDB, navigator: { locks } });
  const r = new Resumable();
  r.addFile(file('a', 5));
  const first = new one.ResumableRecovery(r);
  assert.equal((await first.list()).length, 0);
  while (browser.indexedDB.transactions === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const two = load({ indexedDB: browser.indexedDB, navigator: { locks: browser.locks.tab() } });
  const second = new two.ResumableRecovery(new Resumable());
  assert.equal((await second.list()).length, 0, 'the first page is open');
  locks.die();
  const [entry] = await second.list();
  assert.equal(entry.fileName, 'a');

  const forbidden = load({});
  const property = { get: () => { throw new DOMException('forbidden', 'SecurityError'); } };
  Object.defineProperty(forbidden, 'indexedDB', property);
  assert.equal((await new forbidden.ResumableRecovery(new Resumable()).list()).length, 0);
});

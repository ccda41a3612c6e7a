// Cost: the work of an event must not grow with the number of chunks or files, and the scripts have a size limit.
'use strict';
const { workOf } = require('./support/work.js');
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');
const { Dialogue, hollow } = require('./support/dialogue.js');

const sources = path.join(__dirname, '..', '..', 'Sources', 'Web');

/** A half-finished upload: half of the files, or of the chunks of one file, are done, and three requests are open. */
function halfWay(files) {
  const d = new Dialogue({ testChunks: false, throttleProgressCallbacks: 0 });
  d.client.off('catchAll');
  d.add(...files);
  const [first] = d.client.files;
  if (files.length === 1) first.markChunksCompleted(first.chunks.length / 2);
  d.client.upload();
  while (d.client.progress() < 0.5) d.answers(200);
  return d;
}

/** The events that occur repeatedly during an upload. */
const occurrences = {
  'a chunk is confirmed': (d) => d.answers(200),
  'bytes are sent': (d) => d.open[0].upload.onprogress({ loaded: 5, total: 10 }),
  'a chunk fails and is retried': (d) => { d.answers(503); d.pass(120000); },
  'the network goes and comes': (d) => {
    d.window.dispatchEvent(new Event('offline'));
    d.window.dispatchEvent(new Event('online'));
  },
  'the page reads the progress': (d) => {
    const [f] = d.client.files;
    return [d.client, f].map((one) => [one.progress(), one.isUploading(), one.speed(), one.timeRemaining()])
      .concat(f.isComplete(), f.progress(true), d.client.getSize());
  },
  'the upload is paused and resumed': (d) => { d.client.pause(); d.client.upload(); },
  'one file is paused and resumed': (d) => {
    const f = d.client.files.at(-1);
    f.pause();
    f.resume();
  },
  'one file is aborted and continues': (d) => { d.client.files.at(-1).abort(); d.client.upload(); },
  'one file is found': (d) => d.client.getFromUniqueIdentifier(d.client.files.at(-1).uniqueIdentifier),
};

/** The work of ten repetitions of each event. */
function costs(files) {
  const d = halfWay(files);
  return Object.fromEntries(Object.entries(occurrences).map(([name, occur]) => [name, workOf(() => {
    for (let i = 0; i < 10; i++) occur(d);
  })]));
}

function assertSame(few, many) {
  for (const name of Object.keys(occurrences)) {
    assert.ok(many[name] <= few[name] * 1.1, `${name}: ${few[name]} blocks with few, ${many[name]} with many`);
  }
}

test('100,000 chunks: no event does more work than with 1,000', () => {
  assertSame(costs([hollow('big', 1000 * 10)]), costs([hollow('big', 100000 * 10)]));
});

test('10,000 files: no event does more work than with 100', () => {
  const many = (count) => Array.from({ length: count }, (_, i) => hollow(`f${i}`, 20));
  assertSame(costs(many(100)), costs(many(10000)));
});

test('resuming and finishing 100,000 chunks takes work in proportion to their number', () => {
  const whole = (count) => workOf(() => {
    const d = new Dialogue();
    d.client.off('catchAll');
    d.add(hollow('big', count * 10));
    d.client.upload();
    // The server holds every second chunk.
    const held = Array.from({ length: count / 2 }, (_, i) => [i * 20, i * 20 + 10]);
    d.answers(404, { size: count * 10, held, complete: false });
    for (let i = 0; i < count / 2; i++) d.answers(200);
    assert.equal(d.client.files[0].isComplete(), true);
  }) / count;
  const few = whole(1000);
  assert.ok(whole(100000) <= few * 1.1);
});

test('adding, uploading and cancelling 5,000 files takes work in proportion to their number', () => {
  const whole = (count) => workOf(() => {
    const d = new Dialogue({ testChunks: false });
    d.client.off('catchAll');
    const files = d.add(...Array.from({ length: count }, (_, i) => hollow(`f${i}`, 10)));
    assert.equal(files.length, count);
    d.client.upload();
    for (let i = 0; i < count / 2; i++) d.answers(200);
    d.client.cancel();
    assert.equal(d.client.files.length, 0);
  }) / count;
  const few = whole(500);
  assert.ok(whole(5000) <= few * 1.1);
});

test('a chunk is a plain record without functions of its own', () => {
  const [f] = new Dialogue().add(hollow('a', 100));
  assert.deepEqual(Object.values(f.chunks[0]).filter((value) => typeof value === 'function'), []);
});

test('cutting a file fires few events', () => {
  const d = new Dialogue();
  d.add(hollow('big', 1000000));
  assert.ok(d.saw('chunkingProgress').length < 110);
  assert.equal(d.saw('chunkingProgress').at(-1)[2], 1);
});

/** Bytes after gzip, with comments. Sources/Web/README.md lists the same limits. */
const budgets = { 'resumable.js': 28 * 1024, 'resumable-recovery.js': 7 * 1024 };

for (const [name, budget] of Object.entries(budgets)) {
  const source = fs.readFileSync(path.join(sources, name), 'utf8');

  test(`${name} has at most ${budget} bytes after gzip`, () => {
    const size = zlib.gzipSync(source, { level: 9 }).length;
    assert.ok(size <= budget, `${size} bytes`);
  });

  test(`${name} works under a strict Content-Security-Policy: it has no eval, inline handler, style or alert`, () => {
    const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    assert.doesNotMatch(code, /\beval\(|new Function|innerHTML|\.style\b|setAttribute\('on|alert\(/);
  });
}

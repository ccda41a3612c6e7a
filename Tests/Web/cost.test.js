// What it costs: work counted, not timed, so that a slow machine changes nothing. And the size of the script.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const zlib = require('node:zlib');
const { Dialogue, hollow } = require('./support/dialogue.js');

/** Counts how often the state of any of these chunks is read. */
function countReads(files) {
  const counter = { reads: 0 };
  for (const f of files) {
    for (const chunk of f.chunks) {
      let state = chunk._state;
      Object.defineProperty(chunk, '_state', {
        get: () => { counter.reads++; return state; }, set: (value) => { state = value; },
      });
    }
  }
  return counter;
}

test('100,000 chunks: the work of one event does not grow with their number', () => {
  const cost = (chunks) => {
    const d = new Dialogue({ testChunks: false });
    d.client.off('catchAll');
    const counter = countReads(d.add(hollow('big', chunks * 10)));
    d.client.upload();
    for (let i = 0; i < chunks - 10; i++) d.answers(200);
    const before = counter.reads;
    d.client.progress();
    assert.equal(counter.reads, before);
    return before / chunks;
  };
  const few = cost(1000);
  const many = cost(100000);
  assert.ok(many < few * 1.1 + 0.1, `${few} reads a chunk of 1,000, ${many} of 100,000`);
  assert.ok(many < 12, String(many));
});

test('a chunk is a plain record: no function of its own', () => {
  const [f] = new Dialogue().add(hollow('a', 100));
  assert.deepEqual(Object.values(f.chunks[0]).filter((value) => typeof value === 'function'), []);
});

test('5,000 files: added, uploaded, the work of each event the same', () => {
  const cost = (count) => {
    const d = new Dialogue({ testChunks: false });
    d.client.off('catchAll');
    const files = d.add(...Array.from({ length: count }, (_, i) => hollow(`f${i}`, 10)));
    assert.equal(files.length, count);
    const counter = countReads(files);
    d.client.upload();
    for (let i = 0; i < count; i++) d.answers(200);
    assert.equal(d.client.progress(), 1);
    return counter.reads / count;
  };
  assert.ok(cost(5000) <= cost(500) * 1.1);
});

test('events of cutting stay few', () => {
  const d = new Dialogue();
  d.add(hollow('big', 1000000));
  assert.ok(d.saw('chunkingProgress').length < 110);
  assert.equal(d.saw('chunkingProgress').at(-1)[2], 1);
});

test('the script keeps to its budget: 18 KiB after gzip, comments and all', () => {
  const size = zlib.gzipSync(fs.readFileSync(require.resolve('../../Sources/Web/resumable.js')), { level: 9 }).length;
  assert.ok(size <= 18 * 1024, `${size} bytes`);
});

test('no eval, no inline handler or style, no alert: a strict Content-Security-Policy is enough', () => {
  const code = fs.readFileSync(require.resolve('../../Sources/Web/resumable.js'), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  assert.doesNotMatch(code, /\beval\(|new Function|innerHTML|\.style\b|setAttribute\('on|alert\(/);
});

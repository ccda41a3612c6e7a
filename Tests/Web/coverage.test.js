// The other tests execute every line of the libraries. They run once more here, in processes with V8's coverage.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { missedLines } = require('./support/coverage.js');

const libraries = ['resumable.js', 'resumable-recovery.js'];

/** These tests do not count: this one, types and package, and the costs, which reset the counters. */
const without = ['coverage.test.js', 'types.test.js', 'cost.test.js', 'package.test.js'];

test(`the tests execute every line of ${libraries.join(' and ')}`, (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'coverage-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const tests = fs.readdirSync(__dirname).filter((name) => name.endsWith('.test.js') && !without.includes(name));
  const env = { ...process.env, NODE_V8_COVERAGE: folder };
  // Otherwise node would treat them as parts of this test.
  delete env.NODE_TEST_CONTEXT;
  const told = spawnSync(process.execPath, ['--test', ...tests], { cwd: __dirname, env, encoding: 'utf8' });
  assert.equal(told.status, 0, told.stdout);
  for (const name of libraries) {
    assert.deepEqual(missedLines(folder, path.join(__dirname, '../../Sources/Web', name)), []);
  }
});

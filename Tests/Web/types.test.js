// The declarations and the source, as tsc (Debian's node-typescript) sees them.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const tsc = (...args) => spawnSync('tsc', ['--noEmit', '--strict', '--target', 'es2020', '--lib', 'es2020,dom', ...args],
  { cwd: __dirname, encoding: 'utf8' });
const skip = tsc('--version').error ? 'tsc is not installed' : false;

test('the source is sound', { skip }, () => {
  const told = tsc('--allowJs', '--checkJs', path.join('..', '..', 'Sources', 'Web', 'resumable.js'));
  assert.equal(told.stdout, '');
  assert.equal(told.status, 0);
});

test('what must compile compiles, and what must not does not', { skip }, () => {
  const told = tsc('--module', 'es2020', '--moduleResolution', 'node', path.join('types', 'usage.ts'));
  assert.equal(told.stdout, '');
  assert.equal(told.status, 0);
});

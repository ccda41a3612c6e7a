// Checks the declarations and the sources with tsc (Debian's node-typescript).
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const always = ['--noEmit', '--strict', '--target', 'es2020', '--lib', 'es2020,dom,dom.iterable'];
const tsc = (...args) => spawnSync('tsc', [...always, ...args], { cwd: __dirname, encoding: 'utf8' });
const source = (name) => path.join(__dirname, '..', '..', 'Sources', 'Web', name);
const asModule = ['--module', 'es2020', '--moduleResolution', 'node'];

/** tsc prints only errors. */
function assertSound(told) {
  assert.ifError(told.error);
  assert.equal(told.stdout, '');
  assert.equal(told.status, 0);
}

test('the sources have no type errors', () => {
  const names = ['resumable.js', 'resumable-recovery.js', 'resumable-uploader.js', 'pending.js', 'page.js'];
  assertSound(tsc('--allowJs', '--checkJs', ...names.map(source)));
  // Another page with globals of its own.
  assertSound(tsc('--allowJs', '--checkJs', source('resumable-uploader.d.ts'), source('status.js')));
});

test('valid uses compile, and invalid uses do not', () => {
  assertSound(tsc(...asModule, path.join('types', 'usage.ts')));
  assertSound(tsc(...asModule, path.join('types', 'uploader-usage.ts')));
  assertSound(tsc(...asModule, path.join('types', 'frameworks.ts')));
});

test('the examples in the declarations compile', (t) => {
  const examples = ['resumable.d.ts', 'resumable-recovery.d.ts', 'resumable-uploader.d.ts'].flatMap((name) => {
    const comments = fs.readFileSync(source(name), 'utf8').match(/\/\*\*[\s\S]*?\*\//g);
    return comments.flatMap((comment) => comment.slice(3, -2).replace(/^ *\* ?/gm, '').split('@example').slice(1));
  });
  assert.ok(examples.length >= 5);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'examples-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'examples.ts');
  fs.writeFileSync(file, [
    // The uploader is a global, as in a page.
    `/// <reference path=${JSON.stringify(source('resumable-uploader.d.ts'))} />`,
    `import { Resumable } from ${JSON.stringify(source('resumable'))};`,
    `import { ResumableRecovery } from ${JSON.stringify(source('resumable-recovery'))};`,
    'declare const resumable: Resumable;',
    ...examples.map((example, i) => `export async function example${i}() {${example}}`),
  ].join('\n'));
  assertSound(tsc(...asModule, '--allowUmdGlobalAccess', file));
});

// The npm package: packed as it would be published, installed in a project, and used by Node, bundlers and TypeScript.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const vm = require('node:vm');
const { spawnSync } = require('node:child_process');

const source = path.join(__dirname, '..', '..', 'Sources', 'Web');
const project = fs.mkdtempSync(path.join(os.tmpdir(), 'package-'));
test.after(() => fs.rmSync(project, { recursive: true }));

const run = (command, args, options = {}) => {
  const told = spawnSync(command, args, { cwd: project, encoding: 'utf8', timeout: 120000, ...options });
  assert.ifError(told.error);
  assert.equal(told.status, 0, `${command}: ${told.stdout}${told.stderr}`);
  return told;
};

const write = (name, text) => {
  fs.writeFileSync(path.join(project, name), text);
  return name;
};

/** The three libraries: the name in the package, and the class. */
const libraries = {
  'resumabled': 'Resumable', 'resumabled/resumable-recovery': 'ResumableRecovery',
  'resumabled/resumable-uploader': 'ResumableUploader',
};
const names = Object.entries(libraries);
const home = path.join(project, 'node_modules', 'resumabled');

test('npm pack gives the libraries, their modules and types, the style sheet and the licence', () => {
  const cache = path.join(project, '.npm');
  const { stdout } = run('npm', ['pack', '--json', '--cache', cache, '--pack-destination', project], { cwd: source });
  const [{ filename, files }] = JSON.parse(stdout);
  const expected = ['resumable', 'resumable-recovery', 'resumable-uploader']
    .flatMap((name) => ['.js', '.mjs', '.d.ts', '.d.mts'].map((ending) => name + ending))
    .concat('LICENSE', 'package.json', 'uploader.css');
  // npm adds the documentation by itself.
  assert.deepEqual(files.map((one) => one.path).filter((one) => one !== 'README.md').sort(), expected.sort());
  fs.mkdirSync(home, { recursive: true });
  run('tar', ['-xzf', filename, '-C', home, '--strip-components', '1']);
  assert.equal(fs.readFileSync(path.join(home, 'LICENSE'), 'utf8'),
    fs.readFileSync(path.join(source, '..', '..', 'LICENSE'), 'utf8'));
});

test('each file that package.json names is in the package', () => {
  const { exports, ...rest } = JSON.parse(fs.readFileSync(path.join(home, 'package.json'), 'utf8'));
  const paths = Object.values(exports).flatMap((one) => (typeof one === 'string' ? one : [one.import, one.require]))
    .flatMap((one) => (typeof one === 'string' ? one : Object.values(one))).filter((one) => !one.includes('*'));
  paths.push(rest.main, rest.module, rest.types, rest.unpkg, rest.jsdelivr);
  for (const one of paths) assert.ok(fs.existsSync(path.join(home, one)), one);
  assert.equal(rest.dependencies, undefined);
});

test('Node imports and requires the libraries, by name and as default', () => {
  const lines = names.map(([name, one]) => `import ${one}, { ${one} as ${one}Named } from '${name}';\n`
    + `if (typeof ${one} !== 'function' || ${one} !== ${one}Named || ${one}.name !== '${one}') process.exit(3);\n`);
  run('node', [write('names.mjs', lines.join(''))]);
  const required = names.map(([name, one]) => `if (typeof require('${name}') !== 'function') process.exit(3);\n`);
  run('node', [write('names.cjs', `${required.join('')}new (require('resumabled'))().addFiles([]);`)]);
  run('node', [write('files.cjs', `for (const name of ['resumabled/resumable.js', 'resumabled/package.json',
    'resumabled/uploader.css']) require.resolve(name);`)]);
});

/** A page's script: it bundles all three libraries and says whether they are what they should be. */
const entry = `
import Resumable, { Resumable as Named } from 'resumabled';
import ResumableRecovery from 'resumabled/resumable-recovery';
import ResumableUploader from 'resumabled/resumable-uploader';
const r = new Resumable({ target: '/up' });
const recovery = new ResumableRecovery(r);
globalThis.result = [r instanceof Named, r.support, r.getOpt('target'), typeof recovery.list,
  ResumableUploader.tools.formatBytes(1500), typeof globalThis.Resumable];
recovery.close();
`;

/** Runs a bundle as a browser would, without `module` and `require`. */
const runBundle = (file) => {
  const page = vm.createContext({
    File: class {}, FileList: class {}, FormData, Blob, URL, setTimeout, clearTimeout, console, navigator: {},
    AbortController,
  });
  vm.runInContext(fs.readFileSync(path.join(project, file), 'utf8'), page);
  return JSON.parse(JSON.stringify(page.result));
};

test('esbuild bundles the package for browsers without settings', () => {
  write('entry.mjs', entry);
  const { stderr } = run('esbuild', ['entry.mjs', '--bundle', '--outfile=esbuild.js', '--log-level=warning']);
  assert.equal(stderr, '');
  assert.deepEqual(runBundle('esbuild.js'), [true, true, '/up', 'function', '1.5 kB', 'undefined']);
  run('esbuild', ['entry.mjs', '--bundle', '--minify', '--outfile=minified.js']);
  assert.deepEqual(runBundle('minified.js').slice(0, 5), [true, true, '/up', 'function', '1.5 kB']);
});

test('Rollup bundles the modules without plugins', () => {
  // Without a plugin Rollup has no names of packages.
  const direct = entry.replace(/'resumabled(\/[\w-]+)?'/g,
    (_, name = '/resumable') => `'./node_modules/resumabled${name}.mjs'`);
  const { stderr } = run('rollup', [write('direct.mjs', direct), '--format', 'iife', '--file', 'rollup.js']);
  assert.doesNotMatch(stderr, /error|warning|unresolved|\(!\)/i);
  assert.deepEqual(runBundle('rollup.js').slice(0, 5), [true, true, '/up', 'function', '1.5 kB']);
});

const usage = `
const r = new Resumable({ target: '/up' });
const options: Resumable.Options = { chunkSize: 1 };
r.on('fileSuccess', (file, message) => { const f: Resumable.ResumableFile = file; message.trim(); void f; });
r.on('filesuccess', (file) => file.fileName);
const recovery = new ResumableRecovery(r);
recovery.list().then((entries: ResumableRecovery.Entry[]) => entries.length);
const uploader = new ResumableUploader(null, null, '#browse');
uploader.resumable.upload();
// @ts-expect-error there is no such option
new Resumable({ chunksize: 1 });
void options;
`;
const imports = names.map(([name, one]) => `import ${one} from '${name}';\n`).join('');
const strict = ['--noEmit', '--strict', '--target', 'es2020', '--lib', 'es2020,dom,dom.iterable'];

test('TypeScript finds the types of modules and CommonJS with node16 resolution', () => {
  const node16 = ['--module', 'node16', '--moduleResolution', 'node16'];
  write('usage.mts', imports + usage);
  write('usage.cts', names.map(([name, one]) => `import ${one} = require('${name}');\n`).join('') + usage);
  run('tsc', [...strict, ...node16, 'usage.mts', 'usage.cts']);
});

test('TypeScript finds the types with node resolution', () => {
  run('tsc', [...strict, '--module', 'es2020', '--moduleResolution', 'node', '--allowSyntheticDefaultImports',
    write('usage.ts', imports + usage)]);
});

test('the types of script tags are globals', () => {
  const references = names.map(([name]) => `/// <reference path="./node_modules/${name === 'resumabled'
    ? 'resumabled/resumable' : name}.d.ts" />\n`).join('');
  run('tsc', [...strict, write('globals.ts', references + usage)]);
  const config = { compilerOptions: { types: ['resumabled'], lib: ['es2020', 'dom'], strict: true, noEmit: true },
    files: ['script.ts'] };
  write('script.ts', "new Resumable({ target: '/up' }).on('fileadded', (file) => file.fileName);\n");
  fs.mkdirSync(path.join(project, 'node_modules', '@types'), { recursive: true });
  fs.symlinkSync(home, path.join(project, 'node_modules', '@types', 'resumabled'));
  write('tsconfig.json', JSON.stringify(config));
  run('tsc', ['--project', 'tsconfig.json']);
});

// The documentation of Resumable.js, name by name: every documented name exists, has its default, and occurs in a test
// of its behaviour. The tables are written from the documentation, not from the code.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Dialogue, Resumable, file } = require('./support/dialogue.js');

const KiB = 1024;

/** Options that the first releases document. */
const firstOptions = {
  target: '/', chunkSize: 1 * KiB * KiB, simultaneousUploads: 3, fileParameterName: 'file', query: {}, headers: {},
  prioritizeFirstAndLastChunk: false, testChunks: true, generateUniqueIdentifier: null, maxFiles: undefined,
  maxFilesErrorCallback: Function,
};

/** Options that 1.1 documents. */
const laterOptions = {
  testTarget: null, forceChunkSize: false, chunkNumberParameterName: 'resumableChunkNumber',
  totalChunksParameterName: 'resumableTotalChunks', chunkSizeParameterName: 'resumableChunkSize',
  totalSizeParameterName: 'resumableTotalSize', identifierParameterName: 'resumableIdentifier',
  fileNameParameterName: 'resumableFilename', relativePathParameterName: 'resumableRelativePath',
  currentChunkSizeParameterName: 'resumableCurrentChunkSize', typeParameterName: 'resumableType', testMethod: 'GET',
  uploadMethod: 'POST', parameterNamespace: '', method: 'multipart', preprocess: null, preprocessFile: null,
  minFileSize: undefined, minFileSizeErrorCallback: Function,
  maxFileSize: undefined, maxFileSizeErrorCallback: Function,
  fileType: [], fileTypes: [], fileTypeErrorCallback: Function, maxChunkRetries: undefined,
  permanentErrors: [400, 401, 403, 404, 409, 413, 415, 500, 501], chunkRetryInterval: undefined, withCredentials: false,
  xhrTimeout: 0, setChunkTypeFromFile: false, dragOverClass: 'dragover', clearInput: true, chunkFormat: 'blob',
  throttleProgressCallbacks: 0.5,
};

/** Options that only this library has. */
const ownOptions = {
  digest: null, digestParameterName: 'resumableChunkDigest', lastModifiedParameterName: 'resumableLastModified',
  deleteOnCancel: false, adaptChunkSize: true, platform: null,
};

const options = { ...firstOptions, ...laterOptions, ...ownOptions };

/** The arguments of each event, in order. */
const events = {
  fileSuccess: ['file', 'message'],
  fileProgress: ['file', 'message, or nothing'],
  fileAdded: ['file', 'event'],
  filesAdded: ['files', 'skipped'],
  entrySkipped: ['name', 'reason'],
  limits: ['limits'],
  fileRemoved: ['file'],
  fileRetry: ['file'],
  fileError: ['file', 'message'],
  uploadStart: [],
  complete: [],
  progress: [],
  error: ['message', 'file'],
  pause: [],
  beforeCancel: [],
  cancel: [],
  chunkingStart: ['file'],
  chunkingProgress: ['file', 'ratio'],
  chunkingComplete: ['file'],
};

const properties = ['support', 'opts', 'files', 'defaults', 'version', 'limits'];

const methods = [
  'assignBrowse', 'assignDrop', 'on', 'upload', 'pause', 'cancel', 'progress', 'isUploading', 'removeFile',
  'getFromUniqueIdentifier', 'getSize', 'addFile', 'addFiles', 'unAssignDrop', 'handleChangeEvent', 'handleDropEvent',
  'updateQuery', 'getOpt', 'fire', 'uploadNextChunk', 'off', 'speed', 'timeRemaining', 'identifierOf',
  'duplicateOf', 'unAssignBrowse',
  'destroy', 'retryNow',
];

const fileProperties = [
  'resumableObj', 'file', 'fileName', 'relativePath', 'size', 'uniqueIdentifier', 'chunks', 'container', 'opts',
  'permanentError', 'confirmedSize', 'trouble', 'failure', 'finalPath',
];

const fileMethods = [
  'progress', 'abort', 'cancel', 'retry', 'bootstrap', 'isUploading', 'isComplete', 'markChunksCompleted',
  'preprocessFinished', 'pause', 'resume', 'upload', 'isPaused', 'speed', 'timeRemaining', 'getOpt',
  'wasHeld', 'checkServer', 'askLimits',
];

const chunkProperties = ['resumableObj', 'fileObj', 'offset', 'startByte', 'endByte', 'retries', 'opts', 'xhr'];

const chunkMethods = ['getOpt', 'status', 'progress', 'preprocessFinished', 'abort', 'message'];

for (const [name, value] of Object.entries(options)) {
  test(`option ${name} has its default, can be set, and can be read`, () => {
    const usual = Resumable().getOpt(name);
    if (value === Function) assert.equal(typeof usual, 'function');
    else assert.deepEqual(usual, value);
    const set = { mine: true };
    const r = new Resumable({ [name]: set });
    assert.equal(r.getOpt(name), set);
    assert.deepEqual(r.getOpt([name, 'target']), { target: '/', [name]: set });
    assert.equal(r.opts[name], set);
  });
}

test('the instance, a file and a chunk have the documented properties and methods', () => {
  const r = new Resumable({ chunkSize: 1 });
  r.addFile(file('a', 2));
  const [f] = r.files;
  for (const [one, names] of [[r, properties], [f, fileProperties], [f.chunks[0], chunkProperties]]) {
    for (const name of names) assert.ok(name in one && typeof one[name] !== 'function', name);
  }
  for (const [one, names] of [[r, methods], [f, fileMethods], [f.chunks[0], chunkMethods]]) {
    for (const name of names) assert.equal(typeof one[name], 'function', name);
  }
});

test('the declarations have exactly these names', () => {
  const text = fs.readFileSync(path.join(__dirname, '../../Sources/Web/resumable.d.ts'), 'utf8');
  const membersOf = (opening) => {
    const [, rest] = text.split(`${opening} {\n`);
    const [body, indent] = [rest.split(/\n *}\n/)[0], /^ */.exec(rest)[0]];
    const names = [...body.matchAll(new RegExp(`^${indent}(?:readonly )?(\\w+)\\??[:(<]`, 'gm'))].map((one) => one[1]);
    return [...new Set(names)].filter((name) => name !== 'constructor').sort();
  };
  assert.deepEqual(membersOf('declare class Resumable'), [...properties, ...methods].sort());
  assert.deepEqual(membersOf('interface Options'), Object.keys(options).sort());
  assert.deepEqual(membersOf('interface Events'), [...Object.keys(events), 'catchAll'].sort());
  assert.deepEqual(membersOf('interface ResumableFile'), [...fileProperties, ...fileMethods].sort());
  assert.deepEqual(membersOf('interface ResumableChunk'), [...chunkProperties, ...chunkMethods].sort());
});

test('each of these names occurs in another test', () => {
  const own = path.basename(__filename);
  const tests = fs.readdirSync(__dirname).filter((name) => /\.test\.js$/.test(name) && name !== own);
  const text = tests.map((name) => fs.readFileSync(path.join(__dirname, name), 'utf8')).join('\n');
  const unnamed = [
    ...Object.keys(options), ...Object.keys(events), ...properties, ...methods, ...fileProperties, ...fileMethods,
    ...chunkProperties, ...chunkMethods, 'catchAll',
  ].filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
  assert.deepEqual(unnamed, []);
});

/** Checks an argument by its name. */
const looks = {
  file: (value, d) => value.resumableObj === d.client && value.file instanceof File,
  message: (value) => typeof value === 'string',
  'message, or nothing': (value) => value === undefined || typeof value === 'string',
  event: (value) => value instanceof Event,
  files: (value, d) => value.length > 0 && value.every((one) => looks.file(one, d)),
  skipped: (value) => Array.isArray(value) && value.every((one) => one instanceof File),
  ratio: (value) => value > 0 && value <= 1,
  name: (value) => value === 'locked',
  reason: (value) => value === 'unreadable',
  limits: (value) => value.maxFileSize === 7,
};

/** A drop of a file that cannot be read. */
function dropLocked(d) {
  const locked = { isFile: true, name: 'locked', file: (_, fail) => fail(new Error('no')) };
  const items = [{ kind: 'file', webkitGetAsEntry: () => locked }];
  return d.client.handleDropEvent(Object.assign(new Event('drop'), { dataTransfer: { items } }));
}

/** A test that reports limits. */
function ask(d) {
  d.client.opts.testChunks = true;
  d.add(file('a', 25));
  d.client.upload();
  d.answers(404, { size: 25, held: [], complete: false, limits: { maxFileSize: 7 } });
}

/** An upload in which all other events occur. */
function live(d) {
  const twice = file('twice', 5);
  d.client.addFiles([file('a', 25), file('b', 5), file('c', 5), twice, twice], new Event('change'));
  d.pass(0);
  d.client.upload();
  d.open[0].upload.onprogress({ loaded: 1, total: 2 });
  d.answers(503);
  d.client.pause();
  d.client.upload();
  for (let i = 0; i < 4; i++) d.answers(200, 'OK');
  d.answers(415, 'no');
  d.answers(200, 'OK');
  d.client.cancel();
}

for (const [name, parameters] of Object.entries(events)) {
  test(`event ${name}(${parameters.join(', ')}) reaches its listeners, in any case, and catchAll`, async () => {
    const d = new Dialogue({ testChunks: false });
    const alone = [];
    for (const spelled of [name, name.toLowerCase(), name.toUpperCase()]) {
      assert.equal(d.client.on(spelled, (...args) => alone.push(args)), d.client);
    }
    await (name === 'entrySkipped' ? dropLocked : name === 'limits' ? ask : live)(d);
    const [once, all] = [alone.filter((_, i) => i % 3 === 0), d.saw(name)];
    assert.ok(once.length > 0, 'the event is fired');
    assert.equal(alone.length, once.length * 3);
    assert.deepEqual(all, once.map((args) => [name, ...args]));
    for (const args of once) {
      assert.ok(args.length <= parameters.length);
      parameters.forEach((parameter, i) => assert.ok(looks[parameter](args[i], d), `${parameter}: ${args[i]}`));
    }
  });
}

test('nothing happens that is not documented', () => {
  const d = new Dialogue({ testChunks: false });
  live(d);
  assert.deepEqual(d.events.map((one) => one[0]).filter((name) => !(name in events)), []);
});

// A server and a clock that the test controls: the test reads the client's requests, answers them, and lets time pass.
// Nothing here opens a socket.
'use strict';
const assert = require('node:assert/strict');
const buffer = require('node:buffer');

globalThis.File ??= buffer.File;
globalThis.FileList ??= class FileList {};

const Resumable = require('../../../Sources/Web/resumable.js');

/** An XMLHttpRequest that waits for `Dialogue.answer`. */
class FakeRequest {
  constructor(dialogue) {
    this.dialogue = dialogue;
    this.headers = {};
    this.upload = {};
    this.status = 0;
    this.responseText = '';
  }
  open(method, url) {
    Object.assign(this, { method, url, query: new URL(url, 'http://test').searchParams });
  }
  setRequestHeader(name, value) {
    this.headers[name] = value;
  }
  send(body) {
    this.body = body;
    this.dialogue.open.push(this);
    this.dialogue.count++;
    if (this.dialogue.server) this.dialogue.server(this);
  }
  abort() {
    this.aborted = true;
    this.dialogue.open = this.dialogue.open.filter((one) => one !== this);
  }
  getResponseHeader(name) {
    return this.answerHeaders?.[name] ?? null;
  }
  getAllResponseHeaders() {
    const headers = Object.entries(this.answerHeaders ?? {});
    return headers.map(([name, value]) => `${name.toLowerCase()}: ${value}\r\n`).join('');
  }
}

/** An event target that counts its listeners. */
class FakeTarget extends EventTarget {
  listeners = 0;
  addEventListener(...args) { this.listeners++; super.addEventListener(...args); }
  removeEventListener(...args) { this.listeners--; super.removeEventListener(...args); }
}

class Dialogue {
  constructor(options = {}) {
    this.open = [];
    this.count = 0;
    this.time = Date.UTC(2026, 0, 1);
    this.timers = new Map();
    this.events = [];
    this.online = true;
    this.chance = 0.5;
    this.window = new FakeTarget();
    this.document = new FakeTarget();
    let ids = 0;
    this.platform = {
      createRequest: () => new FakeRequest(this),
      now: () => this.time,
      random: () => this.chance,
      setTimeout: (work, wait) => { this.timers.set(++ids, { work, at: this.time + wait }); return ids; },
      clearTimeout: (id) => this.timers.delete(id),
      isOnline: () => this.online,
      window: this.window,
      document: this.document,
    };
    const usual = { target: '/up', chunkSize: 10, forceChunkSize: true, platform: this.platform };
    this.client = new Resumable({ ...usual, ...options });
    this.client.on('catchAll', (...args) => this.events.push(args));
  }

  /** Adds files, and runs the events that follow. */
  add(...files) {
    this.client.addFiles(files);
    this.pass(0);
    return this.client.files;
  }

  /** Checks the open requests, each as `GET a.txt 1`, in the order of sending. */
  asks(...expected) {
    const told = this.open.map((one) =>
      `${one.method} ${one.query.get('resumableFilename')} ${one.query.get('resumableChunkNumber')}`);
    assert.deepEqual(told, expected);
  }

  /** Answers the oldest open request, or the one at `index`. A status of 0 is a lost connection. */
  answers(status, body = '', headers = {}, index = 0) {
    const request = this.open.splice(index, 1)[0];
    assert.ok(request, 'there is an open request');
    this.respond(request, status, body, headers);
    return request;
  }

  respond(request, status, body = '', headers = {}) {
    this.open = this.open.filter((one) => one !== request);
    request.status = status;
    // A test of redirects has set another address.
    request.responseURL ??= new URL(request.url, 'http://test').href;
    request.answerHeaders = headers;
    request.responseText = typeof body === 'string' ? body : JSON.stringify(body);
    if (status === 0) request.onerror(); else request.onload();
  }

  /** Lets time pass, in milliseconds, and runs the timers that are due. */
  pass(milliseconds) {
    const end = this.time + milliseconds;
    for (let i = 0; i < 100000; i++) {
      const [id, timer] = [...this.timers].sort((a, b) => a[1].at - b[1].at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.timers.delete(id);
      this.time = Math.max(this.time, timer.at);
      timer.work();
    }
    this.time = end;
  }

  /** The names of the events so far, without progress and chunking. */
  told() {
    return this.events.map((one) => one[0]).filter((name) => !/progress|^chunking/i.test(name));
  }

  saw(name) {
    return this.events.filter((one) => one[0] === name);
  }
}

/** A file of letters. */
function file(name, size, options = {}) {
  return Object.assign(new File(['x'.repeat(size)], name, { lastModified: 1, ...options }), options.extra);
}

/** A file without content, for thousands of files and for gigabytes. Single bytes of it can be read. */
function hollow(name, size) {
  return { name, size, type: '', lastModified: 1, slice: (from, to) => new Blob([to - from === 1 ? 'x' : '']) };
}

module.exports = { Resumable, Dialogue, file, hollow, FakeTarget };

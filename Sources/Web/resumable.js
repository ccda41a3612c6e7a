// @ts-check
/**
 * Resumable uploads files to a server in chunks, several at a time, and resumes them where they stopped.
 *
 * Theory of operation
 * -------------------
 * A `Resumable` owns files, and a file owns chunks. Three mechanisms bound the work:
 *
 * - Slots. At most `simultaneousUploads` chunks are busy at the same time: being preprocessed, tested, sent, or waiting
 *   for a retry. A waiting chunk keeps its slot, so a server in trouble gets fewer requests, not more.
 * - Cursors. A file hands out its chunks by a cursor that only moves forward. Chunks that are returned (pause, abort)
 *   are on a small stack. Files that may have chunks to hand out are in one ordered set. Finding the next chunk
 *   therefore never scans all chunks or all files.
 * - Counters. Each file counts its confirmed bytes, and each instance sums up what its files show. `progress()` is one
 *   division. The shown progress never falls when a chunk fails half way.
 *
 * Held ranges: the first test of a file is sent alone and asks for JSON. If the server answers with the byte ranges
 * that it holds, the file needs no further tests. After any other answer each chunk is tested by itself.
 *
 * Retries: exponential back-off with full jitter, and at least the time that `Retry-After` asks for. One timer serves
 * all waiting chunks. The browser's offline state is used only when a request fails or while a chunk waits. Then
 * nothing is sent until the browser is online again, an answer arrives, or `upload()` is called.
 *
 * Larger requests: a server may tell in the JSON how large a chunk may be. Then one request carries several adjacent
 * chunks, as one chunk of a coarser layout. Its size follows the speed of the connection, so that a request takes about
 * one to four seconds. The list of chunks stays as it was cut. The first chunk of such a group is its lead, and the
 * others are busy until the lead is done.
 *
 * Foreign answers: a login page or a proxy may answer with 200, too. An answer after a redirect to another address
 * confirms nothing. Servers of this project mark each answer with `X-Upload-Outcome`. Once a target has sent that
 * header, an answer without it confirms nothing, and a whole HTML page never confirms a chunk. The chunk is retried,
 * and its file fails after a few such answers.
 *
 * Requests, time, randomness and the window come through one small `Platform` interface, which tests replace.
 *
 * The file works as a classic script (global `Resumable`), as a CommonJS module and, through `resumable.mjs`, as an ES
 * module. It uses no eval, no inline style and no inline handler, so it works under a strict Content-Security-Policy.
 */
(function (scope) {
  'use strict';

  // ---------------------------------------------------------------------------------------------------- settings

  /** The statuses that confirm a chunk. Other 2xx statuses do not. */
  const CONFIRMED = [200, 201];

  /** Statuses of a test that say nothing about the chunk: no connection, timeout, rate limit, gateway errors. */
  const NO_ANSWER = [0, 408, 429, 502, 503, 504];

  /** How often a test without a usable answer is tried. After that the chunk is sent, in case only tests fail. */
  const TEST_ATTEMPTS = 3;

  /** The number of consecutive foreign answers to a chunk that fail its file. */
  const FOREIGN_ATTEMPTS = 3;

  /** How many chunks of an instance keep their answered request, which pages may read. */
  const KEPT_REQUESTS = 1000;

  /** How many requests are open if they are files of one chunk for a server of this project. */
  const SMALL_FILE_SLOTS = 6;

  /** A request of less than `QUICK` milliseconds makes the next ones larger, one of more than `SLOW` smaller. */
  const QUICK = 1000;
  const SLOW = 4000;

  /** How much larger, before the first lost connection and after it. At the same speed, it takes less than `SLOW`. */
  const GROWTH = 4;
  const CAREFUL_GROWTH = 2;

  /** How many bytes of a body are for the form and its fields, as in nginx.conf.example, but at most half of it. */
  const FORM_BYTES = 64 * 1024;

  /** The largest request that several chunks are joined for, in bytes, because digests need it in memory. */
  const LARGEST_GROUP = 64 * 1024 * 1024;

  /** How many requests are confirmed after a lost connection before the next ones grow again. */
  const CALM = 8;

  /** Statuses of a bad connection: no answer, timeouts, and broken connections behind a proxy. */
  const BAD_LINE = [0, 408, 502, 504];

  /** The header that a server of this project sends with each answer (PROTOCOL.md, Status codes). */
  const OUTCOME = 'X-Upload-Outcome';

  /** Marks inputs that `assignBrowse` has made, and events that it has used, also for another copy of this script. */
  const OWN_INPUT = Symbol.for('Resumable.input');

  /** Back-off in milliseconds: the first span, the longest span, and the upper limit for `Retry-After`. */
  const FIRST_SPAN = 1000;
  const LONGEST_SPAN = 60 * 1000;
  const LONGEST_RETRY_AFTER = 60 * 60 * 1000;

  /** Milliseconds after which a check of the server counts as unanswered. */
  const CHECK_TIMEOUT = 10 * 1000;

  /** Milliseconds after which the file of a request that does not move is read. */
  const STALL = 3000;

  /**
   * The default options. Two differ from Resumable.js 1.1 on purpose:
   *
   * `permanentErrors` also has 413: a chunk is as large the next time, unless the answer has a `Retry-After` (RFC 9110,
   * section 15.5.14). The list applies to uploads of chunks; a test that is answered 404 only says that the chunk is
   * not held. 408, 429, 502, 503 and 504 are temporary and must not be added.
   *
   * The error callbacks open no alert box. They fire `error`, or warn on the console if `error` has no listeners.
   *
   * @type {Record<string, any>}
   */
  const DEFAULTS = {
    target: '/',
    testTarget: null,
    chunkSize: 1024 * 1024,
    forceChunkSize: false,
    adaptChunkSize: true,
    simultaneousUploads: 3,
    fileParameterName: 'file',
    chunkNumberParameterName: 'resumableChunkNumber',
    chunkSizeParameterName: 'resumableChunkSize',
    currentChunkSizeParameterName: 'resumableCurrentChunkSize',
    totalSizeParameterName: 'resumableTotalSize',
    typeParameterName: 'resumableType',
    identifierParameterName: 'resumableIdentifier',
    fileNameParameterName: 'resumableFilename',
    relativePathParameterName: 'resumableRelativePath',
    totalChunksParameterName: 'resumableTotalChunks',
    lastModifiedParameterName: 'resumableLastModified',
    digestParameterName: 'resumableChunkDigest',
    parameterNamespace: '',
    query: {},
    headers: {},
    method: 'multipart',
    uploadMethod: 'POST',
    testMethod: 'GET',
    testChunks: true,
    prioritizeFirstAndLastChunk: false,
    chunkFormat: 'blob',
    setChunkTypeFromFile: false,
    digest: null,
    preprocess: null,
    preprocessFile: null,
    generateUniqueIdentifier: null,
    maxFiles: undefined,
    minFileSize: undefined,
    maxFileSize: undefined,
    fileType: [],
    fileTypes: [],
    maxChunkRetries: undefined,
    chunkRetryInterval: undefined,
    permanentErrors: [400, 401, 403, 404, 409, 413, 415, 500, 501],
    withCredentials: false,
    xhrTimeout: 0,
    throttleProgressCallbacks: 0.5,
    dragOverClass: 'dragover',
    clearInput: true,
    deleteOnCancel: false,
    platform: null,

    /** @this {Uploads} */
    maxFilesErrorCallback() {
      const most = this.getOpt('maxFiles');
      this._complain(`Please upload at most ${most} file${most === 1 ? '' : 's'} at a time.`);
    },
    /** @this {Uploads} @param {File} file */
    minFileSizeErrorCallback(file) {
      this._complain(`${nameOf(file)} is too small. It must have at least ${formatSize(this.getOpt('minFileSize'))}.`);
    },
    /** @this {Uploads} @param {File} file */
    maxFileSizeErrorCallback(file) {
      this._complain(`${nameOf(file)} is too large. It may have at most ${formatSize(this.getOpt('maxFileSize'))}.`);
    },
    /** @this {Uploads} @param {File} file */
    fileTypeErrorCallback(file) {
      this._complain(`${nameOf(file)} has a type that is not allowed. Allowed types: ${this._types().join(', ')}.`);
    },
  };

  /**
   * The functions and objects of the browser that the library uses.
   * @typedef {object} Platform
   * @property {() => any} createRequest a new XMLHttpRequest
   * @property {() => number} now milliseconds since the epoch; also counts while the machine sleeps
   * @property {() => number} random at least 0, less than 1
   * @property {(work: () => void, milliseconds: number) => any} setTimeout
   * @property {(timer: any) => void} clearTimeout
   * @property {() => boolean} isOnline
   * @property {any} window where `online`, `offline`, `pageshow` arrive, or undefined
   * @property {any} document where `visibilitychange` arrives, or undefined
   */

  /** @type {Platform} */
  const BROWSER = {
    createRequest: () => new scope.XMLHttpRequest(),
    now: () => Date.now(),
    random: () => Math.random(),
    setTimeout: (work, milliseconds) => scope.setTimeout(work, milliseconds),
    clearTimeout: (timer) => scope.clearTimeout(timer),
    isOnline: () => !scope.navigator || scope.navigator.onLine !== false,
    window: scope.window,
    document: scope.document,
  };

  /** True if the browser can send slices of files. */
  function isSupported() {
    return ['File', 'Blob', 'FileList', 'FormData'].every((name) => typeof scope[name] !== 'undefined') &&
      typeof scope.Blob.prototype.slice === 'function';
  }

  // ---------------------------------------------------------------------------------------------- small functions

  /** @param {any} file */
  function nameOf(file) {
    // A Blob has no name. Forms name it `blob`, too.
    return file.fileName || file.name || 'blob';
  }

  /**
   * The path inside a picked or dropped folder, or the name of a single file.
   * @param {any} file
   */
  function pathOf(file) {
    return file.relativePath || file.webkitRelativePath || nameOf(file);
  }

  /**
   * A size for people in decimal units, three significant digits.
   * @param {number} bytes
   */
  function formatSize(bytes) {
    const power = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
    return `${Number((bytes / 1000 ** power).toPrecision(3))} ${['bytes', 'kB', 'MB', 'GB'][power]}`;
  }

  /**
   * A 64-bit hash in base 36: two multiplicative hashes over the UTF-16 code units, mixed at the end. It distinguishes
   * names. It does not resist an attacker, who could only make their own uploads collide.
   * @param {string} text
   */
  function hash(text) {
    let a = 0x811c9dc5, b = 0x9e3779b9;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul((b ^ unit) + (b << 6), 0x85ebca6b) ^ (b >>> 13);
    }
    a = Math.imul(a ^ (a >>> 16) ^ b, 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 15) ^ a, 0x27d4eb2f);
    return [a ^ (a >>> 13), b ^ (b >>> 16)].map((half) => (half >>> 0).toString(36).padStart(7, '0')).join('');
  }

  /**
   * The default identifier: the size, the path without unsafe characters as in Resumable.js, and a hash.
   *
   * Without the hash, `a.b.txt` and `ab.txt`, or two Chinese titles, would get the same identifier, and the server
   * would mix their bytes. The hash covers the whole path and the modification time, so a file that was changed on disk
   * gets a new identifier. The readable part is cut because many servers use the identifier as the name of a folder,
   * which may have 255 bytes.
   * @param {any} file
   */
  function defaultIdentifier(file) {
    const path = pathOf(file);
    const time = file.lastModified || (file.fileName || file.name ? 0 : markOf(file));
    const readable = path.replace(/[^0-9a-zA-Z_-]/g, '').slice(0, 200);
    return `${file.size}-${readable}-${hash(`${path}\n${time}`)}`;
  }

  /**
   * Random marks of Blobs without a name, which otherwise only their size would distinguish.
   * @type {WeakMap<object, string>}
   */
  const MARKS = new WeakMap();

  /** @param {any} blob */
  function markOf(blob) {
    const mark = MARKS.get(blob) || Math.random().toString(36).slice(2);
    MARKS.set(blob, mark);
    return mark;
  }

  /**
   * A media type without its parameters.
   * @param {string} type
   */
  function essence(type) {
    return type.split(';')[0].trim();
  }

  /** @param {any} value */
  function isPromise(value) {
    return Boolean(value) && typeof value.then === 'function';
  }

  /**
   * Names and values of an object, or of an iterable such as URLSearchParams and Headers.
   * @param {any} values
   * @returns {[string, any][]}
   */
  function pairsOf(values) {
    if (values && typeof values[Symbol.iterator] === 'function') return Array.from(values);
    return Object.entries(values || {});
  }

  /**
   * The nodes of one node, an array, a NodeList or a jQuery object.
   * @param {any} nodes
   * @returns {any[]}
   */
  function listOf(nodes) {
    if (!nodes) return [];
    return nodes.nodeType || typeof nodes.length !== 'number' ? [nodes] : Array.from(nodes);
  }

  /**
   * The wait in milliseconds that `Retry-After` asks for (RFC 9110, section 10.2.3: seconds or a date), or 0.
   * @param {string | null} value
   * @param {number} now
   */
  function retryAfter(value, now) {
    if (!value) return 0;
    const wait = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
    return wait > 0 ? Math.min(wait, LONGEST_RETRY_AFTER) : 0;
  }

  /**
   * True if a redirect led to another address. The browser follows redirects itself and only reports the last address.
   * @param {string} asked the address of the request
   * @param {string} [answered] the request's `responseURL`, if the browser reports one
   */
  function isRedirected(asked, answered) {
    if (!answered) return false;
    const page = (scope.document && scope.document.baseURI) || (scope.location && scope.location.href) || '';
    const base = page || new URL(answered, 'http://localhost').href;
    const [from, to] = [new URL(asked, base), new URL(answered, base)];
    // The Content-Security-Policy of a page may upgrade addresses, which is not a redirect.
    if (page.startsWith('https:')) from.protocol = 'https:';
    return from.origin + from.pathname + from.search !== to.origin + to.pathname + to.search;
  }

  /** @param {ArrayBuffer} buffer */
  function base64(buffer) {
    return scope.btoa(String.fromCharCode(...new Uint8Array(buffer)));
  }

  /**
   * All files below the dropped entries, in order. The loop is iterative, so deep folders need no deep stack.
   * `readEntries` returns the entries in batches and is called until a batch is empty.
   * @param {any[]} entries
   * @param {(name: string, reason: 'unreadable' | 'empty') => void} leaveOut
   * @returns {Promise<any[]>}
   */
  async function filesBelow(entries, leaveOut) {
    const found = [];
    const stack = entries.map((entry) => ({ entry, root: entry })).reverse();
    const filled = new Set();
    while (stack.length > 0) {
      const { entry, root } = /** @type {any} */ (stack.pop());
      try {
        if (entry.isDirectory) {
          const reader = entry.createReader();
          const children = [];
          for (;;) {
            const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
            if (some.length === 0) break;
            for (const child of some) children.push(child);
          }
          while (children.length > 0) stack.push({ entry: children.pop(), root });
        } else if (entry.isFile) {
          const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
          // The full path starts with a slash. The path of a single file is its name.
          file.relativePath = String(entry.fullPath || file.name).replace(/^\/+/, '');
          found.push(file);
          filled.add(root);
        }
      } catch (error) {
        filled.add(root);
        leaveOut(entry.name, 'unreadable');
      }
    }
    for (const entry of entries) if (entry.isDirectory && !filled.has(entry)) leaveOut(entry.name, 'empty');
    return found;
  }

  /**
   * A dropped file that has no entry, in a list, which is empty if the file does not exist: Chromium gives a path that
   * leads nowhere as an empty file.
   * @param {any} file
   * @param {(name: string, reason: 'unreadable') => void} leaveOut
   * @returns {Promise<any[]>}
   */
  async function existing(file, leaveOut) {
    try {
      if (file.size === 0) await file.arrayBuffer();
      return [file];
    } catch (error) {
      leaveOut(nameOf(file), 'unreadable');
      return [];
    }
  }

  /** A speed as a decaying average. The time constant is five seconds. */
  class Meter {
    constructor() {
      this.bytes = 0;
      this.span = 0;
      /** @type {number | null} */
      this.at = null;
    }
    /** @param {number} bytes @param {number} now */
    add(bytes, now) {
      const span = this.at === null ? 0 : Math.max(0, now - this.at);
      const weight = Math.exp(-span / 5000);
      this.bytes = this.bytes * weight + bytes;
      this.span = this.span * weight + span;
      this.at = now;
    }
    /** In bytes per second. */
    rate() {
      return this.span > 0 ? (this.bytes / this.span) * 1000 : 0;
    }
    /** The time until the next `add` does not count. */
    rest() {
      this.at = null;
    }
  }

  // -------------------------------------------------------------------------------------------------------- chunk

  /** @typedef {'pending' | 'busy' | 'done'} ChunkState */

  /** One chunk of a file. A file may have 100,000 of them, so a chunk is a plain record until it is sent. */
  class ResumableChunk {
    /** @param {ResumableFile} file @param {number} offset @param {number} startByte @param {number} endByte */
    constructor(file, offset, startByte, endByte) {
      this.fileObj = file;
      /** Counted from 0. The chunk number that the server gets is one more. */
      this.offset = offset;
      this.startByte = startByte;
      this.endByte = endByte;
      this.retries = 0;
      this.tested = false;
      /** 0: not preprocessed, 1: being preprocessed, 2: finished. */
      this.preprocessState = 0;
      /**
       * The current request or the last one that was answered. Only the latest chunks keep answered ones.
       * @type {any}
       */
      this.xhr = null;
      /**
       * The current request.
       * @type {any}
       */
      this._active = null;
      /** @type {ChunkState} */
      this._state = 'pending';
      /** Bytes of the current request that have been sent. */
      this._loaded = 0;
      /** Consecutive tests without a usable answer. */
      this._unanswered = 0;
      /** Consecutive tries that failed for another reason than the upload server or the connection to it. */
      this._foreign = 0;
      /** The time of the next try. Valid only while the chunk waits. */
      this._due = 0;
      /** The chunk waits because the connection failed. The `online` event ends such a wait. */
      this._unreached = false;
      /**
       * The chunk in whose request this one is sent, if that is another.
       * @type {ResumableChunk | null}
       */
      this._lead = null;
      /** How many chunks the current request carries, and how many such a request usually carries. */
      this._count = 1;
      this._span = 1;
      /** When the current request was sent. */
      this._sentAt = 0;
      /** Changes with each begin and abort, so that late answers to an earlier request are recognised. */
      this._turn = 0;
      /**
       * Created on first use, because few chunks have options of their own.
       * @type {Record<string, any> | null}
       */
      this._opts = null;
    }

    get resumableObj() {
      return this.fileObj.resumableObj;
    }

    /** Options of this chunk alone. */
    get opts() {
      return (this._opts = this._opts || {});
    }

    /** @param {string | string[]} name @returns {any} */
    getOpt(name) {
      return this._opts ? lookUp(name, [this._opts, ...this.fileObj._layers()]) : this.fileObj.getOpt(name);
    }

    /** @returns {'pending' | 'uploading' | 'success' | 'error'} */
    status() {
      if (this._state === 'done') return 'success';
      if (this.fileObj._error) return 'error';
      return this._state === 'busy' ? 'uploading' : 'pending';
    }

    /**
     * The sent part of this chunk, 0 to 1. With `relative` it is a share of the file.
     * @param {boolean} [relative]
     */
    progress(relative) {
      const size = this.endByte - this.startByte;
      const lead = this._lead || this;
      const sent = lead._loaded - (this.startByte - lead.startByte);
      const part = this._state === 'done' ? 1 : size > 0 ? Math.max(0, Math.min(1, sent / size)) : 0;
      return relative ? (part * size) / Math.max(1, this.fileObj.size) : part;
    }

    /** The `preprocess` function calls this when it has finished. */
    preprocessFinished() {
      const awaited = this.preprocessState === 1 && this._state === 'busy';
      this.preprocessState = 2;
      if (awaited) this._proceed();
    }

    /** The body of the last answer, or an empty string. */
    message() {
      return this.xhr ? this.xhr.responseText : '';
    }

    /** Ends the chunk's request or wait, and returns the chunk to its file. */
    abort() {
      if (this._lead) {
        this._lead.abort();
        return;
      }
      if (this._state !== 'busy') return;
      this._release();
      this._state = 'pending';
      this.fileObj._returned.push(this);
      this.resumableObj._offer(this.fileObj);
    }

    /** Takes a slot and starts. The caller has checked that one is free. */
    _begin() {
      const file = this.fileObj;
      this._state = 'busy';
      this._turn++;
      this.resumableObj._busy.add(this);
      file._busy.add(this);
      if (file._knowledge === 'none' && this._needsTest()) file._probe = this;
      const preprocess = this.getOpt('preprocess');
      if (typeof preprocess !== 'function') return this._proceed();
      if (this.preprocessState === 0) {
        this.preprocessState = 1;
        const turn = this._turn;
        this._guard(() => awaited(preprocess(this), (error) => {
          if (turn === this._turn && this.preprocessState === 1) this.fileObj._refuse(error);
        }));
      } else if (this.preprocessState === 2) {
        this._proceed();
      }
    }

    _proceed() {
      this._guard(() => (this._needsTest() ? this._test() : this._send()));
    }

    /** A server of this project takes duplicates, so the test of a file of one chunk would save nothing. */
    _needsTest() {
      const file = this.fileObj;
      if (!this.getOpt('testChunks') || this.tested || file._knowledge === 'ranges') return false;
      return file.chunks.length > 1 || !file._isForOurServer() || file._chunkSize > file._fittingSize();
    }

    /** Joins the chunks that the next request carries. */
    _gather() {
      this._scatter();
      const file = this.fileObj;
      this._span = file._spanFor(this);
      this._count = file._groupEnd(this.offset, this._span) - this.offset;
      for (let i = 1; i < this._count; i++) {
        const chunk = file.chunks[this.offset + i];
        chunk._state = 'busy';
        chunk._lead = this;
        this.endByte = chunk.endByte;
      }
    }

    /** Undoes `_gather`. Chunks that are not done return to the file. */
    _scatter() {
      const file = this.fileObj;
      if (this._count === 1) return;
      for (let i = this._count - 1; i > 0; i--) {
        const chunk = file.chunks[this.offset + i];
        chunk._lead = null;
        if (chunk._state !== 'busy') continue;
        chunk._state = 'pending';
        file._returned.push(chunk);
      }
      this._count = this._span = 1;
      this.endByte = this.startByte + file._chunkSize;
      this.resumableObj._offer(file);
    }

    /**
     * Runs code that calls functions of the page (`preprocess`, `query`, `headers`, `target`). An exception is reported
     * and fails the file, because otherwise the chunk would keep its slot for ever.
     * @param {() => void} work
     */
    _guard(work) {
      try {
        work();
      } catch (error) {
        this.fileObj._refuse(error);
      }
    }

    /** Leaves the slot, and ends the request or wait. */
    _release() {
      const parent = this.resumableObj;
      this._turn++;
      this._loaded = 0;
      parent._busy.delete(this);
      parent._waiting.delete(this);
      this.fileObj._busy.delete(this);
      if (this.fileObj._probe === this) this.fileObj._probe = null;
      this._scatter();
      const request = this._active;
      if (!request) return;
      this._active = this.xhr = null;
      request.abort();
    }

    /**
     * Starts a request with the parameters and headers of the page, at once or when its promises are fulfilled.
     * @param {'test' | 'upload'} kind
     * @param {[string, string][]} more further parameters
     * @param {(url: string, headers: [string, string][], parameters: Map<string, any>) => void} start
     * @param {(error: any) => void} rejected
     */
    _request(kind, more, start, rejected = (error) => this._withheld(error)) {
      const turn = this._turn;
      const begin = (/** @type {any[]} */ [query, headers]) => {
        const parameters = this._parameters(query);
        for (const [name, value] of more) parameters.set(name, value);
        const url = this._url(kind, parameters);
        // A function of the page may have paused or removed the file.
        if (turn === this._turn) start(url, pairsOf(headers), parameters);
      };
      const given = ['query', 'headers'].map((name) => {
        const option = this.getOpt(name);
        return typeof option === 'function' ? option(this.fileObj, this) : option;
      });
      if (!given.some(isPromise)) return begin(given);
      Promise.all(given).then((values) => {
        if (turn === this._turn) this._guard(() => begin(values));
      }, (error) => {
        if (turn === this._turn) rejected(error);
      });
    }

    /**
     * Handles a rejected promise of the page, such as a token that cannot be fetched. This may be temporary.
     * @param {any} error
     */
    _withheld(error) {
      const isOnline = this.resumableObj._platform.isOnline();
      if (isOnline && ++this._foreign >= FOREIGN_ATTEMPTS) return this.fileObj._fail(String(error), false, 'page');
      this._tryLater(null, 0);
    }

    /**
     * All parameters. A parameter of `query` replaces the library's parameter of the same name.
     * @param {any} query
     * @returns {Map<string, any>}
     */
    _parameters(query) {
      const file = this.fileObj;
      const all = new Map();
      const prefix = this.getOpt('parameterNamespace') || '';
      /** @type {[string, any][]} */
      const own = [
        ['chunkNumber', this.offset / this._span + 1],
        ['chunkSize', file._chunkSize * this._span],
        ['currentChunkSize', this.endByte - this.startByte],
        ['totalSize', file.size],
        ['type', file.file.type || ''],
        ['identifier', file.uniqueIdentifier],
        ['fileName', file.fileName],
        ['relativePath', file.relativePath],
        ['totalChunks', file._countIn(this._span)],
        // The server uses it to tell a changed file of the same name and size (PROTOCOL.md, Parameters).
        ['lastModified', file.file.lastModified],
      ];
      for (const [key, value] of own) {
        const name = this.getOpt(`${key}ParameterName`);
        // A Blob has no modification time.
        if (name && value !== undefined) all.set(prefix + name, value);
      }
      const given = new Map();
      for (const [name, value] of pairsOf(query)) {
        given.set(prefix + name, given.has(prefix + name) ? [].concat(given.get(prefix + name), value) : value);
      }
      for (const [name, value] of given) all.set(name, value);
      return all;
    }

    /** @param {'test' | 'upload'} kind @returns {any} */
    _target(kind) {
      return (kind === 'test' && this.getOpt('testTarget')) || this.getOpt('target');
    }

    /** @param {'test' | 'upload'} kind @param {Map<string, any>} parameters */
    _url(kind, parameters) {
      const pairs = [];
      for (const [name, value] of parameters) {
        for (const one of Array.isArray(value) ? value : [value]) {
          pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(one)}`);
        }
      }
      const target = this._target(kind);
      if (typeof target === 'function') return target(pairs);
      const address = String(target);
      if (pairs.length === 0) return address;
      return address + (address.includes('?') ? '&' : '?') + pairs.join('&');
    }

    /**
     * An opened request with headers and handlers. The caller sends it.
     * @param {string} method
     * @param {string} url
     * @param {any} target the option that the address is made of
     * @param {[string, string][]} headers of the page
     * @param {(request: any, status: number, isOurs: boolean) => void} answered
     * @param {Record<string, string>} [own] the library's headers; the page's headers replace them
     */
    _open(method, url, target, headers, answered, own = {}) {
      const request = this.resumableObj._platform.createRequest();
      const turn = this._turn;
      request.open(method, url, true);
      request.timeout = this.getOpt('xhrTimeout') || 0;
      request.withCredentials = Boolean(this.getOpt('withCredentials'));
      // A browser would send both values of a header that is set twice.
      const given = new Set(headers.map(([name]) => name.toLowerCase()));
      const rest = Object.entries(own).filter(([name]) => !given.has(name.toLowerCase()));
      for (const [name, value] of rest.concat(headers)) request.setRequestHeader(name, value);
      /** @param {boolean} failed */
      const end = (failed) => {
        if (turn !== this._turn) return;
        this._active = null;
        this.resumableObj._keepRequest(this);
        const status = failed ? 0 : request.status;
        answered(request, status, failed || this._isOurs(request, status, url, target));
      };
      request.onload = () => end(false);
      request.onerror = () => end(true);
      request.ontimeout = () => end(true);
      this.xhr = this._active = request;
      return request;
    }

    /**
     * False if another program than the upload server has sent this answer.
     * @param {any} request
     * @param {number} status
     * @param {string} url the address that the request was sent to
     * @param {any} target the option that the address was made of
     */
    _isOurs(request, status, url, target) {
      if (isRedirected(url, request.responseURL)) return false;
      const { _ours } = this.resumableObj;
      if (request.getResponseHeader(OUTCOME) !== null) {
        _ours.add(target);
        return true;
      }
      // Other servers have error pages in HTML, but no page confirms a chunk.
      const isPage = CONFIRMED.includes(status) && /^\s*<(!doctype\s+)?html\b/i.test(request.responseText);
      return !isPage && !_ours.has(target);
    }

    /**
     * Handles an answer of another program to a chunk. Temporary statuses of proxies are retried without a limit.
     * @param {any} request
     * @param {number} status
     */
    _answeredByOther(request, status) {
      if (!NO_ANSWER.includes(status) && ++this._foreign >= FOREIGN_ATTEMPTS) {
        const reason = `The answer (status ${status}) did not come from the upload server.`;
        return this.fileObj._fail(`${reason} You may have to sign in again.`, false, 'foreign', status);
      }
      this._tryLater(request, status);
    }

    _test() {
      this._request('test', [], (url, headers) => {
        const request = this._open(
          this.getOpt('testMethod'), url, this._target('test'), headers,
          (answer, status, isOurs) => this._tested(answer, status, isOurs),
          this.fileObj._probe === this ? { Accept: 'application/json' } : {});
        request.send(null);
      });
    }

    /** @param {any} request @param {number} status @param {boolean} isOurs */
    _tested(request, status, isOurs) {
      const file = this.fileObj;
      const silent = !isOurs || NO_ANSWER.includes(status);
      if (silent && ++this._unanswered < TEST_ATTEMPTS) return this._tryLater(request, status);
      this._unanswered = 0;
      this.tested = true;
      if (!silent) {
        file.trouble = null;
        this.resumableObj._reached();
      }
      if (isOurs && request.getResponseHeader(OUTCOME) === 'refused') {
        // The chunk would get the same answer. The limits come first, because they may explain it.
        const told = this.resumableObj._tellLimits(request.responseText);
        return file._fail(told.message || request.responseText, true, 'refused', status);
      }
      if (file._probe === this) {
        file._probe = null;
        if (!silent) file._learn(request, this);
        // A listener of `limits` may have removed the file.
        if (file._removed) return;
        // The file was cut again, because its chunks are larger than the server allows.
        if (file.chunks[this.offset] !== this) return file._restart(request.responseText);
      }
      const held = !silent && CONFIRMED.includes(status);
      if (held || this.status() === 'success') return this._confirmed(request.responseText);
      this._guard(() => this._send());
      this.resumableObj._pump();
    }

    /** Prepares the body, and sends it unless the chunk was aborted in the meantime. */
    _send() {
      const turn = this._turn;
      const file = this.fileObj;
      this._gather();
      const type = this.getOpt('setChunkTypeFromFile') ? file.file.type : 'application/octet-stream';
      const bytes = file.file.slice(this.startByte, this.endByte, type);
      // Only form fields are encoded. The body of an octet upload is always the bytes.
      const encoded = this.getOpt('chunkFormat') === 'base64' && this.getOpt('method') !== 'octet';
      const digest = this.getOpt('digest') === 'sha-256' && this.resumableObj._canDigest();
      if (!encoded && !digest) return this._transmit(bytes, '');
      Promise.all([digest ? digestOf(bytes) : '', encoded ? dataUrlOf(bytes) : bytes]).then(
        ([sum, body]) => {
          if (turn === this._turn) this._guard(() => this._transmit(body, sum));
        },
        () => {
          if (turn === this._turn) file._unreadable();
        });
    }

    /** @param {Blob | string} bytes @param {string} digest */
    _transmit(bytes, digest) {
      const prefix = this.getOpt('parameterNamespace') || '';
      const octet = this.getOpt('method') === 'octet';
      /** @type {Record<string, string>} */
      const own = octet ? { 'Content-Type': 'application/octet-stream' } : {};
      /** @type {[string, string][]} */
      const more = [];
      if (digest && octet) {
        // The chunk is the content, so its digest has a header field (RFC 9530, section 2).
        own['Content-Digest'] = digest;
      } else if (digest && this.getOpt('digestParameterName')) {
        // The content is the form, so the chunk's digest is a field of the form.
        more.push([prefix + this.getOpt('digestParameterName'), digest]);
      }
      this._request('upload', more, (url, headers, parameters) => {
        const turn = this._turn;
        this.fileObj._progressed(false, true);
        // A listener may have paused or removed the file.
        if (turn !== this._turn) return;
        const request = this._open(
          this.getOpt('uploadMethod'), url, this._target('upload'), headers,
          (answer, status, isOurs) => this._sent(answer, status, isOurs), own);
        this._transmitWith(request, octet ? null : parameters, bytes);
      });
    }

    /** @param {any} request @param {Map<string, any> | null} parameters of a form @param {Blob | string} bytes */
    _transmitWith(request, parameters, bytes) {
      this._sentAt = this.resumableObj._platform.now();
      this.resumableObj._watch();
      if (request.upload) {
        request.upload.onprogress = (/** @type {any} */ event) => this._moved(request, event);
      }
      if (!parameters) return request.send(bytes);
      // The fields precede the file part, because a server that streams the body needs them first.
      const form = new scope.FormData();
      for (const [name, value] of parameters) {
        for (const one of Array.isArray(value) ? value : [value]) form.append(name, one);
      }
      const part = (this.getOpt('parameterNamespace') || '') + this.getOpt('fileParameterName');
      if (typeof bytes === 'string') form.append(part, bytes);
      else form.append(part, bytes, this.fileObj.fileName);
      request.send(form);
    }

    /** @param {any} request @param {any} event */
    _moved(request, event) {
      if (request !== this._active) return;
      // The body is a little longer than the chunk (fields, boundaries), so the share is what counts.
      const size = this.endByte - this.startByte;
      this._loaded = event.total > 0 ? Math.min(1, event.loaded / event.total) * size : 0;
      this.fileObj._progressed(true, false);
    }

    /** @param {any} request @param {number} status @param {boolean} isOurs */
    _sent(request, status, isOurs) {
      const parent = this.resumableObj;
      if (status !== 0) parent._reached();
      if (this._count > 1 && (status === 413 || this._isPermanent(request, status))) {
        // A proxy may allow less than the server behind it. As the file was cut, it may be accepted.
        parent._limitRequests(this.endByte - this.startByte);
        // Not trouble: smaller requests are sent at once.
        return this._tryAgain();
      }
      if (!isOurs) return this._answeredByOther(request, status);
      this._foreign = 0;
      if (CONFIRMED.includes(status)) {
        parent._adapt(this.endByte - this.startByte, parent._platform.now() - this._sentAt);
        return this._confirmed(request.responseText, request);
      }
      const most = this.getOpt('maxChunkRetries');
      const spent = most !== undefined && most !== null && this.retries >= most;
      const permanent = this._isPermanent(request, status);
      if (spent || permanent) {
        const reason = status === 0 ? 'The server cannot be reached.' : `The server answered ${status}.`;
        const message = (status !== 0 && request.responseText) || reason;
        return this.fileObj._fail(message, permanent, status === 0 ? 'unreachable' : 'refused', status);
      }
      this._tryLater(request, status);
      if (status === 0) this._checkReadable();
    }

    /** @param {any} request @param {number} status */
    _isPermanent(request, status) {
      if (!this.getOpt('permanentErrors').includes(status)) return false;
      return status !== 413 || request.getResponseHeader('Retry-After') === null;
    }

    /**
     * Chromium reports a file that it cannot read (moved, changed, disk removed) like a lost connection. Firefox and
     * WebKit never end such a request. Reading one byte distinguishes the cases. Otherwise the chunk would be retried,
     * or its request be waited for, without an end.
     */
    _checkReadable() {
      const turn = this._turn;
      const end = Math.min(this.endByte, this.startByte + 1);
      this.fileObj.file.slice(this.startByte, end).arrayBuffer().then((/** @type {ArrayBuffer} */ bytes) => (
        // Firefox reads nothing behind the end of a file that has become shorter.
        bytes.byteLength === end - this.startByte), () => false).then((/** @type {boolean} */ isReadable) => {
        if (!isReadable && turn === this._turn && this._state === 'busy') this.fileObj._unreadable();
      });
    }

    /**
     * Schedules a retry. The chunk keeps its slot while it waits.
     * @param {any} request
     * @param {number} status
     */
    _tryLater(request, status) {
      const parent = this.resumableObj;
      if (BAD_LINE.includes(status)) {
        parent._pace /= 2;
        parent._growth = CAREFUL_GROWTH;
        parent._calm = 0;
      }
      this._loaded = 0;
      this._unreached = status === 0;
      if (this._unreached && !parent._platform.isOnline()) parent._parked = true;
      else this.retries++;
      const now = parent._platform.now();
      const fixed = this.getOpt('chunkRetryInterval');
      let wait = fixed;
      if (fixed === undefined || fixed === null) {
        const span = Math.min(LONGEST_SPAN, FIRST_SPAN * 2 ** Math.min(30, Math.max(0, this.retries - 1)));
        const asked = status === 0 ? 0 : retryAfter(request.getResponseHeader('Retry-After'), now);
        wait = asked > 0 ? asked + parent._platform.random() * FIRST_SPAN : parent._platform.random() * span;
      }
      this._due = now + wait;
      parent._waiting.add(this);
      this.fileObj._meter = new Meter();
      parent._stalled = parent._stalled || parent._waiting.size === parent._busy.size;
      parent._setTimer();
      this.fileObj.trouble = { status, message: (status !== 0 && request.responseText) || '', due: this._due };
      parent.fire('fileRetry', this.fileObj);
    }

    /** Ends the wait and sends again. */
    _tryAgain() {
      this.resumableObj._waiting.delete(this);
      this._turn++;
      this._proceed();
      // The request may carry fewer chunks than before.
      this.resumableObj._pump();
    }

    /**
     * Takes the server's confirmation.
     * @param {string} message
     * @param {any} [request] the upload that was confirmed
     */
    _confirmed(message, request) {
      const file = this.fileObj;
      for (let i = 1; i < this._count; i++) {
        const chunk = file.chunks[this.offset + i];
        file._mark(chunk);
        chunk.xhr = this.xhr;
      }
      this._release();
      file._mark(this);
      file.trouble = null;
      if (request) file._hasSent = true;
      if (request && file._doneChunks === file.chunks.length) file.finalPath = finalPathOf(request);
      // An average from before or during the stall would be wrong for minutes.
      if (this.resumableObj._stalled) this.resumableObj._meter = new Meter();
      this.resumableObj._stalled = false;
      file._progressed(true, true, message);
      // A listener may have removed the file.
      if (!file._removed && file._doneChunks === file.chunks.length) file._complete(message);
      this.resumableObj._pump();
    }
  }

  /**
   * The path that the answer to the last chunk reports. All headers are read at once, because browsers log an error
   * for each header that a server of another origin does not expose.
   * @param {any} request
   */
  function finalPathOf(request) {
    const [, path = ''] = /^x-upload-path:[ \t]*(\S*)/im.exec(request.getAllResponseHeaders() || '') || [];
    try {
      return decodeURIComponent(path);
    } catch (error) {
      return '';
    }
  }

  /** @param {Blob} bytes @returns {Promise<string>} a member of an RFC 9530 dictionary */
  async function digestOf(bytes) {
    return `sha-256=:${base64(await scope.crypto.subtle.digest('SHA-256', await bytes.arrayBuffer()))}:`;
  }

  /** @param {Blob} bytes @returns {Promise<string>} */
  function dataUrlOf(bytes) {
    return new Promise((resolve, reject) => {
      const reader = new scope.FileReader();
      reader.onload = () => resolve(reader.result);
      reader.onerror = () => reject(reader.error);
      reader.readAsDataURL(bytes);
    });
  }

  // --------------------------------------------------------------------------------------------------------- file

  class ResumableFile {
    /** @param {Uploads} parent @param {any} file @param {string} uniqueIdentifier */
    constructor(parent, file, uniqueIdentifier) {
      this.resumableObj = parent;
      this.file = file;
      this.fileName = /** @type {string} */ (nameOf(file));
      this.relativePath = /** @type {string} */ (pathOf(file));
      this.size = /** @type {number} */ (file.size);
      this.uniqueIdentifier = uniqueIdentifier;
      /** The identifier that the file was added under. Pages may change the public one. */
      this._key = uniqueIdentifier;
      /**
       * The element that the file was picked with or dropped on.
       * @type {any}
       */
      this.container = null;
      /**
       * Options of this file alone.
       * @type {Record<string, any>}
       */
      this.opts = {};
      /** @type {ResumableChunk[]} */
      this.chunks = [];
      /** 0: not preprocessed, 1: being preprocessed, 2: finished. */
      this.preprocessState = 0;
      /** The server refused the file, so a retry is of no use. */
      this.permanentError = false;
      /**
       * Why the file failed, and the status of the answer that failed it (0 if there was none).
       * @type {{ reason: 'refused' | 'unreachable' | 'foreign' | 'unreadable' | 'page', status: number } | null}
       */
      this.failure = null;
      /**
       * Why the file waits for a retry, until the next answer that succeeds: the status of the failed request (0 if
       * there was no answer), the answer's text, and when the retry is due (milliseconds since the epoch).
       * @type {{ status: number, message: string, due: number } | null}
       */
      this.trouble = null;
      /** The path of the finished file below the server's root, if the server reported it (`X-Upload-Path`). */
      this.finalPath = '';

      /** Its key in the instance. Frameworks wrap files in proxies, which are not equal to the file. */
      this._id = parent._nextId++;
      this._error = false;
      /** True before the file is on the list, and after it was removed. */
      this._removed = true;
      /** True when `fileAdded` was fired. */
      this._announced = false;
      /** True while the file counts as unfinished in the instance. */
      this._counts = false;
      /** Why the file does not upload: `aborted` ends with the next `upload()`, `paused` with `resume()`. */
      this._hold = '';
      /** How far tests are answered: `none` yet, with held `ranges`, or for each `single` chunk. */
      this._knowledge = 'none';
      /**
       * The chunk whose test is sent alone.
       * @type {ResumableChunk | null}
       */
      this._probe = null;
      /** @type {Set<ResumableChunk>} */
      this._busy = new Set();
      /** @type {ResumableChunk[]} */
      this._returned = [];
      this._cursor = 0;
      this._doneChunks = 0;
      this._doneBytes = 0;
      this._hasSent = false;
      /** The size that the chunks were cut with. The option may change during the upload. */
      this._chunkSize = 0;
      /** The shown progress in bytes, at most `_weight`. An empty file weighs one byte, so that it counts. */
      this._shown = 0;
      this._weight = Math.max(1, this.size);
      this._lastEvent = -Infinity;
      this._meter = new Meter();
      // Existing pages pass these methods as event handlers.
      for (const name of ['abort', 'cancel', 'retry', 'pause', 'resume', 'upload', 'preprocessFinished']) {
        const self = /** @type {any} */ (this);
        self[name] = self[name].bind(this);
      }
      this._cut();
    }

    /** @param {string | string[]} name @returns {any} */
    getOpt(name) {
      return lookUp(name, this._layers());
    }

    _layers() {
      return [this.opts, this.resumableObj.opts, this.resumableObj.defaults];
    }

    /**
     * The sent part of this file, 0 to 1. With `relative` it is a share of all files. A failed file counts as sent, so
     * that the total reaches 1.
     * @param {boolean} [relative]
     */
    progress(relative) {
      return relative ? this._shown / Math.max(1, this.resumableObj._weight) : this._shown / this._weight;
    }

    /** The bytes that the server has confirmed. `progress()` also counts bytes that are only sent. */
    get confirmedSize() {
      return this._doneBytes;
    }

    isUploading() {
      return this._busy.size > 0 || this.preprocessState === 1;
    }

    isComplete() {
      return !this._error && this._doneChunks === this.chunks.length;
    }

    /**
     * Asks by a test whether the server is there. While chunks wait for a retry, this costs less than sending one.
     * @returns {Promise<boolean>} false if `testChunks` is off
     */
    checkServer() {
      return this._ask({}).then(({ status, isOurs }) => isOurs && !NO_ANSWER.includes(status));
    }

    /**
     * Asks for the server's limits after it has refused a chunk of this file, by a test, whose answer has them whether
     * it is refused or not. Fires `limits`.
     */
    async askLimits() {
      const { isOurs, text } = await this._ask({ Accept: 'application/json' });
      if (isOurs) this.resumableObj._tellLimits(text);
    }

    /**
     * Sends a test of the first chunk that no chunk waits for.
     * @param {Record<string, string>} headers
     * @returns {Promise<{ status: number, isOurs: boolean, text: string }>}
     */
    _ask(headers) {
      const { startByte, endByte } = this.chunks[0];
      const chunk = new ResumableChunk(this, 0, startByte, endByte);
      return new Promise((resolve) => {
        const fail = () => resolve({ status: 0, isOurs: false, text: '' });
        if (!this.getOpt('testChunks')) return fail();
        try {
          chunk._request('test', [], (url, given) => {
            const request = chunk._open(this.getOpt('testMethod'), url, chunk._target('test'), given,
              (answer, status, isOurs) => resolve({ status, isOurs, text: status === 0 ? '' : answer.responseText }),
              headers);
            request.timeout = CHECK_TIMEOUT;
            request.send(null);
          }, fail);
        } catch (error) {
          fail();
        }
      });
    }

    /** True if the server held all of the file already, so that nothing was sent. */
    wasHeld() {
      return this.isComplete() && !this._hasSent;
    }

    isPaused() {
      return this._hold === 'paused';
    }

    /** The recent speed in bytes per second. */
    speed() {
      return this._meter.rate();
    }

    /** In seconds. 0 when done, Infinity while nothing is sent. */
    timeRemaining() {
      return remaining(this._weight - this._shown, this.speed());
    }

    /** Stops until the next `upload()` of this file or of the instance. */
    abort() {
      this._stop('aborted');
    }

    /**
     * Stops this file until `pause(false)` or `resume()`. Without an argument it toggles, as in Resumable.js.
     * @param {boolean} [on] `false` lets the file continue, but does not start the upload
     */
    pause(on = !this.isPaused()) {
      if (on) return this._stop('paused');
      this._hold = '';
      this.resumableObj._offer(this);
      this.resumableObj._pump();
    }

    /** Continues after `pause()` or `abort()`, and starts the upload if it was not running. */
    resume() {
      this._hold = '';
      this.resumableObj._offer(this);
      this.resumableObj.upload();
    }

    upload() {
      this.resume();
    }

    /** Stops and removes the file. With `deleteOnCancel` the server is told. */
    cancel() {
      if (this._removed) return;
      this.resumableObj._cancelFile(this);
      this.resumableObj._pump();
    }

    /** Starts again by asking the server which bytes it holds. */
    retry() {
      this.bootstrap();
      this.resume();
    }

    /** Resets all state, and cuts the file into new chunks. */
    bootstrap() {
      const parent = this.resumableObj;
      this._stop('');
      if (!this._removed) {
        parent._count(this, true);
        parent._shown -= this._shown;
      }
      this._error = this.permanentError = false;
      this.failure = null;
      this._knowledge = 'none';
      this._doneChunks = this._doneBytes = this._shown = 0;
      this.preprocessState = 0;
      this._cut();
      parent._offer(this);
    }

    /**
     * Marks the first chunks as uploaded. To be called before `upload()`. At least one chunk must remain, because its
     * answer completes the file. Larger numbers are ignored, as in Resumable.js.
     * @param {number} count
     */
    markChunksCompleted(count) {
      if (!(count < this.chunks.length)) return;
      for (let i = 0; i < count; i++) this._mark(this.chunks[i]);
      this._show(false);
    }

    /** The `preprocessFile` function calls this when it has finished. */
    preprocessFinished() {
      if (this.preprocessState === 1) this.resumableObj._preparing.delete(this);
      this.preprocessState = 2;
      this.resumableObj._pump();
    }

    /** True if the target of its chunks has sent `X-Upload-Outcome`. */
    _isForOurServer() {
      return this.resumableObj._ours.has(this.getOpt('target'));
    }

    /**
     * A limit of the server in bytes, Infinity if it has not told.
     * @param {'maxChunkSize' | 'maxBodySize'} name
     */
    _serverLimit(name) {
      const limits = this.getOpt('adaptChunkSize') && this.resumableObj._limits.get(this.getOpt('target'));
      const limit = limits ? limits[name] : 0;
      return Number.isSafeInteger(limit) && limit >= 1 ? limit : Infinity;
    }

    /** How many bytes of the file one request may carry. */
    _largestRequest() {
      const limit = this._serverLimit('maxBodySize');
      return limit - Math.min(FORM_BYTES, Math.floor(limit / 2));
    }

    /** The chunk size of the page, or a smaller one if the server does not accept chunks of that size. */
    _fittingSize() {
      const wanted = this.getOpt('chunkSize');
      const body = this._largestRequest();
      const size = Math.min(
        Math.floor(Number(wanted)), this._serverLimit('maxChunkSize'), body, Number.MAX_SAFE_INTEGER);
      if (!(size >= 1)) throw new RangeError(`chunkSize must be at least 1, not ${wanted}`);
      // The last chunk has up to twice the size.
      const last = this.size - (this._pieces(this.size, size) - 1) * size;
      return last > body ? Math.max(1, Math.floor(body / 2)) : size;
    }

    /**
     * How many pieces of a size something is cut into. The last one takes the rest, unless `forceChunkSize` is on.
     * @param {number} whole
     * @param {number} size
     */
    _pieces(whole, size) {
      const round = this.getOpt('forceChunkSize') ? Math.ceil : Math.floor;
      return Math.max(1, round(whole / size));
    }

    /**
     * How many chunks the file has if `span` of them are one.
     * @param {number} span
     */
    _countIn(span) {
      return this._pieces(this.chunks.length, span);
    }

    /**
     * The chunk after the group of `span` chunks that starts at `offset`. The last group takes the rest with it.
     * @param {number} offset
     * @param {number} span
     */
    _groupEnd(offset, span) {
      return offset / span + 1 === this._countIn(span) ? this.chunks.length : offset + span;
    }

    /**
     * How many chunks the next request of a chunk carries: a power of two, so that a layout of such chunks has it.
     * @param {ResumableChunk} chunk
     */
    _spanFor({ offset }) {
      const parent = this.resumableObj;
      const largest = this._serverLimit('maxChunkSize');
      const isFirst = offset === 0 && this.getOpt('prioritizeFirstAndLastChunk');
      // The page's `preprocess` has prepared this chunk alone.
      const isAlone = isFirst || typeof this.getOpt('preprocess') === 'function';
      if (largest === Infinity || isAlone) return 1;
      // A larger request than any before may be refused after its bytes were sent, so one is tried at a time.
      const isTried = Array.from(parent._busy).some((other) => (
        other._count > 1 && other.endByte - other.startByte > parent._acceptedBytes));
      const longest = Math.min(
        this._largestRequest(), parent._mostBytes, isTried ? parent._acceptedBytes : Infinity);
      const most = Math.min(largest, LARGEST_GROUP, parent._pace) / this._chunkSize;
      // Some chunks are left for the other slots.
      const share = (this.chunks.length - this._doneChunks) / this.getOpt('simultaneousUploads');
      let span = 1;
      while (span * 2 <= Math.min(most, share) && offset % (span * 2) === 0) span *= 2;
      const isTooLong = () => (this._groupEnd(offset, span) - offset) * this._chunkSize > longest;
      while (span > 1 && (isTooLong() || !this._isFree(offset, span))) span /= 2;
      return span;
    }

    /** @param {number} offset @param {number} span */
    _isFree(offset, span) {
      if (offset / span >= this._countIn(span)) return false;
      for (let i = this._groupEnd(offset, span) - 1; i > offset; i--) {
        if (this.chunks[i]._state !== 'pending' || this.chunks[i]._opts) return false;
      }
      return true;
    }

    /**
     * Continues with new chunks.
     * @param {string} message
     */
    _restart(message) {
      this._progressed(false, true, message);
      if (this._removed) return;
      if (this._doneChunks === this.chunks.length) this._complete(message);
      this.resumableObj._offer(this);
      this.resumableObj._pump();
    }

    _cut() {
      const parent = this.resumableObj;
      const chunkSize = this._fittingSize();
      this._chunkSize = chunkSize;
      const count = this._pieces(this.size, chunkSize);
      parent.fire('chunkingStart', this);
      /** @type {ResumableChunk[]} */
      const chunks = [];
      for (let i = 0; i < count; i++) {
        const end = i === count - 1 ? this.size : (i + 1) * chunkSize;
        chunks.push(new ResumableChunk(this, i, i * chunkSize, end));
        // An event for each chunk would cost more than cutting it.
        if ((i + 1) % 1024 === 0 || i === count - 1) parent.fire('chunkingProgress', this, (i + 1) / count);
      }
      this.chunks = chunks;
      this._returned = [];
      this._cursor = 0;
      parent.fire('chunkingComplete', this);
    }

    /** @param {string} hold */
    _stop(hold) {
      const wasBusy = this._busy.size > 0;
      for (const chunk of Array.from(this._busy)) chunk.abort();
      this._meter.rest();
      this.trouble = null;
      this._hold = hold;
      const parent = this.resumableObj;
      if (this.preprocessState === 1) {
        // This frees the slot. Preprocessing starts again when the file resumes.
        parent._preparing.delete(this);
        this.preprocessState = 0;
      }
      if (hold === 'aborted') parent._aborted.add(this);
      parent._withdraw(this);
      if (hold === '') return;
      if (wasBusy && hold === 'aborted') parent.fire('fileProgress', this);
      parent._pump();
    }

    /** True while the file cannot hand out chunks: its first test is open, or it is being preprocessed. */
    _isBlocked() {
      return this._probe !== null || this.preprocessState === 1;
    }

    /**
     * The next chunk to send, if any.
     * @returns {ResumableChunk | null}
     */
    _take() {
      while (this._returned.length > 0) {
        const chunk = /** @type {ResumableChunk} */ (this._returned.pop());
        if (chunk._state === 'pending') return chunk;
      }
      while (this._cursor < this.chunks.length) {
        const chunk = this.chunks[this._cursor++];
        if (chunk._state === 'pending') return chunk;
      }
      return null;
    }

    /**
     * The first or last chunk, if it still has to be sent.
     * @returns {ResumableChunk | null}
     */
    _takeEnd() {
      for (const chunk of [this.chunks[0], this.chunks[this.chunks.length - 1]]) {
        if (chunk._state === 'pending') return chunk;
      }
      return null;
    }

    /**
     * Marks the chunks that the JSON of a test lists as held (PROTOCOL.md, The JSON of a test).
     * @param {any} request
     * @param {ResumableChunk} asker
     */
    _learn(request, asker) {
      this._knowledge = 'single';
      let told;
      try {
        told = JSON.parse(request.responseText);
      } catch (error) {
        return;
      }
      if (told && told.limits) this._limit(told.limits, asker);
      if (!told || !Array.isArray(told.held)) return;
      // These are the ranges of another file.
      if (typeof told.size === 'number' && told.size !== this.size) return;
      this._knowledge = 'ranges';
      /** @type {[number, number][]} */
      const ranges = told.held
        .filter((/** @type {any} */ range) => Array.isArray(range) && range[0] >= 0 && range[1] > range[0])
        .sort((/** @type {number[]} */ a, /** @type {number[]} */ b) => a[0] - b[0]);
      if (told.complete === true) ranges.splice(0, ranges.length, [0, this.size]);
      const chunkSize = this._chunkSize;
      const last = this.chunks.length - 1;
      for (let i = 0; i < ranges.length;) {
        const from = ranges[i][0];
        let to = ranges[i][1];
        for (i++; i < ranges.length && ranges[i][0] <= to; i++) to = Math.max(to, ranges[i][1]);
        for (let n = Math.ceil(from / chunkSize); n <= last && this.chunks[n].endByte <= to; n++) {
          const chunk = this.chunks[n];
          // Chunks that are being sent get an answer of their own.
          if (chunk._state !== 'pending' && chunk !== asker) continue;
          this._mark(chunk);
          // The same answer confirms this chunk.
          if (CONFIRMED.includes(request.status)) chunk.xhr = request;
        }
      }
      this._show(false);
      this.resumableObj._tellLimits(request.responseText);
    }

    /**
     * Takes the limits of the server, and cuts the file again if its chunks are too large for it.
     * @param {any} limits
     * @param {ResumableChunk} asker
     */
    _limit(limits, asker) {
      const parent = this.resumableObj;
      parent.limits = limits;
      parent._limits.set(this.getOpt('target'), limits);
      const isUntouched = this._doneChunks === 0 && this._busy.size === 1;
      if (this._chunkSize <= this._fittingSize() || !isUntouched) return;
      asker._release();
      this._cut();
    }

    /** @param {ResumableChunk} chunk */
    _mark(chunk) {
      if (chunk._state === 'done') return;
      chunk._state = 'done';
      this._doneChunks++;
      this._doneBytes += chunk.endByte - chunk.startByte;
    }

    /**
     * Updates the shown progress, which never falls.
     * @param {boolean} moved true if bytes were sent
     */
    _show(moved) {
      let bytes = this._doneBytes;
      for (const chunk of this._busy) bytes += chunk._loaded;
      if (this._doneChunks === this.chunks.length || this._error) bytes = this._weight;
      const more = Math.min(bytes, this._weight) - this._shown;
      const parent = this.resumableObj;
      const now = parent._platform.now();
      if (moved) {
        this._meter.add(Math.max(0, more), now);
        parent._meter.add(Math.max(0, more), now);
      }
      if (more <= 0) return;
      this._shown += more;
      parent._shown += more;
    }

    /** @param {boolean} moved @param {boolean} always @param {string} [message] */
    _progressed(moved, always, message) {
      this._show(moved);
      const now = this.resumableObj._platform.now();
      if (!always && now - this._lastEvent < this.getOpt('throttleProgressCallbacks') * 1000) return;
      this._lastEvent = now;
      this.resumableObj.fire('fileProgress', this, message);
    }

    /** @param {string} message */
    _complete(message) {
      this.resumableObj._count(this, false);
      this.resumableObj._withdraw(this);
      this.resumableObj.fire('fileSuccess', this, message);
    }

    /** @param {any} error thrown by a function of the page */
    _refuse(error) {
      this.resumableObj._report(error);
      this._fail(String(error), true, 'page');
    }

    /** The file was moved, changed or locked after it was picked, so a retry would not help. */
    _unreadable() {
      this._fail(`${this.fileName} cannot be read any more.`, false, 'unreadable');
    }

    /**
     * @param {string} message
     * @param {boolean} permanent
     * @param {'refused' | 'unreachable' | 'foreign' | 'unreadable' | 'page'} reason
     * @param {number} [status]
     */
    _fail(message, permanent, reason, status = 0) {
      // A function of the page may have removed the file.
      if (this._removed) return;
      const parent = this.resumableObj;
      this._stop('');
      this._error = true;
      this.permanentError = permanent;
      this.failure = { reason, status };
      this._show(false);
      parent._count(this, false);
      parent.fire('fileError', this, message);
      parent._pump();
    }
  }

  /**
   * Handles the rejection of a promise that a function of the page has returned, if it has.
   * @param {any} result
   * @param {(error: any) => void} rejected
   */
  function awaited(result, rejected) {
    if (isPromise(result)) result.then(undefined, rejected);
  }

  /** @param {number} bytes @param {number} speed */
  function remaining(bytes, speed) {
    return bytes <= 0 ? 0 : speed > 0 ? bytes / speed : Infinity;
  }

  /**
   * The option from the first layer that has it. For an array of names it is an object of options.
   * @param {string | string[]} name
   * @param {Record<string, any>[]} layers @returns {any}
   */
  function lookUp(name, layers) {
    if (Array.isArray(name)) return Object.fromEntries(name.map((one) => [one, lookUp(one, layers)]));
    const layer = layers.find((one) => typeof one[name] !== 'undefined');
    return layer ? layer[name] : undefined;
  }

  // ---------------------------------------------------------------------------------------------------- instance

  /** The methods that pages may pass as handlers, detached from the instance. */
  const METHODS = [
    'getOpt', 'on', 'off', 'fire', 'assignBrowse', 'unAssignBrowse', 'assignDrop', 'unAssignDrop', 'handleChangeEvent',
    'handleDropEvent', 'upload', 'uploadNextChunk', 'pause', 'cancel', 'progress', 'isUploading', 'addFile', 'addFiles',
    'removeFile', 'getFromUniqueIdentifier', 'getSize', 'updateQuery', 'speed', 'timeRemaining', 'identifierOf',
    'retryNow', 'destroy',
  ];

  class Uploads {
    /** @param {Record<string, any>} [opts] */
    constructor(opts) {
      this.version = 1.1;
      // The caller's own object, because existing pages change it later.
      this.opts = opts || {};
      this.defaults = Object.assign({}, DEFAULTS);
      this.support = isSupported();
      /**
       * The files by `_id`. The list that pages see is compared with it, because pages change that list.
       * @type {Map<number, ResumableFile>}
       */
      this._known = new Map();
      /** @type {ResumableFile[]} */
      this._list = [];
      this._nextId = 1;
      /** @type {ResumableFile[]} */
      this.files = [];
      // Pages assign a new list. An accessor of the instance itself also works through proxies of frameworks.
      const files = { get: () => this._list, set: (/** @type {any} */ list) => this._assign(list) };
      Object.defineProperty(this, 'files', { ...files, enumerable: true });

      /** @type {Platform} */
      this._platform = Object.assign({}, BROWSER, this.opts.platform);
      /**
       * The targets that have answered with `X-Upload-Outcome`.
       * @type {Set<any>}
       */
      this._ours = new Set();
      /**
       * The limits that the servers have told, by target, and the last ones.
       * @type {Map<any, any>}
       */
      this._limits = new Map();
      /** @type {any} */
      this.limits = null;
      /** The size of a request in bytes that suits the connection. */
      this._pace = 0;
      this._growth = GROWTH;
      /** The largest request of several chunks that a server or a proxy has accepted, and the most that is tried. */
      this._acceptedBytes = 0;
      this._mostBytes = Infinity;
      /** Requests that were confirmed since the last lost connection. */
      this._calm = Infinity;
      /** @type {Map<string, Function[]>} */
      this._listeners = new Map();
      /** @type {Map<string, ResumableFile>} */
      this._byIdentifier = new Map();
      /**
       * The identifiers of files that were skipped because of it.
       * @type {WeakMap<any, string>}
       */
      this._duplicates = new WeakMap();
      /**
       * The nodes of `assignBrowse`, each with its input and a function that restores it.
       * @type {Map<any, {input: any, undo: () => void}>}
       */
      this._browse = new Map();
      /**
       * The nodes of `assignDrop`.
       * @type {Set<any>}
       */
      this._drop = new Set();
      this._destroyed = false;
      this._running = false;
      this._starting = false;
      this._completing = false;
      this._cancelling = false;
      this._parked = false;
      this._pumping = false;
      this._pumpAgain = false;
      /**
       * The chunks that have a slot.
       * @type {Set<ResumableChunk>}
       */
      this._busy = new Set();
      /**
       * Those of them that wait for a retry.
       * @type {Set<ResumableChunk>}
       */
      this._waiting = new Set();
      /** All busy chunks waited for a retry since the last confirmation. */
      this._stalled = false;
      /**
       * The chunks that keep their answered request, oldest first.
       * @type {Set<ResumableChunk>}
       */
      this._answered = new Set();
      /**
       * Files whose `preprocessFile` has not finished.
       * @type {Set<ResumableFile>}
       */
      this._preparing = new Set();
      /**
       * Files that may have chunks to hand out, in order.
       * @type {Set<ResumableFile>}
       */
      this._open = new Set();
      /**
       * Files that may have a first or last chunk to hand out before all others.
       * @type {Set<ResumableFile>}
       */
      this._ends = new Set();
      /** @type {Set<ResumableFile>} */
      this._aborted = new Set();
      this._unfinished = 0;
      this._weight = 0;
      this._shown = 0;
      this._size = 0;
      this._meter = new Meter();
      /** @type {any} */
      this._timer = null;
      /**
       * The timer of `_watch`, and the sent bytes of each open request at its last time.
       * @type {any}
       */
      this._watcher = null;
      /** @type {Map<ResumableChunk, number>} */
      this._seen = new Map();
      this._listening = false;
      this._warnedOfDigest = false;
      const self = /** @type {any} */ (this);
      for (const name of METHODS) self[name] = self[name].bind(this);
      this._onOnline = () => this._reach();
      this._onOffline = () => this._park();
      this._onWake = () => this._wake();
      this._onDrag = (/** @type {any} */ event) => this._dragged(event);
      this._onDragLeave = (/** @type {any} */ event) => this._dragLeft(event);
      this._onDrop = (/** @type {any} */ event) => this.handleDropEvent(event);
    }

    /** @param {string | string[]} name @returns {any} */
    getOpt(name) {
      return lookUp(name, [this.opts, this.defaults]);
    }

    // ------------------------------------------------------------------------------------------------- events

    /** @param {string} event in any case; `catchAll` hears all events @param {Function} callback */
    on(event, callback) {
      const name = event.toLowerCase();
      const list = this._listeners.get(name);
      if (list) list.push(callback);
      else this._listeners.set(name, [callback]);
      return this;
    }

    /** @param {string} event @param {Function} [callback] the default is all listeners of the event */
    off(event, callback) {
      const name = event.toLowerCase();
      const left = callback ? (this._listeners.get(name) || []).filter((one) => one !== callback) : [];
      this._listeners.set(name, left);
      return this;
    }

    /**
     * Calls the listeners. An exception of one is reported and affects neither the others nor the upload.
     * @param {string} event
     * @param {...any} args
     */
    fire(event, ...args) {
      const name = event.toLowerCase();
      this._call(name, args);
      this._call('catchall', [event, ...args]);
      if (name === 'fileerror') this.fire('error', args[1], args[0]);
      if (name === 'fileprogress') this.fire('progress');
    }

    /** @param {string} name @param {any[]} args */
    _call(name, args) {
      const list = this._listeners.get(name);
      if (!list) return;
      for (const callback of list.slice()) {
        try {
          callback.apply(this, args);
        } catch (error) {
          this._report(error);
        }
      }
    }

    /**
     * Throws an error of the page's code in a task of its own, where the browser reports it like any other.
     * @param {any} error
     */
    _report(error) {
      this._platform.setTimeout(() => { throw error; }, 0);
    }

    /**
     * Reports an error that has no request: to the `error` listeners, or else to the console.
     * @param {string} message
     */
    _complain(message) {
      const heard = ['error', 'catchall'].some((name) => (this._listeners.get(name) || []).length > 0);
      if (heard) this.fire('error', message);
      else scope.console.warn(message);
    }

    // ------------------------------------------------------------------------------------------ picking, dropping

    /**
     * Makes the nodes open the file dialog. An `<input type="file">` is used as it is. Any other node gets a hidden
     * input, and can also be used by keyboard. Assigning a node again only updates its input.
     * @param {any} domNodes
     * @param {boolean} [isDirectory]
     */
    assignBrowse(domNodes, isDirectory) {
      for (const node of listOf(domNodes)) {
        const input = this._inputOf(node);
        input.multiple = this.getOpt('maxFiles') !== 1;
        if (isDirectory) input.setAttribute('webkitdirectory', '');
        else input.removeAttribute('webkitdirectory');
        const types = this._types();
        if (types.length > 0) {
          input.setAttribute('accept', types.map((type) => (/[./]/.test(type) ? type : `.${type}`)).join(','));
        } else {
          input.removeAttribute('accept');
        }
      }
    }

    /**
     * The input that opens the dialog for a node.
     * @param {any} node
     */
    _inputOf(node) {
      const known = this._browse.get(node);
      if (known) {
        // The page may have replaced the content of the node.
        if (!node.contains(known.input)) node.appendChild(known.input);
        return known.input;
      }
      if (node.tagName === 'INPUT' && node.type === 'file') {
        node.addEventListener('change', this.handleChangeEvent);
        this._browse.set(node, { input: node, undo: () => node.removeEventListener('change', this.handleChangeEvent) });
        return node;
      }
      const input = node.ownerDocument.createElement('input');
      input.setAttribute('type', 'file');
      input.hidden = true;
      input.tabIndex = -1;
      input[OWN_INPUT] = true;
      input.addEventListener('change', this.handleChangeEvent);
      node.appendChild(input);
      const open = (/** @type {any} */ event) => {
        // The click on an input bubbles up to the node, which may have inputs of several instances.
        if (event.target[OWN_INPUT]) return;
        // A click opens the dialogs of one node, not of those around it.
        if ((event[OWN_INPUT] = event[OWN_INPUT] || node) !== node) return;
        if (event.type === 'keydown' && event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        input.click();
      };
      node.addEventListener('click', open);
      /** @type {string[]} */
      const added = [];
      const native = node.tagName === 'BUTTON' || (node.tagName === 'A' && node.hasAttribute('href'));
      if (!native) {
        for (const [name, value] of [['tabindex', '0'], ['role', 'button']]) {
          if (node.hasAttribute(name)) continue;
          node.setAttribute(name, value);
          added.push(name);
        }
        node.addEventListener('keydown', open);
      }
      const undo = () => {
        input.remove();
        for (const type of ['click', 'keydown']) node.removeEventListener(type, open);
        for (const name of added) node.removeAttribute(name);
      };
      this._browse.set(node, { input, undo });
      return input;
    }

    /**
     * Ends `assignBrowse`, and restores the nodes.
     * @param {any} domNodes
     */
    unAssignBrowse(domNodes) {
      for (const node of listOf(domNodes)) {
        const known = this._browse.get(node);
        if (known) known.undo();
        this._browse.delete(node);
      }
    }

    /** @param {any} domNodes */
    assignDrop(domNodes) {
      for (const node of listOf(domNodes)) {
        this._drop.add(node);
        node.addEventListener('dragover', this._onDrag);
        node.addEventListener('dragenter', this._onDrag);
        node.addEventListener('dragleave', this._onDragLeave);
        node.addEventListener('drop', this._onDrop);
      }
    }

    /** @param {any} domNodes */
    unAssignDrop(domNodes) {
      for (const node of listOf(domNodes)) {
        if (this._drop.delete(node)) this._highlight(node, false);
        node.removeEventListener('dragover', this._onDrag);
        node.removeEventListener('dragenter', this._onDrag);
        node.removeEventListener('dragleave', this._onDragLeave);
        node.removeEventListener('drop', this._onDrop);
      }
    }

    /**
     * Takes the files of an input's `change` event.
     * @param {any} event
     */
    handleChangeEvent(event) {
      // The list is live, and clearing the input empties it.
      this._add(Array.from(event.target.files), event);
      if (this.getOpt('clearInput')) event.target.value = '';
    }

    /**
     * Takes the files of a `drop` event, with all files in dropped folders.
     * @param {any} event
     * @returns {Promise<void>}
     */
    handleDropEvent(event) {
      const node = event.currentTarget;
      event.stopPropagation();
      // Otherwise the browser would leave the page and show the dropped file.
      event.preventDefault();
      this._highlight(node, false);
      const transfer = event.dataTransfer;
      if (!transfer) return Promise.resolve();
      // The entries are available only while the event is being handled.
      const items = Array.from(transfer.items || []).filter((/** @type {any} */ item) => item.kind === 'file');
      const entries = items.map((/** @type {any} */ item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
      const found = entries.filter(Boolean);
      const others = found.length === 0 ? Array.from(transfer.files || [])
        : items.filter((_, at) => !entries[at]).map((/** @type {any} */ item) => item.getAsFile()).filter(Boolean);
      const leaveOut = (/** @type {string} */ name, /** @type {any} */ reason) => this._leaveOut(name, reason);
      if (found.length === 0 && others.every((file) => file.size > 0)) {
        this._add(others, event);
        return Promise.resolve();
      }
      return Promise.all([filesBelow(found, leaveOut), ...others.map((file) => existing(file, leaveOut))])
        .then((files) => this._add(files.flat(), event));
    }

    /**
     * Fires `limits` if the JSON of a test has them.
     * @param {string} text
     * @returns {any} the JSON, or an empty object
     */
    _tellLimits(text) {
      let told;
      try {
        told = JSON.parse(text) || {};
      } catch (error) {
        return {};
      }
      if (told.limits) this.fire('limits', told.limits);
      return told;
    }

    /**
     * Reports a dropped file or folder from which nothing can be added.
     * @param {string} name
     * @param {'unreadable' | 'empty'} reason
     */
    _leaveOut(name, reason) {
      this.fire('entrySkipped', name, reason);
      this._complain(reason === 'empty' ? `${name} is an empty folder.` : `${name} cannot be read.`);
    }

    /** @param {any} event */
    _dragged(event) {
      event.preventDefault();
      const transfer = event.dataTransfer;
      const hasFiles = Boolean(transfer) && Array.from(transfer.types || []).includes('Files');
      if (transfer) transfer.dropEffect = hasFiles ? 'copy' : 'none';
      if (hasFiles) this._highlight(event.currentTarget, true);
    }

    /** @param {any} node @param {boolean} on */
    _highlight(node, on) {
      if (!node || !node.classList) return;
      const names = String(this.getOpt('dragOverClass') || '').split(/\s+/).filter(Boolean);
      for (const name of names) node.classList[on ? 'add' : 'remove'](name);
    }

    /** @param {any} event */
    _dragLeft(event) {
      // The pointer has moved to a child of the node.
      if (event.relatedTarget && event.currentTarget.contains(event.relatedTarget)) return;
      this._highlight(event.currentTarget, false);
    }

    /** @param {any} file @param {any} [event] */
    addFile(file, event) {
      this._add([file], event);
    }

    /** @param {ArrayLike<any>} files @param {any} [event] */
    addFiles(files, event) {
      this._add(Array.from(files), event);
    }

    /**
     * The allowed types: extensions with or without dot, or media types without parameters.
     * @returns {string[]}
     */
    _types() {
      // The documentation of Resumable.js 1.1 has `fileTypes`, its code `fileType`.
      return [this.getOpt('fileType'), this.getOpt('fileTypes')]
        .flatMap((types) => String(types || '').split(','))
        .map((type) => essence(type).replace(/^\*(?=\.)/, '')).filter(Boolean);
    }

    /** @param {any} file */
    _isAllowed(file) {
      const types = this._types();
      const name = nameOf(file).toLowerCase();
      const media = essence(file.type || '').toLowerCase();
      return types.length === 0 || types.some((type) => {
        const wanted = type.toLowerCase();
        if (wanted === '*' || wanted === '*/*') return true;
        if (wanted.endsWith('/*')) return media.startsWith(wanted.slice(0, -1));
        if (wanted.includes('/')) return media === wanted;
        return name.endsWith(wanted.startsWith('.') ? wanted : `.${wanted}`);
      });
    }

    /**
     * Adds files in two steps: first the checks and identifiers of all files, which may be asynchronous, then the list.
     * Therefore refused and duplicate files neither count for `maxFiles` nor replace another file.
     * @param {any[]} list
     * @param {any} [event]
     */
    _add(list, event) {
      if (this._destroyed) return;
      let errorCount = 0;
      /** @type {any[]} */
      const skipped = [];
      const skip = (/** @type {any} */ file, /** @type {any} */ error) => {
        skipped.push(file);
        this._complain(`${nameOf(file)} cannot be added: ${error}`);
      };
      /** @type {{file: any, identifier: any}[]} */
      const accepted = [];
      let isLater = false;
      for (const file of list) {
        this._duplicates.delete(file);
        const refusal = this._refusal(file);
        if (refusal) {
          skipped.push(file);
          this.getOpt(refusal).call(this, file, errorCount++);
          continue;
        }
        try {
          const identifier = this.identifierOf(file, event);
          isLater = isLater || typeof identifier !== 'string';
          accepted.push({ file, identifier });
        } catch (error) {
          skip(file, error);
          this._report(error);
        }
      }
      if (!isLater) {
        const tell = this._admit(accepted, skipped, event, errorCount);
        // After the caller's task, which may still add listeners, as in Resumable.js.
        this._platform.setTimeout(tell, 0);
        return;
      }
      Promise.all(accepted.map(async ({ file, identifier }) => {
        try {
          return [{ file, identifier: await identifier }];
        } catch (error) {
          skip(file, error);
          return [];
        }
      })).then((known) => this._admit(known.flat(), skipped, event, errorCount)());
    }

    /**
     * Puts files on the list.
     * @param {{file: any, identifier: string}[]} accepted
     * @param {any[]} skipped
     * @param {any} event
     * @param {number} errorCount
     * @returns {() => void} fires the events about it
     */
    _admit(accepted, skipped, event, errorCount) {
      if (this._destroyed) return () => {};
      this._sync();
      /** @type {Map<string, any>} */
      const fresh = new Map();
      for (const { file, identifier } of accepted) {
        if (this._byIdentifier.has(identifier) || fresh.has(identifier)) {
          skipped.push(file);
          this._duplicates.set(file, identifier);
        } else {
          fresh.set(identifier, file);
        }
      }
      const most = this.getOpt('maxFiles');
      const isFull = most !== undefined && most !== null && most < fresh.size + this._list.length;
      // If only one file is allowed, a new one replaces it.
      const replaced = isFull && most === 1 && fresh.size === 1 && this._list.length === 1 ? this._list[0] : null;
      if (isFull && !replaced && fresh.size > 0) {
        this.getOpt('maxFilesErrorCallback').call(this, Array.from(fresh.values()), errorCount);
        fresh.clear();
      }
      /** @type {ResumableFile[]} */
      const added = [];
      for (const [identifier, file] of fresh) {
        try {
          const taken = new ResumableFile(this, file, identifier);
          taken.container = event ? event.target || event.srcElement || null : null;
          added.push(taken);
        } catch (error) {
          skipped.push(file);
          this._report(error);
        }
      }
      const gone = added.length > 0 ? replaced : null;
      if (gone) this._remove(gone, true);
      for (const file of added) {
        this._list.push(file);
        this._enlist(file);
      }
      return () => {
        for (const file of added) {
          // A file that was removed at once is not announced.
          if (file._removed) continue;
          file._announced = true;
          this.fire('fileAdded', file, event);
        }
        if (gone && gone._announced) this.fire('fileRemoved', gone);
        const announced = added.filter((file) => file._announced);
        if (announced.length + skipped.length > 0) this.fire('filesAdded', announced, skipped);
        this._pump();
      };
    }

    /**
     * The file on the list because of which a file was skipped, if any.
     * @param {any} file as it was given to `addFile`
     */
    duplicateOf(file) {
      return this._byIdentifier.get(this._duplicates.get(file) || '');
    }

    /**
     * The identifier of a file: the result of `generateUniqueIdentifier`, or the default if that is empty.
     * @param {any} file
     * @param {any} [event]
     * @returns {string | Promise<string>}
     */
    identifierOf(file, event) {
      const generate = this.getOpt('generateUniqueIdentifier');
      const own = typeof generate === 'function' ? generate(file, event) : '';
      if (isPromise(own)) {
        return Promise.resolve(own).then((identifier) => String(identifier || defaultIdentifier(file)));
      }
      return String(own || defaultIdentifier(file));
    }

    /**
     * The name of the callback that refuses the file, or an empty string.
     * @param {any} file
     */
    _refusal(file) {
      const least = this.getOpt('minFileSize');
      const most = this.getOpt('maxFileSize');
      if (!this._isAllowed(file)) return 'fileTypeErrorCallback';
      if (least !== undefined && least !== null && file.size < least) return 'minFileSizeErrorCallback';
      if (most !== undefined && most !== null && file.size > most) return 'maxFileSizeErrorCallback';
      return '';
    }

    /**
     * Counts a file that is on the list.
     * @param {ResumableFile} file
     */
    _enlist(file) {
      file._removed = false;
      this._known.set(file._id, file);
      this._byIdentifier.set(file._key, file);
      this._weight += file._weight;
      this._shown += file._shown;
      this._size += file.size;
      this._count(file, !file._error && !file.isComplete());
      this._offer(file);
    }

    /** @param {ResumableFile} file @param {boolean} isUnfinished */
    _count(file, isUnfinished) {
      this._unfinished += Number(isUnfinished) - Number(file._counts);
      file._counts = isUnfinished;
    }

    /**
     * Makes `wanted` the list: removes the files that are not in it, and takes back removed files that are.
     * @param {Iterable<any>} wanted
     */
    _assign(wanted) {
      const isOwn = (/** @type {any} */ one) => one instanceof ResumableFile && one.resumableObj === this;
      const kept = new Set(Array.from(wanted || [], (one) => this._fileOf(one) || one).filter(isOwn));
      this._list = Array.from(kept);
      for (const file of Array.from(this._known.values())) if (!kept.has(file)) this._remove(file);
      for (const file of kept) if (file._removed) this._enlist(file);
      // Files are uploaded in the order of the list.
      this._open = new Set(this._list.filter((file) => this._open.has(file)));
      this._pump();
    }

    /** Detects files that the page has removed from the list or added to it. */
    _sync() {
      if (this._list.length !== this._known.size && !this._destroyed) this._assign(this._list);
    }

    /**
     * The file itself, if the page has passed it or a proxy of it.
     * @param {any} file
     */
    _fileOf(file) {
      return file ? this._known.get(file._id) : undefined;
    }

    /** @param {ResumableFile} file or a proxy of it */
    removeFile(file) {
      const own = this._fileOf(file);
      if (own) this._remove(own);
      this._pump();
    }

    /**
     * Removes a file, and lets the page update its progress.
     * @param {ResumableFile} file
     */
    _cancelFile(file) {
      this._remove(file);
      this.fire('fileProgress', file);
    }

    /**
     * The one place where a file leaves the list.
     * @param {ResumableFile} file
     * @param {boolean} [isSilent] true if the caller fires `fileRemoved`
     */
    _remove(file, isSilent = false) {
      if (file._removed) return;
      const forget = this.getOpt('deleteOnCancel') && !file.isComplete();
      file._removed = true;
      this._known.delete(file._id);
      const at = this._list.lastIndexOf(file);
      if (at >= 0) this._list.splice(at, 1);
      file._stop('');
      this._aborted.delete(file);
      this._byIdentifier.delete(file._key);
      this._weight -= file._weight;
      this._shown -= file._shown;
      this._size -= file.size;
      this._count(file, false);
      if (forget) this._tellOfCancel(file.chunks[0]);
      if (!isSilent && file._announced) this.fire('fileRemoved', file);
    }

    /**
     * Nothing waits for the answer. If the request is lost, the upload expires on the server.
     * @param {ResumableChunk} chunk
     */
    _tellOfCancel(chunk) {
      const report = (/** @type {any} */ error) => this._report(error);
      try {
        chunk._request('upload', [], (url, headers) => {
          chunk._open('DELETE', url, null, headers, () => {}).send(null);
          chunk._active = null;
        }, report);
      } catch (error) {
        report(error);
      }
    }

    /** @param {string} uniqueIdentifier @returns {ResumableFile | false} */
    getFromUniqueIdentifier(uniqueIdentifier) {
      this._sync();
      const file = this._byIdentifier.get(uniqueIdentifier);
      if (file && file.uniqueIdentifier === uniqueIdentifier) return file;
      // Pages may change the identifier when a file is added.
      return this.files.find((one) => one.uniqueIdentifier === uniqueIdentifier) || false;
    }

    getSize() {
      this._sync();
      return this._size;
    }

    /** The sent part of all files in bytes, 0 to 1. It falls only when files are added, removed or restarted. */
    progress() {
      this._sync();
      return this._weight > 0 ? Math.min(1, Math.max(0, this._shown / this._weight)) : 0;
    }

    /** The recent speed in bytes per second. */
    speed() {
      return this._meter.rate();
    }

    /** In seconds. 0 when done, Infinity while nothing is sent. */
    timeRemaining() {
      this._sync();
      return remaining(this._weight - this._shown, this.speed());
    }

    /** @param {Record<string, any>} query */
    updateQuery(query) {
      this.opts.query = query;
    }

    // ------------------------------------------------------------------------------------------------ scheduling

    isUploading() {
      this._sync();
      return this._busy.size > 0 || this._preparing.size > 0;
    }

    upload() {
      if (this._destroyed) return;
      const fresh = !this.isUploading() && !this._starting;
      this._running = true;
      for (const file of Array.from(this._aborted)) {
        this._aborted.delete(file);
        if (file._hold === 'aborted') file._hold = '';
        this._offer(file);
      }
      this._listen(true);
      this._starting = true;
      if (fresh) this.fire('uploadStart');
      this._starting = false;
      this._reach();
    }

    /** For pages written for Resumable.js. `upload()` does the same and more. */
    uploadNextChunk() {
      if (this._destroyed) return;
      this._running = true;
      this._listen(true);
      this._pump();
    }

    pause() {
      this._halt();
      this.fire('pause');
    }

    cancel() {
      // A listener of `fileProgress` may call this.
      if (this._cancelling) return;
      this._cancelling = true;
      this.fire('beforeCancel');
      this._halt();
      this._sync();
      // Removing from the end of the list is cheap. Listeners may remove files, too.
      for (let file = this._list[this._list.length - 1]; file; file = this._list[this._list.length - 1]) {
        this._cancelFile(file);
      }
      this._cancelling = false;
      this.fire('cancel');
    }

    /**
     * Ends the instance: all requests, listeners and inputs. It takes no more files. The server keeps the bytes that it
     * holds, so that another instance can resume. Fires no event.
     */
    destroy() {
      this._destroyed = true;
      this._listeners.clear();
      this._halt();
      for (const file of this._known.values()) file._removed = true;
      this._list = [];
      this._known.clear();
      this._byIdentifier.clear();
      this._open.clear();
      this._ends.clear();
      this._aborted.clear();
      this._preparing.clear();
      this._shown = this._weight = this._size = this._unfinished = 0;
      this.unAssignBrowse(Array.from(this._browse.keys()));
      this.unAssignDrop(Array.from(this._drop));
    }

    /** Stops everything, and returns all chunks to their files. */
    _halt() {
      this._running = false;
      this._parked = false;
      const files = new Set(Array.from(this._busy, (chunk) => chunk.fileObj));
      for (const chunk of Array.from(this._busy)) chunk.abort();
      // These files continue before the others.
      for (const file of Array.from(files).reverse()) this._offer(file, true);
      this._meter.rest();
      for (const file of files) file._meter.rest();
      this._platform.clearTimeout(this._watcher);
      this._watcher = null;
      this._setTimer();
      this._listen(false);
      for (const file of files) this.fire('fileProgress', file);
    }

    /** @param {ResumableFile} file @param {boolean} [front] true if the file continues before the others */
    _offer(file, front) {
      if (file._hold !== '' || file._removed || file._error || file.isComplete()) return;
      if (front) this._open = new Set([file].concat(Array.from(this._open)));
      else this._open.add(file);
      if (file.getOpt('prioritizeFirstAndLastChunk')) this._ends.add(file);
    }

    /** @param {ResumableFile} file */
    _withdraw(file) {
      this._open.delete(file);
      this._ends.delete(file);
    }

    /** Fills the free slots. Called whenever a slot may be free. */
    _pump() {
      this._sync();
      if (!this._running) return;
      this._pumpAgain = true;
      if (this._pumping) return;
      this._pumping = true;
      while (this._pumpAgain) {
        this._pumpAgain = false;
        while (this._running && !this._parked) {
          const chunk = this._next();
          if (!chunk) break;
          chunk._begin();
        }
      }
      this._pumping = false;
      if (this._running && this._unfinished === 0) {
        this._running = false;
        this._meter.rest();
        this._listen(false);
        // A listener that calls `upload()` without new files would otherwise never end.
        if (this._completing) return;
        this._completing = true;
        this.fire('complete');
        this._completing = false;
      }
    }

    /**
     * True if a chunk of the file may start. For files of one chunk the latency counts more than the bandwidth.
     * @param {ResumableFile} file
     */
    _hasSlot(file) {
      const used = this._busy.size + this._preparing.size;
      if (used < this.getOpt('simultaneousUploads')) return true;
      return used < SMALL_FILE_SLOTS && this.opts.simultaneousUploads === undefined && file.chunks.length === 1 &&
        file._isForOurServer();
    }

    /**
     * Adapts the size of requests to the duration of a confirmed one.
     * @param {number} bytes
     * @param {number} milliseconds
     */
    _adapt(bytes, milliseconds) {
      this._acceptedBytes = Math.max(this._acceptedBytes, bytes);
      const mayGrow = ++this._calm > CALM;
      const larger = Math.min(this._growth * bytes, LARGEST_GROUP);
      if (mayGrow && milliseconds < QUICK) this._pace = Math.max(this._pace, larger);
      if (milliseconds > SLOW) this._pace = Math.min(this._pace, (bytes * 2 * QUICK) / milliseconds);
    }

    /**
     * Limits requests after a refused one: to half its size, then to the largest that was accepted, then to single
     * chunks. No other request is larger than an accepted one at that time.
     * @param {number} bytes of the refused request
     */
    _limitRequests(bytes) {
      this._mostBytes = bytes > this._acceptedBytes ? Math.max(this._acceptedBytes, Math.floor(bytes / 2)) : 0;
    }

    /** @returns {ResumableChunk | null} */
    _next() {
      for (const [files, take] of /** @type {[Set<ResumableFile>, '_takeEnd' | '_take'][]} */ (
        [[this._ends, '_takeEnd'], [this._open, '_take']])) {
        for (const file of files) {
          if (!this._hasSlot(file)) return null;
          if (!this._prepare(file)) continue;
          const chunk = file[take]();
          if (chunk) return chunk;
          files.delete(file);
        }
      }
      return null;
    }

    /** True if the file can hand out chunks. Starts its preprocessing if needed. */
    _prepare(/** @type {ResumableFile} */ file) {
      const preprocess = file.getOpt('preprocessFile');
      if (file.preprocessState === 0) {
        if (typeof preprocess === 'function') {
          file.preprocessState = 1;
          this._preparing.add(file);
          try {
            awaited(preprocess(file), (error) => {
              if (this._preparing.has(file)) file._refuse(error);
            });
          } catch (error) {
            file._refuse(error);
          }
        } else {
          file.preprocessState = 2;
        }
      }
      return !file._isBlocked() && !file._error && !file._removed && file._hold === '';
    }

    /** Sets the timer for the waiting chunk that is due first. */
    _setTimer() {
      if (this._timer !== null) this._platform.clearTimeout(this._timer);
      this._timer = null;
      if (this._waiting.size === 0 || this._parked) return;
      let due = Infinity;
      for (const chunk of this._waiting) due = Math.min(due, chunk._due);
      this._timer = this._platform.setTimeout(() => this._wake(), Math.max(0, due - this._platform.now()));
    }

    /** Reads the files of requests that have not moved since the last time, as long as requests are open. */
    _watch() {
      if (this._watcher !== null) return;
      this._watcher = this._platform.setTimeout(() => {
        this._watcher = null;
        const seen = new Map();
        for (const chunk of this._busy) {
          if (!chunk._active) continue;
          seen.set(chunk, chunk._loaded);
          if (this._seen.get(chunk) === chunk._loaded) chunk._checkReadable();
        }
        this._seen = seen;
        if (seen.size > 0) this._watch();
      }, STALL);
    }

    /** Retries the chunks that are due. Timers stop while a machine sleeps, so the clock decides. */
    _wake() {
      if (this._parked) return;
      const now = this._platform.now();
      for (const chunk of Array.from(this._waiting)) {
        if (chunk._due <= now) chunk._tryAgain();
      }
      this._setTimer();
    }

    /** The browser is offline: the waiting chunks wait for the network instead of a time. */
    _park() {
      this._parked = true;
      this._setTimer();
    }

    /** Ends all waits: chunks that wait for a retry are sent now. For a user who presses "Try now". */
    retryNow() {
      for (const chunk of this._waiting) chunk._due = 0;
      this._reach();
    }

    /** The network is back, or `upload()` was called: chunks that waited for the network are sent now. */
    _reach() {
      this._parked = false;
      for (const chunk of this._waiting) if (chunk._unreached) chunk._due = 0;
      this._wake();
      this._pump();
    }

    /**
     * Pages read the requests of chunks after the answer, but 100,000 requests would need much memory.
     * @param {ResumableChunk} chunk
     */
    _keepRequest(chunk) {
      this._answered.delete(chunk);
      this._answered.add(chunk);
      if (this._answered.size <= KEPT_REQUESTS) return;
      const [oldest] = this._answered;
      this._answered.delete(oldest);
      if (oldest._active) return;
      // The chunks of one request follow each other.
      const { chunks } = oldest.fileObj;
      const request = oldest.xhr;
      for (let i = oldest.offset; i < chunks.length && chunks[i].xhr === request; i++) chunks[i].xhr = null;
    }

    /** An answer arrived, so there is a network, whatever the browser reports. */
    _reached() {
      if (this._parked) this._reach();
    }

    /** Listens to the window only during an upload, so that an unused instance can be garbage-collected. */
    _listen(/** @type {boolean} */ on) {
      if (this._listening === on) return;
      this._listening = on;
      const { window, document } = this._platform;
      const change = on ? 'addEventListener' : 'removeEventListener';
      if (window) {
        window[change]('online', this._onOnline);
        window[change]('offline', this._onOffline);
        window[change]('pageshow', this._onWake);
      }
      if (document) document[change]('visibilitychange', this._onWake);
    }

    /** Web Crypto exists only in secure contexts. Without it chunks have no digest, and the console says so once. */
    _canDigest() {
      if (scope.crypto && scope.crypto.subtle) return true;
      if (!this._warnedOfDigest) scope.console.warn('Digests need a secure context (https). Chunks are sent without.');
      this._warnedOfDigest = true;
      return false;
    }
  }

  // ------------------------------------------------------------------------------------------------------ exports

  /**
   * May be called with or without `new`.
   * @param {Record<string, any>} [opts]
   */
  function Resumable(opts) {
    return new Uploads(opts);
  }
  // Makes `instanceof Resumable` work.
  Resumable.prototype = Uploads.prototype;
  Resumable.Resumable = Resumable;
  Resumable.default = Resumable;

  if (typeof module === 'object' && module.exports) {
    module.exports = Resumable;
  } else if (typeof scope.define === 'function' && scope.define.amd) {
    scope.define(() => Resumable);
  } else {
    scope.Resumable = Resumable;
  }
})(/** @type {any} */ (globalThis));

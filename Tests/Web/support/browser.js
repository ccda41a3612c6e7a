// As much of a browser's memory as recovery needs, shared by "tabs" that live, crash and come back: IndexedDB, Web
// Locks and file handles with the semantics that matter, and switches for what goes wrong.
'use strict';

/** The end of the task: all promises that could settle have settled. */
const endOfTask = () => new Promise((resolve) => setImmediate(resolve));

/** Copies as the structured clone does: handles stay what they are, functions cannot be stored. */
function clone(value) {
  if (value instanceof FakeHandle) {
    if (value.unstorable) throw new DOMException('not here', 'DataCloneError');
    return value;
  }
  if (typeof value === 'function') throw new DOMException('a function', 'DataCloneError');
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, clone(one)]));
}

/**
 * Transactions run one after the other. One takes requests while it is young or in a callback of its own, commits when
 * it has none left, and otherwise all of its changes are undone.
 */
class Transaction {
  requests = [];
  active = true;
  error = null;

  constructor(connection, mode) {
    this.connection = connection;
    this.mode = mode;
    const { database } = connection;
    database.last = database.last.then(() => this.run());
  }

  objectStore(name) {
    if (!this.connection.database.stores.has(name)) throw new DOMException(name, 'NotFoundError');
    const { keyPath, records } = this.connection.database.stores.get(name);
    const write = (work) => {
      if (this.mode !== 'readwrite') throw new DOMException(name, 'ReadOnlyError');
      return this.ask(() => {
        this.connection.factory.writes++;
        work();
      });
    };
    return {
      get: (key) => this.ask(() => clone(records.get(key))),
      getAll: () => this.ask(() => Array.from(records.values(), clone)),
      put: (record) => {
        const copy = clone(record);
        return write(() => {
          if (this.connection.factory.full) throw new DOMException('full', 'QuotaExceededError');
          records.set(copy[keyPath], copy);
        });
      },
      delete: (key) => write(() => { records.delete(key); }),
    };
  }

  ask(work) {
    if (!this.active) throw new DOMException('too late', 'TransactionInactiveError');
    const request = { work };
    this.requests.push(request);
    return request;
  }

  async run() {
    const stores = this.connection.database.stores;
    const before = new Map(Array.from(stores, ([name, store]) => [name, new Map(store.records)]));
    await endOfTask();
    this.active = false;
    try {
      while (this.requests.length > 0) {
        const request = this.requests.shift();
        request.result = request.work();
        this.active = true;
        request.onsuccess?.({ target: request });
        await endOfTask();
        this.active = false;
      }
    } catch (error) {
      this.active = false;
      this.error = error;
      for (const [name, records] of before) {
        const store = stores.get(name);
        store.records.clear();
        for (const [key, record] of records) store.records.set(key, record);
      }
      return this.onabort?.();
    }
    this.connection.factory.transactions++;
    this.oncomplete?.();
  }
}

class Connection {
  constructor(factory, database) {
    this.factory = factory;
    this.database = database;
    database.connections.add(this);
  }
  createObjectStore(name, { keyPath }) {
    if (!this.upgrading) throw new DOMException(name, 'InvalidStateError');
    this.database.stores.set(name, { keyPath, records: new Map() });
  }
  transaction(name, mode) {
    if (!this.database.connections.has(this)) throw new DOMException('closed', 'InvalidStateError');
    return new Transaction(this, mode);
  }
  close() {
    this.database.connections.delete(this);
  }
}

class FakeIndexedDB {
  databases = new Map();
  /** Committed transactions, and what was written in all. */
  transactions = 0;
  writes = 0;
  /** How often it was opened. */
  opened = 0;
  /** Switches: nothing can be opened; nothing more can be stored. */
  forbidden = false;
  full = false;

  open(name) {
    const request = {};
    this.opened++;
    setImmediate(() => {
      if (this.forbidden) {
        request.error = new DOMException('private mode', 'InvalidStateError');
        return request.onerror();
      }
      const fresh = !this.databases.has(name);
      if (fresh) this.databases.set(name, { stores: new Map(), connections: new Set(), last: Promise.resolve() });
      request.result = new Connection(this, this.databases.get(name));
      if (fresh) {
        request.result.upgrading = true;
        request.onupgradeneeded();
        request.result.upgrading = false;
      }
      request.onsuccess();
    });
    return request;
  }

  /** Another tab wants to remove or to upgrade the database. */
  askToClose() {
    for (const { connections } of this.databases.values()) for (const one of connections) one.onversionchange();
  }

  /** The browser itself closes the connections. */
  breakConnections() {
    for (const { connections } of this.databases.values()) {
      for (const one of connections) {
        connections.delete(one);
        one.onclose();
      }
    }
  }
}

/** The locks of an origin. Each tab has its own view; what a tab holds ends with it. */
class FakeLocks {
  held = [];
  waiting = [];

  tab() {
    const tab = {
      request: (name, ...rest) => {
        const work = rest.pop();
        const { mode = 'exclusive', signal } = rest[0] ?? {};
        return new Promise((resolve, reject) => {
          const wish = { tab, name, mode, work, resolve, reject };
          this.waiting.push(wish);
          signal?.addEventListener('abort', () => {
            if (!this.waiting.includes(wish)) return;
            this.waiting = this.waiting.filter((one) => one !== wish);
            reject(new DOMException('aborted', 'AbortError'));
          });
          this.grant();
        });
      },
      die: () => {
        this.waiting = this.waiting.filter((one) => one.tab !== tab);
        this.held = this.held.filter((one) => one.tab !== tab);
        this.grant();
      },
    };
    return tab;
  }

  grant() {
    for (const wish of this.waiting.slice()) {
      const others = this.held.filter((one) => one.name === wish.name);
      if (others.some((one) => one.mode === 'exclusive' || wish.mode === 'exclusive')) continue;
      this.waiting = this.waiting.filter((one) => one !== wish);
      this.held.push(wish);
      // As in browsers: later, and never in the middle of somebody's work.
      setImmediate(() => Promise.resolve(wish.work({ name: wish.name, mode: wish.mode })).then((value) => {
        this.held = this.held.filter((one) => one !== wish);
        this.grant();
        wish.resolve(value);
      }, wish.reject));
    }
  }
}

/** A FileSystemHandle, of which the browser asks the user before it can be read in a new session. */
class FakeHandle {
  asked = 0;
  /** What is granted already, and what the user says when asked. */
  permission = 'granted';
  answer = 'granted';

  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
  }
  async queryPermission({ mode }) {
    return mode === 'read' ? this.permission : 'denied';
  }
  async requestPermission() {
    this.asked++;
    this.permission = this.answer;
    return this.answer;
  }
}

class FakeFileHandle extends FakeHandle {
  constructor(file) {
    super('file', file.name);
    this.file = file;
  }
  /** A new `File` each time, as browsers give it. */
  async getFile() {
    if (!this.file) throw new DOMException(this.name, 'NotFoundError');
    const { file } = this;
    return new File([file], file.name, { lastModified: file.lastModified, type: file.type });
  }
}

class FakeFolderHandle extends FakeHandle {
  constructor(name, children) {
    super('directory', name);
    this.children = new Map(children.map((child) => [child.name, child]));
  }
  async find(kind, name) {
    const child = this.children.get(name);
    if (this.permission !== 'granted') throw new DOMException(name, 'NotAllowedError');
    if (child?.kind !== kind) throw new DOMException(name, 'NotFoundError');
    return child;
  }
  getDirectoryHandle(name) {
    return this.find('directory', name);
  }
  getFileHandle(name) {
    return this.find('file', name);
  }
}

module.exports = { endOfTask, FakeIndexedDB, FakeLocks, FakeFileHandle, FakeFolderHandle };

// The storage of a browser that recovery needs, shared by tabs that open, crash and come back: IndexedDB, Web Locks and
// file handles with the semantics that matter, and switches for failures.
'use strict';

/** Resolved at the end of the task, when all promises that could settle have settled. */
const endOfTask = () => new Promise((resolve) => setImmediate(resolve));

/** Copies a value like a structured clone: handles stay the same, functions cannot be stored. */
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
 * Transactions run one after the other. A transaction accepts requests in the task of its creation and in callbacks of
 * its requests. It commits when no request is left. A failure undoes all of its changes.
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
  /** The number of committed transactions and of writes. */
  transactions = 0;
  writes = 0;
  /** How often a database was opened. */
  opened = 0;
  /** Switches: no database can be opened; no record can be stored. */
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

  /** Another tab asks to remove or upgrade the database. */
  askToClose() {
    for (const { connections } of this.databases.values()) for (const one of connections) one.onversionchange();
  }

  /** The browser closes the connections. */
  breakConnections() {
    for (const { connections } of this.databases.values()) {
      for (const one of connections) {
        connections.delete(one);
        one.onclose();
      }
    }
  }
}

/** The Web Locks of an origin. The locks of a tab end with it. */
class FakeLocks {
  held = [];
  waiting = [];

  tab() {
    const tab = {
      request: (name, ...rest) => {
        const work = rest.pop();
        const { mode = 'exclusive', signal } = rest[0] ?? {};
        return new Promise((resolve, reject) => {
          const waiter = { tab, name, mode, work, resolve, reject };
          this.waiting.push(waiter);
          signal?.addEventListener('abort', () => {
            if (!this.waiting.includes(waiter)) return;
            this.waiting = this.waiting.filter((one) => one !== waiter);
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
    for (const waiter of this.waiting.slice()) {
      const others = this.held.filter((one) => one.name === waiter.name);
      if (others.some((one) => one.mode === 'exclusive' || waiter.mode === 'exclusive')) continue;
      this.waiting = this.waiting.filter((one) => one !== waiter);
      this.held.push(waiter);
      // As in browsers, the callback runs in a later task.
      setImmediate(() => Promise.resolve(waiter.work({ name: waiter.name, mode: waiter.mode })).then((value) => {
        this.held = this.held.filter((one) => one !== waiter);
        this.grant();
        waiter.resolve(value);
      }, waiter.reject));
    }
  }
}

/** A FileSystemHandle. In a new session the browser asks the user before the file can be read. */
class FakeHandle {
  asked = 0;
  /** The current permission, and the user's answer when asked. */
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
  /** Returns a new `File` each time, as browsers do. */
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

// @ts-check
/**
 * ResumableRecovery continues uploads after a crash, a restart or a closed page.
 *
 * Theory of operation
 * -------------------
 * Each unfinished file of a `Resumable` has one record in IndexedDB. Its key is the file's identifier. Events only
 * collect the files that have changed. A moment later one transaction writes or removes the records of all of them.
 *
 * - Owners. A record belongs to the tab that uploads the file. The tab holds a Web Lock with the owner's name until it
 *   is closed or crashes, so a tab that gets the lock knows that the owner is gone. Only then may it take the record,
 *   in a transaction that checks the owner again, so that only one of two tabs gets it. Without Web Locks (plain HTTP)
 *   every other owner counts as gone. At worst two tabs send the same bytes, and the server stores them once.
 * - Handles. If the browser offers a handle of a picked, dropped or pasted file, the record has it. Files of a dropped
 *   folder have the folder's handle, so that the user is asked for permission once and not for each file.
 * - Changed files. A file with another size or modification time never continues with the old identifier.
 *
 * Where the database fails (private mode, quota), nothing is stored, and the upload continues.
 */
(function (scope) {
  'use strict';

  const STORE = 'uploads';

  /** The interval of writing progress, in milliseconds. All other changes are written at once. */
  const PROGRESS_INTERVAL = 2000;

  /** The time that a page that is being closed or reloaded may take to release its lock, in milliseconds. */
  const LEAVING = 500;

  /** The age at which a record expires, in milliseconds: 30 days. The server's copy expires earlier. */
  const KEPT = 30 * 24 * 60 * 60 * 1000;

  /**
   * A record of the database.
   * @typedef {object} Stored
   * @property {string} uniqueIdentifier
   * @property {string} fileName
   * @property {string} relativePath
   * @property {number} size
   * @property {number} lastModified
   * @property {string} type
   * @property {number} addedAt
   * @property {number} seenAt the time of the last write
   * @property {number} progress
   * @property {string} owner
   * @property {any} handle the handle of the file or of its dropped folder, or undefined
   */

  /** The parts of the browser that are used. */
  const BROWSER = {
    get indexedDB() {
      // The getter throws if the user has forbidden storage.
      try {
        return scope.indexedDB;
      } catch (error) {
        return undefined;
      }
    },
    locks: scope.navigator && scope.navigator.locks,
    document: scope.document,
    now: () => Date.now(),
    setTimeout: (/** @type {() => void} */ work, /** @type {number} */ wait) => scope.setTimeout(work, wait),
    clearTimeout: (/** @type {any} */ timer) => scope.clearTimeout(timer),
  };

  /** @param {any} request an IDBRequest @returns {Promise<any>} */
  function resultOf(request) {
    return new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  /** The database. It is opened on first use, and again after a failure. */
  class Records {
    /** @param {any} factory @param {string} name */
    constructor(factory, name) {
      this._factory = factory;
      this._name = name;
      /** @type {Promise<any> | null} */
      this._opened = null;
    }

    /** @returns {Promise<any>} */
    _open() {
      if (!this._opened) {
        this._opened = this._openAnew();
        this._opened.catch(() => this._forgetConnection());
      }
      return this._opened;
    }

    async _openAnew() {
      const request = this._factory.open(this._name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'uniqueIdentifier' });
      const database = await resultOf(request);
      // The user has cleared the site's data, or the disk fails.
      database.onclose = () => this._forgetConnection();
      database.onversionchange = () => this.close();
      return database;
    }

    _forgetConnection() {
      this._opened = null;
    }

    close() {
      if (this._opened) this._opened.then((database) => database.close(), () => {});
      this._forgetConnection();
    }

    /** @returns {Promise<Stored[]>} */
    async all() {
      const database = await this._open();
      return resultOf(database.transaction(STORE, 'readonly').objectStore(STORE).getAll());
    }

    /**
     * Changes records in one transaction.
     * @param {Iterable<string>} keys
     * @param {(record: Stored | undefined, key: string) => Stored | null | undefined} decide returns the record to
     *   store, null to remove it, or undefined to leave it
     */
    async change(keys, decide) {
      const database = await this._open();
      const transaction = database.transaction(STORE, 'readwrite');
      const store = transaction.objectStore(STORE);
      for (const key of keys) {
        const reading = store.get(key);
        reading.onsuccess = () => {
          const wanted = decide(reading.result, key);
          if (wanted === null) store.delete(key);
          else if (wanted) put(store, wanted);
        };
      }
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
    }
  }

  /** @param {any} store @param {Stored} record */
  function put(store, record) {
    try {
      store.put(record);
    } catch (error) {
      // This browser has handles but cannot store them.
      store.put({ ...record, handle: undefined });
    }
  }

  /**
   * The part of a record that the page gets.
   * @param {Stored} record
   */
  function entryOf(record) {
    const { owner, seenAt, handle, ...entry } = record;
    return { ...entry, hasHandle: Boolean(handle) };
  }

  /** @param {string} path */
  function firstOf(path) {
    return path.split('/')[0];
  }

  /** @param {any} file a File @returns {string} the path that `Resumable` uses */
  function pathOf(file) {
    return file.relativePath || file.webkitRelativePath || file.name;
  }

  /**
   * The file of a record's handle, or null if there is no handle, no permission or no such file.
   * @param {Stored} record
   */
  async function read({ handle, relativePath }) {
    if (!handle) return null;
    try {
      const mode = { mode: 'read' };
      const granted = await handle.queryPermission(mode) === 'granted' ||
        await handle.requestPermission(mode) === 'granted';
      if (!granted) return null;
      let found = handle;
      if (handle.kind === 'directory') {
        const names = relativePath.split('/').slice(1);
        const last = /** @type {string} */ (names.pop());
        for (const name of names) found = await found.getDirectoryHandle(name);
        found = await found.getFileHandle(last);
      }
      return await found.getFile();
    } catch (error) {
      return null;
    }
  }

  class ResumableRecovery {
    /** @param {any} resumable @param {{database?: string, platform?: any}} [options] */
    constructor(resumable, options = {}) {
      this._resumable = resumable;
      this._platform = Object.assign({}, BROWSER, options.platform);
      this._database = options.database || 'resumable-recovery';
      this._records = new Records(this._platform.indexedDB, this._database);
      this._owner = `${this._platform.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
      this._release = () => {};
      /**
       * The last operation on the database. Operations run one after the other, and the lock comes first.
       * @type {Promise<any>}
       */
      this._last = this._lock();
      /**
       * The files that have changed since the last write.
       * @type {Set<any>}
       */
      this._touched = new Set();
      /** @type {any} */
      this._timer = null;
      this._due = Infinity;
      /**
       * The records of the last `list()` by identifier.
       * @type {Map<string, Stored>}
       */
      this._listed = new Map();
      /** The handles by `File`: of the file, or of the folder that it was dropped in. */
      this._handles = new WeakMap();
      /** The identifiers of continued files by `File`. */
      this._identifiers = new WeakMap();
      /** The handles that came with an event, by event. */
      this._arrivals = new WeakMap();
      this._usualIdentifier = resumable.identifierOf;
      this._unlisten = this._listen();
    }

    /** @returns {() => void} stops listening */
    _listen() {
      const resumable = this._resumable;
      const { document } = this._platform;
      /** @type {[string, (...args: any[]) => void][]} */
      const listeners = [
        ['fileAdded', (file, event) => this._added(file, event)],
        ['fileProgress', (file) => this._touch(file, PROGRESS_INTERVAL)],
        ['fileSuccess', (file) => this._touch(file, 0)],
        ['fileError', (file) => this._touch(file, 0)],
        ['fileRemoved', (file) => this._touch(file, 0)],
      ];
      for (const [name, listener] of listeners) resumable.on(name, listener);
      for (const file of resumable.files) this._touch(file, 0);

      resumable.identifierOf = (/** @type {any} */ file, /** @type {any} */ event) => this._identify(file, event);

      // Handles are available only while the event is being handled. The capture phase precedes handlers of the page.
      const arrive = (/** @type {any} */ event) => this._arrive(event);
      const places = document ? ['drop', 'paste'] : [];
      for (const name of places) document.addEventListener(name, arrive, { capture: true });

      return () => {
        for (const [name, listener] of listeners) resumable.off(name, listener);
        resumable.identifierOf = this._usualIdentifier;
        for (const name of places) document.removeEventListener(name, arrive, { capture: true });
      };
    }

    close() {
      this._unlisten();
      this._save();
      this._queue(async () => {
        this._records.close();
        this._release();
      });
    }

    // ---------------------------------------------------------------------------------------------------- owners

    /** @param {string} owner */
    _lockName(owner) {
      return `${this._database} ${owner}`;
    }

    /** Resolved when the lock is held or unavailable. @returns {Promise<void>} */
    _lock() {
      const { locks } = this._platform;
      if (!locks) return Promise.resolve();
      return new Promise((resolve) => {
        const hold = () => {
          resolve(undefined);
          return new Promise((release) => { this._release = () => release(undefined); });
        };
        locks.request(this._lockName(this._owner), hold).catch(resolve);
      });
    }

    /**
     * The owners whose records may be taken: this tab, and tabs that no longer exist.
     * @param {Set<string>} owners
     * @returns {Promise<Set<string>>}
     */
    async _gone(owners) {
      const all = Array.from(owners);
      const free = await Promise.all(all.map((owner) => owner === this._owner || this._isFree(owner)));
      return new Set(all.filter((_, at) => free[at]));
    }

    /** @param {string} owner @returns {Promise<boolean>} */
    async _isFree(owner) {
      const { locks, setTimeout, clearTimeout } = this._platform;
      if (!locks) return true;
      const given = new scope.AbortController();
      const timer = setTimeout(() => given.abort(), LEAVING);
      try {
        // A shared lock, so that tabs that ask at the same time do not block each other.
        return await locks.request(this._lockName(owner), { mode: 'shared', signal: given.signal }, () => true);
      } catch (error) {
        return false;
      } finally {
        clearTimeout(timer);
      }
    }

    // --------------------------------------------------------------------------------------------------- writing

    /**
     * Runs an operation on the database after all earlier ones. Never rejects.
     * @template T
     * @param {() => Promise<T>} work
     * @param {T} [instead] the result if the database fails
     * @returns {Promise<any>}
     */
    _queue(work, instead) {
      this._last = this._last.then(work).catch(() => instead);
      return this._last;
    }

    /** @param {any} file @param {any} event */
    _added(file, event) {
      this._touch(file, 0);
      const arrival = event && this._arrivals.get(event);
      if (arrival) {
        arrival.then((/** @type {Map<string, any>} */ handles) => {
          const handle = handles.get(firstOf(file.relativePath));
          const kind = file.relativePath.includes('/') ? 'directory' : 'file';
          if (!handle || handle.kind !== kind) return;
          this._handles.set(file.file, handle);
          this._touch(file, 0);
        });
      }
      // The user has asked to continue this file.
      if (this._identifiers.has(file.file)) this._resumable.upload();
    }

    /** @param {any} file @param {number} wait */
    _touch(file, wait) {
      this._touched.add(file);
      const { now, setTimeout, clearTimeout } = this._platform;
      const due = now() + wait;
      if (due >= this._due) return;
      clearTimeout(this._timer);
      this._due = due;
      this._timer = setTimeout(() => this._save(), wait);
    }

    /** @param {any} file */
    _isPending(file) {
      return this._resumable.getFromUniqueIdentifier(file.uniqueIdentifier) === file &&
        !file.isComplete() && !file.permanentError;
    }

    /** Writes or removes the records of all files that have changed. */
    _save() {
      this._platform.clearTimeout(this._timer);
      this._due = Infinity;
      const files = new Map(Array.from(this._touched, (file) => [file.uniqueIdentifier, file]));
      this._touched.clear();
      if (files.size === 0) return;
      this._queue(async () => {
        const strangers = await this._write(files, new Set([this._owner]));
        if (strangers.size === 0) return;
        const gone = await this._gone(strangers);
        if (gone.size > 0) await this._write(files, gone.add(this._owner));
      });
    }

    /**
     * @param {Map<string, any>} files
     * @param {Set<string>} mine the owners whose records may be changed
     * @returns {Promise<Set<string>>} the other owners whose records were not changed
     */
    async _write(files, mine) {
      /** @type {Set<string>} */
      const strangers = new Set();
      await this._records.change(files.keys(), (record, key) => {
        if (record && !mine.has(record.owner)) {
          strangers.add(record.owner);
          return undefined;
        }
        const file = files.get(key);
        if (this._isPending(file)) return this._recordOf(file, record);
        return record ? null : undefined;
      });
      return strangers;
    }

    /**
     * @param {any} file
     * @param {Stored | undefined} before
     * @returns {Stored}
     */
    _recordOf(file, before) {
      const { lastModified = 0, type = '' } = file.file;
      const now = this._platform.now();
      const same = before && before.size === file.size && before.lastModified === lastModified ? before : null;
      return {
        uniqueIdentifier: file.uniqueIdentifier,
        fileName: file.fileName,
        relativePath: file.relativePath,
        size: file.size,
        lastModified,
        type,
        addedAt: same ? same.addedAt : now,
        seenAt: now,
        // A new session knows less than the last one until it has asked the server.
        progress: Math.max(file.confirmedSize / Math.max(1, file.size), same ? same.progress : 0),
        owner: this._owner,
        handle: this._handles.get(file.file) || (same ? same.handle : undefined),
      };
    }

    // -------------------------------------------------------------------------------------------------- arriving

    /** @param {any} event `drop` or `paste` */
    _arrive(event) {
      const transfer = event.dataTransfer || event.clipboardData;
      const items = Array.from((transfer && transfer.items) || []);
      const files = items.filter((item) => item.kind === 'file' && item.getAsFileSystemHandle);
      if (files.length === 0) return;
      const asked = files.map((item) => item.getAsFileSystemHandle().catch(() => null));
      this._arrivals.set(event, Promise.all(asked).then((handles) => (
        new Map(handles.filter(Boolean).map((handle) => [handle.name, handle])))));
    }

    /** @param {Iterable<any>} handles @param {any} [event] */
    async addHandles(handles, event) {
      const files = await Promise.all(Array.from(handles, async (handle) => {
        try {
          const file = await handle.getFile();
          this._handles.set(file, handle);
          return file;
        } catch (error) {
          this._resumable.fire('entrySkipped', handle.name, 'unreadable');
          return null;
        }
      }));
      this._resumable.addFiles(files.filter(Boolean), event);
    }

    /**
     * Replaces the instance's `identifierOf`: a file that continues an entry gets the entry's identifier.
     * @param {any} file
     * @param {any} event
     */
    _identify(file, event) {
      const chosen = this._identifiers.get(file);
      if (chosen) return chosen;
      const entry = this._candidates(file).find((one) => one.relativePath === pathOf(file));
      if (!entry) return this._usualIdentifier(file, event);
      this._listed.delete(entry.uniqueIdentifier);
      return entry.uniqueIdentifier;
    }

    // -------------------------------------------------------------------------------------------------- recovering

    async list() {
      /** @type {Stored[]} */
      const records = await this._queue(() => this._records.all(), []);
      const gone = await this._gone(new Set(records.map((one) => one.owner)));
      const active = new Set(this._resumable.files.map((/** @type {any} */ file) => file.uniqueIdentifier));
      const free = records.filter((one) => gone.has(one.owner) && !active.has(one.uniqueIdentifier));
      const horizon = this._platform.now() - KEPT;
      const expired = free.filter((one) => one.seenAt < horizon);
      for (const one of expired) this._drop(one);
      const pending = free.filter((one) => one.seenAt >= horizon).sort((a, b) => a.addedAt - b.addedAt);
      this._listed = new Map(pending.map((one) => [one.uniqueIdentifier, one]));
      return pending.map(entryOf);
    }

    /** @param {{uniqueIdentifier: string}} entry @param {any} [file] */
    async resume(entry, file) {
      const stored = this._listed.get(entry.uniqueIdentifier);
      if (!stored) return 'taken';
      const found = file || await read(stored);
      // A file with another name was picked by mistake.
      if (!found || found.name !== stored.fileName) return 'needsFile';
      const same = found.size === stored.size && found.lastModified === stored.lastModified;
      // A picked file may have another path than the one that the old handle refers to.
      const handle = file ? undefined : stored.handle;
      const claimed = await this._claim(stored, same && { ...stored, handle, owner: this._owner });
      this._listed.delete(stored.uniqueIdentifier);
      if (!claimed) return 'taken';
      if (handle) this._handles.set(found, handle);
      found.relativePath = stored.relativePath;
      this._identifiers.set(found, same ? stored.uniqueIdentifier : await this._freshIdentifier(found, stored));
      this._resumable.addFile(found);
      return same ? 'resumed' : 'changed';
    }

    /**
     * Takes a record from its previous owner.
     * @param {Stored} stored
     * @param {Stored | false} mine the new record; false removes the record, because its file has changed
     * @returns {Promise<boolean>} false if another tab has taken the record
     */
    _claim(stored, mine) {
      return this._queue(async () => {
        let claimed = false;
        await this._records.change([stored.uniqueIdentifier], (record) => {
          claimed = record !== undefined && record.owner === stored.owner;
          return claimed ? mine || null : undefined;
        });
        return claimed;
      }, true);
    }

    /**
     * The identifier of a file that has changed. If the page's function ignores size and time, it returns the old
     * identifier, for which the server holds other bytes.
     * @param {any} file
     * @param {Stored} stored
     */
    async _freshIdentifier(file, stored) {
      const usual = await this._usualIdentifier(file);
      return usual === stored.uniqueIdentifier ? `${usual}-${file.size}-${file.lastModified}` : usual;
    }

    /** @param {any} file @returns {Stored[]} */
    _candidates(file) {
      return Array.from(this._listed.values()).filter((one) => (
        one.fileName === file.name && one.size === file.size && one.lastModified === file.lastModified));
    }

    /** @param {any} file */
    matches(file) {
      const all = this._candidates(file);
      const found = all.find((one) => one.relativePath === pathOf(file)) || (all.length === 1 ? all[0] : undefined);
      return found && entryOf(found);
    }

    /** @param {{uniqueIdentifier: string}} entry */
    async forget(entry) {
      const stored = this._listed.get(entry.uniqueIdentifier);
      this._listed.delete(entry.uniqueIdentifier);
      if (stored) await this._drop(stored);
    }

    /**
     * Removes a record, unless another tab has taken it in the meantime.
     * @param {Stored} stored
     */
    _drop(stored) {
      return this._queue(() => this._records.change([stored.uniqueIdentifier], (record) => (
        record && record.owner === stored.owner ? null : undefined)));
    }
  }

  Object.assign(ResumableRecovery, { ResumableRecovery, default: ResumableRecovery });

  if (typeof module === 'object' && module.exports) module.exports = ResumableRecovery;
  else scope.ResumableRecovery = ResumableRecovery;
})(/** @type {any} */ (globalThis));

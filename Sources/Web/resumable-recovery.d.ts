/**
 * Types of `resumable-recovery.js`: uploads that survive a crash, a restart or a closed page.
 *
 * Unfinished uploads are stored in IndexedDB. If the browser has file handles (File System Access), the handle is
 * stored too, and one click continues the upload. In other browsers the page asks for the file again.
 *
 * @example
 * const recovery = new ResumableRecovery(resumable);
 * for (const entry of await recovery.list()) {
 *   const button = document.body.appendChild(document.createElement('button'));
 *   button.textContent = `Continue ${entry.fileName}`;
 *   button.onclick = async () => {
 *     if (await recovery.resume(entry) !== 'needsFile') return button.remove();
 *     // The next click picks the file.
 *     const input = document.createElement('input');
 *     input.type = 'file';
 *     input.onchange = async () => {
 *       if (await recovery.resume(entry, input.files?.[0]) !== 'needsFile') button.remove();
 *     };
 *     button.onclick = () => input.click();
 *   };
 * }
 */
import { Resumable } from './resumable';

declare class ResumableRecovery {
  /** Listens to the instance. Files that it already has are stored, too. */
  constructor(resumable: Resumable, options?: ResumableRecovery.Options);

  /**
   * The pending uploads of earlier sessions, oldest first. Uploads of this instance and of open tabs are left out. The
   * list is empty if the browser stores nothing, as in private mode. Never rejects.
   */
  list(): Promise<ResumableRecovery.Entry[]>;

  /**
   * Continues an entry with the given file or, without one, by its handle. To be called in a click handler, because the
   * browser may ask the user for permission. Adds the file to the instance and starts uploading. Rejects only if the
   * page's `generateUniqueIdentifier` does.
   *
   * - `resumed`: the upload continues where it stopped, with the old identifier.
   * - `changed`: size or modification time differ. The upload starts again with a new identifier, and the old entry is
   *   removed.
   * - `needsFile`: there is no handle, no permission, or no file at the old path, or the given file has another name.
   *   Call again with a file.
   * - `taken`: another tab has continued, finished or forgotten the entry in the meantime.
   */
  resume(entry: ResumableRecovery.Entry, file?: File): Promise<'resumed' | 'changed' | 'needsFile' | 'taken'>;

  /**
   * The entry of the last `list()` that belongs to this file: name, size and modification time are equal, and the path
   * if several entries have that name. A file with the same path that is added to the instance in any way (picked,
   * dropped, pasted) continues its entry without a call.
   */
  matches(file: File): ResumableRecovery.Entry | undefined;

  /** Removes the entry. The bytes that the server holds expire there. Never rejects. */
  forget(entry: ResumableRecovery.Entry): Promise<void>;

  /**
   * Adds files by their handles, as `showOpenFilePicker` returns them. The handles of files that are dropped or pasted
   * in the document are found without a call. The library fires `entrySkipped` for a handle whose file cannot be read.
   */
  addHandles(handles: Iterable<FileSystemFileHandle>, event?: Event): Promise<void>;

  /** Stops listening, and makes the entries available to other tabs. */
  close(): void;
}

declare namespace ResumableRecovery {
  interface Entry {
    readonly uniqueIdentifier: string;
    readonly fileName: string;
    readonly relativePath: string;
    readonly size: number;
    /** Milliseconds since the epoch. */
    readonly lastModified: number;
    /** The media type, or empty. */
    readonly type: string;
    /** Milliseconds since the epoch. */
    readonly addedAt: number;
    /** The part that the server had confirmed when the entry was stored last, 0 to 1. */
    readonly progress: number;
    /** True if `resume` can try without a file. */
    readonly hasHandle: boolean;
  }

  interface Options {
    /** The name of the database. Instances that upload to different servers should have different databases. */
    database?: string;
    /** Replacements for database, locks and clock, for tests. */
    platform?: Partial<Platform> | null;
  }

  interface Platform {
    indexedDB: IDBFactory | undefined;
    locks: LockManager | undefined;
    /** The target of `drop` and `paste` events, or undefined. */
    document: EventTarget | undefined;
    now(): number;
    setTimeout(work: () => void, milliseconds: number): unknown;
    clearTimeout(timer: unknown): void;
  }
}

declare namespace ResumableRecovery {
  // Without an `export` of its own, a namespace exports all of its declarations. So this part stands alone.
  export { ResumableRecovery, ResumableRecovery as default };
}

export = ResumableRecovery;
// The global of a page that loads the script.
export as namespace ResumableRecovery;

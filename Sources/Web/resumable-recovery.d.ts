/**
 * Types of `resumable-recovery.js`: uploads that survive a crash, a restart or a closed page.
 *
 * What is under way is remembered in IndexedDB; where the browser has file handles (File System Access) with the file
 * itself, so that one click continues it. Elsewhere the page asks for the file again.
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
  /** Listens to the instance from now on; files that it has already are remembered too. */
  constructor(resumable: Resumable, options?: ResumableRecovery.Options);

  /**
   * What is pending from earlier sessions, oldest first: neither uploaded by this instance nor owned by a living tab.
   * Where nothing can be stored (private mode, say), nothing is pending. Never rejects.
   */
  list(): Promise<ResumableRecovery.Entry[]>;

  /**
   * Continues an entry: with the file given, else by its handle. To be called from a click, since the browser may ask
   * the user for permission. Adds the file to the instance and starts uploading. Rejects only where the page's own
   * `generateUniqueIdentifier` does.
   *
   * - `resumed`: it goes on where it stopped, under the old identifier.
   * - `changed`: size or modification time differ; it starts afresh under a new identifier, the old entry is gone.
   * - `needsFile`: no handle, no permission, or no file at the old place: call again with a file. Also where the file
   *   given has another name: it was picked by mistake.
   * - `taken`: another tab has continued, finished or forgotten it in the meantime.
   */
  resume(entry: ResumableRecovery.Entry, file?: File): Promise<'resumed' | 'changed' | 'needsFile' | 'taken'>;

  /**
   * The entry of the last `list()` whose file this is: name, size and modification time are the same, and the path,
   * where more than one has that name. A file of the same path that is just added to the instance in any way (picked,
   * dropped, pasted) continues its entry by itself.
   */
  matches(file: File): ResumableRecovery.Entry | undefined;

  /** Removes the entry. What the server holds of it expires there. Never rejects. */
  forget(entry: ResumableRecovery.Entry): Promise<void>;

  /**
   * Adds files by their handles, as `showOpenFilePicker` gives them. Of what is dropped or pasted anywhere in the
   * document the handles are taken without being asked to. Handles whose file cannot be read are left out.
   */
  addHandles(handles: Iterable<FileSystemFileHandle>, event?: Event): Promise<void>;

  /** Stops listening and lets other tabs have the entries. They stay. */
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
    /** 0 to 1: what the server had confirmed, when last seen. */
    readonly progress: number;
    /** True where `resume` can try without asking for the file. */
    readonly hasHandle: boolean;
  }

  interface Options {
    /** Name of the database. Instances that upload to different places should have different ones. */
    database?: string;
    /** Database, locks and clock, for tests. */
    platform?: Partial<Platform> | null;
  }

  interface Platform {
    indexedDB: IDBFactory | undefined;
    locks: LockManager | undefined;
    /** Where `drop` and `paste` arrive, or undefined. */
    document: EventTarget | undefined;
    now(): number;
    setTimeout(work: () => void, milliseconds: number): unknown;
    clearTimeout(timer: unknown): void;
  }
}

export default ResumableRecovery;
export { ResumableRecovery };

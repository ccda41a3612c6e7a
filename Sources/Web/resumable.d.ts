/**
 * Types of `resumable.js`, which uploads files in chunks and resumes interrupted uploads.
 *
 * @example
 * const r = new Resumable({ target: '/resumable_upload', query: { upload_token: 'my_token' } });
 * if (!r.support) location.href = '/plain-form';
 * r.assignBrowse(document.getElementById('browse'));
 * r.assignDrop(document.getElementById('drop'));
 * r.on('fileAdded', () => r.upload());
 * r.on('fileSuccess', (file, message) => console.log(file.fileName, message));
 * r.on('fileError', (file, message) => console.error(file.fileName, message));
 *
 * @example
 * // For React's useEffect, and for onMounted and onUnmounted in Vue: the result undoes everything.
 * function mountUploads(browse: HTMLElement) {
 *   const r = new Resumable({ target: '/resumable_upload' });
 *   r.assignBrowse(browse);
 *   r.on('fileAdded', () => r.upload());
 *   return () => r.destroy();
 * }
 * mountUploads(document.body);
 */
declare function Resumable(options?: Resumable.Options): Resumable;

/** With `new` or without. */
declare class Resumable {
  constructor(options?: Resumable.Options);

  readonly version: number;
  /** False if the browser cannot send slices of files. */
  readonly support: boolean;
  /** The options object that was passed to the constructor. */
  opts: Resumable.Options;
  /** The values of options that `opts` does not set. Each instance has a copy of its own. */
  readonly defaults: Required<Resumable.Options>;
  /** The limits of the server, as it told last in the JSON of a test. Null before that. */
  readonly limits: Resumable.Limits | null;
  /** The added files, in the order of their upload. A new list, such as `[]`, removes the files that are not in it. */
  files: Resumable.ResumableFile[];

  /** The value of an option, or its default. */
  getOpt<Name extends keyof Resumable.Options>(name: Name): Resumable.Options[Name];
  getOpt<Name extends keyof Resumable.Options>(names: Name[]): Pick<Resumable.Options, Name>;

  /** Makes these nodes open the file dialog. With `isDirectory` it picks whole folders. May be repeated. */
  assignBrowse(domNodes: Resumable.Nodes, isDirectory?: boolean): void;
  /** Ends `assignBrowse`, and restores the nodes. */
  unAssignBrowse(domNodes: Resumable.Nodes): void;
  /** Adds files that are dropped on these nodes, with all files in dropped folders. */
  assignDrop(domNodes: Resumable.Nodes): void;
  unAssignDrop(domNodes: Resumable.Nodes): void;
  handleChangeEvent(event: Event): void;
  /** The promise is resolved when all dropped folders have been read and their files added. */
  handleDropEvent(event: DragEvent): Promise<void>;

  /** Adds a listener. Event names match in any case. */
  on<Name extends keyof Resumable.Events>(event: Name, callback: Resumable.Events[Name]): this;
  on<Name extends keyof Resumable.LowerCaseEvents>(event: Name, callback: Resumable.LowerCaseEvents[Name]): this;
  /** Removes a listener, or all listeners of the event if there is no callback. */
  off<Name extends keyof Resumable.Events>(event: Name, callback?: Resumable.Events[Name]): this;
  off<Name extends keyof Resumable.LowerCaseEvents>(event: Name, callback?: Resumable.LowerCaseEvents[Name]): this;
  /** Calls the listeners of an event. */
  fire(event: string, ...args: unknown[]): void;

  /** Starts or continues the upload. */
  upload(): void;
  uploadNextChunk(): void;
  /** Sends all chunks now that wait for a retry, whatever time is left. */
  retryNow(): void;
  /** Ends all requests and waits. Confirmed chunks stay confirmed. */
  pause(): void;
  /** Cancels all files and removes them. */
  cancel(): void;
  /**
   * Ends the instance: all requests, listeners and inputs. It takes no more files. The server keeps the bytes that it
   * holds, so that another instance can resume. Fires no event.
   */
  destroy(): void;
  /** The sent part of all files in bytes, 0 to 1. Falls only when files are added, removed or restarted. */
  progress(): number;
  isUploading(): boolean;
  /** The recent speed in bytes per second. */
  speed(): number;
  /** In seconds. 0 when done, Infinity while nothing is sent. */
  timeRemaining(): number;
  /** Adds a file. A Blob without a name is called `blob`, and cannot be resumed in another session. */
  addFile(file: File | Blob, event?: Event): void;
  addFiles(files: ArrayLike<File | Blob>, event?: Event): void;
  /** Cancels a file and removes it from the list. The file may be a framework's proxy of it. */
  removeFile(file: Resumable.ResumableFile): void;
  /** Finds a file of the list. */
  getFromUniqueIdentifier(uniqueIdentifier: string): Resumable.ResumableFile | false;
  /** The size of all files in bytes. */
  getSize(): number;
  /** Sets another `query` for all further requests. */
  updateQuery(query: Resumable.Options['query']): void;
  /** The identifier of a file: the result of `generateUniqueIdentifier`, or the default if that is empty. */
  identifierOf(file: File, event?: Event): string | Promise<string>;
  /** The file on the list that has the identifier of a skipped file, if that is why it was skipped. */
  duplicateOf(file: File): Resumable.ResumableFile | undefined;
}

declare namespace Resumable {
  /** One node, several, or a jQuery object. */
  type Nodes = Element | ArrayLike<Element> | null;
  type Identifier = string | null | undefined;
  /** Each value of a list is sent as a parameter of its own, and so is each value of a repeated name. */
  type Query = Record<string, string | number | boolean | ReadonlyArray<string | number>> | Iterable<[string, string]>;
  type Headers = Record<string, string> | Iterable<[string, string]>;
  /** An address, or a function that gets the encoded parameters (`name=value`) and returns the whole address. */
  type Target = string | URL | ((parameters: string[]) => string);

  /** Each is absent if the server does not tell it. */
  interface Limits {
    /** In bytes. */
    readonly maxFileSize?: number;
    /** The largest chunk size in bytes. The last chunk of a file may have twice as many. */
    readonly maxChunkSize?: number;
    /** In bytes, of a whole request. */
    readonly maxBodySize?: number;
    /** Extensions and media types, separated by commas: `.pdf,video/*`. Null if all are accepted. */
    readonly types?: string | null;
  }

  interface Options {
    /** The address that chunks are sent to. Default `/`. */
    target?: Target;
    /** The address that tests are sent to. Default: the target. */
    testTarget?: Target | null;
    /** In bytes, at least 1, rounded down. Default 1 MiB. The last chunk has up to twice as many, less one. */
    chunkSize?: number;
    /** The last chunk is the remainder, so no chunk is longer than `chunkSize`. Default false. */
    forceChunkSize?: boolean;
    /**
     * Send several chunks in one request if the server tells that it accepts larger ones, so that a request takes about
     * one to four seconds. `false` keeps to `chunkSize`. Other servers always get chunks of `chunkSize`. Default true.
     */
    adaptChunkSize?: boolean;
    /** How many requests are open at the same time. Default 3, or 6 for files of one chunk on this project's server. */
    simultaneousUploads?: number;
    /** The name of the file part. Default `file`. */
    fileParameterName?: string;
    /** The name of a parameter. A falsy name omits the parameter. Default `resumableChunkNumber`. */
    chunkNumberParameterName?: string | null | false;
    /** Default `resumableChunkSize`. */
    chunkSizeParameterName?: string | null | false;
    /** Default `resumableCurrentChunkSize`. */
    currentChunkSizeParameterName?: string | null | false;
    /** Default `resumableTotalSize`. */
    totalSizeParameterName?: string | null | false;
    /** Default `resumableType`. */
    typeParameterName?: string | null | false;
    /** Default `resumableIdentifier`. */
    identifierParameterName?: string | null | false;
    /** Default `resumableFilename`. */
    fileNameParameterName?: string | null | false;
    /** Default `resumableRelativePath`. */
    relativePathParameterName?: string | null | false;
    /** Default `resumableTotalChunks`. */
    totalChunksParameterName?: string | null | false;
    /**
     * Default `resumableLastModified`. The file's modification time in milliseconds since the epoch, by which a server
     * distinguishes a changed file from an earlier upload with the same identifier. Not in Resumable.js 1.1.
     */
    lastModifiedParameterName?: string | null | false;
    /** Default `resumableChunkDigest`. Sent only with `digest`. */
    digestParameterName?: string | null | false;
    /** A prefix for the names of all parameters. Default empty. */
    parameterNamespace?: string;
    /**
     * More parameters. They replace the library's parameters of the same name. A function is called for each request. A
     * rejected promise is handled like a lost connection; after three of them the file fails.
     *
     * @example
     * new Resumable({ query: async () => ({ upload_token: await (await fetch('/token')).text() }) });
     */
    query?: Query | ((file: ResumableFile, chunk: ResumableChunk) => Query | PromiseLike<Query>);
    /** More headers, for tests and uploads, as for `query`. They replace the library's headers of the same name. */
    headers?: Headers | ((file: ResumableFile, chunk: ResumableChunk) => Headers | PromiseLike<Headers>);
    /** The body of a request: a form with the fields before the file, or only the bytes. Default `multipart`. */
    method?: 'multipart' | 'octet';
    /** Default `POST`. */
    uploadMethod?: 'POST' | 'PUT' | 'PATCH';
    /** Default `GET`. An answer to `HEAD` cannot list the held ranges, so each chunk is tested. */
    testMethod?: string;
    /**
     * Ask the server which bytes it holds before sending. Default true. Files of one chunk are sent without a test once
     * an answer has shown that the target is a server of this project.
     */
    testChunks?: boolean;
    /** Send the first and last chunks of all files before the others. Default false. */
    prioritizeFirstAndLastChunk?: boolean;
    /** `base64` sends a data URL in the form instead of a file. It has no effect with `octet`. Default `blob`. */
    chunkFormat?: 'blob' | 'base64';
    /** Send the file's media type with the file part instead of `application/octet-stream`. Default false. */
    setChunkTypeFromFile?: boolean;
    /**
     * Send the SHA-256 of each chunk, which the server checks before it confirms the chunk. The value is
     * `sha-256=:BASE64:` (RFC 9530, section 2). With `octet` it is the header field `Content-Digest`, with `multipart`
     * the field `resumableChunkDigest` and the same parameter in the address. Tests have no digest. Needs a secure
     * context. Default: none.
     *
     * @example
     * new Resumable({ target: '/resumable_upload', method: 'octet', digest: 'sha-256' });
     */
    digest?: 'sha-256' | null;
    /**
     * Called once for each chunk before it is tested and sent. Must end in `chunk.preprocessFinished()`. A rejected
     * promise fails the file.
     */
    preprocess?: ((chunk: ResumableChunk) => unknown) | null;
    /**
     * Called once for each file before its chunks. Must end in `file.preprocessFinished()`. A rejected promise fails
     * the file.
     */
    preprocessFile?: ((file: ResumableFile) => unknown) | null;
    /**
     * Makes the identifier of a file. A rejected promise skips the file and fires `error`. Default, also if the result
     * is empty: the size, the path without special characters, and a hash of path and modification time.
     *
     * @example
     * new Resumable({ generateUniqueIdentifier: async (file) => (await fetch(`/ids?name=${file.name}`)).text() });
     */
    generateUniqueIdentifier?: ((file: File, event?: Event) => Identifier | PromiseLike<Identifier>) | null;
    /** Default: no limit. With 1, a new file replaces the old one. Refused and duplicate files do not count. */
    maxFiles?: number;
    maxFilesErrorCallback?: (this: Resumable, files: File[], errorCount: number) => void;
    /** In bytes. Default: no limit, so that empty files are accepted. */
    minFileSize?: number;
    minFileSizeErrorCallback?: (this: Resumable, file: File, errorCount: number) => void;
    /** In bytes. Default: no limit. */
    maxFileSize?: number;
    maxFileSizeErrorCallback?: (this: Resumable, file: File, errorCount: number) => void;
    /** Extensions (`jpg`, `.jpg`) or media types (`image/*`). Parameters of media types are ignored. Default: all. */
    fileType?: string[];
    /** The same, by the name that the documentation of Resumable.js 1.1 uses. */
    fileTypes?: string[];
    /** The default error callbacks open no alert box. They fire `error`, or warn on the console. */
    fileTypeErrorCallback?: (this: Resumable, file: File, errorCount: number) => void;
    /** Default: no limit. */
    maxChunkRetries?: number;
    /** A fixed wait in milliseconds. Default: exponential back-off with jitter, and `Retry-After`. */
    chunkRetryInterval?: number;
    /**
     * The statuses of a chunk that fail its file. Default: 400, 401, 403, 404, 409, 413, 415, 500, 501. A 413 with
     * `Retry-After` is retried. Do not add 408, 429, 502, 503 or 504, which are temporary. The list does not apply to
     * tests.
     */
    permanentErrors?: number[];
    /** Also send cookies to other origins. Default false. */
    withCredentials?: boolean;
    /** The timeout of a request in milliseconds, 0 for none. Default 0. */
    xhrTimeout?: number;
    /** The seconds between `fileProgress` events of a file. Default 0.5. */
    throttleProgressCallbacks?: number;
    /** One class name or several for elements that files are dragged over, or none. Default `dragover`. */
    dragOverClass?: string | null;
    /** Clear the input after picking, so that the same file can be picked again. Default true. */
    clearInput?: boolean;
    /** Send `DELETE` to the server when an unfinished file is cancelled or removed. Default false. */
    deleteOnCancel?: boolean;
    /** Replacements for requests, clock and window, for tests. */
    platform?: Partial<Platform> | null;
  }

  interface Events {
    fileSuccess(file: ResumableFile, message: string): void;
    /** When a chunk is started, while it is sent, when it is confirmed, and when a file is cancelled. */
    fileProgress(file: ResumableFile, message?: string): void;
    fileAdded(file: ResumableFile, event?: Event): void;
    /** `skipped` are duplicates, refused files, and files without an identifier. `added` may be empty. */
    filesAdded(added: ResumableFile[], skipped: File[]): void;
    /** A test has reported the server's limits. Fired before the first byte of its file is sent. */
    limits(limits: Limits): void;
    /**
     * A dropped file or folder that cannot be read or does not exist, or a dropped folder without any file in it.
     */
    entrySkipped(name: string, reason: 'unreadable' | 'empty'): void;
    /** A file was cancelled, removed, or replaced where only one is allowed. Not in Resumable.js 1.1. */
    fileRemoved(file: ResumableFile): void;
    /** A test or chunk has failed and will be retried. */
    fileRetry(file: ResumableFile): void;
    fileError(file: ResumableFile, message: string): void;
    uploadStart(): void;
    complete(): void;
    progress(): void;
    error(message: string, file?: ResumableFile): void;
    pause(): void;
    beforeCancel(): void;
    cancel(): void;
    chunkingStart(file: ResumableFile): void;
    chunkingProgress(file: ResumableFile, ratio: number): void;
    chunkingComplete(file: ResumableFile): void;
    catchAll(event: string, ...args: any[]): void;
  }

  /** Pages may write event names in lower case. */
  type LowerCaseEvents = { [Name in keyof Events as Lowercase<Name>]: Events[Name] };

  interface ResumableFile {
    readonly resumableObj: Resumable;
    readonly file: File;
    fileName: string;
    relativePath: string;
    readonly size: number;
    uniqueIdentifier: string;
    readonly chunks: ResumableChunk[];
    /** The element that the file was picked with or dropped on. */
    container: EventTarget | null;
    /** Options of this file. They precede the options of the instance. */
    opts: Options;
    getOpt<Name extends keyof Options>(name: Name): Options[Name];
    getOpt<Name extends keyof Options>(names: Name[]): Pick<Options, Name>;
    /** True after a `fileError` if the server refused the file, false if only the retries were used up. */
    readonly permanentError: boolean;
    /**
     * Why the file waits for a retry, or null. `status` is 0 if there was no answer, `message` is the answer's text,
     * `due` the time of the retry in milliseconds since the epoch.
     */
    readonly trouble: { readonly status: number; readonly message: string; readonly due: number } | null;
    /**
     * Why the file failed, or null. `refused`: the server's answer ended it. `unreachable`: all retries were used up.
     * `foreign`: the answers did not come from the upload server. `unreadable`: the browser cannot read the file any
     * more. `page`: a function of the page threw, or its promise was rejected. `status` is 0 if there was no answer.
     */
    readonly failure: {
      readonly reason: 'refused' | 'unreachable' | 'foreign' | 'unreadable' | 'page';
      readonly status: number;
    } | null;
    /** Asks by a test whether the server is there, which costs less than a chunk. False if `testChunks` is off. */
    checkServer(): Promise<boolean>;
    /**
     * Asks for the server's limits after it has refused this file, and fires `limits` with them. The promise is
     * fulfilled in any case.
     */
    askLimits(): Promise<void>;
    /** True if the server held all of the file already, so that nothing was sent. */
    wasHeld(): boolean;
    /** The path of the finished file below the server's root, if the server reported it, else empty. */
    readonly finalPath: string;
    /** The bytes that the server has confirmed. `progress` also counts bytes that are only sent. */
    readonly confirmedSize: number;
    /** The sent part, 0 to 1, never falling. With `relative` a share of all files. A failed file counts as sent. */
    progress(relative?: boolean): number;
    isUploading(): boolean;
    /** True when the server has confirmed every chunk. */
    isComplete(): boolean;
    /** True after `pause()`, not after `abort()`. */
    isPaused(): boolean;
    /** The recent speed in bytes per second. */
    speed(): number;
    /** In seconds. 0 when done, Infinity while nothing is sent. */
    timeRemaining(): number;
    /** Stops until the next `upload()`. */
    abort(): void;
    /**
     * `true` stops this file until `pause(false)` or `resume()`. `false` lets it continue, but does not start an upload
     * that is not running. Without an argument it toggles.
     */
    pause(on?: boolean): void;
    /** Continues, and starts the upload if it was not running. */
    resume(): void;
    upload(): void;
    /** Stops and removes the file. */
    cancel(): void;
    /** Starts again by asking the server which bytes it holds. */
    retry(): void;
    /** Resets all state, and cuts the file into new chunks. `retry` does the same and continues. */
    bootstrap(): void;
    /** Marks the first `count` chunks as uploaded. To be called before `upload()`. At least one must remain. */
    markChunksCompleted(count: number): void;
    preprocessFinished(): void;
  }

  interface ResumableChunk {
    readonly resumableObj: Resumable;
    readonly fileObj: ResumableFile;
    /** Counted from 0. */
    readonly offset: number;
    startByte: number;
    endByte: number;
    readonly retries: number;
    /** Options of this chunk. They precede the options of the file. */
    readonly opts: Options;
    getOpt<Name extends keyof Options>(name: Name): Options[Name];
    getOpt<Name extends keyof Options>(names: Name[]): Pick<Options, Name>;
    /** The current request or the last one that was answered. The latest 1,000 chunks keep theirs. */
    readonly xhr: XMLHttpRequest | null;
    /** The body of the last answer, or an empty string. */
    message(): string;
    status(): 'pending' | 'uploading' | 'success' | 'error';
    progress(relative?: boolean): number;
    preprocessFinished(): void;
    abort(): void;
  }

  interface Platform {
    createRequest(): XMLHttpRequest;
    now(): number;
    random(): number;
    setTimeout(work: () => void, milliseconds: number): unknown;
    clearTimeout(timer: unknown): void;
    isOnline(): boolean;
    window: EventTarget | undefined;
    document: EventTarget | undefined;
  }
}

declare namespace Resumable {
  // Without an `export` of its own, a namespace exports all of its declarations. So this part stands alone.
  export { Resumable, Resumable as default };
}

export = Resumable;
// The global of a page that loads the script.
export as namespace Resumable;

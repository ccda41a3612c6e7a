/**
 * Types of `resumable.js`: resumable uploads in chunks.
 *
 * @example
 * const r = new Resumable({ target: '/resumable_upload', query: { upload_token: 'my_token' } });
 * if (!r.support) location.href = '/plain-form';
 * r.assignBrowse(document.getElementById('browse'));
 * r.assignDrop(document.getElementById('drop'));
 * r.on('fileAdded', () => r.upload());
 * r.on('fileSuccess', (file, message) => console.log(file.fileName, message));
 * r.on('fileError', (file, message) => console.error(file.fileName, message));
 */
declare function Resumable(options?: Resumable.Options): Resumable;

/** With `new` or without. */
declare class Resumable {
  constructor(options?: Resumable.Options);

  readonly version: number;
  /** False where the browser cannot send slices of files. */
  readonly support: boolean;
  /** The options: the very object that was given. */
  opts: Resumable.Options;
  /** What holds where `opts` says nothing; this instance's own copy. */
  readonly defaults: Required<Resumable.Options>;
  /** The files added, in order. */
  readonly files: Resumable.ResumableFile[];

  /** An option as set, or its default. */
  getOpt<Name extends keyof Resumable.Options>(name: Name): Resumable.Options[Name];
  getOpt<Name extends keyof Resumable.Options>(names: Name[]): Pick<Resumable.Options, Name>;

  /** Opens the file dialogue by these nodes; `isDirectory` picks whole folders. */
  assignBrowse(domNodes: Resumable.Nodes, isDirectory?: boolean): void;
  /** Takes what is dropped on these nodes, folders with all that is in them. */
  assignDrop(domNodes: Resumable.Nodes): void;
  unAssignDrop(domNodes: Resumable.Nodes): void;
  handleChangeEvent(event: Event): void;
  /** Settles when everything in the dropped folders has been read and added. */
  handleDropEvent(event: DragEvent): Promise<void>;

  /** Listens. Names match in any case. */
  on<Name extends keyof Resumable.Events>(event: Name, callback: Resumable.Events[Name]): this;
  /** Stops listening; without a callback, all of the event's. */
  off<Name extends keyof Resumable.Events>(event: Name, callback?: Resumable.Events[Name]): this;
  /** Calls the listeners of an event. */
  fire(event: string, ...args: unknown[]): void;

  /** Starts, or goes on. */
  upload(): void;
  uploadNextChunk(): void;
  /** Ends all requests and waits; what the server has confirmed stays. */
  pause(): void;
  /** Cancels all files and removes them. */
  cancel(): void;
  /** 0 to 1, by bytes. Falls only when files are added, removed or started again. */
  progress(): number;
  isUploading(): boolean;
  /** Bytes a second, of late. */
  speed(): number;
  /** Seconds; 0 when done, Infinity while nothing moves. */
  timeRemaining(): number;
  addFile(file: File, event?: Event): void;
  addFiles(files: ArrayLike<File>, event?: Event): void;
  /** Cancels a file and takes it off the list. */
  removeFile(file: Resumable.ResumableFile): void;
  /** Looks up a file of the list. */
  getFromUniqueIdentifier(uniqueIdentifier: string): Resumable.ResumableFile | false;
  /** Bytes of all files. */
  getSize(): number;
  /** Another `query` for all requests to come. */
  updateQuery(query: Resumable.Options['query']): void;
  /** The identifier that a file gets: by `generateUniqueIdentifier`, else, or where that gives nothing, the default. */
  identifierOf(file: File, event?: Event): string | Promise<string>;
}

declare namespace Resumable {
  /** One node, several, or a jQuery object. */
  type Nodes = Element | ArrayLike<Element> | null;
  type Identifier = string | null | undefined;
  type Query = Record<string, string | number | boolean | ReadonlyArray<string | number>>;
  /** Gets the encoded parameters (`name=value`) and returns the whole address. */
  type Target = string | ((parameters: string[]) => string);

  interface Options {
    /** Where chunks go. Default `/`. */
    target?: Target;
    /** Where tests go. Default: the target. */
    testTarget?: Target | null;
    /** Bytes, at least 1. Default 1 MiB. The last chunk has up to twice as many, less one. */
    chunkSize?: number;
    /** No chunk longer than `chunkSize`: the last one is the remainder. Default false. */
    forceChunkSize?: boolean;
    /** Chunks under way at once. Default 3. */
    simultaneousUploads?: number;
    /** Name of the file part. Default `file`. */
    fileParameterName?: string;
    /** Names of the parameters; a falsy name leaves the parameter out. Default `resumableChunkNumber`. */
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
    /** Default `resumableChunkDigest`. Sent only with `digest`. */
    digestParameterName?: string | null | false;
    /** Put before every parameter's name. Default empty. */
    parameterNamespace?: string;
    /** More parameters. One that has the name of ours takes its place. */
    query?: Query | ((file: ResumableFile, chunk: ResumableChunk) => Query);
    /** More headers, for tests and uploads. They win over ours. */
    headers?: Record<string, string> | ((file: ResumableFile, chunk: ResumableChunk) => Record<string, string>);
    /** The body: a form with the fields before the file, or the bare bytes. Default `multipart`. */
    method?: 'multipart' | 'octet';
    /** Default `POST`. */
    uploadMethod?: 'POST' | 'PUT' | 'PATCH';
    /** Default `GET`. `HEAD` cannot tell held ranges: each chunk is tested. */
    testMethod?: string;
    /** Ask what the server holds before sending. Default true. */
    testChunks?: boolean;
    /** First and last chunks of all files before the others. Default false. */
    prioritizeFirstAndLastChunk?: boolean;
    /** `base64` puts a data URL into the form instead of a file. Of no effect with `octet`. Default `blob`. */
    chunkFormat?: 'blob' | 'base64';
    /** The file part has the file's media type instead of `application/octet-stream`. Default false. */
    setChunkTypeFromFile?: boolean;
    /**
     * The SHA-256 of every chunk, which the server checks before it confirms the chunk: `sha-256=:BASE64:`, as in
     * RFC 9530. With `octet` it is the header `Content-Digest`, with `multipart` the field `resumableChunkDigest` (and
     * the same parameter in the address). Tests have none. Needs a secure context. Default: none.
     *
     * @example
     * new Resumable({ target: '/resumable_upload', method: 'octet', digest: 'sha-256' });
     */
    digest?: 'sha-256' | null;
    /** Called once a chunk, before it is tested and sent; must end in `chunk.preprocessFinished()`. */
    preprocess?: ((chunk: ResumableChunk) => void) | null;
    /** Called once a file, before any of its chunks; must end in `file.preprocessFinished()`. */
    preprocessFile?: ((file: ResumableFile) => void) | null;
    /**
     * Default, also where the function gives nothing: size, path without special characters, and a hash of path and
     * modification time. A promise that is rejected skips the file.
     *
     * @example
     * new Resumable({ generateUniqueIdentifier: async (file) => (await fetch(`/ids?name=${file.name}`)).text() });
     */
    generateUniqueIdentifier?: ((file: File, event?: Event) => Identifier | PromiseLike<Identifier>) | null;
    /** Default: no limit. With 1, a new file takes the old one's place. */
    maxFiles?: number;
    maxFilesErrorCallback?: (this: Resumable, files: File[], errorCount: number) => void;
    /** Bytes. Default: no limit, empty files are taken. */
    minFileSize?: number;
    minFileSizeErrorCallback?: (this: Resumable, file: File, errorCount: number) => void;
    /** Bytes. Default: no limit. */
    maxFileSize?: number;
    maxFileSizeErrorCallback?: (this: Resumable, file: File, errorCount: number) => void;
    /** Extensions (`jpg`, `.jpg`) or media types (`image/*`). Default: all. */
    fileType?: string[];
    /** The same under the name that the documentation of 1.1 uses. */
    fileTypes?: string[];
    /** The default error callbacks open no alert box: they fire `error`, or warn on the console. */
    fileTypeErrorCallback?: (this: Resumable, file: File, errorCount: number) => void;
    /** Default: no limit. */
    maxChunkRetries?: number;
    /** Milliseconds, always the same. Default: exponential back-off with jitter, and `Retry-After`. */
    chunkRetryInterval?: number;
    /**
     * Answers to a chunk that end its file. Default: the first release's 415, 500, 501, later ones' 400, 401, 403, 404,
     * 409, and 413, since the same chunk is as large the next time (with `Retry-After` it is tried again). Not 408,
     * 429, 502, 503 and 504, by which servers mean "later": never put them here. A test may be answered 404.
     */
    permanentErrors?: number[];
    /** Cookies to other origins, too. Default false. */
    withCredentials?: boolean;
    /** Milliseconds, 0 for none. Default 0. */
    xhrTimeout?: number;
    /** Seconds between `fileProgress` events of a file. Default 0.5. */
    throttleProgressCallbacks?: number;
    /** Default `dragover`. */
    dragOverClass?: string;
    /** Empty the input after picking, so that the same file can be picked again. Default true. */
    clearInput?: boolean;
    /** Tell the server by `DELETE` when an unfinished file is cancelled or removed. Default false. */
    deleteOnCancel?: boolean;
    /** Requests, clock and window, for tests. */
    platform?: Partial<Platform> | null;
  }

  interface Events {
    fileSuccess(file: ResumableFile, message: string): void;
    fileProgress(file: ResumableFile, message?: string): void;
    fileAdded(file: ResumableFile, event?: Event): void;
    filesAdded(added: ResumableFile[], skipped: File[]): void;
    /** It has left the list: cancelled, removed, or replaced where only one is allowed. Ours. */
    fileRemoved(file: ResumableFile): void;
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

  interface ResumableFile {
    readonly resumableObj: Resumable;
    readonly file: File;
    fileName: string;
    relativePath: string;
    readonly size: number;
    uniqueIdentifier: string;
    readonly chunks: ResumableChunk[];
    /** The element that the file came by. */
    container: EventTarget | null;
    /** Options of this file alone; they win over the instance's. */
    opts: Options;
    getOpt<Name extends keyof Options>(name: Name): Options[Name];
    getOpt<Name extends keyof Options>(names: Name[]): Pick<Options, Name>;
    /** True after a `fileError` by which the server refused it; false where only the tries ran out. */
    readonly permanentError: boolean;
    /** Bytes that the server has confirmed; `progress` counts also what is on its way. */
    readonly confirmedSize: number;
    /** 0 to 1, never falling; `relative` is the share of all files. A failed file counts as done. */
    progress(relative?: boolean): number;
    isUploading(): boolean;
    /** True when the server has confirmed every chunk. */
    isComplete(): boolean;
    isPaused(): boolean;
    /** Bytes a second, of late. */
    speed(): number;
    /** Seconds; 0 when done, Infinity while nothing moves. */
    timeRemaining(): number;
    /** Stops until the next `upload()`. */
    abort(): void;
    /** Stops this file until its own `resume()`; `false` resumes. */
    pause(on?: boolean): void;
    /** Goes on, and starts uploading if nothing was. */
    resume(): void;
    upload(): void;
    /** Stops, and leaves the list. */
    cancel(): void;
    /** Starts again, by asking the server what it holds. */
    retry(): void;
    /** Forgets all state, and cuts the file into chunks anew; `retry` without going on. */
    bootstrap(): void;
    /** Takes the first `count` chunks as uploaded; before `upload()`. At least one must remain. */
    markChunksCompleted(count: number): void;
    preprocessFinished(): void;
  }

  interface ResumableChunk {
    readonly resumableObj: Resumable;
    readonly fileObj: ResumableFile;
    /** From 0. */
    readonly offset: number;
    startByte: number;
    endByte: number;
    readonly retries: number;
    /** Options of this chunk alone; they win over the file's. */
    readonly opts: Options;
    getOpt<Name extends keyof Options>(name: Name): Options[Name];
    getOpt<Name extends keyof Options>(names: Name[]): Pick<Options, Name>;
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

export default Resumable;
export { Resumable };

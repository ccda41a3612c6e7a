// Types of resumable-uploader.js: the user interface around a `Resumable`.

import type { Resumable } from './resumable';

export = ResumableUploader;
export as namespace ResumableUploader;

/**
 * Fills the given places of a page and starts uploading as soon as files are added.
 *
 * @example
 * const uploader = new ResumableUploader('', { album: 'Summer' }, '.resumable-browse', '.resumable-drop', '.progress',
 *   '.uploader-list', '.file-edit-container', { maxFileSize: 5e9 });
 * uploader.resumable.on('complete', () => console.log('all sent'));
 */
declare class ResumableUploader {
  /**
   * @param token    sent as `upload_token` with every request, unless it is empty
   * @param meta     parameters that are sent with the chunks of all files
   * @param browse   opens the file dialog when clicked
   * @param drop     takes dropped files and folders
   * @param progress contains `.progress-bar`, `.progress-text`, `.progress-pause-link` and `.progress-resume-link`;
   *                 hidden while there are no files
   * @param list     gets an `.uploader-item` for each file; those in it at the start are samples and are removed. The
   *                 files of a folder share an `.uploader-folder`, which can be unfolded
   * @param edit     visible while details of a file are edited. Its named fields are the details; if it has none, it
   *                 gets a title and a description
   */
  constructor(
    token: string | null | undefined,
    meta: ResumableUploader.Metadata | null | undefined,
    browse?: ResumableUploader.Place,
    drop?: ResumableUploader.Place,
    progress?: ResumableUploader.Place,
    list?: ResumableUploader.Place,
    edit?: ResumableUploader.Place,
    options?: ResumableUploader.Options,
  );

  /** Sends the bytes. Pages may listen to its events. */
  readonly resumable: Resumable;
  /** The language of all texts: that of the options, or the first of the browser's that has a translation. */
  readonly language: string;
  /** The state of the whole upload, also in the document element's `data-uploader-state`. */
  readonly state: 'idle' | 'ready' | 'uploading' | 'paused' | 'done';
  /** Parameters that are sent with the chunks of all files. May be changed at any time. */
  meta: ResumableUploader.Metadata;
  /** One line about the whole upload, for a title: `42%`, `Interrupted at 42%`, `2 uploaded, 1 failed`. */
  readonly headline: string;

  /** A copy of a file's own details. */
  metaOf(file: Resumable.ResumableFile): ResumableUploader.Metadata;
  /** Changes details of a file. Chunks that are sent afterwards carry them. */
  setMeta(file: Resumable.ResumableFile, values: ResumableUploader.Metadata): void;
  /** Starts the upload. Needed with the option `autoStart: false`. */
  start(): void;
  pause(): void;
  resume(): void;
  /** Tries failed files again, except those that the server would refuse again. */
  retryFailed(): void;
  /** Sends everything now that waits for a retry. */
  retryNow(): void;
  /** Removes files that are done or cancelled from the list. */
  clearFinished(): void;
  /** Shows a message above the list until the user dismisses it. */
  notice(text: string): void;
  /**
   * Ends the uploader and its `Resumable`: requests, timers, listeners, and everything that it has added to the page.
   * The server keeps the bytes that it holds, so that another uploader can resume.
   */
  destroy(): void;

  /** The pure functions behind the texts. */
  static readonly tools: {
    chooseLanguage(wanted: readonly string[]): 'en' | 'zh';
    /** A size in decimal units with three significant digits: `1.05 MB`. */
    formatBytes(bytes: number, language?: string): string;
    /** A duration in its two largest units, rounded up: `2 min 5 s`. Empty if it is not finite or negative. */
    formatDuration(seconds: number, language?: string): string;
    /** Whole percent, rounded down. */
    percent(part: number, whole: number): number;
    /** Replaces each `{name}` in a text by the value of that name. */
    fill(text: string, values?: Record<string, unknown>): string;
    [name: string]: unknown;
  };
}

declare namespace ResumableUploader {
  type Metadata = Record<string, string>;
  /** The names of all texts. What stands in braces in the English text is replaced. */
  type Words = Record<
    'queued' | 'uploading' | 'paused' | 'retrying' | 'retryingIn' | 'again' | 'now' | 'done' | 'failed' |
    'cancelled' | 'details' | 'pause' | 'resume' | 'retry' | 'cancel' | 'remove' | 'edit' | 'progress' | 'of' |
    'left' | 'rate' | 'seconds' | 'minutes' | 'hours' | 'days' | 'counts' | 'more' | 'successes' | 'failures' |
    'cancellations' | 'interruptedAt' | 'pausedAt' | 'interrupted' | 'retryAll' | 'clear' | 'start' | 'ready' |
    'draft' | 'offline' | 'editTitle' | 'fieldTitle' | 'fieldDescription' | 'save' | 'dismiss' | 'added' |
    'finished' | 'finishedOne' | 'failedOne' | 'allPaused' | 'allDone' | 'noReason' | 'says' | 'answered' |
    'unreachable' | 'unavailable' | 'busy' | 'foreign' | 'unreadable' | 'page' | 'tooLarge' | 'wrongType' |
    'savedAs' | 'held' | 'alreadyListed' | 'alreadyListedMany' | 'alreadyDone' | 'alreadyDoneMany' | 'notAdded' |
    'notAddedMany' | 'empty' | 'emptyMany' | 'locked' | 'lockedMany' | 'minFileSizeMany' | 'maxFileSizeMany' |
    'fileTypeMany' | 'maxFiles' | 'minFileSize' | 'maxFileSize' | 'fileType' | 'unsupported' | 'plainFile' |
    'plainSend' | 'showFiles' | 'comma' | 'between',
    string
  >;
  /** An element, a selector, or several of them: an array, a NodeList, a jQuery object. */
  type Place = Element | string | ArrayLike<Element> | null;
  /** The options of `Resumable`, and: */
  interface Options extends Resumable.Options {
    /**
     * The language of all texts (default: chosen by the browser's languages). English and Chinese (`en`, `zh`) have
     * words. For any other, pass `words`.
     */
    language?: string;
    /**
     * Own words, instead of the English or Chinese ones of the same names. Those that are left out stay.
     *
     * @example
     * new ResumableUploader('', {}, '.browse', '.drop', '.progress', '.list', null, {
     *   language: 'de', words: { uploading: 'Wird hochgeladen', of: '{a} von {b}' },
     * });
     */
    words?: Partial<Words>;
    /** The maximum number of files that have a row at the same time (default: 500). */
    maxRows?: number;
    /** Uploads files as soon as they are added (default: true). Otherwise they wait for "Start upload". */
    autoStart?: boolean;
    /** Takes files that are dropped anywhere on the page, not only on the drop place (default: false). */
    dropAnywhere?: boolean;
    /** The library, if it is not the global `Resumable`. */
    Resumable?: typeof Resumable;
  }
}

// Types of resumable-uploader.js: the uploader that a page shows around a `Resumable`.

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
   * @param token    sent as `upload_token` with every request; nothing is sent where it is empty
   * @param meta     parameters that travel with the chunks of all files
   * @param browse   opens the file dialogue
   * @param drop     takes dropped files and folders
   * @param progress holds `.progress-bar`, `.progress-text`, `.progress-pause-link`, `.progress-resume-link`; shown
   *                 when needed
   * @param list     gets one `.uploader-item` a file; those that it has are samples and are taken out
   * @param edit     shown while details of a file are edited. Its fields with a name are the details; without any,
   *                 title and description are put there
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

  /** Moves the bytes; listen to its events as ever. */
  readonly resumable: Resumable;
  /** The language of all texts: the first of the browser's that is known. */
  readonly language: 'en' | 'zh';
  /** Also in the document element's `data-uploader-state`. */
  readonly state: 'idle' | 'uploading' | 'paused' | 'done';
  /** Travels with the chunks of all files; may be changed at any time. */
  meta: ResumableUploader.Metadata;

  /** A copy of a file's own details. */
  metaOf(file: Resumable.ResumableFile): ResumableUploader.Metadata;
  /** Changes details of a file. They travel with the chunks that are sent from then on. */
  setMeta(file: Resumable.ResumableFile, values: ResumableUploader.Metadata): void;
  pause(): void;
  resume(): void;
  retryFailed(): void;
  /** Takes what is done or cancelled off the list. */
  clearFinished(): void;
  /** Shows a message above the list until it is dismissed. */
  notice(text: string): void;

  /** The pure functions behind the texts. */
  static readonly tools: {
    chooseLanguage(wanted: readonly string[]): 'en' | 'zh';
    /** Decimal units, three significant digits: `1.05 MB`. */
    formatBytes(bytes: number, language?: string): string;
    /** Empty where it is not known, or 100 hours and more. */
    formatDuration(seconds: number, language?: string): string;
    /** Whole percent, rounded down. */
    percent(part: number, whole: number): number;
    /** Puts values in the places of `{name}`. */
    fill(text: string, values?: Record<string, unknown>): string;
    [name: string]: unknown;
  };
}

declare namespace ResumableUploader {
  type Metadata = Record<string, string>;
  /** An element, a selector, or several of them: an array, a NodeList, a jQuery object. */
  type Place = Element | string | ArrayLike<Element> | null;
  /** What `Resumable` takes, and: */
  interface Options extends Resumable.Options {
    /** Instead of the browser's languages. */
    language?: 'en' | 'zh';
    /** How many files have a row at the same time (default: 500). The others are counted. */
    maxRows?: number;
    /** The library, where it is not the global `Resumable`. */
    Resumable?: typeof Resumable;
  }
}

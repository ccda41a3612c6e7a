// @ts-check
/**
 * The user interface around a `Resumable`: a list of files with progress bars, pause and resume, and file details.
 *
 * Theory of operation. `Resumable` sends the bytes and fires events. The uploader keeps one small `Item` with a state
 * for each file. An event changes items and counters in constant time and marks the item as dirty. A timer renders the
 * dirty items, at most ten times a second. The cost of an event therefore does not grow with the number of files, and
 * the list shows a bounded number of rows.
 *
 * The uploader is one classic script without dependencies. It needs no style sheet: the styles that it cannot do
 * without are in a cascade layer (`BASE_STYLE`), which all rules of the page override.
 *
 * The rows of a folder's files are inside of one row for the folder, which keeps its own counts.
 *
 * Hooks for pages and tests: an `.uploader-item` has `data-state` and `data-name`, an `.uploader-folder` has
 * `data-name` and its `.uploader-folder-head` has `data-state`, the list has `data-files`, `data-done` and
 * `data-failed`. The document element has `data-uploader-state` (idle, ready, uploading, paused, done), and
 * `data-uploader-files` while there are files.
 */

/** @typedef {typeof import('./resumable').default} Library */
/** @typedef {typeof globalThis & { Resumable: Library, ResumableUploader: unknown }} Scope */

(function (root) {
  'use strict';

  /** @typedef {'queued'|'uploading'|'paused'|'retrying'|'done'|'failed'|'cancelled'} State */
  /** @typedef {'now'|'edit'|'pause'|'resume'|'cancel'|'retry'|'remove'} Action */
  /** @typedef {'en'|'zh'} Language */
  /** @typedef {typeof WORDS.en} Words */
  /** @typedef {keyof typeof ICONS} IconName */
  /** @typedef {import('./resumable').Resumable.ResumableFile} ResumableFile */
  /** @typedef {import('./resumable').Resumable.ResumableChunk} ResumableChunk */
  /** @typedef {import('./resumable').Resumable.Options} Options */
  /** @typedef {import('./resumable').Resumable.Limits} ServerLimits */
  /** @typedef {import('./resumable-uploader').Place} Place */
  /** @typedef {import('./resumable-uploader').Metadata} Metadata */

  // ----------------------------------------------------------------------------------------------------- Texts

  const WORDS = {
    en: {
      queued: 'Waiting', uploading: 'Uploading', paused: 'Paused', retrying: 'Interrupted, trying again',
      retryingIn: 'Interrupted, trying again in {t}', again: 'Trying again in {t}.', now: 'Try now',
      done: 'Uploaded', failed: 'Failed', cancelled: 'Cancelled', details: 'Waiting for your details',
      pause: 'Pause', resume: 'Resume', retry: 'Try again', cancel: 'Cancel', remove: 'Remove from the list',
      edit: 'Edit details', progress: 'Upload progress', of: '{a} of {b}', left: '{t} left', rate: '{a}/s',
      seconds: '{s} s', minutes: '{m} min {s} s', hours: '{h} h {m} min', days: '{d} d {h} h',
      counts: '{done} of {all} files uploaded', more: '{n} more not shown',
      successes: '{n} uploaded', failures: '{n} failed', cancellations: '{n} cancelled',
      interruptedAt: 'Interrupted at {share}%', pausedAt: 'Paused at {share}%', interrupted: 'Interrupted',
      retryAll: 'Try failed files again', clear: 'Clear finished', start: 'Start upload', ready: 'Ready to upload',
      draft: 'Details not saved',
      offline: 'You are offline. The upload continues when you are online again.',
      editTitle: 'Details of {name}', fieldTitle: 'Title', fieldDescription: 'Description',
      save: 'Save', dismiss: 'Dismiss',
      added: 'Files added: {n}.', finished: 'Files uploaded: {n}.', finishedOne: '{name} is uploaded.',
      failedOne: '{name} failed: {message}', allPaused: 'Upload paused.', allDone: 'All uploads have ended.',
      noReason: 'The server gave no reason.', says: '{message}', answered: 'The server answered with status {status}.',
      unreachable: 'The server cannot be reached.', unavailable: 'The server is not available at the moment.',
      busy: 'The server cannot take the file at the moment.',
      foreign: 'The answer did not come from the upload server. You may have to sign in again.',
      unreadable: 'The browser cannot read the file any more. It may have been moved, changed or removed.',
      page: 'An error in this page stopped the upload: {message}',
      tooLarge: 'The file is too large. The limit is {size}.',
      wrongType: 'Files of this type are not accepted. Accepted types: {types}.',
      savedAs: 'Saved as {name}', held: 'Already on the server',
     
      alreadyListed: '{name} is already on the list.', alreadyListedMany: '{n} files are already on the list: {names}.',
      alreadyDone: '{name} has already been uploaded.',
      alreadyDoneMany: '{n} files have already been uploaded: {names}.',
      notAdded: '{name} could not be added.', notAddedMany: '{n} files could not be added: {names}.',
      empty: 'The folder {name} contains no files.', emptyMany: '{n} folders contain no files: {names}.',
      locked: '{name} cannot be read and was not added.',
      lockedMany: '{n} files or folders cannot be read and were not added: {names}.',
      minFileSizeMany: '{n} files are too small. The minimum is {size}: {names}.',
      maxFileSizeMany: '{n} files are too large. The limit is {size}: {names}.',
      fileTypeMany: '{n} files have a type that is not accepted here: {names}.',
      maxFiles: 'At most {n} files can be uploaded at a time.',
      minFileSize: '{name} is too small. The minimum is {size}.',
      maxFileSize: '{name} is too large. The limit is {size}.',
      fileType: '{name} has a type that is not accepted here.',
      unsupported: 'This browser cannot upload in parts. You can send one file as a whole, which cannot be resumed.',
      plainFile: 'File', plainSend: 'Send file', showFiles: 'Show files', comma: ', ', between: ', ',
    },
    zh: {
      queued: '等待中', uploading: '正在上传', paused: '已暂停', retrying: '上传中断，正在重试',
      retryingIn: '上传中断，{t}后重试', again: '{t}后重试。', now: '立即重试',
      done: '已上传', failed: '失败', cancelled: '已取消', details: '等待填写信息',
      pause: '暂停', resume: '继续', retry: '重试', cancel: '取消', remove: '从列表中移除',
      edit: '编辑信息', progress: '上传进度', of: '{a} / {b}', left: '剩余 {t}',
      // A line may break between a slash and a Chinese letter, unless a word joiner (U+2060) is between them.
      rate: '{a}/\u2060秒',
      seconds: '{s} 秒', minutes: '{m} 分 {s} 秒', hours: '{h} 小时 {m} 分', days: '{d} 天 {h} 小时',
      counts: '已上传 {done} / {all} 个文件', more: '另有 {n} 个未显示',
      successes: '{n} 个已上传', failures: '{n} 个失败', cancellations: '{n} 个已取消',
      interruptedAt: '中断于 {share}%', pausedAt: '暂停于 {share}%', interrupted: '已中断',
      retryAll: '重试失败的文件', clear: '清除已完成', start: '开始上传', ready: '可以开始上传', draft: '信息尚未保存',
      offline: '网络已断开，恢复后会自动继续上传。',
      editTitle: '{name} 的信息', fieldTitle: '标题', fieldDescription: '说明', save: '保存', dismiss: '关闭',
      added: '已添加 {n} 个文件。', finished: '已上传 {n} 个文件。', finishedOne: '{name} 已上传。',
      failedOne: '{name} 上传失败：{message}', allPaused: '上传已暂停。', allDone: '所有上传已结束。',
      noReason: '服务器没有说明原因。', says: '服务器答复：{message}', answered: '服务器返回状态码 {status}。',
      unreachable: '无法连接服务器。', unavailable: '服务器暂时不可用。', busy: '服务器暂时无法接收文件。',
      foreign: '收到的答复不是来自上传服务器。您可能需要重新登录。',
      unreadable: '浏览器无法再读取此文件。文件可能已被移动、更改或删除。', page: '此页面出错，上传已停止：{message}',
      tooLarge: '文件太大，最多允许 {size}。', wrongType: '不接受此类型的文件。可接受的类型：{types}。',
      savedAs: '已保存为 {name}', held: '服务器上已有此文件',
     
      alreadyListed: '{name} 已在列表中。', alreadyListedMany: '{n} 个文件已在列表中：{names}。',
      alreadyDone: '{name} 已经上传过。', alreadyDoneMany: '{n} 个文件已经上传过：{names}。',
      notAdded: '无法添加 {name}。', notAddedMany: '{n} 个文件无法添加：{names}。',
      empty: '文件夹 {name} 中没有文件。', emptyMany: '{n} 个文件夹中没有文件：{names}。',
      locked: '无法读取 {name}，未添加。', lockedMany: '{n} 个文件或文件夹无法读取，未添加：{names}。',
      minFileSizeMany: '{n} 个文件太小，至少需要 {size}：{names}。',
      maxFileSizeMany: '{n} 个文件太大，最多允许 {size}：{names}。',
      fileTypeMany: '{n} 个文件的类型不被接受：{names}。',
      maxFiles: '一次最多上传 {n} 个文件。', minFileSize: '{name} 太小，至少需要 {size}。',
      maxFileSize: '{name} 太大，最多允许 {size}。', fileType: '不接受 {name} 的文件类型。',
      unsupported: '此浏览器不支持分块上传。您可以一次发送一个完整的文件，但中断后无法续传。',
      plainFile: '文件', plainSend: '发送文件', showFiles: '显示文件', comma: '，', between: '、',
    },
  };

  /**
   * The first of the user's languages that has a translation, or English.
   * @param {readonly string[]} wanted
   * @returns {Language}
   */
  function chooseLanguage(wanted) {
    for (const tag of wanted) {
      const language = String(tag).toLowerCase().split('-')[0];
      if (Object.prototype.hasOwnProperty.call(WORDS, language)) return /** @type {Language} */ (language);
    }
    return 'en';
  }

  /**
   * A language tag that the browser accepts; English if the given one is invalid.
   * @param {string} tag
   */
  function canonicalLanguage(tag) {
    try {
      return new Intl.NumberFormat(tag.replace('_', '-')) && tag.replace('_', '-');
    } catch {
      return 'en';
    }
  }

  /**
   * Replaces each `{name}` by the value of that name.
   * @param {string} text
   * @param {Record<string, unknown>} [values]
   */
  function fill(text, values = {}) {
    return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
  }

  /**
   * Prevents a line break between a number and its unit.
   * @param {string} text
   */
  const unbroken = (text) => text.replace(/ /g, '\u00a0');

  // ------------------------------------------------------------------------------------------- Pure functions

  /**
   * A size in decimal units (1 kB is 1,000 bytes) with three significant digits.
   * @param {number} bytes
   */
  function formatBytes(bytes, language = 'en') {
    const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
    let value = Math.max(0, bytes);
    let unit = 0;
    // 999.5 would be rounded to 1000, so it gets the next unit.
    while (value >= (unit === 0 ? 1000 : 999.5) && unit < units.length - 1) {
      value /= 1000;
      unit += 1;
    }
    const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)} ${units[unit]}`;
  }

  /**
   * A duration in its two largest units, rounded up.
   * @param {number} seconds
   * @param {Language} [language]
   * @param {Words} [words]
   * @returns {string} empty if the value is not finite or negative
   */
  function formatDuration(seconds, language = 'en', words = WORDS[language]) {
    if (!Number.isFinite(seconds) || seconds < 0) return '';
    const whole = Math.ceil(seconds);
    if (whole < 60) return fill(words.seconds, { s: whole });
    if (whole < 3600) return fill(words.minutes, { m: Math.floor(whole / 60), s: whole % 60 });
    const minutes = Math.ceil(whole / 60);
    if (minutes < 1440) return fill(words.hours, { h: Math.floor(minutes / 60), m: minutes % 60 });
    const hours = Math.ceil(minutes / 60);
    return fill(words.days, { d: Math.floor(hours / 24), h: hours % 24 });
  }

  /** Longer estimates, in seconds, are not shown: they come from a connection that hardly moves. */
  const LONGEST_ESTIMATE = 100 * 3600;
  /** Milliseconds after a start during which the speed is not known well enough. */
  const FIRST_ESTIMATE = 2000;
  /** Milliseconds between two rises of a remaining time. */
  const RISE_INTERVAL = 31_000;
  /** Milliseconds without a byte after which an upload has no speed and no remaining time. */
  const STALL = 8000;

  /**
   * The remaining time of an upload, smoothed in two steps. An exponential average follows the estimate (bytes left
   * divided by speed). The shown time counts down; where the average is larger, it stands still, and rises at most
   * every `RISE_INTERVAL`, or at once if the average is more than twice as large.
   */
  class RemainingTime {
    constructor() {
      /** When it was started, and updated last, in milliseconds. */
      this.since = NaN;
      this.at = 0;
      /**
       * The average, and the shown time, in seconds.
       * @type {number}
       */
      this.average = NaN;
      /** @type {number} */
      this.shown = NaN;
      this.rose = -Infinity;
    }

    /** Forgets everything: after a pause or an interruption. */
    restart() {
      this.since = this.average = this.shown = NaN;
      this.rose = -Infinity;
    }

    /**
     * @param {number} bytes still to be sent
     * @param {number} speed in bytes per second
     * @param {number} now in milliseconds
     * @returns {number} seconds; NaN if they are not known
     */
    update(bytes, speed, now) {
      if (Number.isNaN(this.since)) this.since = now;
      if (now - this.since < FIRST_ESTIMATE || !(speed > 0)) return NaN;
      const estimate = bytes / speed;
      const span = (now - this.at) / 1000;
      this.at = now;
      if (Number.isNaN(this.shown)) {
        this.average = this.shown = estimate;
        return this.shown;
      }
      const expected = Math.max(0, this.average - span);
      this.average = estimate + (expected - estimate) * Math.exp(-span / 5);
      const next = Math.max(0, this.shown - span);
      if (this.average <= next) {
        this.shown = this.average;
      } else if (this.average > 2 * next + 10 || now - this.rose >= RISE_INTERVAL && this.average > next * 1.1 + 1) {
        if (this.average > this.shown) this.rose = now;
        this.shown = this.average;
      } else {
        // Standing still for a moment lets the countdown meet the average.
        this.shown = Math.max(next, Math.min(this.shown, this.average));
      }
      return this.shown;
    }
  }

  /**
   * The recent speed of a file or of all files, in bytes per second. Resumable.js 1.1 does not measure it.
   * @param {{ speed?: () => number }} source
   */
  const speedOf = (source) => (typeof source.speed === 'function' ? source.speed() : 0);

  /**
   * Whole percent, rounded down, so that an unfinished upload never shows 100.
   * @param {number} part
   * @param {number} whole
   */
  function percent(part, whole) {
    if (whole <= 0) return 0;
    return Math.min(100, Math.max(0, Math.floor((part / whole) * 100)));
  }

  /** @type {Map<string, IconName>} */
  const KIND_BY_EXTENSION = new Map(Object.entries({
    archive: '7z bz2 deb dmg gz iso jar rar rpm tar tgz xz zip zst',
    audio: 'aac flac m4a mp3 oga ogg opus wav wma',
    image: 'avif bmp gif heic jpeg jpg png svg tif tiff webp',
    text: 'c cpp css csv doc docx html js json md odp ods odt pdf ppt pptx py rs rtf swift txt xls xlsx xml yaml yml',
    video: 'avi m4v mkv mov mp4 mpeg mpg mts ogv webm wmv',
  }).flatMap(([kind, names]) => names.split(' ').map((name) => (
    /** @type {[string, IconName]} */ ([name, kind])))));

  /**
   * The icon of a file, by its media type, or by the extension of its name if the type is too general.
   * @param {string} name
   * @returns {IconName}
   */
  function kindOf(name, type = '') {
    const major = type.split('/')[0];
    if (major === 'image' || major === 'audio' || major === 'video' || major === 'text') return major;
    return KIND_BY_EXTENSION.get(name.slice(name.lastIndexOf('.') + 1).toLowerCase()) || 'file';
  }

  /**
   * The first line of a server's answer, or `instead` if the answer is empty or an HTML page.
   * @param {unknown} message
   * @param {string} instead
   */
  function plainMessage(message, instead) {
    const line = typeof message === 'string' ? message.trim().split('\n', 1)[0].trim() : '';
    return line === '' || line.startsWith('<') ? instead : line.slice(0, 300);
  }

  /**
   * Why an upload is interrupted, for the user.
   * @param {{ status: number, message: string }} trouble
   * @param {Words} [words]
   */
  function troubleText({ status, message }, words = WORDS.en) {
    if (status === 0) return words.unreachable;
    if (status === 502 || status === 504) return words.unavailable;
    if (status < 500 && status !== 408 && status !== 429) return words.foreign;
    const line = plainMessage(message, '');
    return line ? fill(words.says, { message: line }) : words.busy;
  }

  /**
   * Why a file failed, for the user.
   * @param {{ reason: string, status: number } | null | undefined} failure nothing with Resumable.js 1.1
   * @param {unknown} message the message of `fileError`
   * @param {Words} [words]
   */
  function failureText(failure, message, words = WORDS.en) {
    const { reason = 'refused', status = 0 } = failure || {};
    if (reason === 'unreachable') return words.unreachable;
    if (reason === 'foreign') return words.foreign;
    if (reason === 'unreadable') return words.unreadable;
    const line = plainMessage(message, '');
    if (reason === 'page') return fill(words.page, { message: line });
    // The second is the library's text for an empty answer.
    const isEmpty = line === '' || line === `The server answered ${status}.`;
    if (status > 0 && isEmpty) return fill(words.answered, { status });
    return line === '' ? words.noReason : fill(words.says, { message: line });
  }

  /**
   * True if a failed file may succeed when it is tried again. A server that refuses size, type or name with 413 or 415
   * refuses them again.
   * @param {{ reason: string, status: number } | null | undefined} failure
   */
  function canRetry(failure) {
    return !(failure?.reason === 'refused' && (failure.status === 413 || failure.status === 415));
  }

  /**
   * True unless the server's patterns refuse a file by name and declared type. Where the type is unknown and media
   * types are accepted, only the server can decide, by the content.
   * @param {string} patterns as in HTML's `accept`: `.pdf,video/*`
   * @param {string} name
   * @param {string} [type]
   */
  function isTypeAccepted(patterns, name, type = '') {
    const all = patterns.toLowerCase().split(',').map((pattern) => pattern.trim()).filter(Boolean);
    const lower = name.toLowerCase();
    if (all.some((one) => one.startsWith('.') && lower.endsWith(one) && lower.length > one.length)) return true;
    const media = type.toLowerCase().split(/[; ]/, 1)[0];
    if (media === '' || media === 'application/octet-stream') return all.some((one) => !one.startsWith('.'));
    return all.some((one) => (one.endsWith('/*') ? media.startsWith(one.slice(0, -1)) : media === one));
  }

  /**
   * How an upload has ended: `2 uploaded, 1 failed`.
   * @param {Record<State, number>} counts
   * @param {Words} [words]
   */
  function endingText(counts, words = WORDS.en) {
    const parts = [];
    if (counts.done) parts.push(fill(words.successes, { n: counts.done }));
    if (counts.failed) parts.push(fill(words.failures, { n: counts.failed }));
    if (counts.cancelled) parts.push(fill(words.cancellations, { n: counts.cancelled }));
    return parts.join(words.comma);
  }

  /**
   * The actions that a user has in each state.
   * @param {State} state
   * @param {boolean} [retry] a failed file may be tried again
   * @returns {Action[]}
   */
  function actionsOf(state, retry = true) {
    switch (state) {
      case 'queued': case 'uploading': return ['edit', 'pause', 'cancel'];
      case 'retrying': return ['now', 'edit', 'pause', 'cancel'];
      case 'paused': return ['edit', 'resume', 'cancel'];
      case 'failed': return retry ? ['retry', 'remove'] : ['remove'];
      case 'cancelled': return ['retry', 'remove'];
      default: return ['remove'];
    }
  }

  /**
   * The place of a file on the list: what runs comes first, what has ended last. Files of one rank keep their order.
   * @param {State} state
   */
  function rankOf(state) {
    if (state === 'uploading' || state === 'retrying') return 0;
    return state === 'queued' || state === 'paused' ? 1 : 2;
  }

  /**
   * The state of the whole upload, from the number of files in each state.
   * @param {Record<State, number>} counts
   * @param {boolean} allPaused
   * @param {boolean} [waitsForStart] files are added, and the upload has not been started
   */
  function overallState(counts, allPaused, waitsForStart = false) {
    const active = counts.queued + counts.uploading + counts.retrying;
    if (active > 0 && waitsForStart) return 'ready';
    if (active > 0) return allPaused ? 'paused' : 'uploading';
    if (counts.paused > 0) return 'paused';
    return counts.done + counts.failed > 0 ? 'done' : 'idle';
  }

  // ------------------------------------------------------------------------------------------------- Document

  const SVG = 'http://www.w3.org/2000/svg';

  /** Icons of 24 by 24 units, drawn as strokes in the text's colour. */
  const ICONS = {
    now: 'M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5',
    pause: 'M9 5v14M15 5v14', resume: 'M8 5l11 7-11 7z', retry: 'M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5',
    cancel: 'M6 6l12 12M18 6L6 18', remove: 'M6 6l12 12M18 6L6 18', edit: 'M4 20l1-5L16 4l4 4L9 19z',
    folder: 'M3 6h7l2 2h9v11H3z',
    file: 'M6 3h8l4 4v14H6zM14 3v4h4', text: 'M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6',
    image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01', video: 'M3 6h12v12H3zM15 11l6-3v8l-6-3',
    audio: 'M9 18V5l10-2v13M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM19 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z',
    archive: 'M4 4h16v5H4zM5 9v11h14V9M10 13h4',
  };

  /** The least that the elements need on a page without styles for them. All rules of the page override it. */
  const BASE_STYLE = `@layer resumable-uploader {
    .progress-container { background: #fff; border: 1px solid #767676; border-radius: 4px; min-width: 8em }
    .progress-bar { background: #3451c7; border-radius: 3px; height: .6em; width: 0 }
    .resumable-browse { cursor: pointer }
    .uploader-item, .uploader-folder-head { align-items: center; display: flex; gap: .75em; padding: .5em 0 }
    .uploader-main { flex: 1; min-width: 0; overflow-wrap: anywhere }
    .uploader-main progress { display: block; width: 100% }
    .uploader-item [hidden], .uploader-folder [hidden] { display: none }
    .uploader-message { color: #b3261e; margin: 0 }
    [data-state=done] .uploader-state { font-weight: bold }
    [data-state=done] .uploader-state::before { content: "✓ "; content: "✓ " / "" }
    [data-state=cancelled] .uploader-name { text-decoration: line-through }
    .uploader-notice, .uploader-trouble {
      align-items: center; border: 1px solid; display: flex; gap: .75em; padding: .25em;
    }
    .uploader-summary { align-items: center; display: flex; flex-wrap: wrap; gap: .75em }
    .uploader-thumb, .uploader-thumb > * { height: 3em; width: 3em }
    .uploader-actions svg { display: block; height: 1.25em; width: 1.25em }
    .uploader-live {
      clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute; white-space: nowrap; width: 1px;
    }
    @media (max-width: 34rem) {
      .progress-text { min-width: 10em; white-space: normal }
    }
    @media (forced-colors: active) {
      .progress-container { background: Canvas; border-color: CanvasText }
      .progress-bar { background: Highlight; forced-color-adjust: none }
    }
  }`;

  /**
   * The elements of a `Place`: an element, a selector, a list of either, a jQuery object, or nothing.
   * @param {Place} [target]
   * @returns {HTMLElement[]}
   */
  function elements(target) {
    if (!target) return [];
    if (typeof target === 'string') {
      return [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(target))];
    }
    const node = /** @type {HTMLElement} */ (target);
    if (node.nodeType === 1) return [node];
    return Array.from(/** @type {ArrayLike<Element>} */ (target)).flatMap(elements);
  }

  /**
   * A new element.
   * @template {keyof HTMLElementTagNameMap} Name
   * @param {Name} name
   * @param {string} [className]
   * @param {string} [text]
   */
  function make(name, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text) element.textContent = text;
    return element;
  }

  /** @param {IconName} name */
  function icon(name) {
    const svg = document.createElementNS(SVG, 'svg');
    const attributes = {
      viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', 'stroke-width': '1.75', 'stroke-linecap': 'round',
      'stroke-linejoin': 'round', 'aria-hidden': 'true',
    };
    for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', ICONS[name]);
    svg.append(path);
    return svg;
  }

  /** The width of a name on the list, in letters. Wide ones, as in Chinese, count as two. */
  const NAME_WIDTH = 60;

  /**
   * A name that is shortened in its middle, so that its extension stays visible.
   * @param {string} name
   * @param {number} [width]
   */
  function shortName(name, width = NAME_WIDTH) {
    // By letters as people see them: a cut inside of one would show another letter.
    const { Segmenter } = /** @type {any} */ (Intl);
    /** @type {string[]} */
    const letters = Segmenter
      ? Array.from(new Segmenter().segment(name), ({ segment }) => segment) : Array.from(name);
    const widthOf = (/** @type {string} */ letter) => (/^[\u1100-\uffdc\u{1f000}-\u{3ffff}]/u.test(letter) ? 2 : 1);
    let all = 0;
    for (const letter of letters) all += widthOf(letter);
    if (all <= width) return name;
    /** @param {string[]} some @param {number} room */
    const fit = (some, room) => {
      let count = 0;
      for (let used = 0; count < some.length && used + widthOf(some[count]) <= room; count += 1) {
        used += widthOf(some[count]);
      }
      return some.slice(0, count);
    };
    const end = fit(letters.slice().reverse(), Math.floor(width / 3)).reverse();
    const start = fit(letters, width - 1 - Math.floor(width / 3));
    return `${start.join('')}…${end.join('')}`;
  }

  /**
   * Parameters as an object. Names that a list of pairs repeats (URLSearchParams) have arrays of values.
   * @param {any} query
   * @returns {Record<string, any>}
   */
  function recordOf(query) {
    if (typeof query?.[Symbol.iterator] !== 'function') return query || {};
    /** @type {Record<string, any>} */
    const record = {};
    for (const [name, value] of query) record[name] = name in record ? [record[name], value].flat() : value;
    return record;
  }

  /**
   * The last component of a path.
   * @param {string} path
   */
  const nameOfPath = (path) => path.slice(path.lastIndexOf('/') + 1);

  /**
   * How much of a size is sent. A line may break between the sizes, but not within one.
   * @param {number} sent
   * @param {number} size
   * @param {Words} words
   * @param {string} language
   */
  const partText = (sent, size, words, language) => (
    fill(words.of, { a: unbroken(formatBytes(sent, language)), b: unbroken(formatBytes(size, language)) }));

  /**
   * Speed and remaining time of something that moves.
   * @param {RemainingTime} timeLeft
   * @param {{ speed?: () => number }} source
   * @param {number} bytes still to be sent
   * @param {number} now
   * @param {Words} words
   * @param {string} language
   */
  function paceTexts(timeLeft, source, bytes, now, words, language) {
    const speed = speedOf(source);
    const seconds = timeLeft.update(bytes, speed, now);
    if (Number.isNaN(seconds)) return [];
    const texts = [unbroken(fill(words.rate, { a: formatBytes(speed, language) }))];
    if (seconds < LONGEST_ESTIMATE) {
      texts.push(unbroken(fill(words.left, { t: formatDuration(seconds, 'en', words) })));
    }
    return texts;
  }

  /**
   * Shows or hides an element. Pages hide elements by `hidden` or by `style="display:none"`; both are set.
   * @param {HTMLElement | null | undefined} element
   */
  function show(element, visible = true) {
    if (!element) return;
    element.hidden = !visible;
    element.style.display = visible ? '' : 'none';
  }

  /**
   * A function that gives the focus to an element, if `box` contains it now. The page scrolls only if the focus is
   * visible, which it is for users of the keyboard: under a mouse, buttons must not move away.
   * @param {Element | undefined} box an element that goes
   * @returns {(next: HTMLElement | null | undefined) => void}
   */
  function focusOf(box) {
    if (!box?.contains(document.activeElement)) return () => {};
    const preventScroll = !document.activeElement?.matches(':focus-visible');
    return (next) => next?.focus({ preventScroll });
  }

  /**
   * Sets a text only if it differs, because setting the same text would still cause a layout.
   * @param {Element} element
   * @param {string} text
   */
  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /**
   * The longest increasing subsequence of different numbers.
   * @param {number[]} numbers
   * @returns {number[]}
   */
  function longestRise(numbers) {
    /**
     * For each length of a subsequence: the index of the smallest number that one ends with.
     * @type {number[]}
     */
    const ends = [];
    /** @type {number[]} */
    const before = [];
    numbers.forEach((number, at) => {
      let [low, high] = [0, ends.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (numbers[ends[middle]] < number) low = middle + 1;
        else high = middle;
      }
      before[at] = low > 0 ? ends[low - 1] : -1;
      ends[low] = at;
    });
    const rise = [];
    for (let at = ends.length > 0 ? ends[ends.length - 1] : -1; at >= 0; at = before[at]) rise.push(numbers[at]);
    return rise.reverse();
  }

  /**
   * Brings elements into an order by as few moves as possible: each costs a layout, and a list has hundreds of them.
   * @param {Element} parent
   * @param {Element[]} boxes
   */
  function arrange(parent, boxes) {
    const places = new Map(boxes.map((box, at) => [box, at]));
    const now = Array.from(parent.children, (box) => places.get(box) ?? -1).filter((at) => at >= 0);
    const staying = new Set(longestRise(now));
    for (let at = boxes.length - 1; at >= 0; at -= 1) {
      if (!staying.has(at)) parent.insertBefore(boxes[at], boxes[at + 1] || null);
    }
  }

  // ----------------------------------------------------------------------------------------------- Thumbnails

  const THUMB = 112;
  /** The largest picture, in bytes, that gets a thumbnail: the browser decodes a picture in memory as a whole. */
  const LARGEST_PICTURE = 64e6;

  /**
   * Draws the centre of a picture as a square.
   * @param {CanvasImageSource} picture
   * @param {number} width
   * @param {number} height
   */
  function square(picture, width, height) {
    const canvas = document.createElement('canvas');
    canvas.width = THUMB;
    canvas.height = THUMB;
    const side = Math.min(width, height);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.drawImage(picture, (width - side) / 2, (height - side) / 2, side, side, 0, 0, THUMB, THUMB);
    return canvas;
  }

  /** @param {File} file */
  async function imageThumbnail(file) {
    const bitmap = await createImageBitmap(file, { resizeWidth: 2 * THUMB, resizeQuality: 'medium' });
    try {
      return square(bitmap, bitmap.width, bitmap.height);
    } finally {
      bitmap.close();
    }
  }

  /**
   * A frame from near the start. The browser reads only the parts of the file that it needs.
   * @param {File} file
   */
  async function videoThumbnail(file) {
    const video = document.createElement('video');
    const address = URL.createObjectURL(file);
    let timer = 0;
    try {
      await new Promise((resolve, reject) => {
        timer = setTimeout(reject, 5000);
        video.muted = true;
        video.preload = 'auto';
        video.onerror = reject;
        // A recording made by a browser has no duration in its header.
        video.onloadedmetadata = () => {
          video.currentTime = Number.isFinite(video.duration) ? Math.min(1, video.duration / 2) : 0;
        };
        video.onseeked = resolve;
        video.src = address;
      });
      // Sound without a picture, or a picture that this browser cannot decode, would be a blank square.
      if (video.videoWidth === 0 || video.readyState < 2) throw new Error('no picture');
      const canvas = square(video, video.videoWidth, video.videoHeight);
      const middle = canvas.getContext('2d')?.getImageData(THUMB / 2, THUMB / 2, 1, 1).data;
      if (!middle?.[3]) throw new Error('no picture');
      return canvas;
    } finally {
      clearTimeout(timer);
      video.onerror = null;
      video.removeAttribute('src');
      video.load();
      URL.revokeObjectURL(address);
    }
  }

  /** Makes thumbnails of visible rows, one at a time so that scrolling stays smooth. */
  class Thumbnails {
    constructor() {
      /** @type {Element[]} */
      this.waiting = [];
      this.busy = false;
      /** @type {WeakMap<Element, { file: File, kind: string | undefined }>} */
      this.files = new WeakMap();
      this.observer = 'IntersectionObserver' in root ? new IntersectionObserver((entries) => this.seen(entries)) : null;
    }

    /** @param {Element} box @param {File} file @param {string | undefined} kind */
    watch(box, file, kind) {
      if (!this.observer || (kind === 'image' ? file.size > LARGEST_PICTURE : kind !== 'video')) return;
      this.files.set(box, { file, kind });
      this.observer.observe(box);
    }

    /** @param {Element} box */
    forget(box) {
      this.observer?.unobserve(box);
      this.files.delete(box);
    }

    stop() {
      this.observer?.disconnect();
      this.waiting = [];
    }

    /** @param {IntersectionObserverEntry[]} entries */
    seen(entries) {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        this.observer?.unobserve(entry.target);
        this.waiting.push(entry.target);
      }
      if (!this.busy) this.work();
    }

    async work() {
      this.busy = true;
      for (let box = this.waiting.shift(); box; box = this.waiting.shift()) {
        const found = this.files.get(box);
        if (!found) continue;
        try {
          box.replaceChildren(await (found.kind === 'image' ? imageThumbnail : videoThumbnail)(found.file));
        } catch {
          // The file is no picture, or none that this browser can decode. The icon stays.
        }
        this.files.delete(box);
      }
      this.busy = false;
    }
  }

  // --------------------------------------------------------------------------------------------- Items, rows

  /** How many files are in each state. */
  const noFiles = () => ({ queued: 0, uploading: 0, paused: 0, retrying: 0, done: 0, failed: 0, cancelled: 0 });

  /** The files of one picked or dropped folder. From two files on, their rows are folded into one. */
  class Folder {
    /** @param {string} name */
    constructor(name) {
      this.name = name;
      /** @type {Set<Item>} */
      this.items = new Set();
      this.counts = noFiles();
      /** Bytes of the files that have not failed and were not cancelled: sent ones, and all. */
      this.sent = 0;
      this.size = 0;
      /** Bytes of all files. */
      this.whole = 0;
      /** @type {FolderRow | null} */
      this.row = null;
    }

    /** @returns {State} the one that is told of the whole folder */
    get state() {
      /** @type {State[]} */
      const order = ['uploading', 'retrying', 'queued', 'paused', 'failed', 'done'];
      return order.find((state) => this.counts[state] > 0) || 'cancelled';
    }

    get canRetry() {
      return this.counts.failed > 0 && [...this.items].some((item) => item.state === 'failed' && item.canRetry);
    }
  }

  /**
   * The folder that a file was picked or dropped with, or an empty string.
   * @param {ResumableFile} file
   */
  const folderNameOf = ({ relativePath }) => (
    relativePath?.includes('/') ? relativePath.replace(/^\/+/, '').split('/')[0] : '');

  /** The uploader's state of one file. */
  class Item {
    /** @param {ResumableFile} file @param {number} index its place in the order of adding */
    constructor(file, index) {
      this.file = file;
      this.index = index;
      /** @type {Folder | null} */
      this.folder = null;
      /** @type {State} */
      this.state = 'queued';
      this.sent = 0;
      /** When bytes were sent last, in milliseconds of `performance.now()`. */
      this.movedAt = 0;
      this.timeLeft = new RemainingTime();
      /** `fileRetry` was fired since the last progress, for libraries without `trouble`. */
      this.wasRetried = false;
      /** The server's limits exclude the file. */
      this.isRefused = false;
      /** The server has refused the file, and the page does not know yet why. */
      this.wasRefused = false;
      this.message = '';
      /**
       * The values of the fields in the edit container: title and description unless the page has its own fields.
       * @type {Metadata}
       */
      this.meta = {};
      /**
       * Values that were typed and not saved yet.
       * @type {Metadata | null}
       */
      this.draft = null;
      /** @type {Row | null} */
      this.row = null;
      /** The user has paused this file alone. */
      this.held = false;
      /** The file is paused near its end because the user is editing its details. */
      this.heldForDetails = false;
    }

    get isInTrouble() { return this.file.trouble === undefined ? this.wasRetried : this.file.trouble !== null; }

    get canRetry() { return !this.isRefused && canRetry(this.file.failure); }

    get ended() { return this.state === 'done' || this.state === 'failed' || this.state === 'cancelled'; }
  }

  /** The elements of one file on the list. */
  class Row {
    /**
     * @param {Item} item
     * @param {Element} list
     * @param {Words} words
     * @param {string} language
     * @param {boolean} editable
     */
    constructor(item, list, words, language, editable) {
      this.words = words;
      this.language = language;
      this.editable = editable;
      const { fileName, relativePath, file } = item.file;
      const kind = kindOf(fileName, file && file.type);
      const box = make(/^[OU]L$/.test(list.tagName) ? 'li' : 'div', 'uploader-item');
      if (box.tagName === 'DIV') box.setAttribute('role', 'listitem');
      box.dataset.name = fileName;
      box.dataset.kind = kind;
      this.thumb = make('div', 'uploader-thumb');
      this.thumb.setAttribute('aria-hidden', 'true');
      this.thumb.append(icon(kind));
      const main = make('div', 'uploader-main');
      const head = make('div', 'uploader-head');
      this.name = make('bdi', 'uploader-name', shortName(fileName));
      this.name.title = relativePath || fileName;
      head.append(this.name, ' ', make('span', 'uploader-size', formatBytes(item.file.size, language)));
      this.bar = make('progress', 'uploader-bar');
      this.bar.max = 100;
      this.bar.setAttribute('aria-label', fileName);
      const line = make('div', 'uploader-line');
      this.state = make('span', 'uploader-state');
      this.detail = make('span', 'uploader-detail');
      line.append(this.state, ' ', this.detail);
      this.message = make('p', 'uploader-message');
      this.message.hidden = true;
      main.append(head, this.bar, line, this.message);
      this.actions = make('div', 'uploader-actions');
      box.append(this.thumb, main, this.actions);
      this.box = box;
      this.shown = '';
    }

    /**
     * @param {Item} item
     * @param {number} now milliseconds of `performance.now()`
     * @param {number} retryIn seconds until the next retry; NaN if none is due
     * @param {boolean} isFixed the row must not change its height now
     * @returns {boolean} false if a change of the height has to wait
     */
    update(item, now, retryIn, isFixed) {
      const { words, language } = this;
      const { file, state } = item;
      this.box.dataset.state = state;
      this.bar.value = state === 'done' ? 100 : percent(item.sent, file.size);
      this.bar.hidden = item.ended;
      setText(this.state, this.stateText(item, retryIn));
      const detail = [];
      if (state === 'done') {
        const saved = nameOfPath(file.finalPath || '');
        if (saved && saved !== file.fileName) detail.push(fill(words.savedAs, { name: saved }));
      }
      // A countdown takes the room.
      if (!item.ended && state !== 'retrying' && item.sent > 0) {
        detail.push(partText(item.sent, file.size, words, language));
      }
      const isMoving = state === 'uploading' && now - item.movedAt < STALL;
      if (isMoving) detail.push(...paceTexts(item.timeLeft, file, file.size - item.sent, now, words, language));
      else item.timeLeft.restart();
      if (item.draft && !item.ended) detail.unshift(words.draft);
      if (item.meta.title) detail.unshift(item.meta.title);
      setText(this.detail, detail.join(' · '));
      const message = state === 'retrying' && file.trouble ? troubleText(file.trouble, words) : item.message;
      setText(this.message, message);
      const isLater = isFixed && this.message.hidden !== (message === '');
      if (!isLater) this.message.hidden = message === '';
      const wanted = actionsOf(item.state, item.canRetry).filter((action) => (
        (action !== 'edit' || this.editable)
        && (action !== 'pause' || typeof item.file.pause === 'function')
        && (action !== 'now' || item.file.trouble)));
      this.shown = updateActions(this.actions, this.shown, wanted, words, file.fileName);
      return !isLater;
    }

    /** @param {Item} item @param {number} retryIn */
    stateText(item, retryIn) {
      const { words, language } = this;
      if (item.heldForDetails) return words.details;
      if (item.state === 'done' && item.file.wasHeld?.()) return words.held;
      if (item.state !== 'retrying' || !(retryIn > 0)) return words[item.state];
      return fill(words.retryingIn, { t: unbroken(formatDuration(retryIn, 'en', words)) });
    }
  }

  /**
   * Brings the buttons of a row up to date. A button whose action stays is not replaced: a button that is replaced
   * between press and release gets no click.
   * @param {HTMLElement} box
   * @param {string} shown the actions that it has
   * @param {Action[]} wanted
   * @param {Words} words
   * @param {string} name
   * @returns {string} the actions that it has now
   */
  function updateActions(box, shown, wanted, words, name) {
    if (wanted.join() === shown) return shown;
    const focused = box.contains(document.activeElement);
    const now = /** @type {HTMLElement[]} */ (Array.from(box.children));
    const before = new Map(now.map((button) => [button.dataset.action, button]));
    const buttons = wanted.map((action) => {
      const same = before.get(action);
      if (same) return same;
      const button = make('button', 'uploader-button');
      button.type = 'button';
      button.dataset.action = action;
      button.title = words[action];
      button.setAttribute('aria-label', `${words[action]}: ${name}`);
      button.append(icon(action));
      return button;
    });
    const gone = [...before.values()].filter((button) => !buttons.includes(button));
    for (const button of gone) button.remove();
    // Actions that stay keep their order, so none of their buttons moves.
    buttons.forEach((button, at) => { if (box.children[at] !== button) box.insertBefore(button, box.children[at]); });
    // The focus moves from a button to the one that replaced it. The page must not scroll: the user may be about to
    // press another button.
    if (focused && !box.contains(document.activeElement)) {
      /** @type {HTMLElement} */ (box.children[wanted.length > 2 ? 1 : 0]).focus({ preventScroll: true });
    }
    return wanted.join();
  }

  /** The elements of a folder on the list, with the rows of its files. */
  class FolderRow {
    /**
     * @param {Folder} folder
     * @param {Element} list
     * @param {Words} words
     * @param {string} language
     */
    constructor(folder, list, words, language) {
      const isList = /^[OU]L$/.test(list.tagName);
      this.words = words;
      this.language = language;
      this.box = make(isList ? 'li' : 'div', 'uploader-folder');
      if (!isList) this.box.setAttribute('role', 'listitem');
      this.box.dataset.name = folder.name;
      const thumb = make('div', 'uploader-thumb');
      thumb.setAttribute('aria-hidden', 'true');
      thumb.append(icon('folder'));
      const name = make('bdi', 'uploader-name', shortName(folder.name));
      name.title = folder.name;
      this.size = make('span', 'uploader-size');
      const top = make('div', 'uploader-head');
      top.append(name, ' ', this.size);
      this.bar = make('progress', 'uploader-bar');
      this.bar.max = 100;
      this.bar.setAttribute('aria-label', folder.name);
      this.state = make('span', 'uploader-state');
      this.detail = make('span', 'uploader-detail');
      const line = make('div', 'uploader-line');
      line.append(this.state, ' ', this.detail);
      const main = make('div', 'uploader-main');
      main.append(top, this.bar, line);
      this.actions = make('div', 'uploader-actions');
      this.head = make('div', 'uploader-folder-head');
      this.head.append(thumb, main, this.actions);
      const files = make('details', 'uploader-folder-files');
      this.list = make('ul', 'uploader-folder-list');
      files.append(make('summary', '', words.showFiles), this.list);
      this.box.append(this.head, files);
      this.shown = '';
    }

    /** @param {Folder} folder */
    update(folder) {
      const { words, language } = this;
      const { state, counts } = folder;
      const ended = rankOf(state) === 2;
      this.head.dataset.state = state;
      setText(this.size, formatBytes(folder.whole, language));
      this.bar.value = percent(folder.sent, folder.size);
      this.bar.hidden = ended;
      setText(this.state, ended ? endingText(counts, words) : words[state]);
      const detail = [];
      if (!ended) {
        detail.push(fill(words.counts, { done: counts.done, all: folder.items.size - counts.cancelled }));
        if (counts.failed) detail.push(fill(words.failures, { n: counts.failed }));
        if (folder.sent > 0) detail.push(partText(folder.sent, folder.size, words, language));
      }
      setText(this.detail, detail.join(' · '));
      const [first] = folder.items;
      const wanted = actionsOf(state === 'retrying' ? 'uploading' : state, folder.canRetry).filter((action) => (
        action !== 'edit' && (action !== 'pause' || typeof first.file.pause === 'function')));
      this.shown = updateActions(this.actions, this.shown, wanted, words, folder.name);
    }
  }

  // --------------------------------------------------------------------------------------------- Edit details

  /** Maximum lengths: a character takes up to 9 bytes in a URL, and nginx limits the length of a request line. */
  const TITLE_LENGTH = 120;
  const DESCRIPTION_LENGTH = 500;

  /** The edit container. It edits the page's named fields in it, or a title and a description if there are none. */
  class Editor {
    /**
     * @param {HTMLElement} box
     * @param {Words} words
     * @param {(item: Item, values: Metadata) => void} save
     * @param {(item: Item) => void} closed
     * @param {AbortSignal} signal ends its listeners
     */
    constructor(box, words, save, closed, signal) {
      this.box = box;
      this.words = words;
      this.save = save;
      this.closed = closed;
      /** @type {Item | null} */
      this.item = null;
      this.isBuilt = !box.querySelector('[name]');
      if (this.isBuilt) this.build();
      this.form = box.querySelector('form');
      this.heading = box.querySelector('.uploader-edit-title');
      (this.form || box).addEventListener(this.form ? 'submit' : 'change', (event) => {
        event.preventDefault();
        this.store();
        if (this.form) this.close(false);
      }, { signal });
      box.addEventListener('click', (event) => {
        if (/** @type {Element} */ (event.target).closest('.uploader-edit-cancel')) this.close(false);
      }, { signal });
      box.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.close(); }, { signal });
    }

    build() {
      const { words } = this;
      const form = make('form', 'uploader-edit-form');
      const heading = make('h2', 'uploader-edit-title');
      heading.id = 'uploader-edit-title';
      form.setAttribute('aria-labelledby', heading.id);
      /** @param {'input' | 'textarea'} kind @param {string} name @param {string} label @param {number} length */
      const field = (kind, name, label, length) => {
        const box = make('label', 'uploader-field');
        const input = make(kind);
        input.name = name;
        input.maxLength = length;
        box.append(make('span', '', label), input);
        return box;
      };
      const buttons = make('div', 'uploader-edit-buttons');
      const cancel = make('button', 'uploader-edit-cancel', words.cancel);
      cancel.type = 'button';
      const save = make('button', 'uploader-edit-save', words.save);
      buttons.append(cancel, save);
      form.append(heading, field('input', 'title', words.fieldTitle, TITLE_LENGTH),
        field('textarea', 'description', words.fieldDescription, DESCRIPTION_LENGTH), buttons);
      this.box.replaceChildren(form);
    }

    get fields() {
      const found = this.box.querySelectorAll('input[name], textarea[name], select[name]');
      return [.../** @type {NodeListOf<HTMLInputElement>} */ (found)];
    }

    /** @param {Item} item */
    open(item) {
      if (this.item) this.close();
      this.item = item;
      if (this.heading) setText(this.heading, fill(this.words.editTitle, { name: item.file.fileName }));
      // Text that was typed and neither saved nor cancelled is still there.
      const values = item.draft || item.meta;
      for (const field of this.fields) field.value = values[field.name] || '';
      show(this.box);
      this.fields[0]?.focus();
    }

    store() {
      if (!this.item) return;
      this.save(this.item, Object.fromEntries(this.fields.map((field) => [field.name, field.value.trim()])));
    }

    /** @param {boolean} [keepsDraft] what was typed stays for the next time; only Cancel and Save drop it */
    close(keepsDraft = true) {
      const { item } = this;
      this.item = null;
      if (item) {
        const values = Object.fromEntries(this.fields.map((field) => [field.name, field.value]));
        const differs = Object.keys(values).some((name) => values[name].trim() !== (item.meta[name] || ''));
        item.draft = keepsDraft && differs ? values : null;
      }
      show(this.box, false);
      if (item) this.closed(item);
    }
  }

  // ------------------------------------------------------------------------------------------------- Uploader

  /** A file whose details are being edited pauses when this many chunks are left, which then carry the details. */
  const CHUNKS_FOR_DETAILS = 8;

  /** Rows that are created in one frame: more than a screen shows, and few enough for a smooth frame. */
  const ROWS_AT_ONCE = 50;

  /** Milliseconds after a movement or a key in the list during which its rows stay in their places. */
  const HANDS_OFF = 1500;
  /** The same while the pointer rests on a button. */
  const HANDS_OFF_BUTTON = 3000;

  /** Milliseconds between two times that rows change their places: each is a layout of the whole list. */
  const ORDER_INTERVAL = 1000;

  /** Statuses that come when the server itself is away: no answer, or a gateway's. */
  const GONE = [0, 502, 504];
  /** Milliseconds between two checks whether the server is back: at first, and at most. */
  const FIRST_CHECK = 1000;
  const LONGEST_CHECK = 8000;
  /** Milliseconds for which the server's limits are used without another report. */
  const LIMITS_AGE = 60_000;
  /** Milliseconds between two questions for them, since many files may be refused at the same time. */
  const ASK_INTERVAL = 5000;

  class ResumableUploader {
    /**
     * The parameters are documented in `resumable-uploader.d.ts`.
     * @param {string | null | undefined} token
     * @param {Metadata | null | undefined} meta
     * @param {Place} [browse]
     * @param {Place} [drop]
     * @param {Place} [progress]
     * @param {Place} [list]
     * @param {Place} [edit]
     * @param {import('./resumable-uploader').Options} [options]
     */
    constructor(token, meta, browse, drop, progress, list, edit, options = {}) {
      const { language, words, maxRows = 500, dropAnywhere = false, autoStart = true, ...rest } = options;
      const known = chooseLanguage(language ? [language] : navigator.languages || []);
      /**
       * The page's words may be in another language than those of this file.
       * @type {string}
       */
      this.language = words && language ? canonicalLanguage(language) : known;
      /** @type {Words} */
      this.words = { ...WORDS[known], ...words };
      this.token = token;
      this.meta = { ...meta };
      this.maxRows = maxRows;
      /** @type {Map<ResumableFile, Item>} */
      this.items = new Map();
      /** @type {Set<Item>} */
      this.rowless = new Set();
      /** @type {WeakMap<Element, Item>} */
      this.itemOfRow = new WeakMap();
      /** @type {Set<Item>} */
      this.dirty = new Set();
      /**
       * The folders by their names.
       * @type {Map<string, Folder>}
       */
      this.folders = new Map();
      /**
       * The items that have rows, oldest row first.
       * @type {Set<Item>}
       */
      this.shown = new Set();
      this.counts = noFiles();
      this.sent = 0;
      this.size = 0;
      this.allPaused = false;
      /** Files that the options refused since the last `filesAdded`, by reason. */
      this.refusals = { minFileSize: new Set(), maxFileSize: new Set(), fileType: new Set() };
      /** Dropped entries that were left out, by reason, until they are reported together. */
      this.leftOut = { unreadable: new Set(), empty: new Set() };
      /** Added files start by themselves, or wait for `start()`. */
      this.autoStart = autoStart;
      this.waitsForStart = !autoStart;
      /** How many files were added so far. */
      this.count = 0;
      /** The rows may be out of order. */
      this.isOutOfOrder = false;
      /** When the rows were brought into order last, in milliseconds of `performance.now()`. */
      this.orderedAt = -Infinity;
      /** When the user was busy in the list, in milliseconds of `performance.now()`. */
      this.touchedAt = -Infinity;
      /** A pointer was pressed in the list and is not released yet. */
      this.isPressed = false;
      /** The whole page takes dropped files, not only the drop area. */
      this.dropAnywhere = dropAnywhere;
      /** Items that are being uploaded or wait for a retry. */
      this.active = new Set();
      this.timeLeft = new RemainingTime();
      /** When bytes were sent last, in milliseconds of `performance.now()`. */
      this.movedAt = 0;
      /** The reason that the trouble box shows. */
      this.lastTrouble = '';
      this.troubleBox = make('div', 'uploader-trouble');
      this.troubleText = make('span', 'uploader-trouble-text');
      /** One line about the whole upload, for a title: `42%`. Empty while there are no files. */
      this.headline = '';
      /**
       * The limits that the server reported last (PROTOCOL.md, The JSON of a test), and the time of that report.
       * @type {ServerLimits | null}
       */
      this.limits = null;
      this.limitsAt = 0;
      this.askedAt = -Infinity;
      /** The check whether the server is back: its timer, when it is due, and how many were made. */
      this.check = { timer: 0, due: NaN, count: 0 };
      this.thumbnails = new Thumbnails();
      /** @type {{ added: number, done: string[], lines: string[] }} */
      this.news = { added: 0, done: [], lines: [] };
      this.browse = elements(browse);
      this.drop = elements(drop);
      /** @type {HTMLElement | undefined} */
      this.progressBox = elements(progress)[0];
      /** @type {HTMLElement | undefined} */
      this.list = elements(list)[0];
      const [editBox] = elements(edit);
      /** Ends all listeners. */
      this.ends = new AbortController();
      /**
       * Undoes what was changed in the page's own elements.
       * @type {(() => void)[]}
       */
      this.undo = [];
      this.live = make('div', 'uploader-live');
      this.notices = make('div', 'uploader-notices');
      this.summaryText = make('span', 'uploader-summary-text');

      /** @type {import('./resumable').Resumable} */
      this.resumable = new (rest.Resumable || root.Resumable)({
        target: '/resumable_upload',
        maxFilesErrorCallback: () => this.notice(fill(this.words.maxFiles, { n: this.resumable.getOpt('maxFiles') })),
        minFileSizeErrorCallback: (file) => this.refused(file, 'minFileSize'),
        maxFileSizeErrorCallback: (file) => this.refused(file, 'maxFileSize'),
        fileTypeErrorCallback: (file) => this.refused(file, 'fileType'),
        ...rest,
        query: (file, chunk) => this.parametersOf(file, chunk, rest.query),
      });
      this.prepareDocument();
      if (!this.resumable.support) {
        this.offerPlainForm(rest.target || '/resumable_upload', rest.query);
        return;
      }
      if (editBox) {
        this.keep(editBox, 'hidden', 'style');
        this.editor = new Editor(editBox, this.words, (item, values) => this.setMeta(item.file, values),
          (item) => this.editorClosed(item), this.ends.signal);
      }
      this.assign();
      this.listen();
    }

    /** The state of the whole upload: idle, ready, uploading, paused or done. */
    get state() { return overallState(this.counts, this.allPaused, this.waitsForStart); }

    /**
     * A copy of a file's details.
     * @param {ResumableFile} file
     */
    metaOf(file) { return { ...this.items.get(file)?.meta }; }

    /**
     * Changes details of a file. All chunks that are sent from now on carry them.
     * @param {ResumableFile} file
     * @param {Metadata} values
     */
    setMeta(file, values) {
      const item = this.items.get(file);
      if (!item) return;
      Object.assign(item.meta, values);
      this.touch(item);
    }

    pause() { if (!this.allPaused) this.resumable.pause(); }

    resume() {
      this.waitsForStart = false;
      this.resumable.upload();
      // `uploadStart` is not fired while chunks are still being sent.
      this.paused(false);
    }

    retryFailed() {
      for (const item of [...this.items.values()]) {
        if (item.state === 'failed' && item.canRetry) this.act('retry', item);
      }
    }

    /** Removes files that are done or cancelled from the list. */
    clearFinished() {
      for (const item of [...this.items.values()]) {
        if (item.state === 'done' || item.state === 'cancelled') this.takeOff(item);
      }
    }

    // ---- parameters of each chunk

    /**
     * @param {ResumableFile | undefined} file none for the plain form
     * @param {ResumableChunk | undefined} chunk
     * @param {Options['query']} query
     */
    parametersOf(file, chunk, query) {
      /** @type {Metadata} */
      const own = {};
      const meta = file && this.items.get(file)?.meta;
      for (const [name, value] of Object.entries(meta || {})) if (value) own[name] = value;
      const given = typeof query === 'function' ? /** @type {any} */ (query)(file, chunk) : query;
      const merge = (/** @type {any} */ more) => (
        { ...(this.token ? { upload_token: this.token } : {}), ...this.meta, ...recordOf(more), ...own });
      // A page may have to fetch its parameters first.
      return /** @type {any} */ (given)?.then ? Promise.resolve(given).then(merge) : merge(given);
    }

    // ---- the document

    prepareDocument() {
      const { signal } = this.ends;
      if ('adoptedStyleSheets' in document) {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(BASE_STYLE);
        document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
        this.undo.push(() => {
          document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
        });
      }
      this.live.setAttribute('role', 'status');
      this.live.setAttribute('aria-live', 'polite');
      this.summary = make('div', 'uploader-summary');
      /** @param {string} className @param {string} text @param {() => void} action */
      const button = (className, text, action) => {
        const element = make('button', className, text);
        element.type = 'button';
        element.addEventListener('click', action);
        return element;
      };
      this.retryAll = button('uploader-retry-all', this.words.retryAll, () => this.retryFailed());
      this.clear = button('uploader-clear', this.words.clear, () => this.clearFinished());
      this.summary.append(this.summaryText, this.retryAll, this.clear);
      show(this.summary, false);
      this.troubleBox.append(this.troubleText, button('uploader-now', this.words.now, () => this.retryNow()));
      show(this.troubleBox, false);
      this.startButton = button('uploader-start', this.words.start, () => this.start());
      show(this.startButton, false);
      if (!this.list) document.body.append(this.live);
      if (this.list) {
        for (const sample of this.list.querySelectorAll('.uploader-item')) sample.remove();
        if (!/^[OU]L$/.test(this.list.tagName)) this.mark(this.list, { role: 'list' });
        for (const kind of ['pointermove', 'pointerdown', 'keydown']) {
          this.list.addEventListener(kind, () => {
            this.touchedAt = performance.now();
            if (kind === 'pointerdown') this.isPressed = true;
          }, { passive: true, signal });
        }
        for (const kind of ['pointerup', 'pointercancel', 'blur']) {
          root.addEventListener(kind, () => { this.isPressed = false; }, { passive: true, signal });
        }
        this.list.before(this.startButton, this.troubleBox, this.notices);
        this.list.after(this.summary, this.live);
        this.list.addEventListener('click', (event) => {
          /** @type {HTMLElement | null} */
          const pressed = /** @type {Element} */ (event.target).closest('button[data-action]');
          if (!pressed) return;
          const action = /** @type {Action} */ (pressed.dataset.action);
          const row = pressed.closest('.uploader-item');
          const item = row && this.itemOfRow.get(row);
          if (item) this.act(action, item);
          if (row) return;
          const box = /** @type {HTMLElement | null} */ (pressed.closest('.uploader-folder'));
          const folder = this.folders.get(box?.dataset.name || '');
          if (folder) this.actOnFolder(action, folder);
        }, { signal });
      }
      /** @param {string} selector @returns {HTMLElement | null} */
      const find = (selector) => this.progressBox?.querySelector(selector) || null;
      this.bar = find('.progress-bar');
      this.text = find('.progress-text');
      this.pauseLink = find('.progress-pause-link');
      this.resumeLink = find('.progress-resume-link');
      this.meterBox = find('.progress-container') || this.bar;
      for (const box of [this.progressBox, this.list, this.pauseLink, this.resumeLink, this.bar]) {
        this.keep(box, 'hidden', 'style');
      }
      this.keep(this.list, 'data-files', 'data-done', 'data-failed');
      if (this.meterBox) {
        this.mark(this.meterBox, {
          role: 'progressbar', 'aria-label': this.words.progress, 'aria-valuemin': '0', 'aria-valuemax': '100',
          'aria-valuenow': '0', 'aria-valuetext': '',
        });
      }
      for (const [link, word] of /** @type {[HTMLElement | null, 'pause' | 'resume'][]} */ (
        [[this.pauseLink, 'pause'], [this.resumeLink, 'resume']])) {
        if (!link) continue;
        const named = link.textContent?.trim() || link.hasAttribute('aria-label');
        if (!named) this.mark(link, { 'aria-label': this.words[word] });
        if (link.tagName === 'A') this.mark(link, { role: 'button' });
        link.addEventListener('click', (event) => { event.preventDefault(); this[word](); }, { signal });
      }
      if (!this.list) this.progressBox?.after(this.startButton, this.troubleBox);
      for (const box of [this.list, this.summary, this.notices, this.troubleBox, this.startButton, this.live]) {
        if (box) this.mark(box, { lang: this.language });
      }
      document.documentElement.dataset.uploaderState = 'idle';
    }

    /**
     * Sets attributes until `destroy`.
     * @param {HTMLElement} element
     * @param {Record<string, string>} attributes
     */
    mark(element, attributes) {
      this.keep(element, ...Object.keys(attributes));
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    }

    /**
     * Lets `destroy` restore attributes.
     * @param {HTMLElement | null | undefined} element
     * @param {string[]} names
     */
    keep(element, ...names) {
      for (const name of element ? names : []) {
        const before = element?.getAttribute(name) ?? null;
        this.undo.push(() => {
          // Chromium leaves an empty `style` if scripts have changed the style since the attribute was read.
          element?.setAttribute(name, before ?? '');
          if (before === null) element?.removeAttribute(name);
        });
      }
    }

    /**
     * Ends the uploader and its `Resumable`: requests, timers and listeners. The page gets its elements back without
     * what the uploader has added. The server keeps the bytes that it holds, so that another uploader can resume.
     */
    destroy() {
      if (this.ends.signal.aborted) return;
      this.ends.abort();
      // Resumable.js 1.1 has no `destroy`.
      (this.resumable.destroy || this.resumable.cancel).call(this.resumable);
      clearTimeout(this.telling);
      clearInterval(this.tick);
      clearTimeout(this.check.timer);
      this.thumbnails.stop();
      for (const item of this.items.values()) this.unshow(item);
      for (const folder of this.folders.values()) folder.row?.box.remove();
      this.items.clear();
      this.active.clear();
      for (const box of [this.live, this.notices, this.summary, this.troubleBox, this.startButton, this.plainForm]) {
        box?.remove();
      }
      if (this.editor?.isBuilt) this.editor.box.replaceChildren();
      if (this.text) setText(this.text, '');
      for (const undo of this.undo.splice(0).reverse()) undo();
      for (const name of ['state', 'files', 'failed', 'trouble']) {
        document.documentElement.removeAttribute(`data-uploader-${name}`);
      }
    }

    assign() {
      // The library makes an <a> without href operable by keyboard and screen reader.
      if (this.browse.length) this.resumable.assignBrowse(this.browse);
      if (this.dropAnywhere) this.resumable.assignDrop(document.documentElement);
      else if (this.drop.length) this.resumable.assignDrop(this.drop);
    }

    /**
     * A form that sends one file as a whole. A function of the page for parameters is called once, without a file.
     * @param {import('./resumable').Resumable.Target} target
     * @param {Options['query']} query
     */
    offerPlainForm(target, query) {
      const box = this.plainForm = make('form', 'uploader-plain');
      box.method = 'post';
      box.enctype = 'multipart/form-data';
      box.action = String(typeof target === 'function' ? target([]) : target);
      const label = make('label', 'uploader-field', this.words.plainFile);
      const input = make('input');
      Object.assign(input, { type: 'file', name: 'file', required: true });
      label.append(' ', input);
      const send = make('button', '', this.words.plainSend);
      box.append(make('p', '', this.words.unsupported), label, send);
      // The server needs the fields before the file's bytes.
      const add = (/** @type {Record<string, any>} */ fields) => {
        for (const [name, values] of Object.entries(fields)) {
          for (const value of [values].flat()) {
            label.before(Object.assign(make('input'), { type: 'hidden', name, value }));
          }
        }
      };
      /** @param {Record<string, any>} parameters */
      const complete = (parameters) => {
        // One chunk that is the whole file.
        add({ resumableIdentifier: `plain-${Date.now()}-${Math.random().toString(36).slice(2)}`,
          resumableFilename: '', resumableChunkNumber: '1', resumableTotalChunks: '1', ...parameters });
        const name = /** @type {HTMLInputElement} */ (box.elements.namedItem('resumableFilename'));
        const rename = () => { name.value = input.value.replace(/^.*[\\/]/, ''); };
        input.addEventListener('change', rename);
        rename();
        send.disabled = false;
      };
      send.disabled = true;
      // Without the page's parameters the server may still take the file, or say what it lacks.
      const fail = (/** @type {unknown} */ error) => {
        complete(this.parametersOf(undefined, undefined, undefined));
        setTimeout(() => { throw error; }, 0);
      };
      try {
        const parameters = /** @type {any} */ (this.parametersOf(undefined, undefined, query));
        if (typeof parameters.then === 'function') parameters.then(complete, fail);
        else complete(parameters);
      } catch (error) {
        fail(error);
      }
      box.lang = this.language;
      const [drop] = this.drop;
      if (drop) drop.replaceChildren(box);
      else this.list?.before(box);
    }

    // ---- the library's events

    listen() {
      const { resumable } = this;
      const { signal } = this.ends;
      resumable.on('fileAdded', (file) => this.added(file));
      resumable.on('filesAdded', (files, skipped) => {
        this.explainSkipped(skipped || []);
        if (files?.length) this.admit(files);
      });
      resumable.on('entrySkipped', (name, reason) => {
        const { leftOut } = this;
        // A drop may leave out many, which then have one message.
        if (leftOut.unreadable.size + leftOut.empty.size === 0) setTimeout(() => this.explainLeftOut(), 0);
        leftOut[reason].add(name);
      });
      resumable.on('limits', (limits) => this.learn(limits));
      resumable.on('fileProgress', (file) => this.progressed(file));
      resumable.on('fileSuccess', (file) => this.ended(file, 'done', ''));
      resumable.on('fileError', (file, message) => this.failed(file, message));
      resumable.on('fileRetry', (file) => {
        const item = this.items.get(file);
        if (!item) return;
        item.wasRetried = true;
        this.settle(item);
      });
      resumable.on('fileRemoved', (file) => {
        const item = this.items.get(file);
        if (item && !item.ended) this.change(item, 'cancelled');
      });
      resumable.on('pause', () => this.paused(true));
      resumable.on('uploadStart', () => {
        this.waitsForStart = false;
        this.paused(false);
      });
      resumable.on('complete', () => this.schedule());
      resumable.on('cancel', () => this.swept());
      root.addEventListener('beforeunload', (event) => {
        if (this.state === 'idle' || this.state === 'done') return;
        event.preventDefault();
        // Older browsers look only at this.
        event.returnValue = true;
      }, { signal });
      root.addEventListener('offline', () => this.schedule(), { signal });
      root.addEventListener('online', () => this.schedule(), { signal });
    }

    /** @param {ResumableFile} file */
    added(file) {
      if (this.items.has(file)) return;
      if (!this.autoStart && (this.state === 'idle' || this.state === 'done')) this.waitsForStart = true;
      const item = new Item(file, this.count++);
      this.items.set(file, item);
      this.rowless.add(item);
      const name = folderNameOf(file);
      if (name) {
        item.folder = this.folders.get(name) || new Folder(name);
        this.folders.set(name, item.folder);
        item.folder.items.add(item);
        item.folder.whole += file.size;
        // The rows of the first file and the second one move into the folder's.
        if (item.folder.items.size === 2) this.isOutOfOrder = true;
      }
      for (const tally of this.talliesOf(item)) {
        tally.counts.queued += 1;
        tally.size += file.size;
      }
      this.news.added += 1;
      if (this.allPaused) this.change(item, 'paused');
      this.touch(item);
    }

    /** @param {ResumableFile} file */
    progressed(file) {
      const item = this.items.get(file);
      if (!item || item.ended) return;
      const sent = Math.min(file.size, file.progress() * file.size);
      if (sent > item.sent) {
        this.movedAt = item.movedAt = performance.now();
        item.wasRetried = false;
      }
      this.account(item, sent);
      this.settle(item);
      this.holdForDetails(item);
      this.touch(item);
    }

    /**
     * Derives the state of a file that is not paused from what the library does with it.
     * @param {Item} item
     */
    settle(item) {
      if (item.ended || item.held || item.heldForDetails || this.allPaused || this.waitsForStart) return;
      this.change(item, item.isInTrouble ? 'retrying' : item.file.isUploading() ? 'uploading' : 'queued');
    }

    // ---- the server's limits, and whether it is there

    /**
     * Starts added files, after those that the server would refuse were taken out.
     * @param {ResumableFile[]} files
     */
    admit(files) {
      // Limits that were not reported for a while may have changed. The next test reports them.
      if (performance.now() - this.limitsAt > LIMITS_AGE) this.limits = null;
      // From the end of the list, because a file that is taken out would let the next one start.
      for (const file of [...files].reverse()) {
        const item = this.items.get(file);
        if (item) this.enforceLimits(item);
      }
      // Files that a script adds while everything is paused wait with the others.
      if (!this.allPaused && !this.waitsForStart) this.resumable.upload();
    }

    /** Starts the upload. Needed with the option `autoStart: false`. */
    start() {
      if (!this.waitsForStart) return;
      this.waitsForStart = false;
      const hadFocus = document.activeElement === this.startButton;
      this.resumable.upload();
      this.render();
      if (hadFocus) (this.pauseLink || this.browse[0])?.focus();
    }

    /**
     * A test has reported the server's limits: takes out what they exclude, before bytes of it are sent.
     * @param {ServerLimits} limits
     */
    learn(limits) {
      this.limits = limits;
      this.limitsAt = performance.now();
      for (const item of [...this.items.values()].reverse()) {
        if (item.wasRefused) this.explainRefusal(item);
        else this.enforceLimits(item);
      }
    }

    /**
     * Takes a file out that the server would refuse.
     * @param {Item} item
     */
    enforceLimits(item) {
      const { file } = item;
      if (item.ended || file.isComplete()) return;
      const message = this.limitText(item);
      if (message === '') return;
      item.isRefused = true;
      this.ended(file, 'failed', message);
      this.resumable.removeFile(file);
    }

    /**
     * The server has refused a file, and its limits may say why: then the user reads it in the own language.
     * @param {Item} item
     */
    explainRefusal(item) {
      const message = item.state === 'failed' ? this.limitText(item) : '';
      item.wasRefused = false;
      if (message === '') return;
      item.isRefused = true;
      item.message = message;
      this.touch(item);
    }

    /**
     * The limit of the server that excludes a file, or an empty text.
     * @param {Item} item
     */
    limitText({ file }) {
      const { maxFileSize, types } = this.limits || {};
      if (maxFileSize && file.size > maxFileSize) {
        return fill(this.words.tooLarge, { size: unbroken(formatBytes(maxFileSize, this.language)) });
      }
      if (!types || isTypeAccepted(types, file.fileName, file.file.type)) return '';
      return fill(this.words.wrongType, { types: types.split(/\s*,\s*/).join(this.words.between) });
    }

    /** The retry that is due first, in seconds from now; NaN if none is. */
    get retryIn() {
      let due = Number.isNaN(this.check.due) ? Infinity : this.check.due;
      for (const { state, file } of this.active) {
        if (state === 'retrying' && file.trouble) due = Math.min(due, file.trouble.due);
      }
      return Number.isFinite(due) ? Math.max(0, due - Date.now()) / 1000 : NaN;
    }

    /**
     * While the server is away, asks it by small requests, so that the upload continues soon after it is back, and
     * without sending chunks in vain. A server that is there and says when to come again is not asked.
     * @param {boolean} isStuck
     */
    watchServer(isStuck) {
      const { check } = this;
      const away = isStuck && navigator.onLine !== false
        ? [...this.active].find(({ state, file }) => state === 'retrying' && GONE.includes(file.trouble?.status ?? -1))
        : undefined;
      if (!away) {
        if (check.timer) clearTimeout(check.timer);
        this.check = { timer: 0, due: NaN, count: isStuck ? check.count : 0 };
        return;
      }
      if (check.timer) return;
      // Between three quarters and five quarters of the time, so that clients do not come all at once.
      const wait = Math.min(LONGEST_CHECK, FIRST_CHECK * 2 ** check.count) * (0.75 + Math.random() / 2);
      check.count += 1;
      check.due = Date.now() + wait;
      check.timer = setTimeout(async () => {
        check.due = NaN;
        const isThere = await away.file.checkServer();
        check.timer = 0;
        if (isThere && check === this.check) this.resumable.retryNow();
        this.schedule();
      }, wait);
    }

    /** Sends everything now that waits for a retry. */
    retryNow() {
      this.resumable.retryNow?.();
      this.schedule();
    }

    /** @param {ResumableFile} file @param {'done' | 'failed'} state @param {string} message */
    ended(file, state, message) {
      const item = this.items.get(file);
      if (!item) return;
      item.message = message;
      item.held = false;
      item.heldForDetails = false;
      item.wasRetried = false;
      if (state === 'done') {
        this.account(item, file.size);
        this.news.done.push(file.fileName);
      } else {
        this.news.lines.push(fill(this.words.failedOne, { name: file.fileName, message }));
      }
      this.change(item, state);
      if (this.editor?.item === item) this.editor.close();
    }

    /** @param {ResumableFile} file @param {string} message */
    failed(file, message) {
      this.ended(file, 'failed', failureText(file.failure, message, this.words));
      const item = this.items.get(file);
      if (!item || file.failure?.status !== 415) return;
      item.wasRefused = true;
      const now = performance.now();
      if (this.limits) {
        this.explainRefusal(item);
      } else if (now - this.askedAt > ASK_INTERVAL) {
        this.askedAt = now;
        file.askLimits();
      }
    }

    /** @param {boolean} yes */
    paused(yes) {
      if (this.allPaused === yes) return;
      this.allPaused = yes;
      this.timeLeft.restart();
      for (const item of this.items.values()) {
        if (item.ended || item.held || item.heldForDetails) continue;
        this.change(item, yes ? 'paused' : 'queued');
      }
      if (yes) this.news.lines.push(this.words.allPaused);
      this.schedule();
    }

    /** After `Resumable.cancel()`, marks as cancelled what left the library's list unfinished. */
    swept() {
      const kept = new Set(this.resumable.files);
      this.allPaused = false;
      for (const item of this.items.values()) if (!item.ended && !kept.has(item.file)) this.change(item, 'cancelled');
    }

    // ---- the user's actions

    /** @param {Action} action @param {Item} item */
    act(action, item) {
      const { file } = item;
      if (action === 'edit') {
        this.editor?.open(item);
        this.holdForDetails(item);
      } else if (action === 'now') {
        this.retryNow();
      } else if (action === 'pause') {
        item.held = true;
        this.change(item, 'paused');
        file.pause();
      } else if (action === 'resume') {
        item.held = false;
        item.heldForDetails = false;
        this.change(item, 'queued');
        // `resume` and `retry` of a file start the whole upload.
        if (this.waitsForStart) file.pause(false);
        else file.resume?.();
        // `Resumable` pauses as a whole: resuming one file after `pause()` resumes all.
        if (this.allPaused) this.resume();
      } else if (action === 'cancel') {
        this.change(item, 'cancelled');
        if (this.editor?.item === item) this.editor.close();
        file.cancel();
      } else if (action === 'remove') {
        this.takeOff(item);
      } else if (action === 'retry' && item.state === 'cancelled') {
        this.takeOff(item);
        this.resumable.addFile(file.file);
      } else if (action === 'retry') {
        item.message = '';
        this.account(item, 0);
        this.change(item, 'queued');
        this.allPaused = false;
        if (this.waitsForStart) file.bootstrap();
        else file.retry();
      }
    }

    /**
     * An action for all files of a folder that have it.
     * @param {Action} action
     * @param {Folder} folder
     */
    actOnFolder(action, folder) {
      const box = folder.row?.box;
      const next = box?.nextElementSibling || box?.previousElementSibling;
      const passFocus = focusOf(box);
      // Waiting files come first and running ones last: otherwise each that stops would let the next one start.
      const items = [...folder.items].reverse().sort((one, other) => rankOf(other.state) - rankOf(one.state));
      // Files that the user has cancelled alone stay cancelled.
      const isMeant = (/** @type {Item} */ item) => item.state !== 'cancelled' || folder.state === 'cancelled';
      for (const item of items.filter(isMeant)) {
        if (actionsOf(item.state, item.canRetry).includes(action)) this.act(action, item);
      }
      if (!box?.isConnected) passFocus(next?.querySelector('button') || this.browse[0]);
    }

    /** @param {Item} item */
    holdForDetails(item) {
      if (this.editor?.item !== item || item.ended || item.held || item.heldForDetails || this.allPaused) return;
      // Nothing is sent before the start.
      if (this.waitsForStart) return;
      if (typeof item.file.pause !== 'function') return;
      const chunkSize = /** @type {number} */ (this.resumable.getOpt('chunkSize'));
      if (item.file.size - item.sent > CHUNKS_FOR_DETAILS * chunkSize) return;
      item.heldForDetails = true;
      this.change(item, 'paused');
      item.file.pause();
    }

    /** @param {Item} item */
    editorClosed(item) {
      this.touch(item);
      if (item.heldForDetails) this.act('resume', item);
      const edit = item.row?.actions.querySelector('[data-action="edit"]') || item.row?.actions.firstElementChild;
      /** @type {HTMLElement | null | undefined} */ (edit)?.focus();
    }

    /**
     * Removes a file from the list and from the library.
     * @param {Item} item
     */
    takeOff(item) {
      const next = item.row?.box.nextElementSibling || item.row?.box.previousElementSibling;
      const passFocus = focusOf(item.row?.box);
      if (this.resumable.files.includes(item.file)) this.resumable.removeFile(item.file);
      for (const tally of this.talliesOf(item)) {
        tally.counts[item.state] -= 1;
        if (item.state === 'failed' || item.state === 'cancelled') continue;
        tally.size -= item.file.size;
        tally.sent -= item.sent;
      }
      const { folder } = item;
      if (folder) {
        folder.items.delete(item);
        this.isOutOfOrder = true;
        folder.whole -= item.file.size;
        if (folder.items.size === 0) {
          this.folders.delete(folder.name);
          folder.row?.box.remove();
        }
        const [other] = folder.items;
        if (other) this.dirty.add(other);
      }
      this.items.delete(item.file);
      this.rowless.delete(item);
      this.dirty.delete(item);
      this.active.delete(item);
      this.unshow(item);
      passFocus(next?.querySelector('button') || this.browse[0]);
      this.schedule();
    }

    /**
     * @param {File & { fileName?: string }} file
     * @param {'minFileSize' | 'maxFileSize' | 'fileType'} reason
     */
    refused(file, reason) {
      this.refusals[reason].add(file);
    }

    /**
     * Explains why files were not added: the options exclude them, or they are on the list already. A file that has
     * failed is replaced instead, since the user has picked it again.
     * @param {any[]} skipped
     */
    explainSkipped(skipped) {
      const { words, resumable } = this;
      const left = new Set(skipped);
      const nameOf = (/** @type {any} */ file) => file.fileName || file.name;
      for (const reason of /** @type {const} */ (['minFileSize', 'maxFileSize', 'fileType'])) {
        const files = [...this.refusals[reason]];
        this.refusals[reason].clear();
        for (const file of files) left.delete(file);
        // The text about a refused type contains no size.
        const size = unbroken(formatBytes(/** @type {number} */ (resumable.getOpt(reason) || 0), this.language));
        this.noticeOf(files.map(nameOf), words[reason], words[`${reason}Many`], { size });
      }
      if (left.size === 0) return;
      // Resumable.js 1.1 does not tell which file on the list is the same.
      const keyOf = (/** @type {any} */ file) => [file.name, file.size, file.lastModified].join('/');
      const known = 'duplicateOf' in resumable ? null : new Map([...this.items.values()]
        .filter(({ state }) => state !== 'cancelled').map((item) => [keyOf(item.file.file), item]));
      /** @type {Record<'done' | 'listed' | 'other', string[]>} */
      const names = { done: [], listed: [], other: [] };
      for (const file of left) {
        const twin = resumable.duplicateOf?.(file);
        const item = known ? known.get(keyOf(file)) : twin && this.items.get(twin);
        if (item?.state === 'failed' && item.canRetry) {
          this.takeOff(item);
          resumable.addFile(file);
        } else {
          names[!item ? 'other' : item.state === 'done' ? 'done' : 'listed'].push(nameOf(file));
        }
      }
      this.noticeOf(names.done, words.alreadyDone, words.alreadyDoneMany);
      this.noticeOf(names.listed, words.alreadyListed, words.alreadyListedMany);
      this.noticeOf(names.other, words.notAdded, words.notAddedMany);
    }

    explainLeftOut() {
      const { words, leftOut } = this;
      this.noticeOf([...leftOut.empty], words.empty, words.emptyMany);
      this.noticeOf([...leftOut.unreadable], words.locked, words.lockedMany);
      leftOut.empty.clear();
      leftOut.unreadable.clear();
    }

    /**
     * A message for each name, or one for all if there are many.
     * @param {string[]} names
     * @param {string} one
     * @param {string} many
     * @param {Record<string, string>} [values]
     */
    noticeOf(names, one, many, values) {
      if (names.length < 3) {
        for (const name of names) this.notice(fill(one, { name, ...values }));
        return;
      }
      const { between } = this.words;
      const some = names.slice(0, 3).join(between) + (names.length > 3 ? `${between}…` : '');
      this.notice(fill(many, { n: names.length, names: some, ...values }));
    }

    /**
     * Shows a message until the user dismisses it. At most five are shown; newer ones replace the oldest.
     * @param {string} text
     */
    notice(text) {
      const box = make('div', 'uploader-notice');
      const button = make('button', 'uploader-button');
      button.type = 'button';
      button.setAttribute('aria-label', this.words.dismiss);
      button.append(icon('cancel'));
      button.addEventListener('click', () => {
        const next = box.nextElementSibling || box.previousElementSibling;
        const passFocus = focusOf(box);
        box.remove();
        passFocus(next?.querySelector('button') || this.browse[0]);
      });
      box.setAttribute('role', 'alert');
      box.append(make('span', '', text), button);
      this.notices.append(box);
      while (this.notices.children.length > 5) this.notices.firstElementChild?.remove();
    }

    // ---- counters, updated in constant time

    /**
     * What counts an item: the whole, and its folder.
     * @param {Item} item
     * @returns {{ counts: Record<State, number>, sent: number, size: number }[]}
     */
    talliesOf(item) {
      return item.folder ? [this, item.folder] : [this];
    }

    /** @param {Item} item @param {number} sent */
    account(item, sent) {
      for (const tally of this.talliesOf(item)) tally.sent += sent - item.sent;
      item.sent = sent;
    }

    /** @param {Item} item @param {State} state */
    change(item, state) {
      if (item.state === state) return;
      const counted = (/** @type {State} */ name) => name !== 'failed' && name !== 'cancelled';
      const direction = Number(counted(state)) - Number(counted(item.state));
      for (const tally of this.talliesOf(item)) {
        // Failed and cancelled files do not count as work, so that the bar reaches its end.
        tally.size += direction * item.file.size;
        tally.sent += direction * item.sent;
        tally.counts[item.state] -= 1;
        tally.counts[state] += 1;
      }
      if (rankOf(item.state) !== rankOf(state)) this.isOutOfOrder = true;
      item.state = state;
      if (state === 'uploading' || state === 'retrying') this.active.add(item);
      else this.active.delete(item);
      this.touch(item);
    }

    /** @param {Item} item */
    touch(item) {
      this.dirty.add(item);
      this.schedule();
    }

    // ---- rendering

    schedule() {
      if (this.ends.signal.aborted) return;
      const { state } = this;
      const { dataset } = document.documentElement;
      if (dataset.uploaderState !== state) dataset.uploaderState = state;
      if (this.scheduled) return;
      this.scheduled = true;
      // A hidden page gets no animation frames, but its title must still change.
      setTimeout(() => (document.hidden ? this.render() : requestAnimationFrame(() => this.render())), 100);
    }

    render() {
      this.scheduled = false;
      if (this.ends.signal.aborted) return;
      const now = performance.now();
      // Their times go on while nothing happens.
      for (const item of [...this.active]) {
        this.settle(item);
        this.dirty.add(item);
      }
      this.showRows();
      this.orderRows(now);
      const { retryIn } = this;
      const isInUse = this.isInUse(now);
      /** @type {Set<Folder>} */
      const changed = new Set();
      for (const item of this.dirty) {
        if (!item.row || item.row.update(item, now, retryIn, isInUse)) this.dirty.delete(item);
        if (item.folder?.row) changed.add(item.folder);
      }
      for (const folder of changed) folder.row?.update(folder);
      if (this.dirty.size > 0) this.schedule();
      this.renderWhole(now, retryIn, isInUse);
      this.tell();
    }

    /** Creates rows in the order of adding. If the list is full, rows of finished files make room for others. */
    showRows() {
      if (!this.list || this.rowless.size === 0) return;
      /** @type {Map<Element, DocumentFragment>} */
      const fresh = new Map();
      let made = 0;
      const shown = this.shown.size < this.maxRows ? [] : [...this.shown].filter(({ state }) => state === 'done');
      for (const item of this.rowless) {
        if (this.shown.size >= this.maxRows) {
          const gone = shown.shift();
          if (!gone) break;
          this.unshow(gone);
        }
        if (made === ROWS_AT_ONCE) {
          this.schedule();
          break;
        }
        this.rowless.delete(item);
        // A file that finished before it got a row needs none while others wait for theirs.
        if (item.state === 'done' && this.items.size > this.maxRows) continue;
        item.row = new Row(item, this.list, this.words, this.language, Boolean(this.editor));
        item.row.box.dataset.index = String(item.index);
        this.itemOfRow.set(item.row.box, item);
        this.shown.add(item);
        this.thumbnails.watch(item.row.thumb, item.file.file, item.row.box.dataset.kind);
        this.dirty.add(item);
        const list = this.listOf(item, this.list);
        const added = fresh.get(list) || document.createDocumentFragment();
        fresh.set(list, added);
        added.append(item.row.box);
        this.isOutOfOrder = true;
        made += 1;
      }
      for (const [list, added] of fresh) list.append(added);
    }

    /**
     * The list that an item's row belongs to: that of its folder if the folder has several files.
     * @param {Item} item
     * @param {HTMLElement} whole
     * @returns {HTMLElement}
     */
    listOf({ folder }, whole) {
      if (!folder || folder.items.size < 2) return whole;
      if (!folder.row) {
        folder.row = new FolderRow(folder, whole, this.words, this.language);
        whole.append(folder.row.box);
      }
      return folder.row.list;
    }

    /**
     * True while the user is busy in the list: nothing may move there then, because the user might press the button of
     * another file.
     * @param {number} now
     */
    isInUse(now) {
      if (!this.list) return false;
      return this.isPressed || now - this.touchedAt < HANDS_OFF
        || now - this.touchedAt < HANDS_OFF_BUTTON && this.list.querySelector('button:hover') !== null;
    }

    /**
     * Brings the rows into order, but not while the user is busy in the list, and not for each of many small files.
     * @param {number} now
     */
    orderRows(now) {
      const { list } = this;
      if (!list || !this.isOutOfOrder) return;
      if (now - this.orderedAt < ORDER_INTERVAL || this.isInUse(now)) {
        this.schedule();
        return;
      }
      this.isOutOfOrder = false;
      this.orderedAt = now;
      const focused = /** @type {HTMLElement | null} */ (list.contains(document.activeElement)
        ? document.activeElement : null);
      const items = [...this.shown];
      items.sort((one, other) => rankOf(one.state) - rankOf(other.state) || one.index - other.index);
      /**
       * The boxes of each list in their order. A folder has the place of its first item.
       * @type {Map<Element, Set<Element>>}
       */
      const order = new Map([[list, new Set()]]);
      for (const item of items) {
        const own = this.listOf(item, list);
        const boxes = order.get(own) || new Set();
        order.set(own, boxes);
        if (item.row) boxes.add(item.row.box);
        if (own !== list && item.folder?.row) order.get(list)?.add(item.folder.row.box);
      }
      for (const [own, boxes] of order) arrange(own, [...boxes]);
      for (const folder of this.folders.values()) {
        if (!folder.row || order.has(folder.row.list)) continue;
        folder.row.box.remove();
        folder.row = null;
      }
      // An element that is moved loses the focus.
      if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
    }

    /** @param {Item} item */
    unshow(item) {
      if (!item.row) return;
      this.thumbnails.forget(item.row.thumb);
      item.row.box.remove();
      item.row = null;
      this.shown.delete(item);
    }

    /** @param {number} now @param {number} retryIn @param {boolean} isInUse */
    renderWhole(now, retryIn, isInUse) {
      const { words, language, counts, state } = this;
      const all = this.items.size;
      const done = state === 'done';
      const share = done && counts.done > 0 ? 100 : percent(this.sent, this.size);
      document.documentElement.toggleAttribute('data-uploader-files', all > 0);
      show(this.startButton, state === 'ready');
      show(this.progressBox, all > 0 && state !== 'ready');
      show(this.list, all > 0);
      show(this.summary, all > 0);
      if (this.bar) {
        this.bar.style.width = `${share}%`;
        this.bar.style.setProperty('--uploaded', `${percent(counts.done, counts.done + counts.failed)}%`);
      }
      // Nothing is on its way but what waits for a retry.
      const isStuck = state === 'uploading' && counts.retrying > 0 && counts.uploading === 0;
      const isOffline = state === 'uploading' && navigator.onLine === false;
      const isMoving = state === 'uploading' && !isStuck && !isOffline && now - this.movedAt < STALL;
      const text = done && counts.failed > 0 ? [endingText(counts, words)] : [`${share}%`];
      if (state === 'uploading' || state === 'paused') {
        text.push(partText(this.sent, this.size, words, language));
      }
      if (state === 'paused') text.push(words.paused);
      if (isOffline) text.push(words.offline);
      else if (isStuck) text.push(words.interrupted);
      if (isMoving) text.push(...paceTexts(this.timeLeft, this.resumable, this.size - this.sent, now, words, language));
      else this.timeLeft.restart();
      this.headline = this.headlineOf(share, isStuck || isOffline);
      this.renderTrouble(isStuck && !isOffline, retryIn, isInUse);
      this.watchServer(isStuck);
      if (this.text) setText(this.text, text.join(' · '));
      this.meterBox?.setAttribute('aria-valuenow', String(share));
      this.meterBox?.setAttribute('aria-valuetext', text.join(', '));
      this.swapLinks(state);
      const shown = this.list ? this.shown.size : all;
      const line = [fill(words.counts, { done: counts.done, all: all - counts.cancelled })];
      if (counts.failed) line.push(fill(words.failures, { n: counts.failed }));
      if (all > shown) line.push(fill(words.more, { n: all - shown }));
      setText(this.summaryText, line.join(' · '));
      show(this.retryAll, counts.failed > 1 && this.retryable > 1);
      show(this.clear, counts.done + counts.cancelled > 0);
      document.documentElement.toggleAttribute('data-uploader-failed', done && counts.failed > 0);
      if (this.list) Object.assign(this.list.dataset, { files: all, done: counts.done, failed: counts.failed });
      // The remaining time changes even while no bytes are sent.
      if (state === 'uploading' && !this.tick) this.tick = setInterval(() => this.schedule(), 1000);
      if (state !== 'uploading' && this.tick) this.tick = void clearInterval(this.tick);
      if (done && this.lastState !== 'done') this.news.lines.push(words.allDone);
      this.lastState = state;
    }

    /** How many failed files may be tried again. */
    get retryable() {
      let count = 0;
      for (const item of this.items.values()) if (item.state === 'failed' && item.canRetry) count += 1;
      return count;
    }

    /** @param {number} share @param {boolean} isInterrupted */
    headlineOf(share, isInterrupted) {
      const { words, counts, state } = this;
      if (this.items.size === 0) return '';
      if (state === 'done' || state === 'idle') return endingText(counts, words);
      if (state === 'ready') return words.ready;
      return fill(state === 'paused' ? words.pausedAt : isInterrupted ? words.interruptedAt : '{share}%', { share });
    }

    /**
     * Says above the list why nothing moves, and when the next try is due.
     * @param {boolean} isStuck
     * @param {number} retryIn
     * @param {boolean} isInUse
     */
    renderTrouble(isStuck, retryIn, isInUse) {
      const { words, troubleBox } = this;
      const item = isStuck ? [...this.active].find(({ file }) => file.trouble) : undefined;
      document.documentElement.toggleAttribute('data-uploader-trouble', isStuck);
      // The box is above the list, which moves when the box comes or goes.
      if (troubleBox.hidden === Boolean(item)) {
        if (isInUse) this.schedule();
        else show(troubleBox, Boolean(item));
      }
      if (!item?.file.trouble) {
        this.lastTrouble = '';
        return;
      }
      const reason = troubleText(item.file.trouble, words);
      const again = retryIn > 0 ? fill(words.again, { t: unbroken(formatDuration(retryIn, 'en', words)) }) : '';
      // Chinese sentences have no space between them.
      setText(this.troubleText, `${reason}${reason.endsWith('。') ? '' : ' '}${again}`.trim());
      // The countdown is not announced, only its reason.
      if (reason !== this.lastTrouble) this.news.lines.push(reason);
      this.lastTrouble = reason;
    }

    /**
     * Shows only the link that has an effect. The focus moves with it.
     * @param {string} state
     */
    swapLinks(state) {
      const focused = /** @type {HTMLElement | null} */ (document.activeElement);
      const hadFocus = [this.pauseLink, this.resumeLink].includes(focused);
      show(this.pauseLink, state === 'uploading');
      show(this.resumeLink, state === 'paused');
      if (hadFocus) (state === 'paused' ? this.resumeLink : this.pauseLink)?.focus({ preventScroll: true });
    }

    /** Announces to screen readers what has happened, in one text at most every 1.5 seconds. */
    tell() {
      const { news, words } = this;
      if (this.telling || (news.added === 0 && news.done.length === 0 && news.lines.length === 0)) return;
      const lines = [];
      if (news.added) lines.push(fill(words.added, { n: news.added }));
      if (news.done.length === 1) lines.push(fill(words.finishedOne, { name: news.done[0] }));
      if (news.done.length > 1) lines.push(fill(words.finished, { n: news.done.length }));
      lines.push(...news.lines.slice(-3));
      this.news = { added: 0, done: [], lines: [] };
      this.live.textContent = lines.join(' ');
      this.telling = setTimeout(() => { this.telling = 0; this.tell(); }, 1500);
    }
  }

  /** For tests, and for pages that show further numbers in the same format. */
  ResumableUploader.tools = Object.freeze({
    RemainingTime, WORDS, actionsOf, canRetry, canonicalLanguage, chooseLanguage, elements, endingText, failureText,
    fill, formatBytes, formatDuration, isTypeAccepted, kindOf, longestRise, overallState, percent, plainMessage, rankOf,
    recordOf, shortName, troubleText,
  });

  if (typeof module === 'object' && module.exports) module.exports = ResumableUploader;
  else root.ResumableUploader = ResumableUploader;
}(/** @type {Scope} */ (typeof globalThis === 'object' ? globalThis : self)));

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
 * Hooks for pages and tests: an `.uploader-item` has `data-state` and `data-name`, the list has `data-files`,
 * `data-done` and `data-failed`, and the document element has `data-uploader-state` (idle, uploading, paused, done).
 */

/** @typedef {typeof import('./resumable').default} Library */
/** @typedef {typeof globalThis & { Resumable: Library, ResumableUploader: unknown }} Scope */

(function (root) {
  'use strict';

  /** @typedef {'queued'|'uploading'|'paused'|'retrying'|'done'|'failed'|'cancelled'} State */
  /** @typedef {'edit'|'pause'|'resume'|'cancel'|'retry'|'remove'} Action */
  /** @typedef {'en'|'zh'} Language */
  /** @typedef {typeof WORDS.en} Words */
  /** @typedef {keyof typeof ICONS} IconName */
  /** @typedef {import('./resumable').Resumable.ResumableFile} ResumableFile */
  /** @typedef {import('./resumable').Resumable.ResumableChunk} ResumableChunk */
  /** @typedef {import('./resumable').Resumable.Options} Options */
  /** @typedef {import('./resumable-uploader').Place} Place */
  /** @typedef {import('./resumable-uploader').Metadata} Metadata */

  // ----------------------------------------------------------------------------------------------------- Texts

  const WORDS = {
    en: {
      queued: 'Waiting', uploading: 'Uploading', paused: 'Paused', retrying: 'Interrupted, trying again',
      done: 'Uploaded', failed: 'Failed', cancelled: 'Cancelled', details: 'Waiting for your details',
      pause: 'Pause', resume: 'Resume', retry: 'Try again', cancel: 'Cancel', remove: 'Remove from the list',
      edit: 'Edit details', progress: 'Upload progress', of: '{a} of {b}', left: '{t} left', rate: '{a}/s',
      seconds: '{s} s', minutes: '{m} min {s} s', hours: '{h} h {m} min', days: '{d} d {h} h',
      counts: '{done} of {all} files uploaded', failures: '{n} failed', more: '{n} more not shown',
      retryAll: 'Try failed files again', clear: 'Clear finished',
      offline: 'You are offline. The upload continues when you are online again.',
      editTitle: 'Details of {name}', fieldTitle: 'Title', fieldDescription: 'Description',
      save: 'Save', dismiss: 'Dismiss',
      added: 'Files added: {n}.', finished: 'Files uploaded: {n}.', finishedOne: '{name} is uploaded.',
      failedOne: '{name} failed: {message}', allPaused: 'Upload paused.', allDone: 'All uploads have ended.',
      noAnswer: 'The server gave no reason.', already: 'Files that are already on the list: {n}.',
      maxFiles: 'At most {n} files can be uploaded at a time.',
      minFileSize: '{name} is too small. The minimum is {size}.',
      maxFileSize: '{name} is too large. The limit is {size}.',
      fileType: '{name} has a type that is not accepted here.',
      unsupported: 'This browser cannot upload in parts. You can send one file as a whole, which cannot be resumed.',
      plainFile: 'File', plainSend: 'Send file',
    },
    zh: {
      queued: '等待中', uploading: '正在上传', paused: '已暂停', retrying: '连接中断，正在重试',
      done: '已上传', failed: '失败', cancelled: '已取消', details: '等待填写信息',
      pause: '暂停', resume: '继续', retry: '重试', cancel: '取消', remove: '从列表中移除',
      edit: '编辑信息', progress: '上传进度', of: '{a} / {b}', left: '剩余 {t}', rate: '{a}/秒',
      seconds: '{s} 秒', minutes: '{m} 分 {s} 秒', hours: '{h} 小时 {m} 分', days: '{d} 天 {h} 小时',
      counts: '已上传 {done} / {all} 个文件', failures: '{n} 个失败', more: '另有 {n} 个未显示',
      retryAll: '重试失败的文件', clear: '清除已完成', offline: '网络已断开，恢复后会自动继续上传。',
      editTitle: '{name} 的信息', fieldTitle: '标题', fieldDescription: '说明', save: '保存', dismiss: '关闭',
      added: '已添加 {n} 个文件。', finished: '已上传 {n} 个文件。', finishedOne: '{name} 已上传。',
      failedOne: '{name} 上传失败：{message}', allPaused: '上传已暂停。', allDone: '所有上传已结束。',
      noAnswer: '服务器没有说明原因。', already: '已在列表中，未重复添加：{n} 个。',
      maxFiles: '一次最多上传 {n} 个文件。', minFileSize: '{name} 太小，至少需要 {size}。',
      maxFileSize: '{name} 太大，最多允许 {size}。', fileType: '不接受 {name} 的文件类型。',
      unsupported: '此浏览器不支持分块上传。您可以一次发送一个完整的文件，但中断后无法续传。',
      plainFile: '文件', plainSend: '发送文件',
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
   * @returns {string} empty if the value is not finite or negative
   */
  function formatDuration(seconds, language = 'en') {
    if (!Number.isFinite(seconds) || seconds < 0) return '';
    const words = WORDS[language];
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

  /**
   * How long sending `bytes` takes at a speed in bytes per second.
   * @param {number} bytes
   * @param {number} speed
   * @param {Language} [language]
   * @returns {string} empty if there is no sensible estimate
   */
  function remainingTime(bytes, speed, language) {
    const seconds = bytes / speed;
    return seconds < LONGEST_ESTIMATE ? formatDuration(seconds, language) : '';
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
   * The actions that a user has in each state.
   * @param {State} state
   * @returns {Action[]}
   */
  function actionsOf(state) {
    switch (state) {
      case 'queued': case 'uploading': case 'retrying': return ['edit', 'pause', 'cancel'];
      case 'paused': return ['edit', 'resume', 'cancel'];
      case 'failed': case 'cancelled': return ['retry', 'remove'];
      default: return ['remove'];
    }
  }

  /**
   * The state of the whole upload, from the number of files in each state.
   * @param {Record<State, number>} counts
   * @param {boolean} allPaused
   */
  function overallState(counts, allPaused) {
    const active = counts.queued + counts.uploading + counts.retrying;
    if (active > 0) return allPaused ? 'paused' : 'uploading';
    if (counts.paused > 0) return 'paused';
    return counts.done + counts.failed > 0 ? 'done' : 'idle';
  }

  // ------------------------------------------------------------------------------------------------- Document

  const SVG = 'http://www.w3.org/2000/svg';

  /** Icons of 24 by 24 units, drawn as strokes in the text's colour. */
  const ICONS = {
    pause: 'M9 5v14M15 5v14', resume: 'M8 5l11 7-11 7z', retry: 'M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5',
    cancel: 'M6 6l12 12M18 6L6 18', remove: 'M6 6l12 12M18 6L6 18', edit: 'M4 20l1-5L16 4l4 4L9 19z',
    file: 'M6 3h8l4 4v14H6zM14 3v4h4', text: 'M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6',
    image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01', video: 'M3 6h12v12H3zM15 11l6-3v8l-6-3',
    audio: 'M9 18V5l10-2v13M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM19 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z',
    archive: 'M4 4h16v5H4zM5 9v11h14V9M10 13h4',
  };

  /** The least that the elements need on a page without styles for them. All rules of the page override it. */
  const BASE_STYLE = `@layer resumable-uploader {
    .progress-container { background: #8884; border-radius: 4px; min-width: 8em }
    .progress-bar { background: #3451c7; border-radius: 4px; height: .6em; width: 0 }
    .resumable-browse { cursor: pointer }
    .uploader-item { align-items: center; display: flex; gap: .75em; padding: .5em 0 }
    .uploader-main { flex: 1; min-width: 0; overflow-wrap: anywhere }
    .uploader-main progress { display: block; width: 100% }
    .uploader-thumb, .uploader-thumb > * { height: 3em; width: 3em }
    .uploader-actions svg { display: block; height: 1.25em; width: 1.25em }
    .uploader-live {
      clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute; white-space: nowrap; width: 1px;
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
   * Sets a text only if it differs, because setting the same text would still cause a layout.
   * @param {Element} element
   * @param {string} text
   */
  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
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
      return square(video, video.videoWidth, video.videoHeight);
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

  /** The uploader's state of one file. */
  class Item {
    /** @param {ResumableFile} file */
    constructor(file) {
      this.file = file;
      /** @type {State} */
      this.state = 'queued';
      this.sent = 0;
      this.message = '';
      /**
       * The values of the fields in the edit container: title and description unless the page has its own fields.
       * @type {Metadata}
       */
      this.meta = {};
      /** @type {Row | null} */
      this.row = null;
      /** The user has paused this file alone. */
      this.held = false;
      /** The file is paused near its end because the user is editing its details. */
      this.heldForDetails = false;
    }

    get ended() { return this.state === 'done' || this.state === 'failed' || this.state === 'cancelled'; }
  }

  /** The elements of one file on the list. */
  class Row {
    /**
     * @param {Item} item
     * @param {Element} list
     * @param {Words} words
     * @param {Language} language
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
      this.name = make('bdi', 'uploader-name', fileName);
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
      main.append(head, this.bar, line, this.message);
      this.actions = make('div', 'uploader-actions');
      box.append(this.thumb, main, this.actions);
      this.box = box;
      this.shown = '';
    }

    /** @param {Item} item */
    update(item) {
      const { words, language } = this;
      const { file, state } = item;
      this.box.dataset.state = state;
      this.bar.value = state === 'done' ? 100 : percent(item.sent, file.size);
      this.bar.hidden = item.ended;
      setText(this.state, item.heldForDetails ? words.details : words[state]);
      const detail = [];
      if (!item.ended && item.sent > 0) {
        detail.push(fill(words.of, { a: formatBytes(item.sent, language), b: formatBytes(file.size, language) }));
      }
      const speed = state === 'uploading' ? speedOf(file) : 0;
      if (speed > 0) {
        detail.push(unbroken(fill(words.rate, { a: formatBytes(speed, language) })));
        const left = remainingTime(file.size - item.sent, speed, language);
        if (left) detail.push(unbroken(fill(words.left, { t: left })));
      }
      if (item.meta.title) detail.unshift(item.meta.title);
      setText(this.detail, detail.join(' · '));
      setText(this.message, item.message);
      this.message.hidden = item.message === '';
      this.updateActions(item);
    }

    /** @param {Item} item */
    updateActions(item) {
      const wanted = actionsOf(item.state).filter((action) => (
        (action !== 'edit' || this.editable)
        && (action !== 'pause' || typeof item.file.pause === 'function')));
      if (wanted.join() === this.shown) return;
      this.shown = wanted.join();
      const focused = this.actions.contains(document.activeElement);
      const was = focused ? /** @type {HTMLElement} */ (document.activeElement).dataset.action : '';
      this.actions.replaceChildren(...wanted.map((action) => {
        const button = make('button', 'uploader-button');
        button.type = 'button';
        button.dataset.action = action;
        button.title = this.words[action];
        button.setAttribute('aria-label', `${this.words[action]}: ${item.file.fileName}`);
        button.append(icon(action));
        return button;
      }));
      // The focus stays on the same button, or moves to the one that replaced it.
      if (!focused) return;
      const same = this.actions.querySelector(`[data-action="${was}"]`);
      /** @type {HTMLElement} */ (same || this.actions.children[wanted.length > 2 ? 1 : 0]).focus();
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
     */
    constructor(box, words, save, closed) {
      this.box = box;
      this.words = words;
      this.save = save;
      this.closed = closed;
      /** @type {Item | null} */
      this.item = null;
      if (!box.querySelector('[name]')) this.build();
      this.form = box.querySelector('form');
      this.heading = box.querySelector('.uploader-edit-title');
      (this.form || box).addEventListener(this.form ? 'submit' : 'change', (event) => {
        event.preventDefault();
        this.store();
        if (this.form) this.close();
      });
      box.addEventListener('click', (event) => {
        if (/** @type {Element} */ (event.target).closest('.uploader-edit-cancel')) this.close();
      });
      box.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.close(); });
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
      for (const field of this.fields) field.value = item.meta[field.name] || '';
      show(this.box);
      this.fields[0]?.focus();
    }

    store() {
      if (!this.item) return;
      this.save(this.item, Object.fromEntries(this.fields.map((field) => [field.name, field.value.trim()])));
    }

    close() {
      const { item } = this;
      this.item = null;
      show(this.box, false);
      if (item) this.closed(item);
    }
  }

  // ------------------------------------------------------------------------------------------------- Uploader

  /** A file whose details are being edited pauses when this many chunks are left, which then carry the details. */
  const CHUNKS_FOR_DETAILS = 8;

  /** Rows that are created in one frame: more than a screen shows, and few enough for a smooth frame. */
  const ROWS_AT_ONCE = 50;

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
      const { language, maxRows = 500, ...rest } = options;
      this.language = chooseLanguage(language ? [language] : navigator.languages || []);
      this.words = WORDS[this.language];
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
      this.counts = { queued: 0, uploading: 0, paused: 0, retrying: 0, done: 0, failed: 0, cancelled: 0 };
      this.sent = 0;
      this.size = 0;
      this.allPaused = false;
      this.refusals = 0;
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
        this.offerPlainForm(rest.target || '/resumable_upload');
        return;
      }
      if (editBox) {
        this.editor = new Editor(editBox, this.words, (item, values) => this.setMeta(item.file, values),
          (item) => this.editorClosed(item));
      }
      this.assign();
      this.listen();
    }

    /** The state of the whole upload: idle, uploading, paused or done. */
    get state() { return overallState(this.counts, this.allPaused); }

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
      this.resumable.upload();
      // `uploadStart` is not fired while chunks are still being sent.
      this.paused(false);
    }

    retryFailed() {
      for (const item of [...this.items.values()]) if (item.state === 'failed') this.act('retry', item);
    }

    /** Removes files that are done or cancelled from the list. */
    clearFinished() {
      for (const item of [...this.items.values()]) {
        if (item.state === 'done' || item.state === 'cancelled') this.takeOff(item);
      }
    }

    // ---- parameters of each chunk

    /** @param {ResumableFile} file @param {ResumableChunk} chunk @param {Options['query']} query */
    parametersOf(file, chunk, query) {
      /** @type {Metadata} */
      const own = {};
      for (const [name, value] of Object.entries(this.items.get(file)?.meta || {})) if (value) own[name] = value;
      const given = typeof query === 'function' ? query(file, chunk) : query;
      return { ...(this.token ? { upload_token: this.token } : {}), ...this.meta, ...given, ...own };
    }

    // ---- the document

    prepareDocument() {
      if ('adoptedStyleSheets' in document) {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(BASE_STYLE);
        document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
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
      if (!this.list) document.body.append(this.live);
      if (this.list) {
        for (const sample of this.list.querySelectorAll('.uploader-item')) sample.remove();
        if (!/^[OU]L$/.test(this.list.tagName)) this.list.setAttribute('role', 'list');
        this.list.before(this.notices);
        this.list.after(this.summary, this.live);
        this.list.addEventListener('click', (event) => {
          /** @type {HTMLElement | null} */
          const pressed = /** @type {Element} */ (event.target).closest('button[data-action]');
          const item = pressed && this.itemOfRow.get(/** @type {Element} */ (pressed.closest('.uploader-item')));
          if (item) this.act(/** @type {Action} */ (pressed.dataset.action), item);
        });
      }
      /** @param {string} selector @returns {HTMLElement | null} */
      const find = (selector) => this.progressBox?.querySelector(selector) || null;
      this.bar = find('.progress-bar');
      this.text = find('.progress-text');
      this.pauseLink = find('.progress-pause-link');
      this.resumeLink = find('.progress-resume-link');
      this.meterBox = find('.progress-container') || this.bar;
      if (this.meterBox) {
        this.meterBox.setAttribute('role', 'progressbar');
        this.meterBox.setAttribute('aria-label', this.words.progress);
        this.meterBox.setAttribute('aria-valuemin', '0');
        this.meterBox.setAttribute('aria-valuemax', '100');
      }
      for (const [link, word] of /** @type {[HTMLElement | null, 'pause' | 'resume'][]} */ (
        [[this.pauseLink, 'pause'], [this.resumeLink, 'resume']])) {
        if (!link) continue;
        const named = link.textContent?.trim() || link.hasAttribute('aria-label');
        if (!named) link.setAttribute('aria-label', this.words[word]);
        if (link.tagName === 'A') link.setAttribute('role', 'button');
        link.addEventListener('click', (event) => { event.preventDefault(); this[word](); });
      }
      for (const box of [this.list, this.summary, this.notices, this.live]) if (box) box.lang = this.language;
      document.documentElement.dataset.uploaderState = 'idle';
    }

    assign() {
      // The library makes an <a> without href operable by keyboard and screen reader.
      if (this.browse.length) this.resumable.assignBrowse(this.browse);
      if (this.drop.length) this.resumable.assignDrop(this.drop);
    }

    /** @param {import('./resumable').Resumable.Target} target */
    offerPlainForm(target) {
      const box = make('form', 'uploader-plain');
      box.method = 'post';
      box.enctype = 'multipart/form-data';
      box.action = /** @type {string} */ (target);
      // One chunk that is the whole file. The server needs these fields before the file's bytes.
      const names = { resumableIdentifier: `plain-${Date.now()}-${Math.random().toString(36).slice(2)}`,
        resumableFilename: '', resumableChunkNumber: '1', resumableTotalChunks: '1',
        ...(this.token ? { upload_token: this.token } : {}), ...this.meta };
      /** @type {Record<string, HTMLInputElement>} */
      const hidden = {};
      for (const [name, value] of Object.entries(names)) {
        hidden[name] = make('input');
        Object.assign(hidden[name], { type: 'hidden', name, value });
        box.append(hidden[name]);
      }
      const label = make('label', 'uploader-field', this.words.plainFile);
      const input = make('input');
      Object.assign(input, { type: 'file', name: 'file', required: true });
      input.addEventListener('change', () => {
        hidden.resumableFilename.value = input.value.replace(/^.*[\\/]/, '');
      });
      label.append(' ', input);
      box.append(make('p', '', this.words.unsupported), label, make('button', '', this.words.plainSend));
      box.lang = this.language;
      const [drop] = this.drop;
      if (drop) drop.replaceChildren(box);
      else this.list?.before(box);
    }

    // ---- the library's events

    listen() {
      const { resumable } = this;
      resumable.on('fileAdded', (file) => this.added(file));
      resumable.on('filesAdded', (files, skipped) => {
        // Refused files are among the skipped ones and already have a message.
        const already = (skipped?.length || 0) - this.refusals;
        this.refusals = 0;
        if (already > 0) this.notice(fill(this.words.already, { n: already }));
        // Files that a script adds while everything is paused wait with the others.
        if (files?.length && !this.allPaused) resumable.upload();
      });
      resumable.on('fileProgress', (file) => this.progressed(file));
      resumable.on('fileSuccess', (file) => this.ended(file, 'done', ''));
      resumable.on('fileError', (file, message) => (
        this.ended(file, 'failed', plainMessage(message, this.words.noAnswer))));
      resumable.on('fileRetry', (file) => {
        const item = this.items.get(file);
        if (item && !item.held) this.change(item, 'retrying');
      });
      resumable.on('pause', () => this.paused(true));
      resumable.on('uploadStart', () => this.paused(false));
      resumable.on('complete', () => this.schedule());
      resumable.on('cancel', () => this.swept());
      root.addEventListener('beforeunload', (event) => {
        if (this.state !== 'uploading' && this.state !== 'paused') return;
        event.preventDefault();
        // Older browsers look only at this.
        event.returnValue = true;
      });
      root.addEventListener('offline', () => this.schedule());
      root.addEventListener('online', () => this.schedule());
    }

    /** @param {ResumableFile} file */
    added(file) {
      if (this.items.has(file)) return;
      const item = new Item(file);
      this.items.set(file, item);
      this.rowless.add(item);
      this.counts.queued += 1;
      this.size += file.size;
      this.news.added += 1;
      if (this.allPaused) this.change(item, 'paused');
      this.touch(item);
    }

    /** @param {ResumableFile} file */
    progressed(file) {
      const item = this.items.get(file);
      if (!item || item.ended) return;
      this.account(item, Math.min(file.size, file.progress() * file.size));
      if (!this.allPaused && !item.held && !item.heldForDetails) this.change(item, 'uploading');
      this.holdForDetails(item);
      this.touch(item);
    }

    /** @param {ResumableFile} file @param {'done' | 'failed'} state @param {string} message */
    ended(file, state, message) {
      const item = this.items.get(file);
      if (!item) return;
      item.message = message;
      item.held = false;
      item.heldForDetails = false;
      if (state === 'done') {
        this.account(item, file.size);
        this.news.done.push(file.fileName);
      } else {
        this.news.lines.push(fill(this.words.failedOne, { name: file.fileName, message }));
      }
      this.change(item, state);
      if (this.editor?.item === item) this.editor.close();
    }

    /** @param {boolean} yes */
    paused(yes) {
      if (this.allPaused === yes) return;
      this.allPaused = yes;
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
      } else if (action === 'pause') {
        item.held = true;
        this.change(item, 'paused');
        file.pause();
      } else if (action === 'resume') {
        item.held = false;
        item.heldForDetails = false;
        this.change(item, 'queued');
        file.resume?.();
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
        file.retry();
      }
    }

    /** @param {Item} item */
    holdForDetails(item) {
      if (this.editor?.item !== item || item.ended || item.held || item.heldForDetails || this.allPaused) return;
      if (typeof item.file.pause !== 'function') return;
      const chunkSize = /** @type {number} */ (this.resumable.getOpt('chunkSize'));
      if (item.file.size - item.sent > CHUNKS_FOR_DETAILS * chunkSize) return;
      item.heldForDetails = true;
      this.change(item, 'paused');
      item.file.pause();
    }

    /** @param {Item} item */
    editorClosed(item) {
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
      const focused = item.row?.box.contains(document.activeElement);
      if (this.resumable.files.includes(item.file)) this.resumable.removeFile(item.file);
      if (item.state !== 'failed' && item.state !== 'cancelled') {
        this.size -= item.file.size;
        this.sent -= item.sent;
      }
      this.counts[item.state] -= 1;
      this.items.delete(item.file);
      this.rowless.delete(item);
      this.dirty.delete(item);
      this.unshow(item);
      if (focused) (next?.querySelector('button') || this.browse[0])?.focus();
      this.schedule();
    }

    /**
     * @param {File & { fileName?: string }} file
     * @param {'minFileSize' | 'maxFileSize' | 'fileType'} reason
     */
    refused(file, reason) {
      this.refusals += 1;
      // The text about a refused type contains no size.
      const size = formatBytes(/** @type {number} */ (this.resumable.getOpt(reason) || 0), this.language);
      this.notice(fill(this.words[reason], { name: file.fileName || file.name, size }));
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
        box.remove();
        (next?.querySelector('button') || this.browse[0])?.focus();
      });
      box.setAttribute('role', 'alert');
      box.append(make('span', '', text), button);
      this.notices.append(box);
      while (this.notices.children.length > 5) this.notices.firstElementChild?.remove();
    }

    // ---- counters, updated in constant time

    /** @param {Item} item @param {number} sent */
    account(item, sent) {
      this.sent += sent - item.sent;
      item.sent = sent;
    }

    /** @param {Item} item @param {State} state */
    change(item, state) {
      if (item.state === state) return;
      const counted = (/** @type {State} */ name) => name !== 'failed' && name !== 'cancelled';
      const direction = Number(counted(state)) - Number(counted(item.state));
      // Failed and cancelled files do not count as work, so that the bar reaches its end.
      this.size += direction * item.file.size;
      this.sent += direction * item.sent;
      this.counts[item.state] -= 1;
      this.counts[state] += 1;
      item.state = state;
      this.touch(item);
    }

    /** @param {Item} item */
    touch(item) {
      this.dirty.add(item);
      this.schedule();
    }

    // ---- rendering

    schedule() {
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
      this.showRows();
      for (const item of this.dirty) item.row?.update(item);
      this.dirty.clear();
      this.renderWhole();
      this.tell();
    }

    /** Creates rows in the order of adding. If the list is full, rows of finished files make room for others. */
    showRows() {
      if (!this.list || this.rowless.size === 0) return;
      const fresh = document.createDocumentFragment();
      let room = this.maxRows - this.list.childElementCount;
      let made = 0;
      let oldest = this.list.firstElementChild;
      for (const item of this.rowless) {
        if (room <= 0) {
          while (oldest && this.itemOfRow.get(oldest)?.state !== 'done') oldest = oldest.nextElementSibling;
          if (!oldest) break;
          const gone = /** @type {Item} */ (this.itemOfRow.get(oldest));
          oldest = oldest.nextElementSibling;
          this.unshow(gone);
          room += 1;
        }
        if (made === ROWS_AT_ONCE) {
          this.schedule();
          break;
        }
        this.rowless.delete(item);
        // A file that finished before it got a row needs none while others wait for theirs.
        if (item.state === 'done' && this.items.size > this.maxRows) continue;
        item.row = new Row(item, this.list, this.words, this.language, Boolean(this.editor));
        this.itemOfRow.set(item.row.box, item);
        this.thumbnails.watch(item.row.thumb, item.file.file, item.row.box.dataset.kind);
        this.dirty.add(item);
        fresh.append(item.row.box);
        made += 1;
        room -= 1;
      }
      this.list.append(fresh);
    }

    /** @param {Item} item */
    unshow(item) {
      if (!item.row) return;
      this.thumbnails.forget(item.row.thumb);
      item.row.box.remove();
      item.row = null;
    }

    renderWhole() {
      const { words, language, counts, state } = this;
      const all = this.items.size;
      const done = state === 'done';
      const share = done && counts.done > 0 ? 100 : percent(this.sent, this.size);
      show(this.progressBox, all > 0);
      show(this.list, all > 0);
      show(this.summary, all > 0);
      if (this.bar) this.bar.style.width = `${share}%`;
      const text = [`${share}%`];
      if (state === 'uploading' || state === 'paused') {
        text.push(fill(words.of, { a: formatBytes(this.sent, language), b: formatBytes(this.size, language) }));
      }
      if (state === 'paused') text.push(words.paused);
      if (done && counts.failed) text.push(fill(words.failures, { n: counts.failed }));
      const speed = state === 'uploading' ? speedOf(this.resumable) : 0;
      if (state === 'uploading' && navigator.onLine === false) {
        text.push(words.offline);
      } else if (speed > 0) {
        text.push(unbroken(fill(words.rate, { a: formatBytes(speed, language) })));
        const left = remainingTime(this.size - this.sent, speed, language);
        if (left) text.push(unbroken(fill(words.left, { t: left })));
      }
      if (this.text) setText(this.text, text.join(' · '));
      this.meterBox?.setAttribute('aria-valuenow', String(share));
      this.meterBox?.setAttribute('aria-valuetext', text.join(', '));
      this.swapLinks(state);
      const shown = this.list ? this.list.childElementCount : all;
      const line = [fill(words.counts, { done: counts.done, all: all - counts.cancelled })];
      if (counts.failed) line.push(fill(words.failures, { n: counts.failed }));
      if (all > shown) line.push(fill(words.more, { n: all - shown }));
      setText(this.summaryText, line.join(' · '));
      show(this.retryAll, counts.failed > 1);
      show(this.clear, counts.done + counts.cancelled > 0);
      if (this.list) Object.assign(this.list.dataset, { files: all, done: counts.done, failed: counts.failed });
      // The remaining time changes even while no bytes are sent.
      if (state === 'uploading' && !this.tick) this.tick = setInterval(() => this.schedule(), 1000);
      if (state !== 'uploading' && this.tick) this.tick = void clearInterval(this.tick);
      if (done && this.lastState !== 'done') this.news.lines.push(words.allDone);
      this.lastState = state;
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
      if (hadFocus) (state === 'paused' ? this.resumeLink : this.pauseLink)?.focus();
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
    WORDS, chooseLanguage, fill, formatBytes, formatDuration, remainingTime, percent, kindOf, plainMessage, actionsOf,
    overallState, elements,
  });

  if (typeof module === 'object' && module.exports) module.exports = ResumableUploader;
  else root.ResumableUploader = ResumableUploader;
}(/** @type {Scope} */ (typeof globalThis === 'object' ? globalThis : self)));

// The operators' page: asks the server every two seconds which uploads are under way, and shows them as bars.
//
// Text from clients is only ever inserted as text, never as markup. The row of an upload stays the same element as long
// as the upload is under way, so that a selection or the position of a screen reader survives an update.

'use strict';

/**
 * An upload, as `resumabled status --json` reports it. Sizes are in bytes, times are Unix times in seconds.
 * @typedef {{identifier: string, filename: string, size: number|null, held: number, begun: number, touched: number}} Upload
 */

/** Seconds between two requests. */
const INTERVAL = 2;
/** Seconds without a chunk after which an upload counts as idle. */
const IDLE_SECONDS = 30;

// Sizes, times and the choice of the language are those of the upload page.
const { chooseLanguage, fill, formatBytes, formatDuration, percent } = ResumableUploader.tools;

const WORDS = {
  en: {
    title: 'Uploads under way', none: 'No uploads under way.', one: '1 upload under way.',
    many: '{n} uploads under way.', free: '{size} free on the disk.', soFar: '{held} so far', of: '{held} of {size}', idle: 'idle for {t}',
    rate: '{size}/s', left: '{t} left', started: 'started {t} ago', stale: 'This may be out of date: {reason}',
    answers: 'The server answers {status}.',
  },
  zh: {
    title: '正在进行的上传', none: '没有正在进行的上传。', one: '1 个上传正在进行。', many: '{n} 个上传正在进行。',
    free: '磁盘剩余 {size}。', soFar: '已收到 {held}', of: '{held} / {size}', idle: '已闲置 {t}',
    rate: '{size}/\u2060秒', left: '剩余 {t}', started: '开始于 {t}前', stale: '以下内容可能已过时：{reason}',
    answers: '服务器返回状态码 {status}。',
  },
};
const language = chooseLanguage(navigator.languages);
const words = WORDS[language];

/** @param {number} bytes */
const size = (bytes) => formatBytes(bytes, language);
/** @param {number} seconds */
const time = (seconds) => formatDuration(seconds, language);

const list = /** @type {HTMLElement} */ (document.querySelector('.uploads'));
const total = /** @type {HTMLElement} */ (document.querySelector('.count'));
const free = /** @type {HTMLElement} */ (document.querySelector('.free'));
const trouble = /** @type {HTMLElement} */ (document.querySelector('.trouble[role]'));

/** @type {Map<string, {row: HTMLElement, held: number, at: number}>} */
const rows = new Map();

/**
 * @param {string} tag
 * @param {string} kind
 */
function element(tag, kind) {
  const made = document.createElement(tag);
  made.className = kind;
  return made;
}

/**
 * Makes the invisible characters that change the direction of writing visible. With such a character, `photo` followed
 * by `gnp.exe` reads as `photoexe.png`.
 * @param {string} name
 */
function visible(name) {
  return name.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

function emptyRow() {
  const row = element('li', 'upload');
  const head = element('div', 'row');
  head.append(element('span', 'name'), element('span', 'share'));
  row.append(head, document.createElement('progress'), element('p', 'facts'));
  return row;
}

/**
 * @param {Upload} upload
 * @param {number} now the server's time, in Unix seconds
 * @param {{row: HTMLElement, held: number, at: number}} known
 */
function draw(upload, now, known) {
  const at = performance.now() / 1000;
  const speed = known.at ? Math.max(0, upload.held - known.held) / Math.max(at - known.at, .001) : null;
  known.held = upload.held;
  known.at = at;
  const idle = Math.max(0, now - upload.touched);
  const bar = /** @type {HTMLProgressElement} */ (known.row.querySelector('progress'));
  const share = upload.size ? percent(upload.held, upload.size) : null;
  const name = visible(upload.filename);
  bar.setAttribute('aria-label', name);
  if (upload.size) {
    bar.max = upload.size;
    bar.value = upload.held;
  } else {
    bar.removeAttribute('value');
  }
  const facts = [
    upload.size === null
      ? fill(words.soFar, { held: size(upload.held) })
      : fill(words.of, { held: size(upload.held), size: size(upload.size) }),
    idle >= IDLE_SECONDS ? fill(words.idle, { t: time(idle) })
      : speed === null ? '' : fill(words.rate, { size: size(speed) }),
    speed && upload.size && idle < IDLE_SECONDS
      ? fill(words.left, { t: time((upload.size - upload.held) / speed) }) : '',
    fill(words.started, { t: time(Math.max(0, now - upload.begun)) }),
  ];
  known.row.classList.toggle('idle', idle >= IDLE_SECONDS);
  /** @type {[string, string][]} */
  const texts = [['.name', name], ['.share', share === null ? '' : `${share}%`]];
  for (const [selector, text] of texts) {
    const place = /** @type {HTMLElement} */ (known.row.querySelector(selector));
    if (place.textContent !== text) place.textContent = text;
  }
  /** @type {HTMLElement} */ (known.row.querySelector('.facts')).replaceChildren(...facts.filter(Boolean).map(fact => {
    const item = document.createElement('span');
    item.textContent = fact;
    return item;
  }));
}

/** @param {{now: number, free: number, uploads: Upload[]}} status */
function show(status) {
  const seen = new Set();
  for (const upload of status.uploads) {
    // Identifier and file name never contain a NUL.
    const key = `${upload.identifier}\0${upload.filename}\0${upload.begun}`;
    seen.add(key);
    let known = rows.get(key);
    if (!known) rows.set(key, known = { row: emptyRow(), held: 0, at: 0 });
    draw(upload, status.now, known);
    if (!known.row.parentNode) list.append(known.row);
  }
  for (const [key, { row }] of rows) {
    if (!seen.has(key)) { row.remove(); rows.delete(key); }
  }
  const n = status.uploads.length;
  const count = n === 0 ? words.none : n === 1 ? words.one : fill(words.many, { n });
  // Screen readers announce this element, so it is only touched when the text changes.
  if (total.textContent !== count) total.textContent = count;
  free.textContent = fill(words.free, { size: size(status.free) });
}

async function update() {
  const abort = new AbortController();
  const timeout = setTimeout(() => abort.abort(), 10_000);
  try {
    const answer = await fetch('/resumable/status.json', { cache: 'no-store', signal: abort.signal });
    if (!answer.ok) throw new Error(fill(words.answers, { status: answer.status }));
    show(await answer.json());
    trouble.hidden = true;
  } catch (error) {
    const text = fill(words.stale, { reason: error instanceof Error ? error.message : error });
    if (trouble.textContent !== text) trouble.textContent = text;
    trouble.hidden = false;
  }
  clearTimeout(timeout);
  setTimeout(update, INTERVAL * 1000);
}

// The page's own text is English.
if (language !== 'en') {
  document.documentElement.lang = 'zh-Hans';
  document.title = words.title;
  for (const heading of document.querySelectorAll('h1')) heading.textContent = words.title;
  list.setAttribute('aria-label', words.title);
  total.textContent = '';
}
update();

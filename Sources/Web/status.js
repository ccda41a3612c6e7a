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

// Sizes and times look as they do on the upload page.
const { formatBytes, formatDuration, percent } = ResumableUploader.tools;

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
      ? `${formatBytes(upload.held)} so far` : `${formatBytes(upload.held)} of ${formatBytes(upload.size)}`,
    idle >= IDLE_SECONDS ? `idle for ${formatDuration(idle)}` : speed === null ? '' : `${formatBytes(speed)}/s`,
    speed && upload.size && idle < IDLE_SECONDS ? `${formatDuration((upload.size - upload.held) / speed)} left` : '',
    `started ${formatDuration(Math.max(0, now - upload.begun))} ago`,
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
  const count = status.uploads.length;
  const words = `${count || 'No'} ${count === 1 ? 'upload' : 'uploads'} under way.`;
  // Screen readers announce this element, so it is only touched when the text changes.
  if (total.textContent !== words) total.textContent = words;
  free.textContent = `${formatBytes(status.free)} free on the disk.`;
}

async function update() {
  const abort = new AbortController();
  const timeout = setTimeout(() => abort.abort(), 10_000);
  try {
    const answer = await fetch('/resumable/status.json', { cache: 'no-store', signal: abort.signal });
    if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
    show(await answer.json());
    trouble.hidden = true;
  } catch (error) {
    const words = `This may be out of date: ${error instanceof Error ? error.message : error}`;
    if (trouble.textContent !== words) trouble.textContent = words;
    trouble.hidden = false;
  }
  clearTimeout(timeout);
  setTimeout(update, INTERVAL * 1000);
}

update();

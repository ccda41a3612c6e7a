// The operator's page: asks the program every two seconds what is under way, and shows it as bars.
//
// Nothing that a client says becomes markup: every text goes in as text. A row stays the same element as long as its
// upload is under way, so that a screen reader or a selection isn't thrown out of it with every look.

'use strict';

/**
 * An upload, as `resumabled status --json` tells it.
 * @typedef {{identifier: string, filename: string, size: number|null, held: number, begun: number, touched: number}} Upload
 */

const SECONDS = 2;
/** An upload that nobody has sent to for so many seconds rests. */
const IDLE_SECONDS = 30;

const list = /** @type {HTMLElement} */ (document.querySelector('.uploads'));
const total = /** @type {HTMLElement} */ (document.querySelector('.count'));
const free = /** @type {HTMLElement} */ (document.querySelector('.free'));
const trouble = /** @type {HTMLElement} */ (document.querySelector('.trouble[role]'));

/** @type {Map<string, {row: HTMLElement, held: number, at: number}>} */
const rows = new Map();

/**
 * A number of bytes with about three digits, by powers of 1,024.
 * @param {number} count
 */
function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1024; unit++; }
  return `${unit && count < 99.95 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

/**
 * A span of time in its two largest units.
 * @param {number} seconds
 */
function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

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
 * A name without the invisible characters that turn the direction of writing: with one, `gnp.exe` reads as another.
 * @param {string} name
 */
function visible(name) {
  return name.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** A row that says nothing yet. */
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
  const idle = now - upload.touched;
  const bar = /** @type {HTMLProgressElement} */ (known.row.querySelector('progress'));
  // Never 100 % before it is.
  const percent = upload.size ? Math.floor(upload.held / upload.size * 100) : null;
  const name = visible(upload.filename);
  bar.setAttribute('aria-label', name);
  if (upload.size) {
    bar.max = upload.size;
    bar.value = upload.held;
  } else {
    bar.removeAttribute('value');
  }
  const facts = [
    upload.size === null ? `${bytes(upload.held)} so far` : `${bytes(upload.held)} of ${bytes(upload.size)}`,
    idle >= IDLE_SECONDS ? `idle for ${span(idle)}` : speed === null ? '' : `${bytes(speed)}/s`,
    speed && upload.size && idle < IDLE_SECONDS ? `${span((upload.size - upload.held) / speed)} left` : '',
    `begun ${span(now - upload.begun)} ago`,
  ];
  known.row.classList.toggle('idle', idle >= IDLE_SECONDS);
  /** @type {[string, string][]} */
  const texts = [['.name', name], ['.share', percent === null ? '' : `${percent} %`]];
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
    // Neither part can hold a NUL.
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
  // This is read out: when it changes, not with every look.
  if (total.textContent !== words) total.textContent = words;
  free.textContent = `${bytes(status.free)} free on the disk.`;
}

async function look() {
  const abort = new AbortController();
  const patience = setTimeout(() => abort.abort(), 10_000);
  try {
    const answer = await fetch('/resumable/status.json', { cache: 'no-store', signal: abort.signal });
    if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
    show(await answer.json());
    trouble.hidden = true;
  } catch (error) {
    const words = `What is shown may be old: ${error instanceof Error ? error.message : error}`;
    if (trouble.textContent !== words) trouble.textContent = words;
    trouble.hidden = false;
  }
  clearTimeout(patience);
  setTimeout(look, SECONDS * 1000);
}

look();

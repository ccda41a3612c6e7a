// @ts-check
/**
 * The list of uploads that an earlier visit left unfinished. The user continues or forgets each of them.
 *
 * `ResumableRecovery` knows what is unfinished; this script adds rows and buttons. If the browser has kept a handle of
 * the file, Continue needs nothing more. Otherwise it opens the browser's file dialog. A browser opens the dialog only
 * in response to a click, so if the file turns out to be unreadable after the click, the row asks for another click.
 */
(function (root) {
  'use strict';

  /** @typedef {import('./resumable-uploader')} Uploader */
  /** @typedef {import('./resumable-recovery').ResumableRecovery} Recovery */
  /** @typedef {import('./resumable-recovery').ResumableRecovery.Entry} Entry */

  class PendingUploads {
    /**
     * @param {HTMLElement} box contains a list and a file input; hidden while nothing is unfinished
     * @param {Uploader} uploader
     * @param {Recovery} recovery
     * @param {Record<string, string>} words
     */
    constructor(box, uploader, recovery, words) {
      this.box = box;
      this.list = /** @type {HTMLUListElement} */ (box.querySelector('ul'));
      this.input = /** @type {HTMLInputElement} */ (box.querySelector('input[type=file]'));
      this.uploader = uploader;
      this.recovery = recovery;
      this.words = words;
      /**
       * The rows by their uploads' identifiers.
       * @type {Map<string, HTMLElement>}
       */
      this.rows = new Map();
      /**
       * The entry for which the file dialog was opened.
       * @type {Entry | null}
       */
      this.wanted = null;
      this.input.addEventListener('change', () => this.chosen());
      // A file that is picked or dropped in the usual way continues as well.
      uploader.resumable.on('fileAdded', (file) => this.remove(file.uniqueIdentifier));
    }

    async show() {
      for (const entry of await this.recovery.list()) {
        const row = this.makeRow(entry);
        this.rows.set(entry.uniqueIdentifier, row);
        this.list.append(row);
      }
      this.box.hidden = this.rows.size === 0;
    }

    /** @param {Entry} entry */
    makeRow(entry) {
      const { formatBytes, percent, fill } = ResumableUploader.tools;
      /**
       * @template {keyof HTMLElementTagNameMap} Name
       * @param {Name} name
       * @param {string} className
       */
      const element = (name, className, text = '') => (
        Object.assign(document.createElement(name), { className, textContent: text }));
      /** @param {string} className @param {string} word @param {() => void} action */
      const button = (className, word, action) => {
        const made = element('button', className, this.words[word]);
        made.type = 'button';
        made.setAttribute('aria-label', `${this.words[word]}: ${entry.fileName}`);
        made.addEventListener('click', action);
        return made;
      };
      const row = element('li', 'pending-item');
      row.dataset.name = entry.fileName;
      const name = element('bdi', 'pending-name', entry.fileName);
      name.title = entry.relativePath;
      const share = percent(entry.progress * entry.size, entry.size);
      const bar = Object.assign(element('progress', 'uploader-bar'), { max: 100, value: share });
      bar.setAttribute('aria-label', entry.fileName);
      const size = formatBytes(entry.size, this.uploader.language);
      const text = element('div', 'pending-text', fill(this.words.pendingText, { share, size }));
      const message = element('p', 'pending-message');
      message.setAttribute('role', 'status');
      const main = element('div', 'pending-main');
      main.append(name, bar, text, message);
      const actions = element('div', 'pending-actions');
      actions.append(button('pending-continue', 'continue', () => this.continue(entry, row)),
        button('pending-forget', 'forget', () => this.forget(entry)));
      row.append(main, actions);
      return row;
    }

    /** @param {Entry} entry @param {HTMLElement} row */
    async continue(entry, row) {
      if (entry.hasHandle && !row.dataset.needsFile) {
        const needsFile = this.settle(entry, await this.recovery.resume(entry));
        if (!needsFile) return;
        row.dataset.needsFile = 'yes';
        this.say(row, 'needsFile', entry);
        return;
      }
      this.wanted = entry;
      this.input.click();
    }

    /** The user has chosen a file in the file dialog. */
    async chosen() {
      const { wanted, input } = this;
      const [file] = /** @type {FileList} */ (input.files);
      input.value = '';
      if (!file || !wanted) return;
      if (this.settle(wanted, await this.recovery.resume(wanted, file))) {
        this.say(this.rows.get(wanted.uniqueIdentifier), 'otherFile', wanted);
      }
    }

    /**
     * Removes the row of an entry that needs nothing more.
     * @param {Entry} entry
     * @param {'resumed' | 'changed' | 'needsFile' | 'taken'} result
     * @returns {boolean} true if its file is still needed
     */
    settle(entry, result) {
      if (result === 'needsFile') return true;
      if (result === 'changed' || result === 'taken') this.uploader.notice(this.text(result, entry));
      this.remove(entry.uniqueIdentifier);
      return false;
    }

    /** @param {Entry} entry */
    forget(entry) {
      this.remove(entry.uniqueIdentifier);
      return this.recovery.forget(entry);
    }

    /** @param {HTMLElement | undefined} row @param {string} word @param {Entry} entry */
    say(row, word, entry) {
      row?.querySelector('.pending-message')?.replaceChildren(this.text(word, entry));
    }

    /** @param {string} word @param {Entry} entry */
    text(word, entry) { return ResumableUploader.tools.fill(this.words[word], { name: entry.fileName }); }

    /**
     * Removes a row. If it had the focus, the next row gets it.
     * @param {string} identifier
     */
    remove(identifier) {
      const row = this.rows.get(identifier);
      if (!row) return;
      const focused = row.contains(document.activeElement);
      const next = row.nextElementSibling || row.previousElementSibling;
      row.remove();
      this.rows.delete(identifier);
      this.box.hidden = this.rows.size === 0;
      const target = next?.querySelector('button') || document.querySelector('.resumable-browse');
      if (focused) /** @type {HTMLElement} */ (target).focus();
    }
  }

  root.PendingUploads = PendingUploads;
}(/** @type {typeof globalThis & { PendingUploads: unknown }} */ (globalThis)));

// @ts-check
/**
 * The list of uploads that an earlier visit left unfinished. The user continues or forgets each of them.
 *
 * `ResumableRecovery` knows what is unfinished; this script adds rows and buttons. If the browser has kept a handle of
 * the file, Continue needs nothing more. Otherwise it opens the browser's file dialog. A browser opens the dialog only
 * in response to a click, so if the file turns out to be unreadable after the click, the row asks for another click.
 * The browser's dialog cannot name the file that is wanted, so a dialog of the page names it first.
 *
 * The uploads of one folder are one row, which can be unfolded.
 */
(function (root) {
  'use strict';

  /** @typedef {import('./resumable-uploader')} Uploader */
  /** @typedef {import('./resumable-recovery').ResumableRecovery} Recovery */
  /** @typedef {import('./resumable-recovery').ResumableRecovery.Entry} Entry */

  /**
   * @template {keyof HTMLElementTagNameMap} Name
   * @param {Name} name
   * @param {string} className
   */
  const element = (name, className, text = '') => (
    Object.assign(document.createElement(name), { className, textContent: text }));

  /**
   * The folder that an upload was picked or dropped with, or an empty string.
   * @param {Entry} entry
   */
  const folderOf = ({ relativePath }) => (relativePath.includes('/') ? relativePath.split('/')[0] : '');

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
      /** Picks the folder of a group. */
      this.folderInput = /** @type {HTMLInputElement} */ (this.input.cloneNode());
      this.folderInput.setAttribute('webkitdirectory', '');
      this.input.after(this.folderInput);
      /**
       * The groups by the name of their folder.
       * @type {Map<string, { entries: Map<string, Entry>, row: HTMLElement, list: HTMLElement }>}
       */
      this.groups = new Map();
      /** What the page's dialog opens when the user agrees. */
      this.choose = () => {};
      /** The folder that the folder dialog was opened for. */
      this.wantedFolder = '';
      this.uploader = uploader;
      this.recovery = recovery;
      this.words = words;
      this.dialog = this.makeDialog();
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
      this.folderInput.addEventListener('change', () => this.folderChosen());
      // A file that is picked or dropped in the usual way continues as well.
      uploader.resumable.on('fileAdded', (file) => this.remove(file.uniqueIdentifier));
    }

    async show() {
      const entries = await this.recovery.list();
      /** @type {Map<string, number>} */
      const counts = new Map();
      for (const entry of entries) counts.set(folderOf(entry), (counts.get(folderOf(entry)) || 0) + 1);
      for (const entry of entries) {
        const row = this.makeRow(entry);
        this.rows.set(entry.uniqueIdentifier, row);
        const folder = folderOf(entry);
        if (folder === '' || counts.get(folder) === 1) this.list.append(row);
        else this.groupOf(folder).list.append(row);
        this.groups.get(folder)?.entries.set(entry.uniqueIdentifier, entry);
      }
      for (const folder of this.groups.keys()) this.showGroup(folder);
      this.box.hidden = this.rows.size === 0;
    }

    /** The dialog that names a file or a folder before the browser's dialog opens, which cannot. */
    makeDialog() {
      const dialog = element('dialog', 'pending-dialog');
      const title = element('h2', 'pending-dialog-title');
      title.id = 'pending-dialog-title';
      dialog.setAttribute('aria-labelledby', title.id);
      const buttons = element('div', 'pending-dialog-buttons');
      const choose = element('button', 'pending-dialog-choose');
      choose.addEventListener('click', () => this.choose());
      const cancel = element('button', 'pending-dialog-cancel', this.words.cancel);
      cancel.addEventListener('click', () => dialog.close());
      for (const one of [choose, cancel]) one.type = 'button';
      buttons.append(cancel, choose);
      dialog.append(title, element('p', 'pending-dialog-text'), buttons);
      this.box.append(dialog);
      return dialog;
    }

    /**
     * Asks for a file or a folder by its name, and then lets the browser ask.
     * @param {'chooseFile' | 'chooseFolder'} word
     * @param {string} name
     * @param {string} text
     * @param {() => void} choose
     */
    ask(word, name, text, choose) {
      this.choose = choose;
      const title = ResumableUploader.tools.fill(this.words[`${word}Title`], { name });
      /** @type {HTMLElement} */ (this.dialog.querySelector('.pending-dialog-title')).textContent = title;
      /** @type {HTMLElement} */ (this.dialog.querySelector('.pending-dialog-text')).textContent = text;
      /** @type {HTMLElement} */ (this.dialog.querySelector('.pending-dialog-choose')).textContent = this.words[word];
      this.dialog.showModal();
      /** @type {HTMLElement} */ (this.dialog.querySelector('.pending-dialog-choose')).focus();
    }

    /**
     * The group of a folder, made when it is asked for.
     * @param {string} folder
     */
    groupOf(folder) {
      const known = this.groups.get(folder);
      if (known) return known;
      const row = element('li', 'pending-item pending-group');
      row.dataset.name = folder;
      const name = element('bdi', 'pending-name', folder);
      const message = element('p', 'pending-message');
      message.setAttribute('role', 'status');
      const main = element('div', 'pending-main');
      main.append(name, element('div', 'pending-text'), message);
      const actions = element('div', 'pending-actions');
      for (const [className, action] of /** @type {[string, () => unknown][]} */ ([
        ['pending-continue-all', () => this.continueAll(folder)], ['pending-forget-all', () => this.forgetAll(folder)],
      ])) {
        const button = element('button', className);
        button.type = 'button';
        button.addEventListener('click', action);
        actions.append(button);
      }
      const details = element('details', 'pending-details');
      const list = element('ul', 'pending-list');
      details.append(element('summary', '', this.words.showFiles), list);
      row.append(main, actions, details);
      this.list.append(row);
      const group = { entries: new Map(), row, list };
      this.groups.set(folder, group);
      return group;
    }

    /**
     * Brings the numbers of a group up to date, and removes it when it is empty.
     * @param {string} folder
     */
    showGroup(folder) {
      const { formatBytes, percent, fill } = ResumableUploader.tools;
      const group = this.groups.get(folder);
      if (!group) return;
      const n = group.entries.size;
      if (n === 0) {
        this.groups.delete(folder);
        group.row.remove();
        return;
      }
      let size = 0;
      let sent = 0;
      for (const entry of group.entries.values()) {
        size += entry.size;
        sent += entry.progress * entry.size;
      }
      const values = { n, share: percent(sent, size), size: formatBytes(size, this.uploader.language) };
      for (const [selector, word] of [['.pending-text', 'groupText'], ['.pending-continue-all', 'continueAll'],
        ['.pending-forget-all', 'forgetAll']]) {
        const place = /** @type {HTMLElement} */ (group.row.querySelector(selector));
        place.textContent = fill(this.words[word], values);
        if (place.tagName === 'BUTTON') place.setAttribute('aria-label', `${place.textContent}: ${folder}`);
      }
    }

    /** @param {string} folder */
    async continueAll(folder) {
      const group = this.groupOf(folder);
      const entries = [...group.entries.values()];
      if (!group.row.dataset.needsFile && entries.every((entry) => entry.hasHandle)) {
        for (const entry of entries) this.settle(entry, await this.recovery.resume(entry));
        if (group.entries.size === 0) return;
        group.row.dataset.needsFile = 'yes';
        this.sayOfGroup(folder, 'needsFolder');
        return;
      }
      this.wantedFolder = folder;
      const { textContent } = /** @type {HTMLElement} */ (group.row.querySelector('.pending-text'));
      this.ask('chooseFolder', folder, textContent || '', () => this.folderInput.click());
    }

    /** The user has chosen a folder in the folder dialog. */
    async folderChosen() {
      const { folderInput, wantedFolder } = this;
      /** @type {Map<string, File>} */
      const files = new Map();
      for (const file of folderInput.files || []) files.set(file.webkitRelativePath || file.name, file);
      folderInput.value = '';
      this.dialog.close();
      const group = this.groups.get(wantedFolder);
      if (!group || files.size === 0) return;
      for (const entry of [...group.entries.values()]) {
        const file = files.get(entry.relativePath);
        if (file) this.settle(entry, await this.recovery.resume(entry, file));
      }
      if (group.entries.size > 0) this.sayOfGroup(wantedFolder, 'notInFolder');
    }

    /** @param {string} folder */
    forgetAll(folder) {
      return Promise.all([...this.groupOf(folder).entries.values()].map((entry) => this.forget(entry)));
    }

    /** @param {string} folder @param {string} word */
    sayOfGroup(folder, word) {
      const { entries, row } = this.groupOf(folder);
      const text = ResumableUploader.tools.fill(this.words[word], { name: folder, n: entries.size });
      row.querySelector('.pending-message')?.replaceChildren(text);
    }

    /** @param {Entry} entry */
    makeRow(entry) {
      const { formatBytes, percent, fill } = ResumableUploader.tools;
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
      const text = row.querySelector('.pending-text')?.textContent || '';
      const where = entry.relativePath === entry.fileName ? text : `${entry.relativePath} · ${text}`;
      this.ask('chooseFile', entry.fileName, where, () => this.input.click());
    }

    /** The user has chosen a file in the file dialog. */
    async chosen() {
      const { wanted, input } = this;
      const [file] = /** @type {FileList} */ (input.files);
      input.value = '';
      this.dialog.close();
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
      const focused = row.contains(document.activeElement)
        || row.closest('.pending-group')?.contains(document.activeElement);
      const next = row.nextElementSibling || row.previousElementSibling
        || row.closest('.pending-group')?.nextElementSibling;
      row.remove();
      this.rows.delete(identifier);
      for (const [folder, { entries }] of this.groups) if (entries.delete(identifier)) this.showGroup(folder);
      this.box.hidden = this.rows.size === 0;
      const target = next?.querySelector('button') || document.querySelector('.resumable-browse');
      if (focused && !document.activeElement?.closest('.pending')) /** @type {HTMLElement} */ (target).focus();
    }
  }

  root.PendingUploads = PendingUploads;
}(/** @type {typeof globalThis & { PendingUploads: unknown }} */ (globalThis)));

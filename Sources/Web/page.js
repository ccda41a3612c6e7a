// @ts-check
/**
 * Wires the page at /resumable: words in the reader's language, paste, whole folders, and the uploader itself.
 * No inline handler anywhere: the page works under a Content-Security-Policy of `script-src 'self'`.
 */
(() => {
  'use strict';

  /**
   * What other scripts have left in the window, what a browser may have there, and what we leave.
   * @typedef {object} Globals
   * @property {typeof import('./resumable-recovery').ResumableRecovery} ResumableRecovery
   * @property {new (...parts: PendingParts) => { show(): Promise<void> }} PendingUploads
   * @property {(options: { multiple: boolean }) => Promise<FileSystemFileHandle[]>} showOpenFilePicker
   * @property {ResumableUploader} uploader
   */
  /** @typedef {import('./resumable-uploader')} ResumableUploader */
  /** @typedef {import('./resumable-recovery').ResumableRecovery} Recovery */
  /** @typedef {[HTMLElement, ResumableUploader, Recovery, Record<string, string>]} PendingParts */

  const page = /** @type {Window & Globals} */ (/** @type {unknown} */ (window));

  /**
   * What stands in the page, for other languages than English: replaced by `data-text`.
   * @type {Record<string, Record<string, string>>}
   */
  const TEXTS = {
    zh: {
      title: '上传文件', lead: '大文件也没问题。连接中断后，会从中断的地方继续上传。',
      drop: '将文件或文件夹拖到这里', browse: '选择文件', folder: '选择文件夹', paste: '也可以直接粘贴',
      pause: '暂停', resume: '继续', pending: '上次未完成的上传',
    },
  };

  /** What the list of unfinished uploads says. */
  const PENDING = {
    en: {
      continue: 'Continue', forget: 'Forget', pendingText: '{share}% of {size}',
      needsFile: 'Your browser cannot reach the file by itself. Press Continue again and choose {name}.',
      otherFile: 'That was another file. Choose {name}.',
      changed: '{name} has changed since the last time. It is uploaded from the beginning.',
    },
    zh: {
      continue: '继续上传', forget: '不再上传', pendingText: '{size} 的 {share}%',
      needsFile: '浏览器无法自行打开此文件。请再次点击“继续上传”，然后选择 {name}。',
      otherFile: '这不是同一个文件，请选择 {name}。',
      changed: '{name} 自上次以来已更改，将从头开始上传。',
    },
  };

  // Before the uploader: it puts a file input into the browse buttons, which a new text would throw out.
  const language = ResumableUploader.tools.chooseLanguage(navigator.languages);
  document.documentElement.lang = language === 'zh' ? 'zh-Hans' : language;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-text]'))) {
    const text = TEXTS[language]?.[/** @type {string} */ (element.dataset.text)];
    if (text) element.textContent = text;
  }
  const name = document.title;

  const uploader = new ResumableUploader('', {}, '.resumable-browse', '.resumable-drop', '.progress', '.uploader-list',
    '.file-edit-container');
  const { resumable } = uploader;

  if (resumable.support) {
    const recovery = new page.ResumableRecovery(resumable);
    const pending = /** @type {HTMLElement} */ (document.querySelector('.pending'));
    new page.PendingUploads(pending, uploader, recovery, PENDING[language]).show();

    // The browser's picker gives handles, by which an upload can be continued after a restart with one click.
    const browse = /** @type {HTMLElement} */ (document.querySelector('.resumable-browse'));
    browse.addEventListener('click', (event) => {
      if (!('showOpenFilePicker' in window) || event.target !== browse) return;
      event.stopImmediatePropagation();
      page.showOpenFilePicker({ multiple: true }).then((handles) => recovery.addHandles(handles, event), (error) => {
        // The user has changed her mind.
        if (error.name !== 'AbortError') throw error;
      });
    }, { capture: true });

    const folder = /** @type {HTMLElement} */ (document.querySelector('.resumable-browse-folder'));
    if ('webkitdirectory' in HTMLInputElement.prototype && !matchMedia('(pointer: coarse)').matches) {
      folder.hidden = false;
      resumable.assignBrowse([folder], true);
    }
    document.addEventListener('paste', (event) => {
      const files = event.clipboardData?.files;
      if (!files?.length) return;
      event.preventDefault();
      resumable.addFiles(files, event);
    });
    // A file that misses the drop area must not make the browser leave the page for it.
    for (const kind of ['dragover', 'drop']) {
      document.addEventListener(kind, (event) => event.preventDefault());
    }
  }

  // How far it is can be read on the tab while one works on another.
  const progress = /** @type {HTMLElement} */ (document.querySelector('.progress'));
  new MutationObserver(() => {
    const bar = /** @type {HTMLElement} */ (document.querySelector('.progress-container'));
    const running = document.documentElement.dataset.uploaderState === 'uploading';
    document.title = running ? `${bar.getAttribute('aria-valuenow')}% – ${name}` : name;
  }).observe(progress, { subtree: true, attributeFilter: ['aria-valuenow'] });

  // The seed's page has it under this name.
  page.uploader = uploader;
})();

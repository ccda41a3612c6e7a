// @ts-check
/**
 * The script of the page at /resumable: texts in the reader's language, paste, folders, and the uploader itself.
 * There are no inline handlers, so the page works under a Content-Security-Policy of `script-src 'self'`.
 */
(() => {
  'use strict';

  /**
   * Globals of the other scripts, globals that only some browsers have, and the one that this script adds.
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
   * The texts of the page in other languages than English, by their `data-text`.
   * @type {Record<string, Record<string, string>>}
   */
  const TEXTS = {
    zh: {
      title: '上传文件', lead: '大文件也没问题。连接中断后，会从中断的地方继续上传。',
      drop: '将文件或文件夹拖到这里', browse: '选择文件', folder: '选择文件夹', paste: '也可以直接粘贴',
      pause: '暂停', resume: '继续', pending: '未完成的上传',
    },
  };

  /** The texts of the list of unfinished uploads. */
  const PENDING = {
    en: {
      continue: 'Continue', forget: 'Forget', pendingText: '{share}% of {size}', cancel: 'Cancel',
      continueAll: 'Continue all {n}', forgetAll: 'Forget all', groupText: '{n} files · {share}% of {size}',
      showFiles: 'Show files', chooseFile: 'Choose the file', chooseFolder: 'Choose the folder',
      chooseFileTitle: 'Choose {name} again', chooseFolderTitle: 'Choose the folder {name} again',
      needsFolder: 'Your browser cannot open the files by itself. Press “Continue all” again and choose {name}.',
      notInFolder: '{n} files are not in the chosen folder. Choose {name}.',
      needsFile: 'Your browser cannot open the file by itself. Press Continue again and choose {name}.',
      otherFile: 'This is a different file. Choose {name}.',
      changed: '{name} has changed since then. It is uploaded from the beginning.',
      taken: '{name} was continued, finished or forgotten in another tab.',
    },
    zh: {
      continue: '继续上传', forget: '不再上传', pendingText: '{size} 的 {share}%', cancel: '取消',
      continueAll: '继续全部 {n} 个', forgetAll: '全部放弃', groupText: '{n} 个文件 · {size} 的 {share}%',
      showFiles: '显示文件', chooseFile: '选择文件', chooseFolder: '选择文件夹',
      chooseFileTitle: '请重新选择 {name}', chooseFolderTitle: '请重新选择文件夹 {name}',
      needsFolder: '浏览器无法自行打开这些文件。请再次点击“继续全部”，然后选择 {name}。',
      notInFolder: '所选文件夹中缺少 {n} 个文件，请选择 {name}。',
      needsFile: '浏览器无法自行打开此文件。请再次点击“继续上传”，然后选择 {name}。',
      otherFile: '这不是同一个文件，请选择 {name}。',
      changed: '{name} 自上次以来已更改，将从头开始上传。',
      taken: '{name} 已在另一个标签页中继续、完成或放弃上传。',
    },
  };

  // Texts come before the uploader, which puts file inputs into the browse buttons: a new text would remove them.
  const language = ResumableUploader.tools.chooseLanguage(navigator.languages);
  document.documentElement.lang = language === 'zh' ? 'zh-Hans' : language;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-text]'))) {
    const text = TEXTS[language]?.[/** @type {string} */ (element.dataset.text)];
    if (text) element.textContent = text;
  }
  const name = document.title;

  const uploader = new ResumableUploader('', {}, '.resumable-browse', '.resumable-drop', '.progress', '.uploader-list',
    '.file-edit-container', { dropAnywhere: true });
  const { resumable } = uploader;

  if (resumable.support) {
    const recovery = new page.ResumableRecovery(resumable);
    const pending = /** @type {HTMLElement} */ (document.querySelector('.pending'));
    new page.PendingUploads(pending, uploader, recovery, PENDING[language]).show();

    // The browser's file picker gives handles, with which one click continues an upload after a restart.
    const browse = /** @type {HTMLElement} */ (document.querySelector('.resumable-browse'));
    browse.addEventListener('click', (event) => {
      if (!('showOpenFilePicker' in window) || event.target !== browse) return;
      event.stopImmediatePropagation();
      page.showOpenFilePicker({ multiple: true }).then((handles) => recovery.addHandles(handles, event), (error) => {
        // The user closed the picker without choosing a file.
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
  }

  // The title shows the progress to a user who works in another tab.
  const progress = /** @type {HTMLElement} */ (document.querySelector('.progress'));
  new MutationObserver(() => {
    document.title = uploader.headline ? `${uploader.headline} – ${name}` : name;
  }).observe(progress, { subtree: true, attributeFilter: ['aria-valuetext', 'hidden'] });

  // Pages and their scripts reach the uploader by this name.
  page.uploader = uploader;
})();

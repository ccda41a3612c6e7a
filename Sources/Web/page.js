/**
 * Wires the page at /resumable: words in the reader's language, paste, whole folders, and the uploader itself.
 * No inline handler anywhere: the page works under a Content-Security-Policy of `script-src 'self'`.
 */
(() => {
  'use strict';

  /** The English text stands in the page; other languages replace it by `data-text`. */
  const TEXTS = {
    zh: {
      title: '上传文件', lead: '大文件也没问题。连接中断后，会从中断的地方继续上传。',
      drop: '将文件或文件夹拖到这里', browse: '选择文件', folder: '选择文件夹', paste: '也可以直接粘贴',
      pause: '暂停', resume: '继续',
    },
  };

  // Before the uploader: it puts a file input into the browse buttons, which a new text would throw out.
  const language = ResumableUploader.tools.chooseLanguage(navigator.languages);
  document.documentElement.lang = language === 'zh' ? 'zh-Hans' : language;
  for (const element of document.querySelectorAll('[data-text]')) {
    const text = TEXTS[language]?.[element.dataset.text];
    if (text) element.textContent = text;
  }
  const name = document.title;

  const uploader = new ResumableUploader('', {}, '.resumable-browse', '.resumable-drop', '.progress', '.uploader-list',
    '.file-edit-container');
  const { resumable } = uploader;

  if (resumable.support) {
    const folder = document.querySelector('.resumable-browse-folder');
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
  new MutationObserver(() => {
    const bar = document.querySelector('.progress-container');
    const running = document.documentElement.dataset.uploaderState === 'uploading';
    document.title = running ? `${bar.getAttribute('aria-valuenow')}% – ${name}` : name;
  }).observe(document.querySelector('.progress'), { subtree: true, attributeFilter: ['aria-valuenow'], attributes: true });

  // The seed's page has it under this name.
  window.uploader = uploader;
})();

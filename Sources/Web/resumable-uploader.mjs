/**
 * The ES module: `import ResumableUploader from './resumable-uploader.mjs'`. It exports the implementation in
 * `resumable-uploader.js`, which expects the global `Resumable` of a page. Here the option `Resumable` has the library
 * as its default.
 */
import * as script from './resumable-uploader.js';
import Resumable from './resumable.mjs';

// Rollup takes the script for a module without exports, and would warn of `script.default`.
const Script = Reflect.get(script, 'default') ?? globalThis.ResumableUploader;

class ResumableUploader extends Script {
  constructor(token, meta, browse, drop, progress, list, edit, options) {
    super(token, meta, browse, drop, progress, list, edit, { Resumable, ...options });
  }
}

export default ResumableUploader;
export { ResumableUploader };

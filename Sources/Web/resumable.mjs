/**
 * The ES module: `import Resumable from './resumable.mjs'`. The one implementation is the classic script beside it.
 * A browser gets it as the global that a classic script sets; a bundler or Node gets it as a CommonJS export.
 */
import * as script from './resumable.js';

const Resumable = script['default'] ?? globalThis.Resumable;

export default Resumable;
export { Resumable };

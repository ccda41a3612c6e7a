/**
 * The ES module: `import Resumable from './resumable.mjs'`. It exports the implementation in `resumable.js`, which sets
 * a global in a browser and is a CommonJS module for bundlers and Node.
 */
import * as script from './resumable.js';

// Rollup takes the script for a module without exports, and would warn of `script.default`.
const Resumable = Reflect.get(script, 'default') ?? globalThis.Resumable;

export default Resumable;
export { Resumable };

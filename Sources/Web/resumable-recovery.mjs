/**
 * The ES module: `import ResumableRecovery from './resumable-recovery.mjs'`. It exports the implementation in
 * `resumable-recovery.js`, which sets a global in a browser and is a CommonJS module for bundlers and Node.
 */
import * as script from './resumable-recovery.js';

// Rollup takes the script for a module without exports, and would warn of `script.default`.
const ResumableRecovery = Reflect.get(script, 'default') ?? globalThis.ResumableRecovery;

export default ResumableRecovery;
export { ResumableRecovery };

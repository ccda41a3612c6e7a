// Types of resumable-recovery.mjs.
import ResumableRecovery = require('./resumable-recovery.js');
export default ResumableRecovery;
export { ResumableRecovery };

// Types of resumable.mjs.
import Resumable = require('./resumable.js');
export default Resumable;
export { Resumable };

// Types of resumable-uploader.mjs.
import ResumableUploader = require('./resumable-uploader.js');
export default ResumableUploader;
export { ResumableUploader };

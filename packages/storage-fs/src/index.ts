export { FileLog, type FileLogOptions } from './file-log.js';

export { FolderLockedError } from './folder.js';
export type { File, Folder, Lock } from './folder.js';

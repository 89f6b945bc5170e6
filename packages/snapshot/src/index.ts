export { FileSnapshots, type FileSnapshotsOptions } from './file-snapshots.js';
export { gzip } from './gzip.js';

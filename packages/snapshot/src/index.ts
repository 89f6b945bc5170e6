export { FileSnapshots, type FileSnapshotsOptions } from './file-snapshots.js';
export { gzip } from './gzip.js';
export { DEFAULT_POLICY, retain, snapshotDue, type SinceSnapshot, type SnapshotPolicy } from './policy.js';

export { LevelLog } from './level-log.js';
export { LevelSnapshots, type LevelSnapshotsOptions } from './level-snapshots.js';
export type { Database, LevelOptions } from './namespace.js';

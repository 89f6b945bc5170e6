export { LevelLog, type LevelLogOptions } from './level-log.js';
export { LevelSnapshots, type LevelSnapshotsOptions } from './level-snapshots.js';
export type { Database, FreeBytes, LevelOptions } from './namespace.js';

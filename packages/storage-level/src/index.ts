export { LevelLog } from './level-log.js';
export type { Database, LevelOptions } from './room.js';

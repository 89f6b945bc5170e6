/**
 * Building blocks for Kontiki's own stores and for stores that applications implement. They include
 * base classes, and an encoding for log stores.
 */
export { AbstractLog, type OpenedLog } from './abstract-log.js';
export {
  AbstractSnapshots,
  type FinishedSnapshot,
  type OpenedSnapshots,
  type UnfinishedSnapshot,
} from './abstract-snapshots.js';
export { checkFolder } from './check-folder.js';
export { checkOwner } from './check-owner.js';
export { corruptData, hasCode, isDiskFull, isSystemFailure, messageOf, storeFailure, undecodable } from './failure.js';
export { LogStateTracker, type Checkpoint } from './log-state-tracker.js';
export { movedError } from './moved.js';
export type { SnapshotSink } from './store-writer.js';
export {
  baseLength,
  readBase,
  readVitals,
  vitalsFlags,
  vitalsLength,
  writeBase,
  writeVitals,
  type LogRecord,
  type Vitals,
} from './record.js';

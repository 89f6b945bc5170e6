/**
 * The Raft protocol without I/O, pure and synchronous. It is meant for simulators, and for programs
 * that need a driver other than `RaftNode`. Exports that only this module has may change in any
 * release.
 */
export { STAMPED_LEVEL } from '../log/log-clock.js';
export { LEVEL } from '../log/membership.js';
export type { LogStart, RaftLog } from '../log/raft-log.js';
export type * from './message.js';
export type { Mail, Output, PageRead, ReadsReady, Report, SnapshotEvent, Write } from './output.js';
export type { Progress } from './progress.js';
export type { RaftStart } from './raft-server.js';
export { Raft } from './raft.js';
export type { ProposalRefusal } from './message.js';
export { RawNode } from './raw-node.js';
export type { Turn, TurnHooks } from './raw-node.js';
export { defaultLimits, defaultTimings } from './settings.js';

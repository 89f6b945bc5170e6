/**
 * The protocol itself, pure and synchronous: for simulators, and for whoever drives it in another way than `RaftNode`.
 * What is exported here alone may change with any release.
 */
export type { LogStart, RaftLog } from '../log/raft-log.js';
export type { PageRead, Mail, Output, ReadsReady, Report, Write } from './output.js';
export type { Progress } from './progress.js';
export { Raft } from './raft.js';
export type { RaftStart, ProposalRefusal } from './raft.js';
export { defaultLimits, defaultTimings } from './settings.js';

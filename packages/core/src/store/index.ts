/** What log stores are made of, ours and others: the state that every log must report, group commit, and the encoding of both. */
export { GroupCommit, type GroupCommitOptions } from './group-commit.js';
export { Ledger, type Checkpoint } from './ledger.js';
export {
  ballotFlags,
  ballotLength,
  baseLength,
  readBallot,
  readBase,
  writeBallot,
  writeBase,
  type LogRecord,
} from './record.js';

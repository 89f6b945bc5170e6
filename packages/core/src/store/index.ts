/** What log stores are made of, ours and others: the state that every log must report, group commit, and the encoding of both. */
export { admitSnapshot } from './admission.js';
export { GroupCommit, type GroupCommitOptions } from './group-commit.js';
export { Ledger, type Checkpoint } from './ledger.js';
export { checkWhere, movedError } from './moved.js';
export { readPage } from './page.js';
export { WriterCalls, type WriterCallsOptions } from './writer-calls.js';
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

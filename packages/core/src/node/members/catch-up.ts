import type { ServerId } from '../../log/server.js';
import type { Progress } from '../../protocol/progress.js';
import type { Raft } from '../../protocol/raft.js';
import type { Operations } from '../calls/operations.js';

/** A new server counts as caught up after at most this many rounds (thesis §4.2.1). */
const MAX_ROUNDS = 10;

/** How much of the leader's log a new server holds. */
export interface CatchUpProgress {
  readonly id: ServerId;
  /** The index up to which the log is durable on the server. */
  readonly match: number;
  /** The last index of the leader's log. */
  readonly last: number;
}

interface Learner {
  readonly raft: Raft;
  readonly id: ServerId;
  readonly onProgress: ((progress: CatchUpProgress) => void) | undefined;
  /** Tells whether the learner has the right disk. */
  readonly isRight: ((progress: Progress) => boolean) | undefined;
}

/**
 * Waits until a learner has the log. Each round ends when it has what the log held at the start of
 * the round. A round that takes less than an election timeout is the last one (thesis §4.2.1).
 * Returns false if this server no longer leads.
 */
export async function catchUp(
  operations: Operations,
  { raft, id, onProgress, isRight = () => true }: Learner,
  aborted: AbortSignal,
): Promise<boolean> {
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    const start = raft.now;
    const goal = raft.log.lastIndex;
    let seen = -1;
    await operations.until(() => {
      const learner = raft.peers?.get(id);
      if (learner === undefined) return true;
      if (!isRight(learner)) return false;
      const { match, level } = learner;
      if (match !== seen) onProgress?.({ id, match, last: raft.log.lastIndex });
      seen = match;
      // Its heartbeat replies say which feature level it reads.
      return match >= goal && level !== undefined;
    }, aborted);
    if (raft.role !== 'leader') return false;
    if (raft.now - start < raft.timings.election) break;
  }
  return true;
}

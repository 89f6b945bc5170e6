import type { ServerId } from '../../log/server.js';
import type { Progress } from '../../protocol/progress.js';
import type { Raft } from '../../protocol/raft.js';
import type { Operations } from '../calls/operations.js';

/**
 * Maximum number of rounds. After this many rounds, a new server counts as up to date (thesis
 * §4.2.1).
 */
const MAX_ROUNDS = 10;

/** The progress of a new server that is receiving the leader's log. */
export interface CatchUpProgress {
  readonly id: ServerId;
  /** The index up to which the new server has stored the leader's log durably. */
  readonly match: number;
  /** The last index of the leader's log. */
  readonly last: number;
}

interface Learner {
  readonly raft: Raft;
  readonly id: ServerId;
  readonly onProgress: ((progress: CatchUpProgress) => void) | undefined;
  /** Returns whether the learner is running on the expected disk. */
  readonly isRight: ((progress: Progress) => boolean) | undefined;
}

/**
 * Waits until a learner has received the leader's log. The wait is divided into rounds. A round
 * ends when the learner has all entries that were in the log when the round started. The last round
 * is the first one that takes less than an election timeout (thesis §4.2.1). Resolves with false if
 * this server is no longer the leader.
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
      // The learner reports its feature level in heartbeat replies.
      return match >= goal && level !== undefined;
    }, aborted);
    if (raft.role !== 'leader') return false;
    if (raft.now - start < raft.timings.election) break;
  }
  return true;
}

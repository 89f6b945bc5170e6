import { KontikiError, NotLeaderError } from '../../errors.js';
import type { ProposalRefusal } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import { leaderOf } from '../status.js';

/**
 * Returns the error for a refused proposal. `situation` explains why this server knows no leader.
 */
export function refusalError(raft: Raft, why: ProposalRefusal, situation: () => string): KontikiError {
  switch (why) {
    case 'notLeader': {
      const leader = leaderOf(raft);
      const hint = leader === undefined ? `${situation()} Try again soon.` : `${leader.id} leads: call it there.`;
      return new NotLeaderError(`Node ${raft.id} does not lead. ${hint}`, leader);
    }
    case 'transferring':
      return new KontikiError(
        'KONTIKI_TRANSFERRING',
        `Node ${raft.id} is handing over its leadership to ${raft.transferTarget}. Try again soon.`,
      );
    case 'overloaded':
      return new KontikiError(
        'KONTIKI_OVERLOADED',
        "More is proposed than the cluster commits (limits.uncommittedBytes) or than the leader's disk writes (limits.undurableBytes). Try again later, or propose less.",
      );
    case 'diskFull':
      return new KontikiError('KONTIKI_DISK_FULL', "The leader's disk is full. Free some space, then try again.");
  }
}

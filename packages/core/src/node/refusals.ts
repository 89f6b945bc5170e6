import { KontikiError } from '../errors.js';
import type { ServerId } from '../log/server.js';
import type { ProposalRefusal } from '../protocol/raft.js';
import type { Leader } from './status.js';

/** The command was not appended, since this server doesn't lead. `leader` says who does, as far as known here. */
export class NotLeaderError extends KontikiError {
  readonly leader: Leader | undefined;

  constructor(message: string, leader: Leader | undefined) {
    super('KONTIKI_NOT_LEADER', message);
    this.name = 'NotLeaderError';
    this.leader = leader;
  }
}

export function notLeader(id: ServerId, leader: Leader | undefined): NotLeaderError {
  const hint = leader === undefined ? 'No leader is known: try again soon.' : `${leader.id} leads: propose it there.`;
  return new NotLeaderError(`Node ${id} does not lead. ${hint}`, leader);
}

export function refusal(why: Exclude<ProposalRefusal, 'notLeader'>): KontikiError {
  return why === 'overloaded'
    ? new KontikiError(
        'KONTIKI_OVERLOADED',
        "More is proposed than the cluster commits (limits.uncommittedBytes) or the leader's disk writes (limits.undurableBytes). Try again later, or propose less.",
      )
    : new KontikiError('KONTIKI_DISK_FULL', "The leader's disk is full: it takes no more until there is room.");
}

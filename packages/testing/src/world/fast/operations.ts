import type { MembershipStep, ServerId } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { ServerContext } from './context.js';

/** An operator's call, which runs during a server's turn. A call that is refused has no effect. */
export type Operation = (raft: Raft) => void;

type World = Pick<ServerContext, 'checks' | 'trace'>;

export function change(
  { checks, trace }: World,
  id: ServerId,
  steps: readonly MembershipStep[],
  force: boolean,
): Operation {
  return (raft) => {
    if ('refused' in raft.changeMembership(steps, { force })) return;
    checks.counts.changes += 1;
    trace?.(`${id} changes the membership: ${JSON.stringify(raft.log.membership)}`);
  };
}

export function raiseLevel({ checks, trace }: World, id: ServerId): Operation {
  return (raft) => {
    if ('refused' in raft.raiseLevel()) return;
    checks.counts.raises += 1;
    trace?.(`${id} raises the level to ${raft.log.membership?.level}`);
  };
}

export function transfer({ checks, trace }: World, id: ServerId, to: ServerId | undefined): Operation {
  return (raft) => {
    if (raft.transfer(to) !== undefined) return;
    checks.counts.transfers += 1;
    trace?.(`${id} hands over to ${raft.transferTarget}`);
  };
}

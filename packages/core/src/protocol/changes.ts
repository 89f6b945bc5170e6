import { beginChange, targetOf, type MembershipStep } from '../log/membership-change.js';
import type { Membership } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import { refuse, type ChangeRefusal } from './change-refusal.js';
import { quorumIsFull } from './disk-room.js';
import { illiterate } from './levels.js';
import type { Progress } from './progress.js';
import type { Server } from './role.js';
import { answers, hasQuorum, laggard } from './voters.js';

type Peers = ReadonlyMap<ServerId, Progress>;

/** Returns the next membership of a change, or the reason why the change is refused. */
export type DraftMembership = (server: Server, peers: Peers) => Membership | ChangeRefusal;

/**
 * Returns the reason why a leader cannot change its membership now; undefined if it can. Only one
 * change may be in progress at a time. The leader must also have committed an entry of its own
 * term. Otherwise, two leaders could commit changes whose quorums do not overlap (a bug in
 * single-server changes that was found in 2015).
 */
export function refuseChange(server: Server, peers: Peers, expected: number | undefined): ChangeRefusal | undefined {
  const { log, membership, ballot, full } = server;
  if (full || quorumIsFull(server, peers)) return refuse('diskFull');
  if (log.termAt(log.committed) !== ballot.term) return refuse('notReady');
  if (membership.outgoing.length > 0 || log.membershipIndex > log.committed) return refuse('changing');
  const { revision } = membership;
  if (expected !== undefined && expected !== revision) return refuse('revision', `${revision}, not ${expected}`);
  return undefined;
}

/**
 * Returns the first membership of a change, or the reason why the change is refused. Unless the
 * operator forces the change, a quorum of the new voters must currently be responding.
 */
export function changed(
  server: Server,
  peers: Peers,
  steps: readonly MembershipStep[],
  force = false,
): Membership | ChangeRefusal {
  const { membership } = server;
  if (membership.level === 0) return refuse('level');
  if (!membership.founded) return refuse('founding');
  const target = targetOf(membership, steps, (learner) => peers.get(learner)?.store);
  if (typeof target === 'string') return refuse('invalid', target);
  const next = beginChange(membership, target);
  const unable = illiterate(server, peers, next);
  if (unable !== undefined) return refuse('unable', unable);
  const lagging = laggard(server, peers, next);
  if (lagging !== undefined) return refuse('lagging', lagging);
  return force || hasQuorum(server, peers, next, answers) ? next : refuse('quorumSilent');
}

import { isVoter, type Membership } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import { refuse, type ChangeRefusal } from './change-refusal.js';
import type { Progress } from './progress.js';
import type { Server } from './role.js';
import { answers } from './voters.js';

type Peers = ReadonlyMap<ServerId, Progress>;

/**
 * Returns a membership with the highest feature level that every member supports, or the reason why
 * the level cannot be raised. Each member must have reported its highest level to this leader and
 * must currently be responding. A server that is down might return with an earlier version of
 * Kontiki.
 */
export function raised(server: Server, peers: Peers): Membership | ChangeRefusal {
  const { membership, level: own } = server;
  const silence = refuseSilence(server, peers);
  if (silence !== undefined) return silence;
  const ids = [...membership.servers.keys()];
  const reads = ids.map((id) => peers.get(id)?.level ?? own);
  const level = Math.min(own, ...reads);
  if (level > membership.level) return { ...membership, level, revision: membership.revision + 1 };
  if (own <= membership.level) return refuse('highest', `${membership.level}`);
  return refuse('unequal', ids.filter((_, i) => (reads[i] as number) <= membership.level).join(', '));
}

/**
 * Returns the newest version of the state machine's behavior that every member has, or 0 if some
 * member has none. Returns a refusal if a member is not currently responding, because that member
 * might return with an earlier version.
 */
export function commonBehavior(server: Server, peers: Peers): number | ChangeRefusal {
  const silence = refuseSilence(server, peers);
  if (silence !== undefined) return silence;
  const own = server.behavior ?? 0;
  return Math.min(own, ...[...server.membership.servers.keys()].map((id) => peers.get(id)?.behavior ?? own));
}

/**
 * Returns a new voter that cannot read entries of the cluster's feature level, or undefined if all
 * new voters can read them.
 */
export function illiterate({ membership }: Server, peers: Peers, next: Membership): ServerId | undefined {
  const readsLess = (id: ServerId): boolean => (peers.get(id)?.level ?? next.level) < next.level;
  return next.voters.find((voter) => !isVoter(membership, voter) && readsLess(voter));
}

/**
 * Returns a refusal that names the other members that are not responding or have not reported their
 * highest feature level. Returns undefined if there are none.
 */
function refuseSilence(server: Server, peers: Peers): ChangeRefusal | undefined {
  const silent = [...server.membership.servers.keys()].filter((id) => {
    const progress = peers.get(id);
    return id !== server.id && (progress?.level === undefined || !answers(server, id, progress));
  });
  return silent.length === 0 ? undefined : refuse('silent', silent.join(', '));
}

import type { Membership } from './membership.js';
import type { Member, ServerId, StoreId } from './server.js';

/**
 * One step of a membership change. A new server starts as a learner. It catches up on the log
 * before it can become a voter and count in elections and commits (thesis §4.2.1).
 */
export type MembershipStep =
  | { readonly kind: 'addLearner'; readonly id: ServerId; readonly address: string; readonly metadata?: string }
  | { readonly kind: 'promote' | 'demote' | 'remove'; readonly id: ServerId }
  | { readonly kind: 'setAddress'; readonly id: ServerId; readonly address: string }
  | { readonly kind: 'setMetadata'; readonly id: ServerId; readonly metadata: string };

/** The intended result of a membership change. A target is never joint. */
export interface Target {
  readonly voters: readonly ServerId[];
  readonly learners: readonly ServerId[];
  readonly servers: ReadonlyMap<ServerId, Member>;
}

/**
 * Applies steps, in order, to a membership that is not joint. If a step is invalid, returns the
 * reason as a sentence fragment. `storeOf` returns the store of a learner that is to become a
 * voter.
 */
export function targetOf(
  current: Membership,
  steps: readonly MembershipStep[],
  storeOf: (learner: ServerId) => StoreId | undefined = () => undefined,
): Target | string {
  const voters = new Set(current.voters);
  const learners = new Set(current.learners);
  const servers = new Map(current.servers);
  for (const step of steps) {
    const { id } = step;
    const info = servers.get(id);
    if (step.kind === 'addLearner') {
      if (info !== undefined) return `${id} is a member already`;
      learners.add(id);
      servers.set(id, { address: step.address, metadata: step.metadata ?? '' });
      continue;
    }
    if (info === undefined) return `${id} is not a member`;
    switch (step.kind) {
      case 'promote':
        if (!learners.delete(id)) return `${id} is a voter already`;
        voters.add(id);
        // A server that was a voter before the change keeps its store. Replacing a voter's disk
        // takes two changes.
        servers.set(id, { ...info, store: current.voters.includes(id) ? current.servers.get(id)?.store : storeOf(id) });
        break;
      case 'demote':
        if (!voters.delete(id)) return `${id} is a learner already`;
        learners.add(id);
        servers.set(id, withoutStore(info));
        break;
      case 'remove':
        voters.delete(id);
        learners.delete(id);
        servers.delete(id);
        break;
      case 'setAddress':
        servers.set(id, { ...info, address: step.address });
        break;
      case 'setMetadata':
        servers.set(id, { ...info, metadata: step.metadata });
        break;
    }
  }
  if (voters.size === 0) return 'no voter would remain';
  return { voters: [...voters], learners: [...learners], servers };
}

/**
 * Returns the first membership of a change. If more than one voter changes, this membership is
 * joint, because majorities of the old and the new voters need not overlap (thesis §4.2, §4.3).
 */
export function beginChange(current: Membership, target: Target): Membership {
  const arriving = target.voters.filter((id) => !current.voters.includes(id));
  const leaving = current.voters.filter((id) => !target.voters.includes(id));
  return arriving.length + leaving.length > 1 ? enterJoint(current, target) : simple(current, target);
}

/** Returns the membership that `target` describes, without a joint phase. */
export function simple(current: Membership, { voters, learners, servers }: Target): Membership {
  return { ...current, revision: current.revision + 1, voters, outgoing: [], learners, learnersNext: [], servers };
}

/**
 * Returns the joint membership that combines the current voters with the voters of `target` (Raft
 * §6).
 */
export function enterJoint(current: Membership, target: Target): Membership {
  const outgoing = current.voters;
  // Outgoing voters still count in a joint membership, so they keep their stores.
  const old = [...current.servers].filter(([id]) => outgoing.includes(id));
  const stores = new Map(old.map(([id, { store }]) => [id, store]));
  const next = [...target.servers].map(
    ([id, info]) => [id, stores.has(id) ? { ...info, store: stores.get(id) } : info] as const,
  );
  return {
    ...simple(current, target),
    outgoing,
    learners: target.learners.filter((id) => !outgoing.includes(id)),
    learnersNext: target.learners.filter((id) => outgoing.includes(id)),
    servers: new Map([...old, ...next]),
  };
}

/**
 * Returns the membership that follows a joint phase. The revision does not change, because it
 * counts only the changes that operators make.
 */
export function leaveJoint(joint: Membership): Membership {
  const { voters, learnersNext } = joint;
  const learners = [...joint.learners, ...learnersNext];
  const named = [...joint.servers].filter(([id]) => voters.includes(id) || learners.includes(id));
  const servers = new Map(named.map(([id, info]) => [id, learnersNext.includes(id) ? withoutStore(info) : info]));
  return { ...joint, outgoing: [], learners, learnersNext: [], servers };
}

/**
 * Returns the information about a learner without its store. A learner's disk may be replaced,
 * because a learner does not count in elections and commits.
 */
function withoutStore(info: Member): Member {
  return { ...info, store: undefined };
}

/** An address change of a server that has moved. */
export interface AddressChange {
  /**
   * The server's previous address. The change is ignored if an operator has set a different address
   * in the meantime.
   */
  readonly from: string;
  readonly to: string;
}

/**
 * Returns the membership with the addresses that servers have announced; undefined if no address
 * changes. The revision does not change, because it counts only the changes that operators make. A
 * membership of level 0 is never changed.
 */
export function withAddresses(
  membership: Membership,
  announced: ReadonlyMap<ServerId, AddressChange>,
): Membership | undefined {
  const { level, servers } = membership;
  const moved = [...servers].flatMap(([id, info]) => {
    const change = announced.get(id);
    return change?.from === info.address ? [[id, { ...info, address: change.to }] as const] : [];
  });
  if (level === 0 || moved.length === 0) return undefined;
  return { ...membership, servers: new Map([...servers, ...moved]) };
}

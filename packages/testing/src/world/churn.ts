import type { Membership, MembershipStep, ServerId } from '@kontiki/core';
import type { Random } from '../random.js';

/** Number of servers that are not members at first. Used in worlds with membership changes. */
export const SPARES = 2;

/** Draws a membership change of one to three steps. Some of the drawn changes are invalid. */
export function drawSteps(random: Random, { servers }: Membership, ids: readonly ServerId[]): MembershipStep[] {
  const strangers = ids.filter((id) => !servers.has(id));
  return Array.from({ length: 1 + random.below(3) }, (): MembershipStep => {
    if (strangers.length > 0 && random.chance(0.4)) {
      const id = random.pick(strangers);
      return { kind: 'addLearner', id, address: `simulated:${id}`, metadata: '' };
    }
    const id = random.pick([...servers.keys()]);
    return { kind: random.pick(['promote', 'promote', 'promote', 'demote', 'remove']), id };
  });
}

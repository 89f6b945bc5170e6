import type { StoreLife } from '../../log/store-life.js';
import type { LogState, LogStore } from '../../ports/log-store.js';

/** Returns a random safe integer above 0. */
export function drawNumber(random: () => number): number {
  return 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1));
}

/**
 * Increments the number of starts in the log store, and draws an id for a store that has none.
 * Resolves when both are durable. In a cluster of level 0, writes nothing and resolves with
 * undefined. Servers of such a cluster must be able to return to an earlier version of Kontiki,
 * which does not support store ids.
 */
export async function countStart(
  log: LogStore,
  { life, memberships, base }: LogState,
  random: () => number,
): Promise<StoreLife | undefined> {
  const membership = memberships.at(-1)?.membership ?? base.membership?.membership;
  if (life === undefined && membership?.level === 0) return undefined;
  const counted = { id: life?.id ?? drawNumber(random), starts: (life?.starts ?? 0) + 1 };
  await log.append({ life: counted });
  return counted;
}

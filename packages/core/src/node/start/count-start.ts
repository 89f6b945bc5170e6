import type { StoreLife } from '../../log/store-life.js';
import type { LogState, LogStore } from '../../ports/log-store.js';

/** Draws a random safe integer above 0. */
export function drawNumber(random: () => number): number {
  return 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1));
}

/**
 * Counts this start in the log store, durably, and draws an id for a store that has none. Returns
 * undefined, and writes nothing, in a cluster of level 0: its servers must be able to go back to a
 * version that does not know ids of stores.
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

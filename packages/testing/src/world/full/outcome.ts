import { isKontikiError, type ServerId } from '@kontiki/core';

/** Outcome of a client's request. A refused request certainly had no effect. */
export type RequestOutcome =
  | { readonly kind: 'done'; readonly index: number; readonly term: number; readonly answer: unknown }
  | { readonly kind: 'read'; readonly through: number; readonly answer: unknown }
  | { readonly kind: 'opened'; readonly answer: number }
  | { readonly kind: 'refused'; readonly leader: ServerId | undefined; readonly hasEnded?: boolean }
  | { readonly kind: 'unknown' };

/** Returns the outcome of a request that failed with a Kontiki error. Rethrows any other error. */
export function outcomeOf(error: unknown): RequestOutcome {
  if (!isKontikiError(error)) throw error;
  // A lost result means that the command took effect, but its answer is unknown.
  if (error.code === 'KONTIKI_UNKNOWN_OUTCOME' || error.code === 'KONTIKI_RESULT_LOST') return { kind: 'unknown' };
  const leader = isKontikiError(error, 'KONTIKI_NOT_LEADER') ? error.leader?.id : undefined;
  return { kind: 'refused', leader, hasEnded: error.code === 'KONTIKI_SESSION' };
}

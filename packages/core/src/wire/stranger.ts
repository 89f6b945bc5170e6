import type { Identity } from '../ports/transport.js';

/**
 * Returns whether two servers must not communicate, because they belong to different clusters, were
 * bootstrapped with different members, or have different epochs. A transport without a handshake
 * calls this function for each message.
 */
export function isStranger(self: Identity, other: Identity): boolean {
  return self.cluster !== other.cluster || differ(self.genesis, other.genesis) || differ(self.epoch, other.epoch);
}

/** Returns whether two optional values are both known but different. */
function differ<T>(a: T | undefined, b: T | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

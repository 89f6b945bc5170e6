import { KontikiError } from '@kontiki/core';
import { checkNames } from './check-names.js';

/** Number of ticks after which a connection or a peer that has sent nothing is considered dead. */
export const SILENT_TICKS = 5;

/** Limits on peers and on all other clients that can reach a transport's port. */
export interface PeerLimits {
  /**
   * Maximum number of queued bytes of entries for one peer. Further entries are dropped. Default 8
   * MiB.
   */
  readonly queueBytes: number;
  /**
   * Maximum number of connected servers. Servers beyond this number are refused unless they are in
   * the membership. Default 256.
   */
  readonly connections: number;
  /**
   * Maximum number of connections without a completed handshake. Above this limit, the transport
   * closes the oldest of these connections from the network that has the most of them. A network is
   * an IPv4 address or the first 64 bits of an IPv6 address. Default 64.
   */
  readonly unidentified: number;
  /** Maximum time to connect and complete the handshake. Default 3,000 ms. */
  readonly handshakeTimeoutMs: number;
  /**
   * Time between two ticks. At each tick, a transport checks its connections and pings idle ones. A
   * peer that has sent nothing for five ticks is disconnected. Default 1,000 ms.
   */
  readonly pingIntervalMs: number;
  /**
   * Initial delay before an unreachable peer is dialed again. The delay is doubled after every
   * attempt. Default 50 ms.
   */
  readonly reconnectMinMs: number;
  /** Maximum delay before an unreachable peer is dialed again. Default 2,000 ms. */
  readonly reconnectMaxMs: number;
}

const defaults: PeerLimits = {
  queueBytes: 8 * 1024 * 1024,
  connections: 256,
  unidentified: 64,
  handshakeTimeoutMs: 3_000,
  pingIntervalMs: 1_000,
  reconnectMinMs: 50,
  reconnectMaxMs: 2_000,
};

/** Returns `given` with defaults filled in. Throws `KONTIKI_BAD_OPTION` if a limit is invalid. */
export function peerLimits(given: Partial<PeerLimits> = {}): PeerLimits {
  checkNames('limits', given, Object.keys(defaults));
  const limits = { ...defaults, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!(value >= 1 && value < 2 ** 31)) {
      throw new KontikiError(
        'KONTIKI_BAD_OPTION',
        `limits.${name} must be a number of at least 1 and below 2^31, not ${value}.`,
      );
    }
  }
  return limits;
}

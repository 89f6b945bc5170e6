import { KontikiError } from '@kontiki/core';
import { checkNames } from './check-names.js';

/** What stays silent for so many looks is taken for dead. */
export const SILENT_TICKS = 5;

/** What a transport allows its peers, and whoever else reaches its port. */
export interface PeerLimits {
  /** Bytes of entries that may wait for one peer; what is beyond is dropped. Default 8 MiB. */
  readonly queueBytes: number;
  /** Accepted connections of different servers, at most. Default 256. */
  readonly connections: number;
  /** Connections that have not shown who they are, at most; the oldest makes way. Default 64. */
  readonly unidentified: number;
  /** Milliseconds a connection may take to be made and to show who it is. Default 3,000. */
  readonly handshakeTimeoutMs: number;
  /** Milliseconds between two looks at each connection. A peer that stays silent for five of them is cut off. Default 1,000. */
  readonly pingIntervalMs: number;
  /** Milliseconds before an unreachable peer is dialed again, at first and at most. Default 50 and 2,000. */
  readonly reconnectMinMs: number;
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

/** Returns `given` completed with defaults. Throws `KONTIKI_BAD_OPTION`. */
export function peerLimits(given: Partial<PeerLimits> = {}): PeerLimits {
  checkNames('limits', given, Object.keys(defaults));
  const limits = { ...defaults, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!(value >= 1 && value < 2 ** 31)) {
      throw new KontikiError('KONTIKI_BAD_OPTION', `limits.${name} must be a number of 1 to 2^31, not ${value}.`);
    }
  }
  return limits;
}

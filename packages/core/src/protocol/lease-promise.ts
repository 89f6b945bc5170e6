import type { Server } from './role.js';

/**
 * The part of a lease by which the wall clock and the monotonic clock may move apart before a server
 * renews its promise. See `MARGIN` in `lease.ts`.
 */
const TOLERANCE = 1 / 16;

/**
 * The promise of a server not to vote, which makes leases possible. A server promises with each
 * acknowledgement to a leader that it will not vote for the length of the lease, whatever happens to
 * the term, the leader or its own role. The time of the last acknowledgement is not durable, so a
 * start of the server counts as an acknowledgement.
 */
export class LeasePromise {
  readonly #server: Pick<Server, 'now' | 'wallOffset'>;
  #since!: number;
  #wallOffset!: number;

  constructor(server: Pick<Server, 'now' | 'wallOffset'>) {
    this.#server = server;
    this.renew();
  }

  renew(): void {
    this.#since = this.#server.now;
    this.#wallOffset = this.#server.wallOffset;
  }

  /**
   * Renews the promise if the wall clock and the monotonic clock have moved apart. If the monotonic
   * clock jumped forward, less time has passed than it shows.
   */
  checkClocks(leaseMs: number): void {
    if (Math.abs(this.#server.wallOffset - this.#wallOffset) > leaseMs * TOLERANCE) this.renew();
  }

  /** Returns whether this server still must not vote, given the length of the lease. */
  holds(leaseMs: number): boolean {
    return this.#server.now - this.#since < leaseMs;
  }
}

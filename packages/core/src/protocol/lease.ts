import { LEASE_LEVEL, type Membership } from '../log/membership.js';
import { refuse, type ChangeRefusal } from './change-refusal.js';
import type { Server } from './role.js';

/**
 * The part of its length by which a leader ends its lease early. It covers clocks that run up to
 * 10 % too fast or too slow. In the worst case, the lease lasts for 0.75 / 0.9 = 0.83 of its length
 * in real time, and a promise not to vote for 1 / 1.1 = 0.91. `LeasePromise` uses up to 1/16 of the
 * rest.
 */
const MARGIN = 0.25;

/** The number of heartbeats whose send times are remembered, per length of the lease. */
const REMEMBERED = 16;

/** A heartbeat round and the clocks at the time when it was sent. */
interface Sent {
  readonly round: number;
  readonly at: number;
  readonly wallOffset: number;
}

/**
 * The lease of a leader (Raft §8, thesis §6.4.1). A server that acknowledges a heartbeat votes for no
 * candidate for the length of the lease (`LeasePromise`). So while a quorum has acknowledged a
 * heartbeat that was sent recently, no other server can be elected, and the leader can serve
 * linearizable reads without asking the others.
 *
 * The length is part of the membership, so a quorum cannot disagree about it. The lease holds only
 * if the entry of the membership in force is committed, and an entry of the leader's own term, too.
 */
export class Lease {
  readonly #server: Server;
  /** The newest heartbeats, in ascending order of round. */
  #sent: readonly Sent[] = [];
  #gaveUp = false;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Whether leases are enabled by the membership in force. */
  get isOn(): boolean {
    return this.#server.membership.leaseMs > 0;
  }

  /**
   * Records that heartbeats of a round are sent now. Rounds that follow each other closely count as
   * sent with the first of them, so that the list stays short.
   */
  noteSent(round: number): void {
    const { now: at, wallOffset, membership } = this.#server;
    const { leaseMs } = membership;
    if (at - (this.#sent.at(-1)?.at ?? -Infinity) < leaseMs / REMEMBERED) return;
    this.#sent = this.isOn ? [...this.#sent.filter((sent) => at - sent.at < leaseMs), { round, at, wallOffset }] : [];
  }

  /**
   * Ends the lease until the end of the term, because another server was asked to campaign. The
   * others vote for that server despite their promises, and the request may arrive late.
   */
  giveUp(): void {
    this.#gaveUp = true;
  }

  /**
   * Returns whether the lease holds at the time `now`, if a quorum has acknowledged the round
   * `answered`. The lease begins when the heartbeats of that round were sent. If the wall clock and
   * the monotonic clock have moved apart since then, the difference counts as elapsed time: the
   * machine may have been suspended, which stops the monotonic clock.
   */
  holds(answered: number, now: number, wallOffset: number): boolean {
    const { log, ballot, membership } = this.#server;
    if (this.#gaveUp || !this.isOn) return false;
    if (log.membershipIndex > log.committed || log.termAt(log.committed) !== ballot.term) return false;
    const sent = this.#sent.findLast(({ round }) => round <= answered);
    if (sent === undefined) return false;
    const elapsed = now - sent.at + Math.abs(wallOffset - sent.wallOffset);
    return elapsed < membership.leaseMs * (1 - MARGIN);
  }
}

/** Returns the membership with another length of the lease, or the reason why it cannot be set. */
export function withLease({ membership }: Server, leaseMs: number): Membership | ChangeRefusal {
  if (membership.level < LEASE_LEVEL) return refuse('leaseLevel', `${membership.level}`);
  if (!membership.founded) return refuse('founding');
  return { ...membership, leaseMs, revision: membership.revision + 1 };
}

import type { ServerId } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { Checks } from './checks.js';
import type { ServerTimers } from './server-timers.js';

interface LeaseReader {
  readonly raft: Raft | undefined;
  readonly applied: number;
  /** Starts a linearizable read. The read must see the index `floor`. */
  read(floor: number): void;
}

/**
 * The lease reads of one server. A leader with a lease serves a read as soon as it has applied the
 * entries that were committed when the read arrived. Otherwise, the read becomes a linearizable read.
 */
export class LeaseReads {
  readonly #server: LeaseReader;
  readonly #timers: ServerTimers;
  readonly #checks: Checks;
  /** The lowest index that each read must see, for reads that have reached a paused process. */
  #arrived: number[] = [];
  #waiting: { readonly index: number; readonly floor: number }[] = [];

  constructor(server: LeaseReader, timers: ServerTimers, checks: Checks) {
    this.#server = server;
    this.#timers = timers;
    this.#checks = checks;
  }

  start(isPaused: boolean): void {
    this.#arrived.push(this.#checks.floor);
    if (!isPaused) this.resume();
  }

  /** Starts the reads that have arrived while the process was paused. */
  resume(): void {
    const { raft } = this.#server;
    for (const floor of this.#arrived.splice(0)) {
      if (!this.holdsLease) this.#server.read(floor);
      else this.#waiting.push({ index: raft?.log.committed ?? 0, floor });
    }
    this.serve();
  }

  /** Serves the reads whose index has been applied, unless the lease has ended since they started. */
  serve(): void {
    const { applied } = this.#server;
    const due = this.#waiting.filter(({ index }) => index <= applied);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ index }) => index > applied);
    for (const { floor } of due) {
      if (!this.holdsLease) {
        this.#server.read(floor);
        continue;
      }
      this.#checks.counts.leaseReads += 1;
      this.#checks.read(applied, floor);
    }
  }

  abandon(): void {
    this.#arrived = [];
    this.#waiting = [];
  }

  get count(): number {
    return this.#arrived.length + this.#waiting.length;
  }

  get holdsLease(): boolean {
    return this.#server.raft?.holdsLease(this.#timers.now, this.#timers.wallOffset) ?? false;
  }
}

interface MayLead {
  readonly id: ServerId;
  readonly leads: boolean;
  readonly raft: Raft | undefined;
  readonly leaseReads: LeaseReads;
}

/** Checks that no server leads a later term while a leader holds a lease. */
export function checkLeases(checks: Checks, servers: readonly MayLead[]): void {
  const leaders = servers.filter(({ leads }) => leads);
  const terms = leaders.map(({ raft }) => raft?.ballot.term ?? 0);
  const newest = Math.max(...terms);
  for (const [i, { id, leaseReads }] of leaders.entries()) {
    const isExclusive = terms[i] === newest || !leaseReads.holdsLease;
    checks.check('leasesExclude', isExclusive, () => `${id} holds a lease, but another server leads term ${newest}`);
  }
}

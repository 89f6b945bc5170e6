import type { Counts } from '@kontiki/testing';
import type { World } from './worlds.js';

/**
 * Minimum event counts per 1,000 seeds, for each kind of world. Clean seeds prove nothing if too
 * few events occurred in their worlds.
 */
const MINIMUMS: Readonly<Record<World, Counts>> = {
  fast: {
    elections: 6_000,
    truncations: 1_000,
    crashes: 9_000,
    restarts: 9_000,
    reads: 150_000,
    commits: 210_000,
    acknowledged: 160_000,
    changes: 1_000,
    raises: 50,
    unreadable: 20,
    transfers: 900,
    restoredCopies: 50,
    forwards: 20_000,
    leaseReads: 20_000,
    lostWrites: 3_000,
    unknown: 0,
    delegations: 0,
    diskErrors: 0,
    lostDisks: 0,
    badFrames: 0,
    stops: 0,
    closes: 0,
    snapshots: 0,
    installs: 0,
    recoveries: 0,
  },
  full: {
    elections: 6_000,
    truncations: 500,
    crashes: 9_000,
    restarts: 9_000,
    reads: 40_000,
    commits: 60_000,
    acknowledged: 40_000,
    changes: 500,
    raises: 200,
    unreadable: 0,
    transfers: 300,
    restoredCopies: 0,
    forwards: 5_000,
    leaseReads: 1_000,
    lostWrites: 1_500,
    unknown: 1_000,
    delegations: 1_000,
    diskErrors: 1_000,
    lostDisks: 200,
    badFrames: 10_000,
    stops: 600,
    closes: 2_000,
    snapshots: 5_000,
    installs: 200,
    recoveries: 50,
  },
};

/**
 * Minimum number of seeds to check. With fewer seeds, counts vary too much to be compared with
 * `MINIMUMS`.
 */
const MIN_SEEDS = 2_000;

/** Sums of the event counts of all worlds in a run. */
export class Coverage {
  readonly #minimums: Counts;
  readonly #names: readonly (keyof Counts)[];
  readonly #sums: Counts;
  seeds = 0;
  events = 0;
  /** Total simulated time of all worlds in milliseconds. */
  elapsed = 0;

  constructor(world: World) {
    this.#minimums = MINIMUMS[world];
    this.#names = Object.keys(this.#minimums) as (keyof Counts)[];
    this.#sums = { ...this.#minimums };
    for (const name of this.#names) this.#sums[name] = 0;
  }

  add(events: number, elapsed: number, counts: Counts): void {
    this.seeds += 1;
    this.events += events;
    this.elapsed += elapsed;
    for (const name of this.#names) this.#sums[name] += counts[name];
  }

  /** Returns the event counts per 1,000 seeds. */
  get rates(): Counts {
    const rates = { ...this.#sums };
    for (const name of this.#names) rates[name] = Math.round((this.#sums[name] * 1_000) / Math.max(1, this.seeds));
    return rates;
  }

  /**
   * Returns the event counts per 1,000 seeds as text, without counts that this kind of world does
   * not have.
   */
  get summary(): string {
    const { rates } = this;
    const counted = this.#names.filter((name) => this.#minimums[name] > 0 || rates[name] > 0);
    return counted.map((name) => `${name} ${rates[name]}`).join(', ');
  }

  /**
   * Returns a description of each event count below its minimum, or an empty list if too few seeds
   * have run.
   */
  get missing(): string[] {
    if (this.seeds < MIN_SEEDS) return [];
    const { rates } = this;
    return this.#names.flatMap((name) =>
      rates[name] < this.#minimums[name]
        ? [`${name} ${rates[name]} per 1,000 seeds, minimum ${this.#minimums[name]}`]
        : [],
    );
  }
}

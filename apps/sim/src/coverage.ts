import type { Counts } from '@kontiki/testing';
import type { World } from './worlds.js';

/** What a thousand seeds bring about at the least: clean seeds of a world in which nothing happens would prove nothing. */
const FLOORS: Readonly<Record<World, Counts>> = {
  fast: {
    elections: 6_000,
    truncations: 1_000,
    crashes: 9_000,
    restarts: 9_000,
    reads: 150_000,
    commits: 280_000,
    acknowledged: 250_000,
    lostWrites: 3_000,
    unknown: 0,
    diskErrors: 0,
    lostDisks: 0,
    badFrames: 0,
    stops: 0,
    closes: 0,
    snapshots: 0,
    installs: 0,
  },
  full: {
    elections: 6_000,
    truncations: 500,
    crashes: 9_000,
    restarts: 9_000,
    reads: 50_000,
    commits: 60_000,
    acknowledged: 50_000,
    lostWrites: 1_500,
    unknown: 1_000,
    diskErrors: 1_000,
    lostDisks: 200,
    badFrames: 10_000,
    stops: 600,
    closes: 2_000,
    snapshots: 5_000,
    installs: 200,
  },
};

/** From this many seeds on the floors are held. */
const ENOUGH = 300;

/** Adds up what happened. */
export class Coverage {
  readonly #floors: Counts;
  readonly #names: readonly (keyof Counts)[];
  readonly #sums: Counts;
  seeds = 0;
  events = 0;
  /** Simulated milliseconds. */
  elapsed = 0;

  constructor(world: World) {
    this.#floors = FLOORS[world];
    this.#names = Object.keys(this.#floors) as (keyof Counts)[];
    this.#sums = { ...this.#floors };
    for (const name of this.#names) this.#sums[name] = 0;
  }

  add(events: number, elapsed: number, counts: Counts): void {
    this.seeds += 1;
    this.events += events;
    this.elapsed += elapsed;
    for (const name of this.#names) this.#sums[name] += counts[name];
  }

  /** What happened, per 1,000 seeds. */
  get rates(): Counts {
    const rates = { ...this.#sums };
    for (const name of this.#names) rates[name] = Math.round((this.#sums[name] * 1_000) / Math.max(1, this.seeds));
    return rates;
  }

  /** The same in words: what this world has. */
  get summary(): string {
    const { rates } = this;
    const known = this.#names.filter((name) => this.#floors[name] > 0 || rates[name] > 0);
    return known.map((name) => `${name} ${rates[name]}`).join(', ');
  }

  /** What happened too seldom; nothing while there are too few seeds to tell. */
  get missing(): string[] {
    if (this.seeds < ENOUGH) return [];
    const { rates } = this;
    return this.#names.flatMap((name) =>
      rates[name] < this.#floors[name] ? [`${name}: ${rates[name]} per 1,000 seeds, not ${this.#floors[name]}`] : [],
    );
  }
}

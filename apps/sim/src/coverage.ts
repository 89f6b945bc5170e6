import type { Counts } from '@kontiki/testing';

/** What a thousand seeds bring about at the least: clean seeds of a world in which nothing happens would prove nothing. */
const FLOORS: Counts = {
  elections: 6_000,
  truncations: 1_000,
  crashes: 9_000,
  restarts: 9_000,
  reads: 150_000,
  commits: 280_000,
  acknowledged: 250_000,
  lostWrites: 4_000,
};

/** From this many seeds on the floors are held. */
const ENOUGH = 300;

export class Coverage {
  seeds = 0;
  events = 0;
  /** Simulated milliseconds. */
  elapsed = 0;
  readonly #sums: Counts = { ...FLOORS };

  constructor() {
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

  /** What happened too seldom; nothing while there are too few seeds to tell. */
  get missing(): string[] {
    if (this.seeds < ENOUGH) return [];
    const { rates } = this;
    return this.#names.flatMap((name) =>
      rates[name] < FLOORS[name] ? [`${name}: ${rates[name]} per 1,000 seeds, not ${FLOORS[name]}`] : [],
    );
  }

  get #names(): (keyof Counts)[] {
    return Object.keys(FLOORS) as (keyof Counts)[];
  }
}

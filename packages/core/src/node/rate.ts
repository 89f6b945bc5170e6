import type { Clock } from '../ports/clock.js';

/** Bytes a second since a transfer began, or went on, here. */
export class Rate {
  readonly #clock: Clock;
  readonly #since: number;
  #first: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** `bytes` are there; those that were when the first call came do not count. */
  at(bytes: number): number {
    this.#first ??= bytes;
    const milliseconds = this.#clock.now() - this.#since;
    return milliseconds > 0 ? ((bytes - this.#first) * 1_000) / milliseconds : 0;
  }
}

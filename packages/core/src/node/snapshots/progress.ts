import type { Clock } from '../../ports/clock.js';

/** The progress of a snapshot transfer. */
export interface SnapshotProgress {
  /** The index of the last entry that the snapshot covers. */
  readonly index: number;
  readonly bytes: number;
  readonly total: number;
  /** Transfer rate in bytes per second since the transfer started or resumed. */
  readonly rate: number;
}

/** Measures the progress and the rate of one snapshot transfer. */
export class ProgressMeter {
  readonly #clock: Clock;
  readonly #index: number;
  readonly #total: number;
  readonly #since: number;
  /** Number of bytes that the receiver already had before the transfer started. */
  #first: number | undefined;

  constructor(clock: Clock, index: number, total: number) {
    this.#clock = clock;
    this.#index = index;
    this.#total = total;
    this.#since = clock.now();
  }

  /**
   * Records the number of bytes that the receiver already had before this transfer. These bytes do
   * not count toward the transfer rate. Only the first call of this method has an effect.
   */
  resumeAt(bytes: number): void {
    this.#first ??= bytes;
  }

  at(bytes: number): SnapshotProgress {
    this.resumeAt(bytes);
    const milliseconds = this.#clock.now() - this.#since;
    const rate = milliseconds > 0 ? ((bytes - (this.#first as number)) * 1_000) / milliseconds : 0;
    return { index: this.#index, bytes, total: this.#total, rate };
  }
}

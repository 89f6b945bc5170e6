import { type PeerLimits, SILENT_TICKS } from '@kontiki/peers';

/** The lowest throughput for which requests do not time out. */
const MIN_BYTES_PER_SECOND = 64 * 1024;

/**
 * The time limit of one request: five ticks, and in addition the time that its bytes need at
 * `MIN_BYTES_PER_SECOND`. Ticks are counted instead of milliseconds, so that a suspended process
 * does not cut off all peers when it resumes.
 */
export class RequestDeadline {
  readonly #bytesPerTick: number;
  #ticks = 0;

  constructor({ pingIntervalMs }: PeerLimits) {
    this.#bytesPerTick = (MIN_BYTES_PER_SECOND * pingIntervalMs) / 1_000;
  }

  /** Counts a tick. Returns whether the request, of `bytes` so far, has exceeded its limit. */
  tick(bytes: number): boolean {
    this.#ticks += 1;
    return this.#ticks > SILENT_TICKS + bytes / this.#bytesPerTick;
  }
}

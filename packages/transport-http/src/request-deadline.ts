import { type PeerLimits, SILENT_TICKS } from '@kontiki/peers';

/** The lowest throughput at which a request does not time out. */
const MIN_BYTES_PER_SECOND = 64 * 1024;

/**
 * Time limit of one request: five ticks, plus the time to transfer its bytes at
 * `MIN_BYTES_PER_SECOND`. Ticks are counted instead of milliseconds, so that a suspended process
 * does not disconnect all peers when it resumes.
 */
export class RequestDeadline {
  readonly #bytesPerTick: number;
  #ticks = 0;

  constructor({ pingIntervalMs }: PeerLimits) {
    this.#bytesPerTick = (MIN_BYTES_PER_SECOND * pingIntervalMs) / 1_000;
  }

  /**
   * Counts a tick. Returns whether the request has exceeded its limit. `bytes` is the number of
   * bytes transferred so far.
   */
  tick(bytes: number): boolean {
    this.#ticks += 1;
    return this.#ticks > SILENT_TICKS + bytes / this.#bytesPerTick;
  }
}

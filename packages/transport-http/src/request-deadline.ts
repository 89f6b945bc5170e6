import { type PeerLimits, SILENT_TICKS } from '@kontiki/peers';

/** Bytes a second that every link is taken to carry. */
const SLOWEST_LINK = 64 * 1024;

/**
 * How long one request may take: five looks, and what its bytes need on the slowest link. Counting looks rather than
 * milliseconds spares every peer after this process was suspended.
 */
export class RequestDeadline {
  readonly #bytesPerTick: number;
  #ticks = 0;

  constructor({ pingIntervalMs }: PeerLimits) {
    this.#bytesPerTick = (SLOWEST_LINK * pingIntervalMs) / 1_000;
  }

  /** One look. Whether a request that has so many bytes has taken too long. */
  tick(bytes: number): boolean {
    this.#ticks += 1;
    return this.#ticks > SILENT_TICKS + bytes / this.#bytesPerTick;
  }
}

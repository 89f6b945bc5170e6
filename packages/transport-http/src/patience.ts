import { type PeerLimits, SILENT_LOOKS } from '@kontiki/peers';

/** Bytes a second that every link is taken to carry. */
const SLOWEST_LINK = 64 * 1024;

/**
 * How long one request may take: five looks, and what its bytes need on the slowest link. Counting looks rather than
 * milliseconds spares every peer after this process was suspended.
 */
export class Patience {
  readonly #bytesPerLook: number;
  #looks = 0;

  constructor({ pingIntervalMs }: PeerLimits) {
    this.#bytesPerLook = (SLOWEST_LINK * pingIntervalMs) / 1_000;
  }

  /** One look. Whether a request that has so many bytes has taken too long. */
  look(bytes: number): boolean {
    this.#looks += 1;
    return this.#looks > SILENT_LOOKS + bytes / this.#bytesPerLook;
  }
}

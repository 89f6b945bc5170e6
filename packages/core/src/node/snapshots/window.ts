const MiB = 1024 * 1024;
/** Maximum number of snapshot bytes in flight to all peers together. */
const MAX_BYTES = 16 * MiB;
/**
 * Maximum number of snapshot bytes in flight to one peer, even if only a few peers are receiving a
 * snapshot.
 */
const MAX_BYTES_PER_PEER = 4 * MiB;

/** Limits the number of snapshot bytes in flight to all peers that are receiving a snapshot. */
export class SnapshotWindow {
  #peers = 0;
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  /**
   * Adds a peer that is receiving a snapshot. Each of these peers gets an equal share of the
   * window.
   */
  join(): void {
    this.#peers += 1;
  }

  leave(): void {
    this.#peers -= 1;
    this.#wake();
  }

  /**
   * Reserves room to send a chunk to a peer that has `own` bytes in flight. Returns false if the
   * window has no room at the moment.
   */
  take(bytes: number, own: number): boolean {
    const share = Math.min(MAX_BYTES_PER_PEER, MAX_BYTES / this.#peers);
    const admitted = this.#bytes + bytes <= MAX_BYTES && (own === 0 || own + bytes <= share);
    if (admitted) this.#bytes += bytes;
    return admitted;
  }

  /** Releases reserved room after bytes have been acknowledged or abandoned. */
  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#wake();
  }

  /** Resolves when the window may have room again. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

const MiB = 1024 * 1024;
/** Bytes on their way to all peers, at the most. */
const MAX_BYTES = 16 * MiB;
/** And to one of them, however few they are. */
const MAX_SHARE = 4 * MiB;

/** The bytes of snapshots that were sent and that nobody has acknowledged: bounded, however many peers are fed. */
export class SnapshotWindow {
  #peers = 0;
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  /** Another peer is fed. */
  join(): void {
    this.#peers += 1;
  }

  leave(): void {
    this.#peers -= 1;
    this.#wake();
  }

  /** Takes room for a chunk to a peer that has `own` bytes on their way already. False: not yet, another is due before. */
  take(bytes: number, own: number): boolean {
    const share = Math.min(MAX_SHARE, MAX_BYTES / this.#peers);
    const admitted = this.#bytes + bytes <= MAX_BYTES && (own === 0 || own + bytes <= share);
    if (admitted) this.#bytes += bytes;
    return admitted;
  }

  /** They have arrived, or are given up. */
  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#wake();
  }

  /** Resolves when there may be room, or when something has ended. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

interface Sent {
  readonly last: number;
  readonly bytes: number;
}

/**
 * The window of one peer: its non-empty appends in flight, in sending order. A leader sends appends
 * without waiting for replies until the window is full, either in messages or in bytes. An
 * acknowledgement removes all appends up to its index from the window.
 */
export class Window {
  #sent: Sent[] = [];
  #bytes = 0;
  readonly #maxMessages: number;
  readonly #maxBytes: number;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#sent.length;
  }

  /**
   * Whether the window is full, so that no further append may be sent. A single append may exceed
   * the byte limit, because otherwise a very large append could never be sent.
   */
  get full(): boolean {
    return this.#sent.length >= this.#maxMessages || this.#bytes >= this.#maxBytes;
  }

  add(last: number, bytes: number): void {
    this.#sent.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Records that the peer has acknowledged the entries up to `index`. */
  free(index: number): void {
    let freed = 0;
    for (const { last, bytes } of this.#sent) {
      if (last > index) break;
      this.#bytes -= bytes;
      freed += 1;
    }
    if (freed > 0) this.#sent.splice(0, freed);
  }

  clear(): void {
    this.#sent = [];
    this.#bytes = 0;
  }
}

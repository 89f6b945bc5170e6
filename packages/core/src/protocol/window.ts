interface Sent {
  readonly last: number;
  readonly bytes: number;
}

/**
 * The window of one peer: the append messages with entries that were sent to it and are not yet
 * acknowledged, in order. A leader keeps sending without waiting for each reply, but only until the
 * window is full, in messages or in bytes. An acknowledgement frees everything up to its index.
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

  /** One message may exceed the limit of bytes, so that any message can be sent. */
  get full(): boolean {
    return this.#sent.length >= this.#maxMessages || this.#bytes >= this.#maxBytes;
  }

  add(last: number, bytes: number): void {
    this.#sent.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Notes that everything up to `index` is acknowledged. */
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

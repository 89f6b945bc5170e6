/** Size in bytes of a block of memory that small arrays share. */
const BLOCK_BYTES = 64 * 1024;
/** Maximum size in bytes of an array in a shared block. */
const SHARED_BYTES = 4 * 1024;

/**
 * Allocates byte arrays. Small arrays share blocks, because a separate allocation costs several
 * times as much as encoding a small command. A block stays in memory as long as one of its arrays
 * is in use.
 */
export class BytePool {
  #block = new Uint8Array(0);
  #used = 0;

  /** Returns an array of zeros. */
  allocate(length: number): Uint8Array {
    if (length > SHARED_BYTES) return new Uint8Array(length);
    if (this.#block.length - this.#used < length) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += length;
    return new Uint8Array(this.#block.buffer, at, length);
  }

  /**
   * Returns a copy of an array. Throws a TypeError if its memory was transferred to another
   * thread.
   */
  copy(data: Uint8Array): Uint8Array {
    const copy = this.allocate(data.length);
    copy.set(data);
    return copy;
  }
}

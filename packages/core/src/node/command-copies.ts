import { badOption } from './options.js';

/** Size in bytes of a memory block that small commands share. */
const BLOCK_BYTES = 64 * 1024;
/** Maximum size in bytes of a command in a shared block. */
const SHARED_BYTES = 4 * 1024;

/**
 * Copies proposed commands into separate memory. So callers may reuse their own memory as soon as
 * `propose` returns, and the server always processes a plain `Uint8Array`. Small commands share
 * blocks, because one allocation per command would cost more than the copy.
 */
export class CommandCopies {
  #block = new Uint8Array(0);
  #used = 0;

  /**
   * Returns a copy of a command. Throws `KONTIKI_BAD_OPTION` if the command's memory has been
   * transferred to another thread.
   */
  copy(data: Uint8Array): Uint8Array {
    try {
      return data.length > SHARED_BYTES ? new Uint8Array(data) : this.#copySmall(data);
    } catch {
      throw badOption('The memory of this command was transferred. Propose a command before you transfer it.');
    }
  }

  #copySmall(data: Uint8Array): Uint8Array {
    if (this.#block.length - this.#used < data.length) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += data.length;
    this.#block.set(data, at);
    return new Uint8Array(this.#block.buffer, at, data.length);
  }
}

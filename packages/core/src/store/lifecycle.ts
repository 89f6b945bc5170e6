import { KontikiError } from '../errors.js';

/**
 * Manages the opening and closing of a store object. A closed store may be opened again. Also
 * tracks calls in progress, because `close` must wait for them. `Opened` is the type of the state
 * that exists while the store is open.
 */
export class Lifecycle<Opened> {
  readonly #nameOf: () => string;
  #opened: Opened | undefined;
  #opening: Promise<Opened> | undefined;
  #closing: Promise<void> | undefined;
  readonly #calls = new Set<Promise<unknown>>();

  /**
   * Creates the lifecycle of a store. `nameOf` returns the store's name, which starts each error
   * message.
   */
  constructor(nameOf: () => string) {
    this.#nameOf = nameOf;
  }

  /** The state of the open store. Throws `KONTIKI_CLOSED` if the store is not open. */
  get opened(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new KontikiError('KONTIKI_CLOSED', `${this.#nameOf()} is not open. Open the store before you use it.`);
  }

  /**
   * Returns whether `opened` is still the current state, because the store has not been closed
   * since.
   */
  isOpen(opened: Opened): boolean {
    return this.#opened === opened;
  }

  /**
   * Runs `start` to open the store. Rejects with `KONTIKI_LOCKED` if the store is open, opening or
   * closing.
   */
  async open(start: () => Promise<Opened>): Promise<void> {
    if (this.#opened !== undefined || this.#opening !== undefined || this.#closing !== undefined) {
      throw new KontikiError('KONTIKI_LOCKED', `${this.#nameOf()} is already open. Close the store first.`);
    }
    this.#opening = start();
    try {
      this.#opened = await this.#opening;
    } finally {
      this.#opening = undefined;
    }
  }

  /** Tracks a call in progress, so that `close` waits for the call. */
  async track<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  /**
   * Refuses new calls, waits for the calls in progress, and runs `stop`. If `open` is in progress,
   * waits for `open` first. Does nothing if the store is closed.
   */
  close(stop: (opened: Opened) => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(stop).finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  async #close(stop: (opened: Opened) => Promise<void>): Promise<void> {
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    while (this.#calls.size > 0) await Promise.allSettled(this.#calls);
    await stop(opened);
  }
}

import { KontikiError } from '../errors.js';

/**
 * Opens and closes one store object, any number of times, one opening at a time. It also counts the
 * calls in progress, because a close must wait for them. `Opened` is the state that the store keeps
 * from one opening to the next close.
 */
export class Lifecycle<Opened> {
  readonly #nameOf: () => string;
  #opened: Opened | undefined;
  #opening: Promise<Opened> | undefined;
  #closing: Promise<void> | undefined;
  readonly #calls = new Set<Promise<unknown>>();

  /** `nameOf` names the store at the beginning of a sentence. */
  constructor(nameOf: () => string) {
    this.#nameOf = nameOf;
  }

  /** The open store. Throws `KONTIKI_CLOSED` unless it is open. */
  get opened(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new KontikiError('KONTIKI_CLOSED', `${this.#nameOf()} is not open. Open the store before you use it.`);
  }

  /** Whether `opened` is still open: not closed, and not opened again since. */
  isOpen(opened: Opened): boolean {
    return this.#opened === opened;
  }

  /**
   * Runs `start`. Rejects with `KONTIKI_LOCKED` if the store is open, is being opened or is still
   * being closed.
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

  /** Makes a close wait for a call. */
  async track<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  /**
   * Refuses further calls, waits for the calls in progress and runs `stop`. An opening in progress
   * is finished first. Does nothing if the store is closed.
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

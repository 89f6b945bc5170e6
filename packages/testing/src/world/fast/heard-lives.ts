import type { Message, StoreId, StoreLife } from '@kontiki/core';

/**
 * Remembers the newest life of each peer's store that one server process has heard of. A life
 * consists of the store's id and the number of its starts.
 */
export class HeardLives {
  readonly #incarnation: number;
  /** The newest start of each store. */
  readonly #newest = new Map<StoreId, number>();

  constructor(incarnation: number) {
    this.#incarnation = incarnation;
  }

  /**
   * Returns whether the server processes a message. It drops answers to its earlier processes, and
   * messages from an earlier life of the sender.
   */
  accepts(message: Message): boolean {
    if ('to' in message && message.to !== this.#incarnation) return false;
    const { store, starts = 0 } = message;
    if (store === undefined) return true;
    if (starts < (this.#newest.get(store) ?? 0)) return false;
    this.#newest.set(store, starts);
    return true;
  }

  /**
   * Returns whether the server has heard of the given life of a store, or of a newer one.
   */
  knows({ id, starts }: StoreLife): boolean {
    return (this.#newest.get(id) ?? 0) >= starts;
  }
}

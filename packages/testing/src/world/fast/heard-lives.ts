import type { Message, ServerId, StoreId, StoreLife } from '@kontiki/core';

/**
 * Remembers the newest life of each peer's store that one server process has heard of. A life
 * consists of the store's id and the number of its starts.
 */
export class HeardLives {
  readonly #incarnation: number;
  readonly #newest = new Map<ServerId, { readonly store: StoreId | undefined; readonly starts: number }>();

  constructor(incarnation: number) {
    this.#incarnation = incarnation;
  }

  /**
   * Returns whether the server processes a message. It drops answers to its earlier processes, and
   * messages from an earlier life of the sender.
   */
  accepts(from: ServerId, message: Message): boolean {
    if ('to' in message && message.to !== this.#incarnation) return false;
    const { store, starts = 0 } = message;
    const newest = this.#newest.get(from);
    if (newest !== undefined && starts < newest.starts && store === newest.store) return false;
    this.#newest.set(from, { store, starts });
    return true;
  }

  /**
   * Returns whether the server has heard of the given life of a peer's store, or of a newer one.
   */
  knows(peer: ServerId, { id, starts }: StoreLife): boolean {
    const newest = this.#newest.get(peer);
    return newest?.store === id && newest.starts >= starts;
  }
}

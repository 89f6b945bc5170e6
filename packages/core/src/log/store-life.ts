import type { StoreId } from './server.js';

/**
 * The identity of a log store, and the number of times that a server has started with this store.
 * These two numbers let other servers detect a store that was re-created or restored from an
 * earlier copy.
 */
export interface StoreLife {
  readonly id: StoreId;
  /** Number of starts, including the current start. At least 1. */
  readonly starts: number;
}

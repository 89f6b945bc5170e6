import type { StoreId } from './server.js';

/**
 * The identity of a log store, and the number of times that a server has started with this store.
 * With these two numbers other servers can detect a store that was created again, or that was
 * restored from an earlier copy.
 */
export interface StoreLife {
  readonly id: StoreId;
  /** Number of starts, including the current start. At least 1. */
  readonly starts: number;
}

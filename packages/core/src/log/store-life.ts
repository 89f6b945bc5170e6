import type { StoreId } from './server.js';

/**
 * The identity of a log store, and how often a server has started with this store. From these two
 * numbers, other servers can detect a store that was re-created or restored from an older copy.
 */
export interface StoreLife {
  readonly id: StoreId;
  /** Number of starts, including the current one. At least 1. */
  readonly starts: number;
}

import type { StoreId } from './server.js';

/**
 * The identity of a log store, and how often a server has started with it. A store that begins
 * again, or that a copy has put back to an earlier state, can be told by these two.
 */
export interface StoreLife {
  readonly id: StoreId;
  /** At least 1. */
  readonly starts: number;
}

import type { Limits, Membership, Timings } from '@kontiki/core';

export interface ScenarioOptions {
  /** Seed of the election timeouts. Default 1. */
  readonly seed?: number;
  /** In milliseconds. Default: 50 for heartbeats and 200 for elections. */
  readonly timings?: Timings;
  /** Default: the limits of `RaftNode`. */
  readonly limits?: Partial<Limits>;
  /**
   * Membership with which its servers are bootstrapped. Other servers are blank. Default: all vote.
   */
  readonly membership?: Membership;
}

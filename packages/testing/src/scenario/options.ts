import type { Limits, Membership, Timings } from '@kontiki/core';

export interface ScenarioOptions {
  /** Draws the election timeouts. Default 1. */
  readonly seed?: number;
  /** Milliseconds. Default: a heartbeat of 50, elections of 200. */
  readonly timings?: Timings;
  /** Default: those of `RaftNode`. */
  readonly limits?: Partial<Limits>;
  /** What the servers in it are bootstrapped with; the others are blank. Default: all are voters. */
  readonly membership?: Membership;
}

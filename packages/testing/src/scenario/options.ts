import type { Limits, Membership, ServerId, Timings } from '@kontiki/core';

export interface ScenarioOptions {
  /** The seed from which election timeouts are drawn. Default: 1. */
  readonly seed?: number;
  /** Heartbeat interval and election timeout in milliseconds. Default: 50 and 200. */
  readonly timings?: Timings;
  /** Limits on queues, windows and memory. Default: the limits of `RaftNode`. */
  readonly limits?: Partial<Limits>;
  /**
   * The membership that the servers are bootstrapped with. Servers that are not members start
   * blank. Default: all servers are voters.
   */
  readonly membership?: Membership;
  /**
   * Whether log stores have ids, as those of `RaftNode` do. Default: false, as in servers of
   * earlier versions.
   */
  readonly stores?: boolean;
  /**
   * The highest feature level that each server can read. Default: the highest level that this
   * version can read.
   */
  readonly levels?: Readonly<Record<ServerId, number>>;
}

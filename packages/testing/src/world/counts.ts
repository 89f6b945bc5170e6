/** Event counts of one world. A run with too few events proves nothing. */
export interface Counts {
  elections: number;
  truncations: number;
  crashes: number;
  restarts: number;
  reads: number;
  commits: number;
  acknowledged: number;
  /** Number of membership changes that a leader has started. */
  changes: number;
  /** Number of times that a leader has raised the feature level or the machine's version. */
  raises: number;
  /** Number of times that a server has received entries that it cannot read. */
  unreadable: number;
  /** Number of leadership transfers that a leader has started. */
  transfers: number;
  /** Number of disks that were replaced by an older copy. This count is 0 in the full world. */
  restoredCopies: number;
  /** Number of commands that a leader has appended for another server. */
  forwards: number;
  /** Number of reads that a leader served by its lease. */
  leaseReads: number;
  /** Number of issued writes lost in crashes. */
  lostWrites: number;
  /**
   * Number of requests with an unknown outcome. This count and all following counts are 0 in the
   * fast world.
   */
  unknown: number;
  /** Number of membership calls that a server has delegated to the leader. */
  delegations: number;
  /** Number of failed disk operations. */
  diskErrors: number;
  /** Number of lost or damaged disks. */
  lostDisks: number;
  /** Number of frames that arrived damaged. */
  badFrames: number;
  /** Number of times that a node stopped because of an error. */
  stops: number;
  /** Number of times that a node was closed. */
  closes: number;
  /** Number of snapshots taken. */
  snapshots: number;
  /** Number of received snapshots that have replaced a log. */
  installs: number;
  /** Number of recoveries of a lost majority. */
  recoveries: number;
}

export function noCounts(): Counts {
  return {
    elections: 0,
    truncations: 0,
    crashes: 0,
    restarts: 0,
    reads: 0,
    commits: 0,
    acknowledged: 0,
    changes: 0,
    raises: 0,
    unreadable: 0,
    transfers: 0,
    restoredCopies: 0,
    forwards: 0,
    leaseReads: 0,
    lostWrites: 0,
    unknown: 0,
    delegations: 0,
    diskErrors: 0,
    lostDisks: 0,
    badFrames: 0,
    stops: 0,
    closes: 0,
    snapshots: 0,
    installs: 0,
    recoveries: 0,
  };
}

/** What happened in a world: a world in which nothing happens proves nothing. */
export interface Counts {
  elections: number;
  truncations: number;
  crashes: number;
  restarts: number;
  reads: number;
  commits: number;
  acknowledged: number;
  /** Writes that were issued and that a crash took away. */
  lostWrites: number;
  /** Of whole nodes only: requests whose end nobody knows, disks that failed or lost something, frames that were damaged, nodes that stopped by themselves, nodes that were closed and came to the end of it. */
  unknown: number;
  diskErrors: number;
  lostDisks: number;
  badFrames: number;
  stops: number;
  closes: number;
  /** Snapshots that were taken, and that took the place of a log. */
  snapshots: number;
  installs: number;
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
    lostWrites: 0,
    unknown: 0,
    diskErrors: 0,
    lostDisks: 0,
    badFrames: 0,
    stops: 0,
    closes: 0,
    snapshots: 0,
    installs: 0,
  };
}

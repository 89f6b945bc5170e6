/** Numbers of events in a world. A run in which too little happened proves nothing. */
export interface Counts {
  elections: number;
  truncations: number;
  crashes: number;
  restarts: number;
  reads: number;
  commits: number;
  acknowledged: number;
  /** Writes that were issued and lost in a crash. */
  lostWrites: number;
  /** Requests with an unknown outcome. This and all further counts are 0 in the fast world. */
  unknown: number;
  /** Disk operations that failed. */
  diskErrors: number;
  /** Disks that were lost or damaged. */
  lostDisks: number;
  /** Frames that arrived damaged. */
  badFrames: number;
  /** Nodes that stopped by themselves. */
  stops: number;
  /** Nodes that were closed. */
  closes: number;
  /** Snapshots that were taken. */
  snapshots: number;
  /** Snapshots that replaced a log. */
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

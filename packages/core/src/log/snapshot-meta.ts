import type { Position } from './entry.js';
import type { MembershipAt } from './membership.js';

/** What a snapshot is of: its head says the same. */
export interface SnapshotMeta {
  /** Drawn at random when it is taken, 32 hexadecimal digits in lower case: two servers' snapshots at one index differ in their bytes. */
  readonly id: string;
  readonly cluster: string;
  /** The last entry whose effect is in it. */
  readonly last: Position;
  /** The newest membership at or below that entry. */
  readonly membership: MembershipAt;
  /** The checksum of the cluster's first entry. */
  readonly genesis: number;
  /** The version of the state machine that wrote it. */
  readonly version: number;
}

import type { Position } from './entry.js';
import type { MembershipAt } from './membership.js';

/** The description of a snapshot. The head of the snapshot file contains the same fields. */
export interface SnapshotMeta {
  /**
   * A random id of 32 lowercase hexadecimal digits. Ids differ between servers, because their
   * snapshots at the same index may consist of different bytes.
   */
  readonly id: string;
  readonly cluster: string;
  /** The position of the last entry that the snapshot covers. */
  readonly last: Position;
  /** The log time of that entry in milliseconds; undefined if the entry has none. */
  readonly time?: number | undefined;
  /** The newest membership at or before the last entry of the snapshot. */
  readonly membership: MembershipAt;
  /** The checksum of the cluster's first entry. */
  readonly genesis: number;
  /** The version of the state machine that wrote the snapshot. */
  readonly version: number;
}

import type { Membership } from '../../log/membership.js';
import type { Leader, ServerId } from '../../log/server.js';
import type { RoleName } from '../../protocol/role.js';
import type { SnapshotProgress } from '../snapshots/progress.js';
import type { Status } from '../status.js';

/** The events of a node, by name. */
export interface NodeEvents {
  /**
   * Emitted when this server's role changes. The roles `failed` and `closed` are final, and `error`
   * is set for `failed`.
   */
  state: {
    readonly role: Status['role'];
    readonly previous: RoleName;
    readonly error?: Error | undefined;
  };
  /**
   * Emitted when this server learns of a different leader or no longer knows one. In the latter
   * case, `leader` is undefined.
   */
  leader: { readonly leader: Leader | undefined; readonly term: number };
  term: { readonly term: number; readonly previous: number };
  /** Emitted when the membership at `index` is committed. */
  membership: { readonly index: number; readonly membership: Membership };
  /**
   * Emitted on the leader when a peer begins to answer, or has not answered for an election timeout.
   * Each leadership begins anew. There is no event for a removed peer.
   */
  peer: { readonly peer: ServerId; readonly answers: boolean };
  /** Emitted when entries up to `index` are committed. */
  commit: { readonly index: number };
  /** Emitted when entries up to `index` are applied on this server. */
  apply: { readonly index: number };
  /** Emitted when the disk becomes too full for another log segment, or has enough room again. */
  full: { readonly full: boolean };
  /**
   * Emitted when the disk has not finished any write for several election timeouts, and again when
   * it recovers.
   */
  stalled: { readonly stalled: boolean };
  /**
   * Emitted when this server has taken a snapshot that covers entries up to `index`. The snapshot
   * is durable.
   */
  snapshot: { readonly index: number; readonly bytes: number };
  /**
   * Emitted while this server, as the leader, sends a snapshot to `peer`, which has acknowledged
   * `bytes` of `total`.
   */
  snapshotSending: SnapshotProgress & { readonly peer: ServerId };
  /** Emitted while this server receives a snapshot from the leader. */
  snapshotReceiving: SnapshotProgress;
  /** Emitted when a received snapshot has replaced the log. */
  snapshotInstalled: { readonly index: number; readonly bytes: number };
  /**
   * Emitted when taking, sending or receiving a snapshot fails. No data is lost, and the node tries
   * again.
   */
  snapshotFailed: { readonly error: Error };
  /** Emitted when the node has failed and stopped permanently. The node's data is kept. */
  fatal: { readonly error: Error };
}

/** The names of all events. TypeScript reports an error if a name is missing. */
const names: Readonly<Record<keyof NodeEvents, true>> = {
  state: true,
  leader: true,
  term: true,
  membership: true,
  peer: true,
  commit: true,
  apply: true,
  full: true,
  stalled: true,
  snapshot: true,
  snapshotSending: true,
  snapshotReceiving: true,
  snapshotInstalled: true,
  snapshotFailed: true,
  fatal: true,
};

export const eventNames = Object.keys(names) as (keyof NodeEvents)[];

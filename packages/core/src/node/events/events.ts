import type { Membership } from '../../log/membership.js';
import type { Leader, ServerId } from '../../log/server.js';
import type { RoleName } from '../../protocol/role.js';
import type { SnapshotProgress } from '../snapshots/progress.js';
import type { Status } from '../status.js';

/** The events of a node, by name. */
export interface NodeEvents {
  /** This server's role changed. `failed` and `closed` are final, and `error` explains `failed`. */
  state: {
    readonly role: Status['role'];
    readonly previous: RoleName;
    readonly error?: Error | undefined;
  };
  /** The leader known to this server changed; undefined if there is none. */
  leader: { readonly leader: Leader | undefined; readonly term: number };
  term: { readonly term: number; readonly previous: number };
  /** The membership at `index` is committed. */
  membership: { readonly index: number; readonly membership: Membership };
  /** Entries up to `index` are committed. */
  commit: { readonly index: number };
  /** Entries up to `index` are applied on this server. */
  apply: { readonly index: number };
  /** The disk became too full for another log segment, or has room again. */
  full: { readonly full: boolean };
  /** The disk has not finished a write for several election timeouts, or finishes writes again. */
  stalled: { readonly stalled: boolean };
  /** This server took a snapshot that covers entries up to `index`. The snapshot is durable. */
  snapshot: { readonly index: number; readonly bytes: number };
  /** This leader is sending a snapshot to `peer`, which has acknowledged `bytes` of `total`. */
  snapshotSending: SnapshotProgress & { readonly peer: ServerId };
  /** This server is receiving a snapshot from the leader. */
  snapshotReceiving: SnapshotProgress;
  /** A received snapshot replaced the log. */
  snapshotInstalled: { readonly index: number; readonly bytes: number };
  /** Taking, sending or receiving a snapshot failed. No data is lost, and the node tries again. */
  snapshotFailed: { readonly error: Error };
  /** The node failed and has stopped permanently. Its data is kept. */
  fatal: { readonly error: Error };
}

/** The names of all events. The type makes the compiler report a missing name. */
const names: Readonly<Record<keyof NodeEvents, true>> = {
  state: true,
  leader: true,
  term: true,
  membership: true,
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

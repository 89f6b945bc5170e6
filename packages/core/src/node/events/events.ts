import type { Leader, ServerId } from '../../log/server.js';
import type { RoleName } from '../../protocol/role.js';
import type { SnapshotProgress } from '../snapshots/progress.js';

/** The events of a node, by name. */
export interface NodeEvents {
  /** This server's role changed. */
  state: { readonly role: RoleName; readonly previous: RoleName };
  /** This server learned of another leader, or lost its leader. */
  leader: { readonly leader: Leader | undefined; readonly term: number };
  term: { readonly term: number; readonly previous: number };
  /** Everything up to `index` is committed. */
  commit: { readonly index: number };
  /** Everything up to `index` is applied on this server. */
  apply: { readonly index: number };
  /** The disk ran out of room for another segment of the log, or has room again. */
  full: { readonly full: boolean };
  /** This server took a snapshot of everything up to `index`, and the snapshot is durable. */
  snapshot: { readonly index: number; readonly bytes: number };
  /** This leader sends a snapshot to `peer`, which has acknowledged `bytes` of `total`. */
  snapshotSending: SnapshotProgress & { readonly peer: ServerId };
  /** This server receives a snapshot from the leader. */
  snapshotReceiving: SnapshotProgress;
  /** A received snapshot replaced the log. */
  snapshotInstalled: { readonly index: number; readonly bytes: number };
  /** Taking, sending or receiving a snapshot failed. Nothing is lost, and the node tries again. */
  snapshotFailed: { readonly error: Error };
  /** The node has stopped for good. Its data is kept. */
  fatal: { readonly error: Error };
}

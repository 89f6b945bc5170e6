import type { ServerId, ServerInfo } from '../log/server.js';
import type { Membership } from '../log/membership.js';
import type { ProgressState } from '../protocol/progress.js';
import type { RoleName } from '../protocol/role.js';

/** Where a server is reached, by id. */
export interface Leader extends ServerInfo {
  readonly id: ServerId;
}

/** What a leader knows of one of its peers. */
export interface PeerStatus {
  readonly id: ServerId;
  readonly state: ProgressState;
  /** The peer holds the leader's log up to here, durably. */
  readonly match: number;
  readonly next: number;
  /** Append messages not yet acknowledged. */
  readonly inFlight: number;
  /** Milliseconds since it last answered. */
  readonly silentFor: number;
  /** Its disk has no room. */
  readonly full: boolean;
  /** A voter without a log: it has lost its disk and is not fed. Remove it and add a new id. */
  readonly lost: boolean;
}

/** A node as it is now. */
export interface Status {
  readonly id: ServerId;
  readonly cluster: string;
  readonly role: RoleName | 'failed' | 'closed';
  readonly term: number;
  readonly votedFor: ServerId | undefined;
  readonly leader: Leader | undefined;
  readonly membership: Membership | undefined;
  /** Indices of the log: applied <= committed <= last, durable <= last. */
  readonly base: number;
  readonly last: number;
  readonly durable: number;
  readonly committed: number;
  readonly applied: number;
  /** Bytes of log entries held in memory. */
  readonly heldBytes: number;
  /** The disk has no room for another segment of the log. */
  readonly full: boolean;
  /** What a leader knows of its peers; empty on others. */
  readonly peers: readonly PeerStatus[];
}

/** How far the transfer of a snapshot is. */
export interface SnapshotProgress {
  /** Of the last entry that it covers. */
  readonly index: number;
  readonly bytes: number;
  readonly total: number;
  /** Bytes a second, since it began or went on. */
  readonly rate: number;
}

/** What a node tells those who listen. */
export interface NodeEvents {
  /** This server's role changed. */
  state: { readonly role: RoleName; readonly previous: RoleName };
  /** Another leader is known, or none. */
  leader: { readonly leader: Leader | undefined; readonly term: number };
  term: { readonly term: number; readonly previous: number };
  /** Everything up to `index` is committed. */
  commit: { readonly index: number };
  /** Everything up to `index` is applied here. */
  apply: { readonly index: number };
  /** The disk has no room for another segment of the log, or has again. */
  full: { readonly full: boolean };
  /** A snapshot of everything up to `index` was taken, and is durable. */
  snapshot: { readonly index: number; readonly bytes: number };
  /** A leader sends one to a peer, which has `bytes` of `total`; told as they are acknowledged. */
  snapshotSending: SnapshotProgress & { readonly peer: ServerId };
  /** One arrives from the leader. */
  snapshotReceiving: SnapshotProgress;
  /** One that arrived has taken the place of the log. */
  snapshotInstalled: { readonly index: number; readonly bytes: number };
  /** One was abandoned while it was taken, sent or received; nothing is lost, and it is tried again. */
  snapshotFailed: { readonly error: Error };
  /** The node has stopped for good; its data is kept. */
  fatal: { readonly error: Error };
}

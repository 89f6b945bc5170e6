import type { Leader, ServerId } from '../log/server.js';
import type { Membership } from '../log/membership.js';
import type { ProgressState } from '../protocol/progress.js';
import type { Raft } from '../protocol/raft.js';
import type { RoleName } from '../protocol/role.js';

/** A leader's view of one of its peers. */
export interface PeerStatus {
  readonly id: ServerId;
  readonly state: ProgressState;
  /** The peer durably holds the leader's log up to this index. */
  readonly match: number;
  readonly next: number;
  /** Append messages not yet acknowledged. */
  readonly inFlight: number;
  /** Milliseconds since the peer last answered. */
  readonly silentFor: number;
  /** Whether the peer's disk has no room for entries. */
  readonly full: boolean;
  /**
   * Whether the peer is a voter without a log: it has lost its disk and receives no entries. Remove
   * it and add a new id.
   */
  readonly lost: boolean;
}

/** The state of a node at one moment. */
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
  /** Whether the disk has no room for another segment of the log. */
  readonly full: boolean;
  /** The leader's view of its peers; empty unless this server leads. */
  readonly peers: readonly PeerStatus[];
}

/** The leader that this server knows, with its address if the membership known here names it. */
export function leaderOf({ leader: id, log }: Raft): Leader | undefined {
  if (id === undefined) return undefined;
  const { address, metadata } = log.membership?.servers.get(id) ?? { address: '', metadata: '' };
  return { id, address, metadata };
}

/** Returns the status of a node. `now`: monotonic milliseconds. */
export function statusOf(raft: Raft, cluster: string, now: number, ended: 'failed' | 'closed' | undefined): Status {
  const { log, ballot } = raft;
  const peers: PeerStatus[] = [...(raft.peers ?? [])].map(([id, progress]) => ({
    id,
    state: progress.state,
    match: progress.match,
    next: progress.next,
    inFlight: progress.window.size,
    silentFor: Math.round(now - progress.lastActive),
    full: progress.full,
    lost: progress.lost,
  }));
  return {
    id: raft.id,
    cluster,
    role: ended ?? raft.role,
    term: ballot.term,
    votedFor: ballot.votedFor,
    leader: leaderOf(raft),
    membership: log.membership,
    base: log.base.index,
    last: log.lastIndex,
    durable: log.durable,
    committed: log.committed,
    applied: log.applied,
    heldBytes: log.heldBytes,
    full: raft.full,
    peers,
  };
}

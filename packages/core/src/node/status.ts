import type { KontikiError } from '../errors.js';
import type { Leader, ServerId } from '../log/server.js';
import type { Membership } from '../log/membership.js';
import type { ProgressState } from '../protocol/progress.js';
import type { Raft } from '../protocol/raft.js';
import type { RoleName } from '../protocol/role.js';

/** A leader's view of one of its peers. */
export interface PeerStatus {
  readonly id: ServerId;
  readonly state: ProgressState;
  /** The index up to which the leader's log is durable on the peer. */
  readonly match: number;
  readonly next: number;
  /** Number of append messages that are not acknowledged yet. */
  readonly inFlight: number;
  /** Milliseconds since the peer's last answer. */
  readonly silentFor: number;
  /**
   * The highest feature level that the peer reads; undefined until it has told this leader.
   */
  readonly level: number | undefined;
  /** The newest version of the state machine's behavior that the peer has; 0 if it named none. */
  readonly behavior: number;
  /** Whether the peer's disk is full. */
  readonly full: boolean;
  /**
   * Whether the peer is a blank voter: it has lost its disk and receives no entries. Remove it from
   * the cluster and add a server with a new id.
   */
  readonly lost: boolean;
  /**
   * Whether the peer's history contradicts this leader's: one of the two was restored from an old
   * copy, or has lost data. The peer does not count and receives nothing.
   */
  readonly contradicts: boolean;
}

/** The part of a log that a server cannot read. */
export interface UnreadableStatus {
  /** The index of the first entry that cannot be read. */
  readonly index: number;
  /** What cannot be read, in a sentence. */
  readonly reason: string;
  /** Milliseconds since the server noticed it. */
  readonly forMs: number;
}

/** The state of a node at one moment. */
export interface Status {
  readonly id: ServerId;
  readonly cluster: string;
  readonly role: RoleName | 'failed' | 'closed';
  /** Why the node failed; undefined unless `role` is `failed`. */
  readonly error: Error | undefined;
  readonly term: number;
  readonly votedFor: ServerId | undefined;
  /** The leader known to this server; undefined if the node has ended. */
  readonly leader: Leader | undefined;
  readonly membership: Membership | undefined;
  /** The highest feature level that this server reads. */
  readonly level: number;
  /** The newest version of the state machine's behavior on this server, if it has versions. */
  readonly behavior: number | undefined;
  /**
   * Where the log goes on with entries that only a newer version can read; undefined normally. Then
   * this server appends nothing and does not campaign, but still votes. Upgrade it.
   */
  readonly unreadable: UnreadableStatus | undefined;
  /** Indices of the log: applied <= committed <= last, durable <= last. */
  readonly base: number;
  readonly last: number;
  readonly durable: number;
  readonly committed: number;
  readonly applied: number;
  /** Bytes of log entries in memory. */
  readonly heldBytes: number;
  /** Whether the disk is too full for another log segment. */
  readonly full: boolean;
  /** Whether the disk has not finished a write for several election timeouts. */
  readonly diskStalled: boolean;
  /** Number of connections and messages that the current transport has refused, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** The leader's view of its peers; empty unless this server leads. */
  readonly peers: readonly PeerStatus[];
}

/**
 * Returns the leader known to this server. Address and metadata are empty if the server's
 * membership does not include the leader.
 */
export function leaderOf({ leader: id, log }: Raft): Leader | undefined {
  if (id === undefined) return undefined;
  const { address, metadata } = log.membership?.servers.get(id) ?? { address: '', metadata: '' };
  return { id, address, metadata };
}

/** The final role of a node, and the error with which calls reject after the node has ended. */
export interface NodeEnd {
  readonly role: 'failed' | 'closed';
  readonly error: KontikiError;
}

/**
 * Returns a copy of the membership whose map of servers `JSON.stringify` converts to an object. By
 * default, a map becomes `{}`.
 */
function withJson(membership: Membership): Membership {
  const servers = new Map(membership.servers);
  const toJSON = (): object => Object.fromEntries(servers);
  return { ...membership, servers: Object.defineProperty(servers, 'toJSON', { value: toJSON }) };
}

/**
 * Returns the status of a node. `now` is the monotonic time in milliseconds. `ended` is undefined
 * while the node runs.
 */
export function statusOf(
  raft: Raft,
  cluster: string,
  now: number,
  refusals: Readonly<Record<string, number>>,
  ended: NodeEnd | undefined,
): Status {
  const { log, ballot, unreadable } = raft;
  const peers: PeerStatus[] = [...(raft.peers ?? [])].map(([id, progress]) => ({
    id,
    state: progress.state,
    match: progress.match,
    next: progress.next,
    inFlight: progress.window.size,
    silentFor: Math.round(now - progress.lastActive),
    level: progress.level,
    behavior: progress.behavior,
    full: progress.full,
    lost: progress.lost,
    contradicts: progress.contradicts,
  }));
  return {
    id: raft.id,
    cluster,
    role: ended?.role ?? raft.role,
    error: ended?.role === 'failed' ? (ended.error.cause as Error) : undefined,
    term: ballot.term,
    votedFor: ballot.votedFor,
    leader: ended === undefined ? leaderOf(raft) : undefined,
    membership: log.membership && withJson(log.membership),
    level: raft.level,
    behavior: raft.behavior,
    unreadable: unreadable && {
      index: unreadable.index,
      reason: unreadable.reason,
      forMs: Math.round(now - unreadable.since),
    },
    base: log.base.index,
    last: log.lastIndex,
    durable: log.durable,
    committed: log.committed,
    applied: log.applied,
    heldBytes: log.heldBytes,
    full: raft.full,
    diskStalled: raft.diskStalled,
    refusals,
    peers,
  };
}

import { KontikiError } from '../errors.js';
import type { Leader, ServerId } from '../log/server.js';
import type { Membership } from '../log/membership.js';
import type { ProgressState } from '../protocol/progress.js';
import type { Raft } from '../protocol/raft.js';
import type { RoleName } from '../protocol/role.js';

/** A leader's information about one of its peers. */
export interface PeerStatus {
  readonly id: ServerId;
  readonly state: ProgressState;
  /** The index up to which the leader's log is durable on the peer. */
  readonly match: number;
  readonly next: number;
  /** Number of append messages that the peer has not acknowledged yet. */
  readonly inFlight: number;
  /** Milliseconds since the peer's last answer. */
  readonly silentFor: number;
  /**
   * The highest feature level that the peer supports; undefined until the peer has reported it to
   * this leader.
   */
  readonly level: number | undefined;
  /**
   * The newest version of the state machine's behavior that the peer has; 0 if the peer has
   * reported none.
   */
  readonly behavior: number;
  /** Whether the peer's disk is full. */
  readonly full: boolean;
  /**
   * Whether the peer is a voter that has lost its disk and is now blank. Such a peer receives no
   * entries. Remove it from the cluster and add a server with a new id.
   */
  readonly lost: boolean;
  /**
   * Whether the peer's log contradicts this leader's log, because one of the two servers was
   * restored from an old copy or has lost data. Such a peer receives no entries and does not count
   * toward a quorum.
   */
  readonly contradicts: boolean;
}

/**
 * The part of a log that a server cannot read, because only a newer version of Kontiki can read it.
 */
export interface UnreadableStatus {
  /** The index of the first entry that cannot be read. */
  readonly index: number;
  /** A sentence that describes the unreadable data. */
  readonly reason: string;
  /** Milliseconds since the server first received the unreadable data. */
  readonly forMs: number;
}

/** The state of a node at one point in time. */
export interface Status {
  readonly id: ServerId;
  readonly cluster: string;
  readonly role: RoleName | 'failed' | 'closed';
  /** The reason why the node failed; undefined unless `role` is `failed`. */
  readonly error: Error | undefined;
  readonly term: number;
  readonly votedFor: ServerId | undefined;
  /** The current leader; undefined if this server knows none or if the node has ended. */
  readonly leader: Leader | undefined;
  readonly membership: Membership | undefined;
  /** The highest feature level that this server supports. */
  readonly level: number;
  /**
   * The newest version of the state machine's behavior on this server; undefined if the state
   * machine has no versions.
   */
  readonly behavior: number | undefined;
  /**
   * The part of the leader's log that only a newer version of Kontiki can read; normally undefined.
   * If this field is set, upgrade the server. Until then, it appends no entries and does not
   * campaign, but still votes.
   */
  readonly unreadable: UnreadableStatus | undefined;
  /** The length of a leader's lease in milliseconds, by the membership in force; 0 if leases are off. */
  readonly leaseMs: number;
  /** Whether this server is a leader that currently holds a lease, so that it serves lease reads. */
  readonly holdsLease: boolean;
  /** Indices of the log. At all times, applied <= committed <= last and durable <= last. */
  readonly base: number;
  readonly last: number;
  readonly durable: number;
  readonly committed: number;
  readonly applied: number;
  /** Bytes of log entries in memory. */
  readonly heldBytes: number;
  /** Whether the disk is too full for another log segment. */
  readonly full: boolean;
  /** Whether the disk has not finished any write for several election timeouts. */
  readonly diskStalled: boolean;
  /** Number of connections and messages that the current transport has refused, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** The leader's information about its peers; empty if this server is not the leader. */
  readonly peers: readonly PeerStatus[];
}

/**
 * Returns the leader, or undefined if this server does not know it. The leader's address and
 * metadata are empty if this server's membership does not include the leader.
 */
export function leaderOf({ leader: id, log }: Raft): Leader | undefined {
  if (id === undefined) return undefined;
  const { address, metadata } = log.membership?.servers.get(id) ?? { address: '', metadata: '' };
  return { id, address, metadata };
}

/** The final role of a node, and the error that rejects every call from then on. */
export interface NodeEnd {
  readonly role: 'failed' | 'closed';
  readonly error: KontikiError;
}

/** Returns whether a role means that the node has ended. */
export function isFinal(role: Status['role']): boolean {
  return role === 'closed' || role === 'failed';
}

/** Returns the error that rejects every call once a node has closed or failed. */
export function endError(id: ServerId, failure: Error | undefined): KontikiError {
  const text =
    failure === undefined
      ? `Node ${id} was closed.`
      : `Node ${id} has failed: ${failure.message} Its data is kept. Start it again when the cause is removed.`;
  return new KontikiError('KONTIKI_CLOSED', text, { cause: failure });
}

/**
 * Returns a copy of the membership that `JSON.stringify` converts completely. By default, it would
 * convert the map of servers to `{}`.
 */
function withJson(membership: Membership): Membership {
  const servers = new Map(membership.servers);
  const toJSON = (): object => Object.fromEntries(servers);
  return { ...membership, servers: Object.defineProperty(servers, 'toJSON', { value: toJSON }) };
}

/**
 * Returns the status of a node. `now` is the monotonic time in milliseconds, and `wallOffset` is the
 * wall clock minus that time. `ended` is undefined while the node is running.
 */
export function statusOf(
  raft: Raft,
  cluster: string,
  { now, wallOffset }: { readonly now: number; readonly wallOffset: number },
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
    leaseMs: log.membership?.leaseMs ?? 0,
    holdsLease: ended === undefined && raft.holdsLease(now, wallOffset),
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

import type { Entry } from '../log/entry.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';

/**
 * The messages between servers. Every message carries its sender's `term` and `incarnation`, a
 * random number drawn at each start. An answer also carries the receiver's incarnation in `to`, so
 * that a server drops answers to requests that it sent before a restart.
 *
 * A leader numbers its streams of appends to a peer in `stream`. It drops acknowledgements of a
 * stream that belongs to an earlier incarnation of the peer, because a restarted peer may hold
 * less.
 */
interface FromServer {
  readonly term: number;
  readonly incarnation: number;
}

interface Answer extends FromServer {
  readonly to: number;
}

/**
 * Asks whether the receiver would vote for the sender in `term` + 1 (thesis §9.6). Changes nothing
 * at the receiver.
 */
export interface PreVote extends FromServer {
  readonly kind: 'preVote';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/** `term` is the replying server's own term, `candidacy` the term that the pre-vote asked about. */
export interface PreVoteReply extends Answer {
  readonly kind: 'preVoteReply';
  readonly candidacy: number;
  readonly granted: boolean;
}

/**
 * RequestVote (Raft §5.2, §5.4.1). Sent only when the candidate's own term and vote are durable.
 */
export interface Vote extends FromServer {
  readonly kind: 'vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface VoteReply extends Answer {
  readonly kind: 'voteReply';
  readonly granted: boolean;
}

/**
 * AppendEntries (Raft §5.3): `entries` follow `prevIndex` without a gap; `committed` is the
 * leader's commit index.
 */
export interface Append extends FromServer {
  readonly kind: 'append';
  readonly stream: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly committed: number;
  readonly entries: readonly Entry[];
}

/** Says that the sender durably holds the leader's log up to and including `match`. */
export interface AppendAccepted extends Answer {
  readonly kind: 'appendAccepted';
  readonly stream: number;
  readonly match: number;
  readonly full: boolean;
}

/**
 * Says that the sender's entry at `prevIndex` is not the leader's. Its log can match the leader's
 * at `hintIndex` at most, where it holds an entry of `hintTerm`. `blank`: it holds no entry and no
 * snapshot.
 */
export interface AppendRejected extends Answer {
  readonly kind: 'appendRejected';
  readonly stream: number;
  readonly prevIndex: number;
  readonly hintIndex: number;
  readonly hintTerm: number;
  readonly blank: boolean;
  readonly full: boolean;
}

/**
 * Shows that the leader is alive. The receiver's log matches the leader's up to `committed`. The
 * reply repeats `round`, which confirms to the leader that it still leads (Raft §8).
 */
export interface Heartbeat extends FromServer {
  readonly kind: 'heartbeat';
  readonly stream: number;
  readonly round: number;
  readonly committed: number;
}

/**
 * `blank` as in `AppendRejected`: the reply of a voter that has lost its disk must not count for
 * the leader.
 */
export interface HeartbeatReply extends Answer {
  readonly kind: 'heartbeatReply';
  readonly stream: number;
  readonly round: number;
  readonly blank: boolean;
  readonly full: boolean;
}

/**
 * Says that the entries up to `committed` are committed, and that the receiver holds them. No
 * reply: the next heartbeat repeats it.
 */
export interface Commit extends FromServer {
  readonly kind: 'commit';
  readonly committed: number;
}

/**
 * Asks the leader for the index that the sender must apply to serve its reads up to number `ticket`
 * (thesis §6.4).
 */
export interface ReadIndex extends FromServer {
  readonly kind: 'readIndex';
  readonly ticket: number;
}

export interface ReadIndexReply extends Answer {
  readonly kind: 'readIndexReply';
  readonly ticket: number;
  readonly index: number;
}

/**
 * Offers a snapshot to a peer that needs entries which the leader's log no longer holds (Raft §7).
 */
export interface SnapshotOffer extends FromServer {
  readonly kind: 'snapshotOffer';
  readonly stream: number;
  readonly meta: SnapshotMeta;
  /** Size of the complete encoding. */
  readonly bytes: number;
}

/** Bytes of an offered snapshot's encoding, starting at `offset`. */
export interface SnapshotChunk extends FromServer {
  readonly kind: 'snapshotChunk';
  readonly stream: number;
  readonly id: string;
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * Says that the sender holds the bytes before `offset` and waits for the rest. After the install it
 * sends `AppendAccepted`.
 */
export interface SnapshotAck extends Answer {
  readonly kind: 'snapshotAck';
  readonly stream: number;
  readonly id: string;
  readonly offset: number;
}

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | Commit
  | ReadIndex
  | ReadIndexReply
  | SnapshotOffer
  | SnapshotChunk
  | SnapshotAck;

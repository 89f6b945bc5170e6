import type { Entry } from '../log/entry.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';

/**
 * What servers say to each other. Every message carries its sender's `term` and `incarnation` (a random number drawn at
 * start); an answer also carries the asker's incarnation in `to`, and is dropped by any other life of the asker.
 * A leader numbers its streams of appends to a peer in `stream`; acknowledgements of a stream begun for an earlier life
 * of the peer are dropped, so that nothing it said then is taken for the present one's.
 */
interface FromServer {
  readonly term: number;
  readonly incarnation: number;
}

interface Answer extends FromServer {
  readonly to: number;
}

/** "Would you vote for me in `term` + 1?" (thesis §9.6). Changes nothing at the receiver. */
export interface PreVote extends FromServer {
  readonly kind: 'preVote';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/** `term` is the answerer's own; `candidacy` the term that was asked about. */
export interface PreVoteReply extends Answer {
  readonly kind: 'preVoteReply';
  readonly candidacy: number;
  readonly granted: boolean;
}

/** RequestVote (Raft §5.2, §5.4.1). Leaves only when the candidate's own term and vote are durable. */
export interface Vote extends FromServer {
  readonly kind: 'vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface VoteReply extends Answer {
  readonly kind: 'voteReply';
  readonly granted: boolean;
}

/** AppendEntries (Raft §5.3): `entries` follow `prevIndex` without a gap; `committed` is the leader's commit index. */
export interface Append extends FromServer {
  readonly kind: 'append';
  readonly stream: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly committed: number;
  readonly entries: readonly Entry[];
}

/** The receiver holds the leader's log up to and including `match`, durably. */
export interface AppendAccepted extends Answer {
  readonly kind: 'appendAccepted';
  readonly stream: number;
  readonly match: number;
  readonly full: boolean;
}

/**
 * The entry at `prevIndex` is not the leader's. The receiver's log can agree with the leader's at `hintIndex` at the
 * most, where it holds an entry of `hintTerm`. `blank`: it holds no entry and no snapshot.
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

/** The leader lives; the receiver's log is the leader's up to `committed`. Asks, by `round`, whether it still leads (Raft §8). */
export interface Heartbeat extends FromServer {
  readonly kind: 'heartbeat';
  readonly stream: number;
  readonly round: number;
  readonly committed: number;
}

/** `blank` as in a rejection: a voter that has lost its disk must not vouch for a leader either. */
export interface HeartbeatReply extends Answer {
  readonly kind: 'heartbeatReply';
  readonly stream: number;
  readonly round: number;
  readonly blank: boolean;
  readonly full: boolean;
}

/** The receiver's log is the leader's up to `committed`, which is committed. Unanswered: the next heartbeat says it again. */
export interface Commit extends FromServer {
  readonly kind: 'commit';
  readonly committed: number;
}

/** "Which index must I have applied to serve my reads up to number `ticket`?" (thesis §6.4) */
export interface ReadIndex extends FromServer {
  readonly kind: 'readIndex';
  readonly ticket: number;
}

export interface ReadIndexReply extends Answer {
  readonly kind: 'readIndexReply';
  readonly ticket: number;
  readonly index: number;
}

/** The receiver needs entries that the leader's log no longer holds: a snapshot is ready for it (Raft §7). */
export interface SnapshotOffer extends FromServer {
  readonly kind: 'snapshotOffer';
  readonly stream: number;
  readonly meta: SnapshotMeta;
  /** Of its whole encoding. */
  readonly bytes: number;
}

/** Bytes of the encoding of a snapshot that was offered, from `offset` on. */
export interface SnapshotChunk extends FromServer {
  readonly kind: 'snapshotChunk';
  readonly stream: number;
  readonly id: string;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** The receiver has the bytes before `offset`, and waits for those from there on. That it has installed all of it is said by `appendAccepted`. */
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

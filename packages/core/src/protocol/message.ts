import type { Entry } from '../log/entry.js';
import type { StoreId } from '../log/server.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';

/**
 * The messages between servers. Every message carries the sender's `term` and `incarnation`, a
 * random number drawn at each start. An answer also carries the receiver's incarnation in `to`. So
 * a server can drop answers to requests that it sent before a restart.
 *
 * A leader numbers its streams of appends to a peer in `stream`. It drops acknowledgements for
 * streams to an earlier incarnation of the peer, because a restarted peer may have lost entries.
 *
 * `store` and `starts` tell which disk the sender has, and how often it has started with it. They
 * are undefined in messages of servers that are older than these fields.
 */
interface FromServer {
  readonly term: number;
  readonly incarnation: number;
  readonly store?: StoreId | undefined;
  readonly starts?: number | undefined;
}

interface Answer extends FromServer {
  readonly to: number;
}

/**
 * Asks whether the receiver would vote for the sender in `term` + 1 (thesis §9.6). The receiver's
 * state does not change.
 */
export interface PreVote extends FromServer {
  readonly kind: 'preVote';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/**
 * Answers a pre-vote. `term` is the term of the replying server, and `candidacy` is the term that
 * the pre-vote asked about.
 */
export interface PreVoteReply extends Answer {
  readonly kind: 'preVoteReply';
  readonly candidacy: number;
  readonly granted: boolean;
}

/**
 * RequestVote (Raft §5.2, §5.4.1). Sent only after the candidate's own term and vote are durable.
 */
export interface Vote extends FromServer {
  readonly kind: 'vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  /**
   * Whether the leader of the previous term asked the sender to take over. Then voters grant the
   * vote although that leader is alive (thesis §3.10).
   */
  readonly transfer?: true;
}

export interface VoteReply extends Answer {
  readonly kind: 'voteReply';
  readonly granted: boolean;
}

/**
 * AppendEntries (Raft §5.3). `entries` follow `prevIndex` without a gap. `committed` is the
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

/** Acknowledges that the leader's log up to and including `match` is durable on the sender. */
export interface AppendAccepted extends Answer {
  readonly kind: 'appendAccepted';
  readonly stream: number;
  readonly match: number;
  readonly full: boolean;
}

/**
 * Rejects an append, because the sender's entry at `prevIndex` differs from the leader's. The logs
 * match at most up to `hintIndex`, where the sender has an entry of `hintTerm`. `blank` means that
 * the sender has neither entries nor a snapshot.
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
 * reply repeats `round`, so that replies from a quorum confirm the leadership (Raft §8).
 */
export interface Heartbeat extends FromServer {
  readonly kind: 'heartbeat';
  readonly stream: number;
  readonly round: number;
  readonly committed: number;
}

/**
 * Answers a heartbeat. `blank` has the same meaning as in `AppendRejected`: a reply from a voter
 * that lost its disk must not count toward a quorum.
 */
export interface HeartbeatReply extends Answer {
  readonly kind: 'heartbeatReply';
  readonly stream: number;
  readonly round: number;
  readonly blank: boolean;
  readonly full: boolean;
  /** The highest feature level that the sender reads. A server that does not say reads level 0. */
  readonly level?: number;
  /** The newest version of the state machine's behavior that the sender has, if it has versions. */
  readonly behavior?: number | undefined;
}

/**
 * Announces that entries up to `committed`, which the receiver already has, are committed. Needs no
 * reply, because the next heartbeat repeats the index.
 */
export interface Commit extends FromServer {
  readonly kind: 'commit';
  readonly committed: number;
}

/**
 * Asks the leader for a read index: the sender may serve its reads up to number `ticket` once it
 * has applied that index (thesis §6.4).
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
 * Asks the leader of `term` to append commands. The tickets of the commands begin with `ticket`, and
 * the sender uses each only once.
 */
export interface Propose extends FromServer {
  readonly kind: 'propose';
  readonly ticket: number;
  readonly commands: readonly Uint8Array[];
}

/** The reason for not appending a proposal. */
export type ProposalRefusal = 'notLeader' | 'transferring' | 'overloaded' | 'diskFull';

/**
 * Answers a `Propose`: the first `accepted` commands are entries of `term` from `index` on. The
 * others were not appended, for the reason `refused`, and never will be.
 */
export interface ProposeReply extends Answer {
  readonly kind: 'proposeReply';
  readonly ticket: number;
  readonly accepted: number;
  /** The index of the first command's entry, or 0 if all commands were refused. */
  readonly index: number;
  readonly refused: ProposalRefusal | undefined;
}

/**
 * Asks the receiver to take over the leadership now: to campaign in `term` + 1 without asking for
 * pre-votes (thesis §3.10). Only its own term and only the incarnation in `to` act on it.
 */
export interface TimeoutNow extends Answer {
  readonly kind: 'timeoutNow';
}

/** Offers a snapshot to a peer that needs entries compacted from the leader's log (Raft §7). */
export interface SnapshotOffer extends FromServer {
  readonly kind: 'snapshotOffer';
  readonly stream: number;
  readonly meta: SnapshotMeta;
  /** Size of the encoded snapshot. */
  readonly bytes: number;
}

/** Carries bytes of an encoded snapshot, starting at `offset`. */
export interface SnapshotChunk extends FromServer {
  readonly kind: 'snapshotChunk';
  readonly stream: number;
  readonly id: string;
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * Acknowledges the snapshot's bytes before `offset` and requests the rest. After installing the
 * snapshot, the sender sends `AppendAccepted`.
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
  | Propose
  | ProposeReply
  | SnapshotOffer
  | SnapshotChunk
  | SnapshotAck
  | TimeoutNow;

/**
 * Stands for an append or a snapshot offer that a newer version sent and that this version cannot
 * read. Decoders make it; it is never sent.
 */
export interface Unreadable extends FromServer {
  readonly kind: 'unreadable';
  /** The index of the first entry that cannot be read; undefined if a snapshot cannot be read. */
  readonly index?: number;
  /** What cannot be read, in a sentence. */
  readonly reason: string;
}

/** What a server receives. */
export type Received = Message | Unreadable;

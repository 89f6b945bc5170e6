import type { Entry } from '../log/entry.js';
import type { StoreId } from '../log/server.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';

/**
 * The fields that all messages between servers have in common. Every message carries the sender's
 * `term` and `incarnation`, a random number drawn at each start. An answer also carries the
 * receiver's incarnation in `to`. This lets a server drop answers to requests that it sent before a
 * restart.
 *
 * A leader numbers its streams of appends to a peer in `stream`. It drops acknowledgements of
 * streams to an earlier incarnation of the peer, because a restarted peer may have lost entries.
 *
 * `store` identifies the sender's disk, and `starts` counts the sender's starts with that disk.
 * Both are undefined in messages from versions of Kontiki without these fields.
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
 * Asks whether the receiver would vote for the sender in `term` + 1 (thesis §9.6). A pre-vote does
 * not change the receiver's state.
 */
export interface PreVote extends FromServer {
  readonly kind: 'preVote';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/**
 * Answers a pre-vote. `term` is the current term of the replying server, and `candidacy` is the
 * term that the pre-vote asked about.
 */
export interface PreVoteReply extends Answer {
  readonly kind: 'preVoteReply';
  readonly candidacy: number;
  readonly granted: boolean;
}

/**
 * RequestVote (Raft §5.2, §5.4.1). A candidate sends this message only after its own term and vote
 * are durable.
 */
export interface Vote extends FromServer {
  readonly kind: 'vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  /**
   * Whether the leader of the previous term asked the sender to take over. In that case, voters
   * grant the vote even though that leader is alive (thesis §3.10).
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

/**
 * Acknowledges that the leader's log up to and including `match` is durable on the sender's disk.
 */
export interface AppendAccepted extends Answer {
  readonly kind: 'appendAccepted';
  readonly stream: number;
  readonly match: number;
  readonly full: boolean;
}

/**
 * Rejects an append because the sender's log has no entry at `prevIndex` with the leader's term.
 * The logs match at most up to `hintIndex`, where the sender has an entry of term `hintTerm`.
 * `blank` means that the sender has neither entries nor a snapshot.
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
 * Shows that the leader is alive. Also carries its commit index, but only up to the last entry that
 * the receiver has acknowledged. The reply repeats `round`, so that replies from a quorum confirm
 * the leadership (Raft §8).
 */
export interface Heartbeat extends FromServer {
  readonly kind: 'heartbeat';
  readonly stream: number;
  readonly round: number;
  readonly committed: number;
}

/**
 * Answers a heartbeat. `blank` means that the sender has neither entries nor a snapshot. If a voter
 * sends this, it has lost its disk, so the reply must not count toward a quorum.
 */
export interface HeartbeatReply extends Answer {
  readonly kind: 'heartbeatReply';
  readonly stream: number;
  readonly round: number;
  readonly blank: boolean;
  readonly full: boolean;
  /**
   * The highest feature level that the sender supports. If a reply lacks this field, the level is
   * 0.
   */
  readonly level?: number;
  /**
   * The newest version of the state machine's behavior on the sender; undefined if the state
   * machine has no versions.
   */
  readonly behavior?: number | undefined;
}

/**
 * Announces that the entries up to `committed` are committed. The receiver already has these
 * entries. This message needs no reply, because the next heartbeat repeats the commit index.
 */
export interface Commit extends FromServer {
  readonly kind: 'commit';
  readonly committed: number;
}

/**
 * Asks the leader for a read index. Once the sender has applied the entries up to that index, it
 * may serve all its reads with a number up to `ticket` (thesis §6.4).
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
 * Asks the leader of `term` to append commands for the sender. Each command has a ticket, a number
 * that the sender never uses again. `ticket` is the number of the first command.
 */
export interface Propose extends FromServer {
  readonly kind: 'propose';
  readonly ticket: number;
  readonly commands: readonly Uint8Array[];
}

/** The reason why a proposal was not appended to the log. */
export type ProposalRefusal = 'notLeader' | 'transferring' | 'overloaded' | 'diskFull';

/**
 * Answers a `Propose`. The first `accepted` commands have become entries of `term`, starting at
 * `index`. The remaining commands were refused for the reason `refused`, and will never be
 * appended.
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
 * Asks the leader of `term` to perform a membership call for the sender. `ticket` has the same
 * meaning as in `Propose`. The protocol does not interpret `request`.
 */
export interface Delegate extends FromServer {
  readonly kind: 'delegate';
  readonly ticket: number;
  readonly request: Uint8Array;
}

/**
 * Reports the state or the outcome of a delegated call. An empty `reply` means that the call was
 * refused, because the sender does not lead in the term of the request.
 */
export interface DelegateReply extends Answer {
  readonly kind: 'delegateReply';
  readonly ticket: number;
  readonly reply: Uint8Array;
}

/**
 * Asks the receiver to become the leader by campaigning in `term` + 1 without pre-votes (thesis
 * §3.10). A receiver with a different term or incarnation ignores this message.
 */
export interface TimeoutNow extends Answer {
  readonly kind: 'timeoutNow';
}

/** Offers a snapshot to a peer that needs entries compacted from the leader's log (Raft §7). */
export interface SnapshotOffer extends FromServer {
  readonly kind: 'snapshotOffer';
  readonly stream: number;
  readonly meta: SnapshotMeta;
  /** The size of the encoded snapshot in bytes. */
  readonly bytes: number;
}

/** Carries part of an encoded snapshot, starting at byte `offset`. */
export interface SnapshotChunk extends FromServer {
  readonly kind: 'snapshotChunk';
  readonly stream: number;
  readonly id: string;
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * Acknowledges the snapshot's bytes before `offset` and requests the remaining bytes. Once the
 * snapshot is installed, its receiver sends `AppendAccepted` instead.
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
  | Delegate
  | DelegateReply
  | SnapshotOffer
  | SnapshotChunk
  | SnapshotAck
  | TimeoutNow;

/**
 * Represents an append or a snapshot offer from a newer version of Kontiki that this version cannot
 * decode. Only decoders create this value; it is never sent over the network.
 */
export interface Unreadable extends FromServer {
  readonly kind: 'unreadable';
  /**
   * The index of the first entry that cannot be read; undefined if the message is a snapshot that
   * cannot be read.
   */
  readonly index?: number;
  /** A sentence that describes the unreadable data. */
  readonly reason: string;
}

/** A message as it is passed to the server that receives it. */
export type Received = Message | Unreadable;

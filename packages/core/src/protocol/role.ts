import type { Ballot } from '../log/ballot.js';
import type { AddressChange } from '../log/membership-change.js';
import type { Membership } from '../log/membership.js';
import type { RaftLog } from '../log/raft-log.js';
import type { ServerId, StoreId } from '../log/server.js';
import type { StoreLife } from '../log/store-life.js';
import type {
  Append,
  AppendAccepted,
  AppendRejected,
  Commit,
  Heartbeat,
  HeartbeatReply,
  Message,
  PreVoteReply,
  ReadIndex,
  ReadIndexReply,
  SnapshotAck,
  SnapshotChunk,
  SnapshotOffer,
  TimeoutNow,
  Unreadable,
  VoteReply,
} from './message.js';
import type { OutputBuilder } from './output-builder.js';
import type { Report } from './output.js';
import type { Reads } from './reads.js';
import type { Limits, Timings } from './settings.js';

/** The roles of Raft §5.1, and the pre-candidate of thesis §9.6. */
export type RoleName = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** The fields that every message carries. */
export type Header = Pick<Message, 'term' | 'incarnation' | 'store' | 'starts'>;

/** The interface of a server to its roles: shared state, and transitions to other roles. */
export interface Server {
  readonly id: ServerId;
  readonly log: RaftLog;
  readonly output: OutputBuilder;
  readonly reads: Reads;
  readonly limits: Limits;
  readonly timings: Timings;
  /** The monotonic time in milliseconds, as last set by `Raft.advance`. */
  readonly now: number;
  readonly ballot: Ballot;
  /** This server's log store, with this start counted. */
  readonly life: StoreLife | undefined;
  readonly header: Header;
  /** The leader of the current term, as far as this server knows. */
  leader: ServerId | undefined;
  /** Addresses that members announced and a leader is to record. */
  readonly announced: ReadonlyMap<ServerId, AddressChange>;
  /** Whether the disk is too full for another log segment. */
  readonly full: boolean;
  /** How often the disk has become full. */
  readonly timesFull: number;
  /** Whether the disk has not finished a write for several election timeouts. */
  readonly diskStalled: boolean;
  /** The highest feature level that this server reads. */
  readonly level: number;
  /** The newest version of the state machine's behavior on this server, if it has versions. */
  readonly behavior: number | undefined;
  /**
   * Whether this server may campaign: it is a voter, is not blank, its disk works, it can read the
   * log, and it has room for entries. A server without room may campaign if no server has led for a
   * while. A server whose removal is not committed yet is still a voter, because the others may
   * need it to commit the removal (thesis §4.2.2).
   */
  readonly eligible: boolean;
  /** Whether the current term and vote are durable, so that messages of this term may be sent. */
  readonly ballotDurable: boolean;
  /** The membership in force. Throws on a blank server. */
  readonly membership: Membership;
  /** Whether this server has the disk that the membership names. */
  readonly ownDiskCounts: boolean;
  /**
   * Returns whether a server's votes and acknowledgements count if it has this store. Once a
   * cluster is founded, they count only with the store that the membership in force names.
   */
  trusts(id: ServerId, store: StoreId | undefined): boolean;
  /** Draws an election timeout from [T, 2T) (Raft §5.2). */
  drawElectionTimeout(): number;
  /**
   * Returns whether to ignore an expired timer because this process was stalled, so silence from
   * other servers proves nothing. Reports each ignored timer. Never returns true twice in a row, so
   * that a process that is always late still campaigns. After a call with false, the next late
   * timer may be ignored again.
   */
  forgiveLateTimer(processWasStalled: boolean): boolean;
  /**
   * Restarts the timer that determines `diskStalled`. Called after this process was stalled,
   * because the callback of a finished write may still be queued in the event loop.
   */
  restartDiskTimer(): void;
  /** Sends a message as soon as the current term is durable. */
  send(to: ServerId, message: Message): void;
  report(report: Report): void;
  /** Reports a peer only once per term, because the peer repeats what it sends. */
  reportOnce(report: Report & { readonly peer: ServerId }): void;
  /** Notes that this server cannot read the log from `index` on. */
  noteUnreadable(index: number, reason: string): void;
  follow(term: number, leader: ServerId | undefined): void;
  askForPreVotes(): void;
  /** `transfer` means that the leader asked this server to take over. */
  campaign(transfer?: boolean): void;
  lead(): void;
}

/**
 * The behavior of one role. A role silently ignores messages that do not concern it, because the
 * network may deliver any message at any time.
 */
export interface Role {
  readonly name: RoleName;
  /** The time of the next `tick`, in milliseconds; `Infinity` if no timer is set. */
  readonly wakeAt: number;
  /**
   * Whether this server has recently heard from a leader, and so grants no votes to other servers
   * (thesis §4.2.3).
   */
  readonly leaderAlive: boolean;
  /**
   * Checks the timers. `processWasStalled` means that silence from other servers proves nothing.
   */
  tick(processWasStalled: boolean): void;
  /** Called when a write has become durable. */
  persisted(): void;
  /** Called when the state machine has applied everything up to `index`. */
  applied(index: number): void;
  /** Called when the timings have changed. */
  retime(): void;
  /** Called at the end of a turn. Adds the results of the turn's inputs to the output. */
  flush(): void;
  // The next seven messages come from the leader of the current term.
  append(from: ServerId, message: Append): void;
  heartbeat(from: ServerId, message: Heartbeat): void;
  commit(from: ServerId, message: Commit): void;
  snapshotOffer(from: ServerId, message: SnapshotOffer): void;
  snapshotChunk(from: ServerId, message: SnapshotChunk): void;
  timeoutNow(from: ServerId, message: TimeoutNow): void;
  unreadable(from: ServerId, message: Unreadable): void;
  // The next messages belong to the current term, except that pre-vote replies may have any term.
  // Answers are addressed to this incarnation.
  preVoteReply(from: ServerId, message: PreVoteReply): void;
  voteReply(from: ServerId, message: VoteReply): void;
  appendAccepted(from: ServerId, message: AppendAccepted): void;
  appendRejected(from: ServerId, message: AppendRejected): void;
  heartbeatReply(from: ServerId, message: HeartbeatReply): void;
  snapshotAck(from: ServerId, message: SnapshotAck): void;
  readIndex(from: ServerId, message: ReadIndex): void;
  readIndexReply(from: ServerId, message: ReadIndexReply): void;
}

/** A base class that ignores every message. Roles override the methods that they need. */
export abstract class BaseRole implements Role {
  abstract readonly name: RoleName;
  abstract readonly wakeAt: number;
  abstract tick(processWasStalled: boolean): void;
  abstract retime(): void;

  get leaderAlive(): boolean {
    return false;
  }

  persisted(): void {}
  applied(_index: number): void {}
  flush(): void {}
  append(_from: ServerId, _message: Append): void {}
  heartbeat(_from: ServerId, _message: Heartbeat): void {}
  commit(_from: ServerId, _message: Commit): void {}
  snapshotOffer(_from: ServerId, _message: SnapshotOffer): void {}
  snapshotChunk(_from: ServerId, _message: SnapshotChunk): void {}
  timeoutNow(_from: ServerId, _message: TimeoutNow): void {}
  unreadable(_from: ServerId, _message: Unreadable): void {}
  preVoteReply(_from: ServerId, _message: PreVoteReply): void {}
  voteReply(_from: ServerId, _message: VoteReply): void {}
  appendAccepted(_from: ServerId, _message: AppendAccepted): void {}
  appendRejected(_from: ServerId, _message: AppendRejected): void {}
  heartbeatReply(_from: ServerId, _message: HeartbeatReply): void {}
  snapshotAck(_from: ServerId, _message: SnapshotAck): void {}
  readIndex(_from: ServerId, _message: ReadIndex): void {}
  readIndexReply(_from: ServerId, _message: ReadIndexReply): void {}
}

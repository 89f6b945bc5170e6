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

/** The server roles of Raft §5.1, and the pre-candidate role of thesis §9.6. */
export type RoleName = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** The fields that every message carries. */
export type Header = Pick<Message, 'term' | 'incarnation' | 'store' | 'starts'>;

/**
 * The interface through which a role accesses its server. It provides the shared state, and the
 * transitions to other roles.
 */
export interface Server {
  readonly id: ServerId;
  readonly log: RaftLog;
  readonly output: OutputBuilder;
  readonly reads: Reads;
  readonly limits: Limits;
  readonly timings: Timings;
  /** The monotonic time in milliseconds, as last set by `Raft.advance`. */
  readonly now: number;
  /**
   * The wall clock minus the monotonic clock in milliseconds, as last set by `Raft.advance`. It
   * changes if the wall clock jumps, or if the monotonic clock stops while the machine is suspended.
   */
  readonly wallOffset: number;
  readonly ballot: Ballot;
  /**
   * The identity of this server's log store and its number of starts, including the current one.
   */
  readonly life: StoreLife | undefined;
  readonly header: Header;
  /** The leader of the current term; undefined if this server does not know it. */
  leader: ServerId | undefined;
  /** Addresses that members have announced, and that a leader should record in the membership. */
  readonly announced: ReadonlyMap<ServerId, AddressChange>;
  /** Whether the disk is too full for another log segment. */
  readonly full: boolean;
  /** Number of times that the disk has become full. */
  readonly timesFull: number;
  /** Whether the disk has not finished any write for several election timeouts. */
  readonly diskStalled: boolean;
  /** The highest feature level that this server supports. */
  readonly level: number;
  /**
   * The newest version of the state machine's behavior on this server; undefined if the state
   * machine has no versions.
   */
  readonly behavior: number | undefined;
  /**
   * Whether this server may campaign. It must be a voter with a log, and it must be able to read
   * the leader's log. Its disk must work and have room for entries. If the disk is full, the server
   * may campaign only after a long time without a leader. A server still counts as a voter here
   * until its removal is committed, because the other servers may need it to commit the removal
   * (thesis §4.2.2).
   */
  readonly eligible: boolean;
  /**
   * Whether this server may vote, for itself or for others. It may not while a leader may hold a
   * lease because of an acknowledgement from this server.
   */
  readonly mayVote: boolean;
  /** Whether this server may campaign when its election timer fires. */
  readonly mayCampaign: boolean;
  /** Records that this server acknowledges a message from a leader, and so must not vote for a time. */
  renewPromise(): void;
  /**
   * Returns the log time for an entry that this leader appends now; undefined if some member may
   * not be able to read log times.
   */
  stamp(): number | undefined;
  /** Records that an entry or a snapshot with this log time has arrived from another leader. */
  noteStamp(time: number | undefined): void;
  /** Whether the current term and vote are durable, so that messages with this term may be sent. */
  readonly ballotDurable: boolean;
  /** The membership in force. Throws on a blank server. */
  readonly membership: Membership;
  /** Whether this server is running on the disk that the membership records for it. */
  readonly ownDiskCounts: boolean;
  /**
   * Returns whether a server's votes and acknowledgements count, given the identity of its store.
   * Once the stores of all initial voters have been recorded, they count only if the membership in
   * force records this store for that server.
   */
  trusts(id: ServerId, store: StoreId | undefined): boolean;
  /** Draws an election timeout from [T, 2T) (Raft §5.2). */
  drawElectionTimeout(): number;
  /**
   * Returns whether to ignore an expired timer. A timer is ignored if this process was stalled,
   * because then the absence of messages from other servers proves nothing. Reports each ignored
   * timer. Never returns true twice in a row, so that a process that is always late can still
   * campaign.
   */
  forgiveLateTimer(processWasStalled: boolean): boolean;
  /**
   * Restarts the timer behind `diskStalled`. Called when this process was stalled, because the
   * callback of a finished write may still be queued in the event loop.
   */
  restartDiskTimer(): void;
  /** Sends a message once the current term is durable, or immediately if it already is. */
  send(to: ServerId, message: Message): void;
  report(report: Report): void;
  /**
   * Reports something about a peer, but only once per term, because the peer repeats its messages.
   */
  reportOnce(report: Report & { readonly peer: ServerId }): void;
  /** Records that this server cannot read the leader's log from `index` on. */
  noteUnreadable(index: number, reason: string): void;
  follow(term: number, leader: ServerId | undefined): void;
  askForPreVotes(): void;
  /**
   * Starts an election. `transfer` means that the current leader asked this server to take over.
   */
  campaign(transfer?: boolean): void;
  lead(): void;
}

/**
 * The behavior of one server role. A role silently ignores messages that it does not handle,
 * because the network may deliver any message at any time.
 */
export interface Role {
  readonly name: RoleName;
  /** The time of the next `tick`, in milliseconds; `Infinity` if no timer is set. */
  readonly wakeAt: number;
  /**
   * Whether this server has recently received a message from a leader. If so, it grants no votes to
   * other servers (thesis §4.2.3).
   */
  readonly leaderAlive: boolean;
  /**
   * Checks the timers. `processWasStalled` means that this process itself was delayed, so the
   * absence of messages from other servers proves nothing.
   */
  tick(processWasStalled: boolean): void;
  /** Called when a write has become durable. */
  persisted(): void;
  /** Called when the state machine has applied everything up to `index`. */
  applied(index: number): void;
  /** Called when the timings have changed. */
  retime(): void;
  /** Called at the end of a turn. Adds to the output whatever follows from the turn's inputs. */
  flush(): void;
  // The seven methods below handle messages from the leader of the current term.
  append(from: ServerId, message: Append): void;
  heartbeat(from: ServerId, message: Heartbeat): void;
  commit(from: ServerId, message: Commit): void;
  snapshotOffer(from: ServerId, message: SnapshotOffer): void;
  snapshotChunk(from: ServerId, message: SnapshotChunk): void;
  timeoutNow(from: ServerId, message: TimeoutNow): void;
  unreadable(from: ServerId, message: Unreadable): void;
  // The methods below handle messages of the current term, except that pre-vote replies may be of
  // any term. All answers passed to them are addressed to this server's current incarnation.
  preVoteReply(from: ServerId, message: PreVoteReply): void;
  voteReply(from: ServerId, message: VoteReply): void;
  appendAccepted(from: ServerId, message: AppendAccepted): void;
  appendRejected(from: ServerId, message: AppendRejected): void;
  heartbeatReply(from: ServerId, message: HeartbeatReply): void;
  snapshotAck(from: ServerId, message: SnapshotAck): void;
  readIndex(from: ServerId, message: ReadIndex): void;
  readIndexReply(from: ServerId, message: ReadIndexReply): void;
}

/**
 * A base class that ignores every message. Subclasses override the methods for the messages that
 * they handle.
 */
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

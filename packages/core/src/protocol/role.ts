import type { Ballot } from '../log/ballot.js';
import type { Membership } from '../log/membership.js';
import type { RaftLog } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
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
  VoteReply,
} from './message.js';
import type { OutputBuilder } from './output-builder.js';
import type { Report } from './output.js';
import type { Reads } from './reads.js';
import type { Limits, Timings } from './settings.js';

/** The roles of Raft §5.1, with pre-vote's (thesis §9.6). */
export type RoleName = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** The term and incarnation that every message begins with. */
export interface Header {
  readonly term: number;
  readonly incarnation: number;
}

/** What every role stands on, and the ways from one to another. Implemented by `Raft`. */
export interface Server {
  readonly id: ServerId;
  readonly log: RaftLog;
  readonly output: OutputBuilder;
  readonly reads: Reads;
  readonly limits: Limits;
  readonly timings: Timings;
  /** Monotonic milliseconds, as last told. */
  readonly now: number;
  readonly ballot: Ballot;
  readonly header: Header;
  /** The leader of the present term, as far as known. */
  leader: ServerId | undefined;
  /** The disk has no room for another segment of the log. */
  readonly full: boolean;
  /** Whether this server may campaign: a voter with a log, and with room for what it would append. */
  readonly eligible: boolean;
  /** Whether the present term and vote are durable, so that messages may leave in it. */
  readonly ballotDurable: boolean;
  /** The membership in force. Not on a blank server. */
  readonly membership: Membership;
  /** A time to wait before campaigning, anew from [T, 2T) (Raft §5.2). */
  drawElectionTimeout(): number;
  /** Whether a timer that fired late is passed over: lateness is this server's own fault, but is never excused twice running. Not late: nothing is to be excused, and the next time may be. */
  forgiveLateTimer(late: boolean): boolean;
  /** Sends as soon as the present term is durable. */
  send(to: ServerId, message: Message): void;
  report(report: Report): void;
  follow(term: number, leader: ServerId | undefined): void;
  askForPreVotes(): void;
  campaign(): void;
  lead(): void;
}

/** How one role answers. A message that means nothing to a role is passed over by it, silently: the network may bring anything at any time. */
export interface Role {
  readonly name: RoleName;
  /** When it next wants `tick`, in milliseconds; `Infinity` for never. */
  readonly wakeAt: number;
  /** Whether a leader is known to live, so that nobody else gets a vote (thesis §4.2.3). */
  readonly leaderAlive: boolean;
  /** Looks at the timers. `late`: this server noticed the time too late for others' silence to prove anything. */
  tick(late: boolean): void;
  /** Something has become durable. */
  persisted(): void;
  /** The timings have changed. */
  retime(): void;
  /** Puts into the outbox what this turn's inputs have made due. */
  flush(): void;
  /** The present leader's, in this term. */
  append(from: ServerId, message: Append): void;
  heartbeat(from: ServerId, message: Heartbeat): void;
  commit(from: ServerId, message: Commit): void;
  snapshotOffer(from: ServerId, message: SnapshotOffer): void;
  snapshotChunk(from: ServerId, message: SnapshotChunk): void;
  /** Answers to this life of this server. Pre-vote replies may be of any term, the others are of the present one. */
  preVoteReply(from: ServerId, message: PreVoteReply): void;
  voteReply(from: ServerId, message: VoteReply): void;
  appendAccepted(from: ServerId, message: AppendAccepted): void;
  appendRejected(from: ServerId, message: AppendRejected): void;
  heartbeatReply(from: ServerId, message: HeartbeatReply): void;
  snapshotAck(from: ServerId, message: SnapshotAck): void;
  readIndex(from: ServerId, message: ReadIndex): void;
  readIndexReply(from: ServerId, message: ReadIndexReply): void;
}

/** A role that passes every message over; roles override what concerns them. */
export abstract class BaseRole implements Role {
  abstract readonly name: RoleName;
  abstract readonly wakeAt: number;
  abstract tick(late: boolean): void;
  abstract retime(): void;

  get leaderAlive(): boolean {
    return false;
  }

  persisted(): void {}
  flush(): void {}
  append(_from: ServerId, _message: Append): void {}
  heartbeat(_from: ServerId, _message: Heartbeat): void {}
  commit(_from: ServerId, _message: Commit): void {}
  snapshotOffer(_from: ServerId, _message: SnapshotOffer): void {}
  snapshotChunk(_from: ServerId, _message: SnapshotChunk): void {}
  preVoteReply(_from: ServerId, _message: PreVoteReply): void {}
  voteReply(_from: ServerId, _message: VoteReply): void {}
  appendAccepted(_from: ServerId, _message: AppendAccepted): void {}
  appendRejected(_from: ServerId, _message: AppendRejected): void {}
  heartbeatReply(_from: ServerId, _message: HeartbeatReply): void {}
  snapshotAck(_from: ServerId, _message: SnapshotAck): void {}
  readIndex(_from: ServerId, _message: ReadIndex): void {}
  readIndexReply(_from: ServerId, _message: ReadIndexReply): void {}
}

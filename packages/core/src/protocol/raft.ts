import { invariant } from '../invariant.js';
import type { Ballot } from '../log/ballot.js';
import { commandBytes, type Entry, type Position } from '../log/entry.js';
import type { RaftLog } from '../log/raft-log.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { ServerId } from '../log/server.js';
import { Follower } from './follower.js';
import { Leader } from './leader.js';
import type { Message, PreVote, SnapshotChunk, SnapshotOffer, Vote } from './message.js';
import type { Output, PageRead } from './output.js';
import type { Progress } from './progress.js';
import { RaftServer, type RaftStart } from './raft-server.js';
import type { Header, RoleName } from './role.js';
import type { Limits, Timings } from './settings.js';

/** The part of a snapshot message that the sender of snapshots fills in. */
export type SnapshotBody =
  Pick<SnapshotOffer, 'kind' | 'meta' | 'bytes'> | Pick<SnapshotChunk, 'kind' | 'id' | 'offset' | 'data'>;

/** The reason why a proposal was not appended. */
export type ProposalRefusal = 'notLeader' | 'overloaded' | 'diskFull';

/**
 * The Raft protocol of one server as a pure state machine. Methods are inputs, and `takeOutput`
 * returns everything that the inputs made due. There is no clock, promise, I/O or randomness except
 * for the injected generator: the same inputs produce the same outputs. `RawNode` drives it.
 *
 * No message except pre-votes leaves in a term that is not durable on this server. Suppose a
 * candidate's request left first. The candidate could win by the votes of others, send entries,
 * crash, forget the term, win the same term again and put other entries at the same indices.
 */
export class Raft {
  readonly #server: RaftServer;

  constructor(start: RaftStart) {
    this.#server = new RaftServer(start);
  }

  // ---- state that a node may read

  get id(): ServerId {
    return this.#server.id;
  }

  get log(): RaftLog {
    return this.#server.log;
  }

  get role(): RoleName {
    return this.#server.role.name;
  }

  /** The leader of the current term, as far as this server knows. */
  get leader(): ServerId | undefined {
    return this.#server.leader;
  }

  get ballot(): Ballot {
    return this.#server.ballot;
  }

  /** The term and incarnation that this server's messages carry. */
  get header(): Header {
    return this.#server.header;
  }

  get limits(): Limits {
    return this.#server.limits;
  }

  get timings(): Timings {
    return this.#server.timings;
  }

  /** Monotonic milliseconds, as last set by `advance`. */
  get now(): number {
    return this.#server.now;
  }

  /** Whether the disk has no room for another segment of the log. */
  get full(): boolean {
    return this.#server.full;
  }

  /** The leader's progress of each peer; undefined unless this server leads. */
  get peers(): ReadonlyMap<ServerId, Progress> | undefined {
    const { role } = this.#server;
    return role instanceof Leader ? role.peers : undefined;
  }

  /** Bytes proposed to this leader and not yet committed. */
  get uncommittedBytes(): number {
    const { role } = this.#server;
    return role instanceof Leader ? role.uncommittedBytes : 0;
  }

  /** The time at which `tick` is next due, in the milliseconds of `advance`. */
  get wakeAt(): number {
    return this.#server.role.wakeAt;
  }

  // ---- inputs

  /**
   * Sets the current time. Only `tick` checks timers, so messages that have arrived can be taken
   * before.
   */
  advance(now: number): void {
    invariant(now >= this.#server.now, () => `time was to go back from ${this.#server.now} to ${now}`);
    this.#server.now = now;
  }

  /**
   * Checks the timers. `processWasStalled`: this process is so late that the silence of others
   * proves nothing.
   */
  tick(processWasStalled: boolean): void {
    this.#server.role.tick(processWasStalled);
  }

  /**
   * Takes a message from a server of this cluster, member or not: a server may learn of its
   * membership late.
   */
  step(from: ServerId, message: Message): void {
    const server = this.#server;
    if ('to' in message && message.to !== server.incarnation) return; // An answer to an earlier life.
    if (message.kind === 'preVote') return this.#answerPreVote(from, message);
    if (message.term > server.ballot.term) {
      // A server that hears a leader ignores candidates, so that they cannot disturb it (Raft §6,
      // thesis §4.2.3).
      if (message.kind === 'vote' && server.role.leaderAlive) return;
      if (this.role === 'leader') server.report({ kind: 'steppedDown', reason: 'higherTerm' });
      server.follow(message.term, undefined);
    } else if (message.term < server.ballot.term && message.kind !== 'preVoteReply') {
      return this.#answerStale(from, message);
    }
    this.#dispatch(from, message);
  }

  /**
   * Appends a command if this server leads. Returns the entry's position. The entry is not
   * committed yet.
   */
  propose(data: Uint8Array): Position | ProposalRefusal {
    const { role, full } = this.#server;
    if (!(role instanceof Leader)) return 'notLeader';
    if (full) return 'diskFull';
    if (!role.hasRoomFor(commandBytes(data.length))) return 'overloaded';
    return role.propose(data);
  }

  /**
   * Starts a linearizable read and returns its number. `Output.reads` says when the read may be
   * served.
   */
  read(): number {
    return this.#server.reads.ask();
  }

  /** Notes that all writes up to `number` are durable. */
  persisted(number: number): void {
    this.log.persisted(number);
    this.#server.role.persisted();
  }

  /** Notes that the state machine has applied everything up to `index`. */
  applied(index: number): void {
    this.log.appliedTo(index);
  }

  /**
   * Takes the entries that `Output.pageReads` asked for; undefined if they were compacted in the
   * meantime.
   */
  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    const { role } = this.#server;
    if (role instanceof Leader) role.pageRead(read, entries);
  }

  /** Starts an election now, without waiting for the election timer. */
  campaign(): void {
    this.#server.askForPreVotes();
  }

  /**
   * Sends a peer an offer or a chunk of a snapshot, in the stream in which the peer asked for it.
   * Returns false if that stream has ended.
   */
  sendSnapshot(peer: ServerId, stream: number, body: SnapshotBody): boolean {
    const progress = this.peers?.get(peer);
    if (progress?.state !== 'snapshot' || progress.stream !== stream) return false;
    this.#server.send(peer, { ...body, ...this.header, stream });
    return true;
  }

  /**
   * Tells the leader that this server holds the bytes before `offset` of the snapshot that it
   * offered.
   */
  acknowledgeSnapshot(from: ServerId, message: SnapshotOffer | SnapshotChunk, id: string, offset: number): void {
    if (message.term !== this.ballot.term || this.leader !== from) return;
    const { incarnation: to, stream } = message;
    this.#server.send(from, { kind: 'snapshotAck', ...this.header, to, stream, id, offset });
  }

  /**
   * Installs a snapshot from `from` that is durable on this server: it replaces the log. Returns
   * false if the log already holds the snapshot's last entry; then only the commit index moves.
   */
  install(meta: SnapshotMeta, from: ServerId, message: SnapshotOffer | SnapshotChunk): boolean {
    const { log } = this;
    const installs = !log.matchesTerm(meta.last);
    if (installs) log.reset({ ...meta.last, membership: meta.membership });
    else if (meta.last.index > log.committed) log.commitTo(meta.last.index);
    if (message.term === this.ballot.term && this.leader === from) {
      const { incarnation: to, stream } = message;
      const match = meta.last.index;
      const answer = { ...this.header, to, stream, match, full: this.full };
      this.#server.output.sendAfterWrite(from, { kind: 'appendAccepted', ...answer });
    }
    return installs;
  }

  /** Discards the entries up to `index`, whose effects a durable snapshot holds. */
  compact(index: number): void {
    this.log.compact(index);
  }

  /** Notes whether the disk has no room for another segment of the log. */
  setFull(full: boolean): void {
    this.#server.full = full;
  }

  setTimings(timings: Timings): void {
    this.#server.timings = timings;
    this.#server.role.retime();
  }

  /** Returns everything that has become due since the previous call. */
  takeOutput(): Output {
    return this.#server.takeOutput();
  }

  // ---- terms and votes

  /**
   * Grants a pre-vote exactly if it would grant the vote. A refusal carries this server's term, so
   * that terms spread without campaigns.
   */
  #answerPreVote(from: ServerId, message: PreVote): void {
    const server = this.#server;
    const granted = message.term >= server.ballot.term && !server.role.leaderAlive && this.#wouldVoteFor(message);
    const { term, incarnation: to } = message;
    server.send(from, { kind: 'preVoteReply', ...this.header, to, candidacy: term + 1, granted });
  }

  #answerVote(from: ServerId, message: Vote): void {
    const server = this.#server;
    const { term, votedFor } = server.ballot;
    const free = votedFor === undefined && server.leader === undefined && this.#wouldVoteFor(message);
    if (free) {
      server.setBallot({ term, votedFor: from });
      if (server.role instanceof Follower) server.role.restartTimer();
    }
    const granted = free || votedFor === from;
    server.output.sendAfterWrite(from, { kind: 'voteReply', ...this.header, to: message.incarnation, granted });
  }

  #wouldVoteFor({ lastIndex, lastTerm }: PreVote | Vote): boolean {
    return !this.log.blank && this.log.isUpToDate({ index: lastIndex, term: lastTerm });
  }

  /**
   * Tells a leader or candidate of an earlier term about the current one. Drops answers of earlier
   * terms.
   */
  #answerStale(from: ServerId, message: Message): void {
    const { incarnation: to } = message;
    if (message.kind === 'vote') {
      this.#server.send(from, { kind: 'voteReply', ...this.header, to, granted: false });
    } else if ('stream' in message && !('to' in message)) {
      const { stream } = message;
      const { full, log } = this;
      const answer = { ...this.header, to, stream, round: 0, full, blank: log.blank };
      this.#server.send(from, { kind: 'heartbeatReply', ...answer });
    }
  }

  #dispatch(from: ServerId, message: Message): void {
    switch (message.kind) {
      case 'vote':
        return this.#answerVote(from, message);
      case 'append':
        if (this.#followSender(from)) this.#server.role.append(from, message);
        return;
      case 'heartbeat':
        if (this.#followSender(from)) this.#server.role.heartbeat(from, message);
        return;
      case 'commit':
        if (this.#followSender(from)) this.#server.role.commit(from, message);
        return;
      case 'snapshotOffer':
        if (this.#followSender(from)) this.#server.role.snapshotOffer(from, message);
        return;
      case 'snapshotChunk':
        if (this.#followSender(from)) this.#server.role.snapshotChunk(from, message);
        return;
      case 'snapshotAck':
        return this.#server.role.snapshotAck(from, message);
      case 'preVoteReply':
        return this.#server.role.preVoteReply(from, message);
      case 'voteReply':
        return this.#server.role.voteReply(from, message);
      case 'appendAccepted':
        return this.#server.role.appendAccepted(from, message);
      case 'appendRejected':
        return this.#server.role.appendRejected(from, message);
      case 'heartbeatReply':
        return this.#server.role.heartbeatReply(from, message);
      case 'readIndex':
        return this.#server.role.readIndex(from, message);
      case 'readIndexReply':
        return this.#server.role.readIndexReply(from, message);
      case 'preVote':
        return;
    }
  }

  /**
   * Follows the sender of a leader's message in the current term. Returns false, and reports it, if
   * another server leads this term: Raft allows one leader per term, so the message is wrong.
   */
  #followSender(from: ServerId): boolean {
    const server = this.#server;
    if (this.role === 'leader' || (server.leader !== undefined && server.leader !== from)) {
      server.report({ kind: 'secondLeader', peer: from });
      return false;
    }
    server.follow(server.ballot.term, from);
    return true;
  }
}

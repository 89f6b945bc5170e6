import { invariant } from '../invariant.js';
import type { Ballot } from '../log/ballot.js';
import { commandBytes, type Entry, type Position } from '../log/entry.js';
import { isVoter, type Membership } from '../log/membership.js';
import { RaftLog, type LogStart } from '../log/raft-log.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { ServerId } from '../log/server.js';
import { Candidate, PreCandidate } from './candidates.js';
import { Follower } from './follower.js';
import { Leader } from './leader.js';
import type { Message, PreVote, SnapshotChunk, SnapshotOffer, Vote } from './message.js';
import { OutputBuilder } from './output-builder.js';
import type { PageRead, Output, Report } from './output.js';
import type { Progress } from './progress.js';
import { Reads } from './reads.js';
import type { Header, Role, RoleName, Server } from './role.js';
import type { Limits, Timings } from './settings.js';

/** What a server begins its life with. */
export interface RaftStart {
  readonly id: ServerId;
  /** Random for this life of the server: a safe integer above 0 (`Answer.to`). */
  readonly incarnation: number;
  readonly timings: Timings;
  readonly limits: Limits;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Monotonic milliseconds. */
  readonly now: number;
  /** What the store held; all of it durable. */
  readonly log: LogStart & { readonly ballot: Ballot | undefined };
  /** The index up to which the state machine already holds the state; 0 for one without a disk. */
  readonly applied: number;
}

/** What a leader sends of a snapshot. */
export type SnapshotBody =
  Pick<SnapshotOffer, 'kind' | 'meta' | 'bytes'> | Pick<SnapshotChunk, 'kind' | 'id' | 'offset' | 'data'>;

/** Why a proposal was not appended. */
export type ProposalRefusal = 'notLeader' | 'overloaded' | 'diskFull';

/**
 * Raft, as a pure state machine: inputs go in by the methods, what they make due comes out of `takeOutput`. No clock,
 * no promise, no I/O, and no randomness but what is handed in: the same inputs give the same outputs.
 *
 * Pre-votes apart, no message leaves in a term that is not durable here. A candidate whose request left first could
 * win by others' votes, send entries, crash, forget the term, win it again and put other entries in the same places.
 */
export class Raft implements Server {
  readonly id: ServerId;
  readonly log: RaftLog;
  readonly output: OutputBuilder = new OutputBuilder();
  readonly reads: Reads = new Reads();
  readonly limits: Limits;
  leader: ServerId | undefined;
  readonly #incarnation: number;
  readonly #random: () => number;
  #timings: Timings;
  #now: number;
  #ballot: Ballot;
  #header: Header;
  /** The write that carries the present ballot; `Infinity` until it is issued. */
  #ballotWrite = 0;
  #full = false;
  #forgaveLateTimer = false;
  #role: Role;

  constructor(start: RaftStart) {
    this.id = start.id;
    this.limits = start.limits;
    this.log = new RaftLog(start.log, start.applied, start.limits.tailBytes);
    this.#incarnation = start.incarnation;
    this.#random = start.random;
    this.#timings = start.timings;
    this.#now = start.now;
    const { ballot } = start.log;
    const lastTerm = this.log.last.term;
    this.#ballot = ballot === undefined || ballot.term < lastTerm ? { term: lastTerm, votedFor: undefined } : ballot;
    this.#header = { term: this.#ballot.term, incarnation: start.incarnation };
    this.#role = new Follower(this);
  }

  // ---- what the node may ask

  get role(): RoleName {
    return this.#role.name;
  }

  /** Progress of each peer; undefined unless leader. */
  get peers(): ReadonlyMap<ServerId, Progress> | undefined {
    return this.#role instanceof Leader ? this.#role.peers : undefined;
  }

  /** Bytes proposed to this leader and not yet committed. */
  get uncommittedBytes(): number {
    return this.#role instanceof Leader ? this.#role.uncommittedBytes : 0;
  }

  /** When `tick` is next wanted, in the milliseconds of `advance`. */
  get wakeAt(): number {
    return this.#role.wakeAt;
  }

  get now(): number {
    return this.#now;
  }

  get timings(): Timings {
    return this.#timings;
  }

  get ballot(): Ballot {
    return this.#ballot;
  }

  get header(): Header {
    return this.#header;
  }

  get full(): boolean {
    return this.#full;
  }

  get ballotDurable(): boolean {
    return this.log.lastDurableWrite >= this.#ballotWrite;
  }

  get membership(): Membership {
    const { membership } = this.log;
    invariant(membership !== undefined, 'a blank server acted as a member');
    return membership;
  }

  get eligible(): boolean {
    const { membership } = this.log;
    return membership !== undefined && isVoter(membership, this.id) && !this.#full;
  }

  // ---- inputs

  /** Tells the time. Timers are looked at in `tick` only, so that what has arrived can be let in before. */
  advance(now: number): void {
    invariant(now >= this.#now, () => `time was to go back from ${this.#now} to ${now}`);
    this.#now = now;
  }

  /** Looks at the timers. `late`: this process noticed the time too late for others' silence to prove anything. */
  tick(late: boolean): void {
    this.#role.tick(late);
  }

  /** A message from a server of this cluster, member or not: one may learn of its membership late. */
  step(from: ServerId, message: Message): void {
    if ('to' in message && message.to !== this.#incarnation) return; // An answer to an earlier life.
    if (message.kind === 'preVote') return this.#answerPreVote(from, message);
    if (message.term > this.#ballot.term) {
      // Whoever hears a leader lets no other campaign disturb it (Raft §6, thesis §4.2.3).
      if (message.kind === 'vote' && this.#role.leaderAlive) return;
      if (this.#role.name === 'leader') this.report({ kind: 'steppedDown', reason: 'higherTerm' });
      this.follow(message.term, undefined);
    } else if (message.term < this.#ballot.term && message.kind !== 'preVoteReply') {
      return this.#answerStale(from, message);
    }
    this.#dispatch(from, message);
  }

  /** Appends a command, if this server leads. Where it is appended does not mean that it is committed. */
  propose(data: Uint8Array): Position | ProposalRefusal {
    if (!(this.#role instanceof Leader)) return 'notLeader';
    if (this.#full) return 'diskFull';
    if (!this.#role.hasRoomFor(commandBytes(data.length))) return 'overloaded';
    return this.#role.propose(data);
  }

  /** A linearizable read begins; `Output.reads` tells when it may be served. Returns its number. */
  read(): number {
    return this.reads.ask();
  }

  /** All writes up to `number` are durable. */
  persisted(number: number): void {
    this.log.persisted(number);
    this.#role.persisted();
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: number): void {
    this.log.appliedTo(index);
  }

  /** What `Output.loads` asked for; undefined when it was compacted meanwhile. */
  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    if (this.#role instanceof Leader) this.#role.pageRead(read, entries);
  }

  /**
   * Sends a peer, in the stream in which it wanted a snapshot, an offer of one or a part of it. False when that stream
   * is over.
   */
  sendSnapshot(peer: ServerId, stream: number, body: SnapshotBody): boolean {
    const progress = this.peers?.get(peer);
    if (progress?.state !== 'snapshot' || progress.stream !== stream) return false;
    this.send(peer, { ...body, ...this.#header, stream });
    return true;
  }

  /** The bytes before `offset` of a snapshot that `from` offered are here. */
  acknowledgeSnapshot(from: ServerId, message: SnapshotOffer | SnapshotChunk, id: string, offset: number): void {
    if (message.term !== this.#ballot.term || this.leader !== from) return;
    const { incarnation: to, stream } = message;
    this.send(from, { kind: 'snapshotAck', ...this.#header, to, stream, id, offset });
  }

  /**
   * A snapshot that `from` sent is durable here: it takes the place of the log, unless that has caught up meanwhile.
   * False then, and when a server that leads now holds it anyway.
   */
  install(meta: SnapshotMeta, from: ServerId, message: SnapshotOffer | SnapshotChunk): boolean {
    const { log } = this;
    const installs = !log.matchesTerm(meta.last);
    if (installs) log.reset({ ...meta.last, membership: meta.membership });
    else if (meta.last.index > log.committed) log.commitTo(meta.last.index);
    if (message.term === this.#ballot.term && this.leader === from) {
      const { incarnation: to, stream } = message;
      const match = meta.last.index;
      const answer = { ...this.#header, to, stream, match, full: this.#full };
      this.output.sendAfterWrite(from, { kind: 'appendAccepted', ...answer });
    }
    return installs;
  }

  /** A durable snapshot holds what the entries up to `index` have done: the log lets go of them. */
  compact(index: number): void {
    this.log.compact(index);
  }

  /** The disk has no room for another segment of the log, or has again. */
  setFull(full: boolean): void {
    this.#full = full;
  }

  setTimings(timings: Timings): void {
    this.#timings = timings;
    this.#role.retime();
  }

  /** Everything that has become due since the last time. */
  takeOutput(): Output {
    this.#role.flush();
    const ballot = this.#ballotWrite === Infinity ? this.#ballot : undefined;
    if (ballot === undefined && !this.log.changed) return this.output.take(undefined, this.log.lastIssuedWrite);
    const { number, reset, entries } = this.log.issueWrite();
    if (ballot !== undefined) this.#ballotWrite = number;
    return this.output.take({ number, ballot, reset, entries, committed: this.log.committed }, number);
  }

  // ---- what roles use

  drawElectionTimeout(): number {
    return this.#timings.election * (1 + this.#random());
  }

  forgiveLateTimer(late: boolean): boolean {
    this.#forgaveLateTimer = late && !this.#forgaveLateTimer;
    return this.#forgaveLateTimer;
  }

  send(to: ServerId, message: Message): void {
    if (this.ballotDurable) this.output.send(to, message);
    else this.output.sendAfterWrite(to, message);
  }

  report(report: Report): void {
    this.output.report(report);
  }

  follow(term: number, leader: ServerId | undefined): void {
    if (term > this.#ballot.term) this.#setBallot({ term, votedFor: undefined });
    this.leader = leader;
    // A follower goes on with its timer: only a leader's word or a vote given puts the next election off.
    if (!(this.#role instanceof Follower)) this.#role = new Follower(this);
  }

  askForPreVotes(): void {
    this.leader = undefined;
    const role = new PreCandidate(this);
    this.#role = role;
    role.begin();
  }

  campaign(): void {
    this.#setBallot({ term: this.#ballot.term + 1, votedFor: this.id });
    const role = new Candidate(this);
    this.#role = role;
    role.begin();
  }

  lead(): void {
    invariant(this.ballotDurable && this.#ballot.votedFor === this.id, 'an election was won without a durable vote');
    this.leader = this.id;
    this.#role = new Leader(this);
  }

  // ---- the rules of terms and votes

  #setBallot(ballot: Ballot): void {
    invariant(ballot.term > this.#ballot.term || this.#ballot.votedFor === undefined, 'a vote was to be changed');
    invariant(
      ballot.term >= this.#ballot.term,
      () => `the term was to go back from ${this.#ballot.term} to ${ballot.term}`,
    );
    this.#ballot = ballot;
    this.#header = { term: ballot.term, incarnation: this.#incarnation };
    this.#ballotWrite = Infinity;
  }

  /** Grants exactly as the vote itself would be; a refusal carries this server's term, so that terms spread without campaigns. */
  #answerPreVote(from: ServerId, message: PreVote): void {
    const granted = message.term >= this.#ballot.term && !this.#role.leaderAlive && this.#wouldVoteFor(message);
    const { term, incarnation: to } = message;
    this.send(from, { kind: 'preVoteReply', ...this.#header, to, candidacy: term + 1, granted });
  }

  #answerVote(from: ServerId, message: Vote): void {
    const { term, votedFor } = this.#ballot;
    const free = votedFor === undefined && this.leader === undefined && this.#wouldVoteFor(message);
    if (free) {
      this.#setBallot({ term, votedFor: from });
      if (this.#role instanceof Follower) this.#role.restartTimer();
    }
    const granted = free || votedFor === from;
    this.output.sendAfterWrite(from, { kind: 'voteReply', ...this.#header, to: message.incarnation, granted });
  }

  #wouldVoteFor({ lastIndex, lastTerm }: PreVote | Vote): boolean {
    return !this.log.blank && this.log.isUpToDate({ index: lastIndex, term: lastTerm });
  }

  /** Tells a leader or candidate of an earlier term that it is over; answers of earlier terms are over themselves. */
  #answerStale(from: ServerId, message: Message): void {
    const { incarnation: to } = message;
    if (message.kind === 'vote') {
      this.send(from, { kind: 'voteReply', ...this.#header, to, granted: false });
    } else if ('stream' in message && !('to' in message)) {
      const { stream } = message;
      const { blank } = this.log;
      this.send(from, { kind: 'heartbeatReply', ...this.#header, to, stream, round: 0, full: this.#full, blank });
    }
  }

  #dispatch(from: ServerId, message: Message): void {
    switch (message.kind) {
      case 'vote':
        return this.#answerVote(from, message);
      case 'append':
        if (this.#hear(from)) this.#role.append(from, message);
        return;
      case 'heartbeat':
        if (this.#hear(from)) this.#role.heartbeat(from, message);
        return;
      case 'commit':
        if (this.#hear(from)) this.#role.commit(from, message);
        return;
      case 'snapshotOffer':
        if (this.#hear(from)) this.#role.snapshotOffer(from, message);
        return;
      case 'snapshotChunk':
        if (this.#hear(from)) this.#role.snapshotChunk(from, message);
        return;
      case 'snapshotAck':
        return this.#role.snapshotAck(from, message);
      case 'preVoteReply':
        return this.#role.preVoteReply(from, message);
      case 'voteReply':
        return this.#role.voteReply(from, message);
      case 'appendAccepted':
        return this.#role.appendAccepted(from, message);
      case 'appendRejected':
        return this.#role.appendRejected(from, message);
      case 'heartbeatReply':
        return this.#role.heartbeatReply(from, message);
      case 'readIndex':
        return this.#role.readIndex(from, message);
      case 'readIndexReply':
        return this.#role.readIndexReply(from, message);
      case 'preVote':
        return;
    }
  }

  /** The leader of this term speaks. Two of them cannot be: then this is some other cluster's, or worse. */
  #hear(from: ServerId): boolean {
    if (this.#role.name === 'leader' || (this.leader !== undefined && this.leader !== from)) {
      this.report({ kind: 'secondLeader', peer: from });
      return false;
    }
    this.follow(this.#ballot.term, from);
    return true;
  }
}

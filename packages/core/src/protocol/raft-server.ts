import { invariant } from '../invariant.js';
import type { Ballot } from '../log/ballot.js';
import type { AddressChange } from '../log/membership-change.js';
import { LogClock, STAMPED_LEVEL } from '../log/log-clock.js';
import { isVoter, LEVEL, type Membership } from '../log/membership.js';
import { RaftLog, type LogStart } from '../log/raft-log.js';
import type { ServerId, StoreId } from '../log/server.js';
import type { StoreLife } from '../log/store-life.js';
import { Candidate, PreCandidate } from './candidates.js';
import { Follower } from './follower.js';
import { Forwarded } from './forwarded.js';
import { Leader } from './leader.js';
import { LeasePromise } from './lease-promise.js';
import { Lives } from './lives.js';
import type { Message } from './message.js';
import { OutputBuilder } from './output-builder.js';
import type { Output, Report } from './output.js';
import { Reads } from './reads.js';
import type { Header, Role, Server } from './role.js';
import type { Limits, Timings } from './settings.js';

/**
 * Number of election timeouts without a leader after which a server with a full disk campaigns. If
 * it is elected, it cannot accept commands, but it can serve reads, and send its entries to servers
 * that have room.
 */
const FULL_PATIENCE = 4;
/**
 * Number of election timeouts without a finished write after which a disk counts as stalled. A
 * single sync on a busy disk may take up to a second.
 */
const STALLED_AFTER = 4;

/** The settings of a server, and the state that it starts with. */
export interface RaftStart {
  readonly id: ServerId;
  /**
   * The server's incarnation: a safe integer above 0, drawn at random for each start (see
   * `Answer.to`).
   */
  readonly incarnation: number;
  readonly timings: Timings;
  readonly limits: Limits;
  /** A random number generator that returns uniformly distributed numbers in [0, 1). */
  readonly random: () => number;
  /** The current monotonic time in milliseconds. */
  readonly now: number;
  /** The wall clock minus the monotonic clock, in milliseconds. Default 0. */
  readonly wallOffset?: number | undefined;
  /** The durable contents of the log store. */
  readonly log: LogStart & { readonly ballot: Ballot | undefined };
  /**
   * The identity of the log store and its number of starts, including the current one; undefined if
   * the store has no identity yet.
   */
  readonly life?: StoreLife | undefined;
  /**
   * The index of the last entry that the state machine has already applied; 0 if the state machine
   * does not store its own state.
   */
  readonly applied: number;
  /** The highest feature level that the server supports. Default: the level of this version. */
  readonly level?: number | undefined;
  /**
   * The newest version of the state machine's behavior; undefined if the state machine has no
   * versions.
   */
  readonly behavior?: number | undefined;
}

/**
 * The part of the leader's log that only a newer version of Kontiki can read, starting at `index`.
 */
export interface UnreadableLog {
  readonly index: number;
  /** A sentence that describes the unreadable data. */
  readonly reason: string;
  /**
   * The monotonic time, in milliseconds, at which this server first received the unreadable data.
   */
  readonly since: number;
}

/**
 * The state that all roles of one server share: log, ballot, time and output. Also implements the
 * transitions between roles. `Raft` calls it with the inputs, and the roles access it through the
 * `Server` interface.
 */
export class RaftServer implements Server {
  readonly id: ServerId;
  readonly incarnation: number;
  readonly log: RaftLog;
  readonly output: OutputBuilder = new OutputBuilder();
  readonly reads: Reads = new Reads();
  readonly lives: Lives = new Lives(this);
  readonly forwarded: Forwarded;
  readonly life: StoreLife | undefined;
  readonly limits: Limits;
  readonly level: number;
  readonly behavior: number | undefined;
  timings: Timings;
  now: number;
  wallOffset: number;
  leader: ServerId | undefined;
  announced: ReadonlyMap<ServerId, AddressChange> = new Map();
  full = false;
  timesFull = 0;
  role: Role;
  readonly #random: () => number;
  readonly #logClock: LogClock;
  readonly #promise: LeasePromise;
  #ballot: Ballot;
  #header: Header;
  /**
   * The number of the write that contains the current ballot; `Infinity` until that write has been
   * issued.
   */
  #ballotWrite = 0;
  #forgaveLateTimer = false;
  /** The last time at which this server was the leader or knew which server is. */
  #ledAt: number;
  /**
   * The time since which the disk has been working on pending writes: when it finished its last
   * write, or when the first pending write was issued. `Infinity` if no write is pending.
   */
  #writingSince = Infinity;
  #unreadable: UnreadableLog | undefined;
  readonly #reported = new Set<string>();

  constructor(start: RaftStart) {
    this.id = start.id;
    this.incarnation = start.incarnation;
    this.life = start.life;
    this.limits = start.limits;
    this.level = start.level ?? LEVEL;
    this.behavior = start.behavior;
    this.timings = start.timings;
    this.now = this.#ledAt = start.now;
    this.wallOffset = start.wallOffset ?? 0;
    this.#promise = new LeasePromise(this);
    this.log = new RaftLog(start.log, start.applied, start.limits.tailBytes);
    this.#logClock = new LogClock(start.log.time ?? 0, start.now);
    this.#random = start.random;
    const { ballot } = start.log;
    const lastTerm = this.log.last.term;
    this.#ballot = ballot === undefined || ballot.term < lastTerm ? { term: lastTerm, votedFor: undefined } : ballot;
    this.#header = this.#headerOf(this.#ballot.term);
    this.forwarded = new Forwarded(this);
    this.role = new Follower(this);
  }

  get ballot(): Ballot {
    return this.#ballot;
  }

  get header(): Header {
    return this.#header;
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
    const votes = this.log.liveMemberships.some(({ membership }) => isVoter(membership, this.id));
    if (!votes || this.diskStalled || !this.ownDiskCounts || this.#unreadable !== undefined) return false;
    return !this.full || this.now - this.#ledAt > FULL_PATIENCE * this.timings.election;
  }

  get mayVote(): boolean {
    return !this.#promise.holds(this.#longestLease);
  }

  get mayCampaign(): boolean {
    return this.eligible && this.mayVote;
  }

  renewPromise(): void {
    this.#promise.renew();
  }

  /**
   * Any live membership may be the one by which a leader has a lease, so the longest lease of them
   * counts.
   */
  get #longestLease(): number {
    // Called in every turn, so it allocates nothing.
    let longest = 0;
    for (const { membership } of this.log.liveMemberships) longest = Math.max(longest, membership.leaseMs);
    return longest;
  }

  /** Sets the current time, see `Raft.advance`. */
  advance(now: number, wallOffset: number): void {
    this.now = now;
    this.wallOffset = wallOffset;
    this.#promise.checkClocks(this.#longestLease);
  }

  get diskStalled(): boolean {
    return this.now - this.#writingSince > STALLED_AFTER * this.timings.election;
  }

  get ownDiskCounts(): boolean {
    return this.trusts(this.id, this.life?.id);
  }

  trusts(id: ServerId, store: StoreId | undefined): boolean {
    const { founded, servers } = this.membership;
    const recorded = servers.get(id)?.store;
    return !founded || recorded === undefined || recorded === store;
  }

  stamp(): number | undefined {
    return this.membership.level < STAMPED_LEVEL ? undefined : this.#logClock.read(this.now);
  }

  noteStamp(time: number | undefined): void {
    if (time !== undefined) this.#logClock.set(time, this.now);
  }

  /** Records that one or more pending writes have become durable. */
  noteDurable(): void {
    this.#writingSince = this.log.lastDurableWrite < this.log.lastIssuedWrite ? this.now : Infinity;
  }

  restartDiskTimer(): void {
    if (this.#writingSince !== Infinity) this.#writingSince = this.now;
  }

  drawElectionTimeout(): number {
    return this.timings.election * (1 + this.#random());
  }

  forgiveLateTimer(processWasStalled: boolean): boolean {
    this.#forgaveLateTimer = processWasStalled && !this.#forgaveLateTimer;
    if (this.#forgaveLateTimer) this.report({ kind: 'lateTimerForgiven' });
    return this.#forgaveLateTimer;
  }

  send(to: ServerId, message: Message): void {
    if (this.ballotDurable) this.output.send(to, message);
    else this.output.sendAfterWrite(to, message);
  }

  report(report: Report): void {
    this.output.report(report);
  }

  /**
   * The part of the leader's log that this server cannot read; undefined if it can read the whole
   * log.
   */
  get unreadable(): UnreadableLog | undefined {
    return this.#unreadable;
  }

  noteUnreadable(index: number, reason: string): void {
    if (this.#unreadable !== undefined || index <= this.log.lastIndex) return;
    this.#unreadable = { index, reason, since: this.now };
    this.report({ kind: 'unreadable', index, reason });
  }

  reportOnce(report: Report & { readonly peer: ServerId }): void {
    const key = `${report.kind} ${report.peer}`;
    if (!this.#reported.has(key)) this.report(report);
    this.#reported.add(key);
  }

  setBallot(ballot: Ballot): void {
    invariant(
      ballot.term > this.#ballot.term || this.#ballot.votedFor === undefined,
      'a vote cannot be changed within a term',
    );
    invariant(
      ballot.term >= this.#ballot.term,
      () => `the term cannot decrease from ${this.#ballot.term} to ${ballot.term}`,
    );
    if (ballot.term > this.#ballot.term) this.#reported.clear();
    this.#ballot = ballot;
    this.#header = this.#headerOf(ballot.term);
    this.#ballotWrite = Infinity;
  }

  follow(term: number, leader: ServerId | undefined): void {
    if (term > this.#ballot.term) this.setBallot({ term, votedFor: undefined });
    if (leader !== undefined || this.role instanceof Leader) this.#ledAt = this.now;
    this.leader = leader;
    // A follower keeps its election timer. Only a message from the leader or a granted vote
    // restarts it.
    if (!(this.role instanceof Follower)) this.role = new Follower(this);
  }

  askForPreVotes(): void {
    this.leader = undefined;
    const role = new PreCandidate(this);
    this.role = role;
    role.begin();
  }

  campaign(transfer = false): void {
    this.leader = undefined;
    this.setBallot({ term: this.#ballot.term + 1, votedFor: this.id });
    const role = new Candidate(this, transfer);
    this.role = role;
    role.begin();
  }

  lead(): void {
    invariant(this.ballotDurable && this.#ballot.votedFor === this.id, 'an election was won without a durable vote');
    invariant(this.ownDiskCounts, 'a server was elected whose own disk does not count');
    this.leader = this.id;
    this.role = new Leader(this);
  }

  #headerOf(term: number): Header {
    return { term, incarnation: this.incarnation, store: this.life?.id, starts: this.life?.starts };
  }

  /** Returns the output since the previous call, and assigns a number to its write. */
  takeOutput(): Output {
    this.role.flush();
    // By now, the entry at this index may come from another leader, whose log this server can read.
    if (this.#unreadable !== undefined && this.log.lastIndex >= this.#unreadable.index) this.#unreadable = undefined;
    const ballot = this.#ballotWrite === Infinity ? this.#ballot : undefined;
    if (ballot === undefined && !this.log.changed) return this.output.take(undefined, this.log.lastIssuedWrite);
    const { number, reset, entries } = this.log.issueWrite();
    if (this.#writingSince === Infinity) this.#writingSince = this.now;
    if (ballot !== undefined) this.#ballotWrite = number;
    return this.output.take({ number, ballot, reset, entries, committed: this.log.committed }, number);
  }
}

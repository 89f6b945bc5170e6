import {
  isKontikiError,
  type Entry,
  type Membership,
  type MembershipAt,
  type Message,
  type ServerId,
  type Timings,
} from '@kontiki/core';
import { RawNode, type PageRead, type Raft, type Turn } from '@kontiki/core/protocol';
import type { FaultTarget } from '../faults.js';
import { levelOf, MAX_LEVEL, readAs } from '../levels.js';
import type { ServerContext } from './context.js';
import { crashBetween } from './crash-between.js';
import type { DiskCopy, ModelDisk } from './disk.js';
import { Forwards } from './forwards.js';
import { HeardLives } from './heard-lives.js';
import { LeaseReads } from './lease-reads.js';
import { ModelMachine } from './model-machine.js';
import { OperatedServer, type Operation } from './operations.js';
import { QueuedCalls } from './queued-calls.js';
import { sendMail } from './send-mail.js';
import { ServerTimers } from './server-timers.js';
import { StallCheck } from './stall-check.js';
import { UnreadableCheck } from './unreadable-check.js';
import { WaitingProposals, WaitingReads } from './waiting.js';

/**
 * A server of the fast world: a `RawNode` on a model disk and a model network. It can crash,
 * restart and pause. Its event loop, timers and state machine can be slow.
 */
export class ModelServer extends OperatedServer implements FaultTarget {
  readonly id: ServerId;
  readonly disk: ModelDisk;
  readonly #world: ServerContext;
  /** The highest feature level that the server's version reads. */
  #level: number;
  incarnation = 0;
  /**
   * Whether the server lost its disk. Such a server is blank, was bootstrapped again by mistake, or
   * runs on an older copy of the disk. It does not count toward a quorum, unless the cluster was not founded yet.
   */
  lost = false;
  turns = 0;
  /** The running node. Undefined while the server is down. */
  #raw: RawNode | undefined;
  readonly #timers: ServerTimers;
  readonly #machine: ModelMachine;
  readonly proposals: WaitingProposals;
  readonly reads: WaitingReads;
  readonly leaseReads: LeaseReads;
  readonly #forwards = new Forwards();
  readonly #calls: QueuedCalls;
  #isRetired = false;
  /** The memberships that could form quorums before the current turn. */
  #liveBefore: readonly MembershipAt[] = [];
  #stalls!: StallCheck;
  /** How often each peer's store has been started, as far as the running process has heard. */
  heard!: HeardLives;
  #scheduled = false;
  #paused = false;
  /** Replaced by a new check at each start. */
  #unreadable!: UnreadableCheck;

  constructor(id: ServerId, disk: ModelDisk, level: number, world: ServerContext) {
    super(world);
    this.id = id;
    this.#level = level;
    this.disk = disk;
    this.#world = world;
    this.proposals = new WaitingProposals(world.checks);
    this.reads = new WaitingReads(world.checks);
    this.#calls = new QueuedCalls(this.#forwards, (raft, position) => {
      world.bounds.accepted(id, raft);
      this.proposals.add(position);
    });
    this.#timers = new ServerTimers(world, () => {
      if (!this.#paused) this.#turn();
    });
    this.leaseReads = new LeaseReads(this, this.#timers, world.checks);
    this.#machine = new ModelMachine(world, disk, this.#timers, {
      raw: () => this.#raw,
      guarded: (step) => this.#guarded(step),
      onApplied: (raw, entries) => this.#onApplied(raw, entries),
      onIdle: () => {
        this.reads.serve(this.applied);
        this.leaseReads.serve();
      },
    });
  }

  /** Index of the last entry that the state machine applied. */
  get applied(): number {
    return this.#machine.applied;
  }

  get up(): boolean {
    return this.#raw !== undefined;
  }

  /** The node's `Raft`. Undefined while the server is down. */
  get raft(): Raft | undefined {
    return this.#raw?.raft;
  }

  /**
   * The memberships by which the server may have counted a quorum in the current turn. A leader can
   * commit, step down, and truncate its newest membership in one turn.
   */
  get memberships(): readonly MembershipAt[] {
    return [...this.#liveBefore, ...(this.raft?.log.liveMemberships ?? [])];
  }

  get membership(): Membership | undefined {
    return this.raft?.log.membership;
  }

  /**
   * Whether the server takes part in the cluster. False if an operator stopped it after its
   * removal, or if it lost its disk in a world that begins with a founded cluster.
   */
  get participates(): boolean {
    return !this.#isRetired && (!this.lost || this.#world.mix.founding);
  }

  get leads(): boolean {
    return this.raft?.role === 'leader';
  }

  // ---- start and faults

  start(): void {
    if (this.#raw !== undefined || this.#isRetired) return;
    const { random, mix, checks, copies, trace } = this.#world;
    copies.stop(this);
    this.incarnation = 1 + random.below(2 ** 31);
    this.#timers.start();
    this.#machine.start();
    const log = this.disk.open();
    const { id, incarnation, applied } = this;
    const { timings, limits } = mix;
    const { now, wallOffset } = this.#timers;
    const settings = { id, incarnation, timings, limits, random: random.next, level: this.#level };
    const start = { ...settings, now, wallOffset, log, life: this.disk.life, applied };
    const raw = this.#guarded(() => new RawNode(start));
    if (raw === undefined) return;
    this.#raw = raw;
    this.#stalls = new StallCheck(checks);
    this.heard = new HeardLives(incarnation);
    this.#unreadable = new UnreadableCheck(this.id, checks);
    const { raft } = raw;
    trace?.(`${this.id} starts: term ${raft.ballot.term}, last ${raft.log.lastIndex}, applied ${this.applied}`);
    checks.started(this, raft);
    if (this.disk.full) raw.setFull(true);
    this.wake();
  }

  crash(kind: 'kill' | 'powerCut'): void {
    if (this.#raw === undefined) return;
    this.#world.trace?.(`${this.id}: ${kind === 'kill' ? 'kill -9' : 'power cut'}`);
    this.#raw = undefined;
    this.#timers.stop();
    this.#calls.abandon();
    this.#scheduled = this.#paused = false;
    this.#machine.crash();
    this.proposals.abandon();
    this.#forwards.abandon();
    this.reads.abandon();
    this.leaseReads.abandon();
    this.disk.crash(kind);
    if (this.disk.isCopy) this.wipe();
  }

  wipe(): void {
    this.crash('powerCut');
    this.#world.trace?.(`${this.id} loses its disk`);
    this.disk.wipe();
    if (this.#world.mix.founding) this.disk.bootstrap(this.#world.first);
    this.#diskReplaced();
  }

  restore(copy: DiskCopy): void {
    this.crash('powerCut');
    this.#world.trace?.(`${this.id} runs on a copy of its disk with ${copy.entries.length} entries`);
    this.disk.restore(copy);
    this.#diskReplaced();
    this.start();
  }

  #diskReplaced(): void {
    this.lost = true;
    this.#machine.wipe();
    this.#world.checks.wiped(this);
  }

  /**
   * Stops the server forever, as an operator does after removing it. A restart that is already
   * scheduled has no effect.
   */
  retire(): void {
    this.crash('kill');
    this.#isRetired = true;
    this.lost = true;
  }

  pause(): void {
    this.#paused = true;
  }

  suspend(): void {
    if (this.#raw === undefined) return;
    this.#paused = true;
    this.#timers.stopClock();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#timers.resumeClock();
    this.leaseReads.resume();
    this.wake();
  }

  jump(span: number): void {
    this.#timers.jump(span);
  }

  stepWall(span: number): void {
    this.#timers.stepWall(span);
  }

  setFull(full: boolean): void {
    this.#world.trace?.(`${this.id}: the disk ${full ? 'is full' : 'has room again'}`);
    this.disk.full = full;
    this.#raw?.setFull(full);
    this.wake();
  }

  hang(): void {
    this.#world.trace?.(`${this.id}: the disk hangs`);
    this.disk.hang();
  }

  unhang(): void {
    this.disk.unhang();
  }

  setTimings(timings: Timings): void {
    if (this.#raw === undefined) return;
    this.#raw.setTimings(timings);
    this.#stalls.retimed();
  }

  /**
   * Installs another version on the stopped server. The version can read all entries on the
   * server's disk.
   */
  install(by: number): void {
    if (this.#raw !== undefined) return;
    this.#level = Math.min(MAX_LEVEL, Math.max(this.#level + by, 1, ...this.disk.entries.map(levelOf)));
    this.#world.trace?.(`${this.id} gets a version of level ${this.#level}`);
  }

  protected operate(operation: Operation): void {
    if (this.#raw === undefined) return;
    this.#calls.operate(operation);
    this.wake();
  }

  // ---- inputs

  receive(from: ServerId, message: Message): void {
    if (this.#raw === undefined) return;
    if (this.heard.accepts(message)) this.#stalls.received(from, message);
    const received = readAs(this.#level, message);
    if (received.kind === 'unreadable') this.#unreadable.received(received);
    this.#raw.receive(from, received);
    this.wake();
  }

  /** Proposes a command, or forwards it if the server does not lead. */
  propose(data: Uint8Array): void {
    if (this.#raw === undefined) return;
    this.#calls.propose(data);
    this.wake();
  }

  read(floor?: number): void {
    if (this.#raw === undefined) return;
    this.reads.add(this.#raw.read(), floor);
    this.wake();
  }

  readByLease(): void {
    if (this.#raw !== undefined) this.leaseReads.start(this.#paused);
  }

  /**
   * Takes a turn, immediately or after the delay of a slow event loop. Does nothing while the
   * server is paused or down.
   */
  wake(): void {
    if (this.#scheduled || this.#paused || this.#raw === undefined) return;
    const { mix, random, healed } = this.#world;
    if (mix.strength.slowLoops === 0 || healed) return this.#turn();
    this.#scheduled = true;
    this.#timers.later(random.between(0, mix.strength.slowLoops * 0.25) * mix.timings.election, () => {
      this.#scheduled = false;
      if (!this.#paused) this.#turn();
    });
  }

  // ---- the turn

  #turn(): void {
    const raw = this.#raw;
    if (raw === undefined) return;
    this.turns += 1;
    this.#guarded(() => {
      // The order of messages and finished writes in a turn must not matter.
      const messagesFirst = !this.#world.random.chance(0.5);
      const { role } = raw.raft;
      this.#liveBefore = raw.raft.log.liveMemberships;
      const { now, wallOffset } = this.#timers;
      const turn = raw.turn(now, { messagesFirst, propose: this.#calls.make }, wallOffset);
      this.#stalls.turned(this.id, raw.raft, role, now, turn);
      this.#unreadable.turned(raw.raft, role);
      this.#world.checkReports(this, turn.reports);
      this.#carryOut(raw, turn);
      if (this.#raw !== raw) return;
      this.#machine.apply();
      if (turn.needsAnotherTurn) this.#timers.later(0.01, () => this.wake());
      this.#timers.set(turn.wakeAt);
    });
    if (this.#raw !== raw) return;
    const { raft } = raw;
    this.#world.checks.turned(this, raft);
    this.#world.bounds.turned(this.id, raft, this.disk.writingSince);
    this.#world.hash(raft.log.lastIndex * 64 + raft.log.committed * 8 + raft.role.length + raft.ballot.term);
  }

  /**
   * Runs a step. An assertion of `Raft` that fails stops the server, as it stops a `RaftNode`. A
   * server may stop, too, if it runs on an older copy of its disk that contradicts the leader.
   */
  #guarded<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      const isNoticed = this.disk.isCopy && isKontikiError(error, 'KONTIKI_CONTRADICTION');
      if (!isNoticed) this.#world.checks.checkThrown(this.id, error);
      this.crash('kill');
      return undefined;
    }
  }

  #carryOut(raw: RawNode, turn: Turn): void {
    // Sends and writes may happen in either order, and a crash may come between the two.
    const sendsFirst = this.#world.random.chance(0.5);
    if (sendsFirst) sendMail(this.#world, this, turn);
    else this.#write(raw, turn);
    if (crashBetween(this.#world, this)) return;
    if (sendsFirst) this.#write(raw, turn);
    else sendMail(this.#world, this, turn);
    const { pageReads, reads, reports } = turn;
    for (const read of pageReads) this.#readPage(read);
    if (reads !== undefined) this.reads.confirm(reads);
    const { appended, refused } = this.#forwards.take(turn);
    this.#world.checks.counts.forwards += appended.length;
    for (const position of appended) if (position.index > this.applied) this.proposals.add(position);
    // A busy leader accepts few retries per heartbeat. Do not retry once the clients have stopped.
    if (refused.length > 0 && this.#world.writing)
      this.#timers.later(this.#world.mix.timings.heartbeat, () => refused.forEach((data) => this.propose(data)));
    for (const report of reports) this.#world.trace?.(`${this.id}: ${JSON.stringify(report)}`);
  }

  #write({ raft }: RawNode, { write }: Turn): void {
    if (write === undefined) return;
    this.#world.checks.issued(this, raft, write);
    this.disk.append(write, (number) => {
      this.#raw?.written(number);
      this.wake();
    });
  }

  #readPage(read: PageRead): void {
    this.#timers.later(this.disk.readLatency, () => {
      this.#guarded(() => this.#raw?.pageRead(read, this.disk.read(read.from, read.to, read.maxBytes)));
      this.wake();
    });
  }

  #onApplied(raw: RawNode, entries: readonly Entry[]): void {
    const { checks } = this.#world;
    checks.applied(this, entries);
    if (!this.disk.isCopy) for (const entry of entries) checks.appliesOnce(this.id, entry);
    raw.applied(this.applied);
    for (const entry of entries) this.proposals.settle(entry);
  }
}

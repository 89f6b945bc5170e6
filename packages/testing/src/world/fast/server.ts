import type {
  Entry,
  Membership,
  MembershipAt,
  MembershipEntry,
  MembershipStep,
  Message,
  ServerId,
  Timings,
  Unreadable,
} from '@kontiki/core';
import { RawNode, type Mail, type PageRead, type Raft, type Report, type Turn } from '@kontiki/core/protocol';
import type { Random } from '../../random.js';
import type { Bounds } from './bounds.js';
import type { Checks } from './checks.js';
import type { ModelDisk } from './disk.js';
import type { FaultTarget } from '../faults.js';
import { Forwards } from './forwards.js';
import { MAX_LEVEL, readAs } from '../levels.js';
import type { Mix } from '../mix.js';
import type { ModelNetwork } from '../network.js';
import type { Schedule } from '../schedule.js';
import { StallCheck } from './stall-check.js';
import { WaitingProposals, WaitingReads } from './waiting.js';

/** The parts of a fast world that its servers use. */
export interface ServerContext {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly mix: Mix;
  /** The first entry of the cluster. */
  readonly first: MembershipEntry;
  readonly network: ModelNetwork<Message>;
  readonly bounds: Bounds;
  readonly checks: Checks;
  /** Reports an event. Undefined if the world is not traced. */
  readonly trace: ((text: string) => void) | undefined;
  /** Mixes a number into the hash of the execution. */
  readonly hash: (value: number) => void;
  /** Whether the faults are over. */
  readonly healed: boolean;
  /** Called when a leader steps down because its disk is full. */
  readonly checkFullStepDown: (leader: ModelServer) => void;
}

/**
 * A server of the fast world: a `RawNode` on a model disk and a model network. It can crash,
 * restart and pause. Its event loop, timers and state machine can be slow.
 */
export class ModelServer implements FaultTarget {
  readonly id: ServerId;
  readonly disk: ModelDisk;
  readonly #world: ServerContext;
  /** The highest feature level that the server's version reads. */
  #level: number;
  incarnation = 0;
  /**
   * Whether the server lost its disk. Such a server is blank, or it was bootstrapped again by
   * mistake. It does not count toward a quorum, unless the cluster was not founded yet.
   */
  lost = false;
  /** Index of the last entry that the state machine applied. */
  applied = 0;
  turns = 0;
  /** The index up to which the state machine has persisted its state on its own disk. */
  #machineStored = 0;
  /** Number of starts and crashes, used to ignore events of an earlier process. */
  #life = 0;
  /** The running node. Undefined while the server is down. */
  #raw: RawNode | undefined;
  readonly proposals: WaitingProposals;
  readonly reads: WaitingReads;
  readonly #forwards = new Forwards();
  #commands: Uint8Array[] = [];
  #operations: ((raft: Raft) => void)[] = [];
  #isRetired = false;
  /** The memberships that were live before the current turn. */
  #liveBefore: readonly MembershipAt[] = [];
  #stalls!: StallCheck;
  #scheduled = false;
  #paused = false;
  /**
   * Messages for the next turn that contain entries of a newer version, which this server cannot
   * read.
   */
  #unreadable: Unreadable[] = [];
  /**
   * Index of the first entry in the leader's log that this server cannot read. Undefined if the
   * server can read the whole log.
   */
  #unreadableFrom: number | undefined;
  #applying = false;
  /** World time at which the timer fires. */
  #timerAt = Infinity;
  #clock = { rate: 1, offset: 0 };

  constructor(id: ServerId, disk: ModelDisk, level: number, world: ServerContext) {
    this.id = id;
    this.#level = level;
    this.disk = disk;
    this.#world = world;
    this.proposals = new WaitingProposals(world.checks);
    this.reads = new WaitingReads(world.checks);
  }

  get up(): boolean {
    return this.#raw !== undefined;
  }

  /** The node's `Raft`. Undefined while the server is down. */
  get raft(): Raft | undefined {
    return this.#raw?.raft;
  }

  /**
   * The memberships whose quorums may have included the server in the current turn. A leader can
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
   * removal, or if it lost its disk in a world that begins after the founding.
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
    const { random, mix, checks, trace } = this.#world;
    this.#life += 1;
    this.incarnation = 1 + random.below(2 ** 31);
    this.#clock = { rate: 1 + mix.strength.drift * random.between(-0.1, 0.1), offset: random.between(0, 1e6) };
    this.#timerAt = Infinity;
    this.applied = mix.durableMachines ? this.#machineStored : 0;
    const log = this.disk.open();
    const raw = this.#guarded(
      () =>
        new RawNode({
          id: this.id,
          incarnation: this.incarnation,
          timings: mix.timings,
          limits: mix.limits,
          random: random.next,
          now: this.#localNow,
          log,
          life: this.disk.life,
          applied: this.applied,
          level: this.#level,
        }),
    );
    if (raw === undefined) return;
    this.#raw = raw;
    this.#stalls = new StallCheck(checks);
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
    this.#life += 1;
    this.#commands = [];
    this.#operations = [];
    this.#unreadable = [];
    this.#unreadableFrom = undefined;
    this.#scheduled = false;
    this.#paused = false;
    this.#applying = false;
    this.#machineStored = this.#world.random.chance(0.5) ? this.applied : Math.min(this.#machineStored, this.applied);
    this.proposals.abandon();
    this.#forwards.abandon();
    this.reads.abandon();
    this.disk.crash(kind);
  }

  wipe(): void {
    this.crash('powerCut');
    this.#world.trace?.(`${this.id} loses its disk`);
    this.lost = true;
    this.#machineStored = 0;
    this.disk.wipe();
    const { mix, first, checks } = this.#world;
    if (mix.founding) this.disk.bootstrap(first);
    checks.wiped(this);
  }

  /**
   * Stops the server forever, as an operator does after its removal. A restart that is already
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

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.wake();
  }

  setFull(full: boolean): void {
    this.#world.trace?.(`${this.id}: the disk ${full ? 'is full' : 'has room again'}`);
    this.disk.full = full;
    this.#raw?.setFull(full);
    this.wake();
  }

  hang(): void {
    this.#world.trace?.(`${this.id}: the disk stops answering`);
    this.disk.hang();
  }

  unhang(): void {
    this.#world.trace?.(`${this.id}: the disk answers again`);
    this.disk.unhang();
  }

  setTimings(timings: Timings): void {
    if (this.#raw === undefined) return;
    this.#raw.setTimings(timings);
    this.#stalls.retimed();
  }

  change(steps: readonly MembershipStep[], force: boolean): void {
    this.#operate((raft) => {
      const begun = !('refused' in raft.changeMembership(steps, { force }));
      if (!begun) return;
      this.#world.checks.counts.changes += 1;
      this.#world.trace?.(`${this.id} changes the membership: ${JSON.stringify(raft.log.membership)}`);
    });
  }

  raiseLevel(): void {
    this.#operate((raft) => {
      if ('refused' in raft.raiseLevel()) return;
      this.#world.checks.counts.raises += 1;
      this.#world.trace?.(`${this.id} raises the level to ${raft.log.membership?.level}`);
    });
  }

  /**
   * Installs another version on the stopped server. The version can read all entries on the
   * server's disk.
   */
  install(by: number): void {
    if (this.#raw !== undefined) return;
    const levels = this.disk.entries.map((entry) => (entry.kind === 'membership' ? entry.membership.level : 0));
    this.#level = Math.min(MAX_LEVEL, Math.max(this.#level + by, 1, ...levels));
    this.#world.trace?.(`${this.id} gets a version of level ${this.#level}`);
  }

  transfer(to: ServerId | undefined): void {
    this.#operate((raft) => {
      if (raft.transfer(to) !== undefined) return;
      this.#world.checks.counts.transfers += 1;
      this.#world.trace?.(`${this.id} hands over to ${raft.transferTarget}`);
    });
  }

  #operate(operation: (raft: Raft) => void): void {
    if (this.#raw === undefined) return;
    this.#operations.push(operation);
    this.wake();
  }

  // ---- inputs

  receive(from: ServerId, message: Message): void {
    if (this.#raw === undefined) return;
    this.#stalls.received(from, message);
    const received = readAs(this.#level, message);
    if (received.kind === 'unreadable') this.#unreadable.push(received);
    this.#raw.receive(from, received);
    this.wake();
  }

  /** Proposes a command, or forwards it if the server does not lead. */
  propose(data: Uint8Array): void {
    if (this.#raw === undefined) return;
    this.#commands.push(data);
    this.wake();
  }

  read(): void {
    if (this.#raw === undefined) return;
    this.reads.add(this.#raw.read());
    this.wake();
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
    this.#later(random.between(0, mix.strength.slowLoops * 0.25) * mix.timings.election, () => {
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
      const now = this.#localNow;
      const turn = raw.turn(now, { messagesFirst, propose: this.#propose });
      this.#stalls.turned(this.id, raw.raft, role, now, turn);
      this.#checkSilence(raw.raft, role);
      if (turn.reports.some(isFullStepDown)) this.#world.checkFullStepDown(this);
      this.#carryOut(raw, turn);
      if (this.#raw !== raw) return;
      this.#apply();
      if (turn.needsAnotherTurn) this.#later(0.01, () => this.wake());
      this.#setTimer(turn.wakeAt);
    });
    if (this.#raw !== raw) return;
    const { raft } = raw;
    this.#world.checks.turned(this, raft);
    this.#world.bounds.turned(this.id, raft, this.disk.writingSince);
    this.#world.hash(raft.log.lastIndex * 64 + raft.log.committed * 8 + raft.role.length + raft.ballot.term);
  }

  /** Checks that a server that cannot read its leader's log does not campaign. */
  #checkSilence(raft: Raft, before: Raft['role']): void {
    const { role, ballot, log } = raft;
    this.#world.checks.check(
      'levelsAreRead',
      this.#unreadableFrom === undefined || role === before || role === 'follower',
      () => `${this.id} became ${role}, although it cannot read entry ${this.#unreadableFrom}`,
    );
    for (const { index = 0, term } of this.#unreadable) {
      if (term !== ballot.term || role !== 'follower' || index <= log.lastIndex) continue;
      this.#unreadableFrom ??= index;
      this.#world.checks.counts.unreadable += 1;
    }
    this.#unreadable = [];
    if (this.#unreadableFrom !== undefined && this.#unreadableFrom <= log.lastIndex) this.#unreadableFrom = undefined;
  }

  readonly #propose = (raft: Raft): void => {
    const commands = this.#commands;
    this.#commands = [];
    const leads = raft.role === 'leader';
    if (!leads && commands.length > 0) this.#forwards.send(raft, commands);
    for (const data of leads ? commands : []) {
      const outcome = raft.propose(data);
      if (typeof outcome !== 'object') continue;
      this.#world.bounds.accepted(this.id, raft);
      this.proposals.add(outcome);
    }
    const operations = this.#operations;
    this.#operations = [];
    for (const operation of operations) operation(raft);
  };

  /** Runs a step. If an assertion of `Raft` fails, the server stops, as `RaftNode` would. */
  #guarded<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      this.#world.checks.checkThrown(this.id, error);
      this.crash('kill');
      return undefined;
    }
  }

  #carryOut(raw: RawNode, turn: Turn): void {
    // Sends and writes may happen in either order, and a crash may come between the two.
    const sendsFirst = this.#world.random.chance(0.5);
    if (sendsFirst) this.#sendAll(turn);
    else this.#write(raw, turn);
    if (this.#crashesBetween()) return;
    if (sendsFirst) this.#write(raw, turn);
    else this.#sendAll(turn);
    const { pageReads, reads, reports } = turn;
    for (const read of pageReads) this.#readPage(read);
    if (reads !== undefined) this.reads.confirm(reads);
    const { appended, refused } = this.#forwards.take(turn);
    this.#world.checks.counts.forwards += appended.length;
    for (const position of appended) if (position.index > this.applied) this.proposals.add(position);
    if (refused.length > 0)
      this.#later(this.#world.mix.timings.heartbeat, () => refused.forEach((data) => this.propose(data)));
    const { trace } = this.#world;
    if (trace !== undefined) for (const report of reports) trace(`${this.id}: ${JSON.stringify(report)}`);
  }

  #write({ raft }: RawNode, { write }: Turn): void {
    if (write === undefined) return;
    this.#world.checks.issued(this, raft, write);
    this.disk.append(write, (number) => {
      this.#raw?.written(number);
      this.wake();
    });
  }

  /**
   * Crashes the server with a small probability. Schedules the restart too, because `Faults` does
   * not know about this crash.
   */
  #crashesBetween(): boolean {
    const { random, mix, healed, schedule, checks } = this.#world;
    const { kills, powerCuts } = mix.strength;
    if (healed || !random.chance((kills + powerCuts) * 0.0002)) return false;
    this.crash(random.chance(0.5) ? 'kill' : 'powerCut');
    checks.counts.crashes += 1;
    schedule.after(random.between(0, 5) * mix.timings.election, () => {
      if (!this.participates || this.#raw !== undefined) return;
      checks.counts.restarts += 1;
      this.start();
    });
    return true;
  }

  #sendAll({ mail }: Turn): void {
    for (const some of mail) this.#send(some);
  }

  #send(mail: Mail): void {
    const { network, bounds, checks } = this.#world;
    for (const [to, messages] of mail) {
      bounds.mailed(this.id, this.raft?.role, messages.length);
      for (const message of messages) {
        checks.sent(this, to, message);
        network.send(this.id, to, message);
      }
    }
  }

  #readPage(read: PageRead): void {
    this.#later(this.disk.readLatency, () => {
      this.#guarded(() => this.#raw?.pageRead(read, this.disk.read(read.from, read.to, read.maxBytes)));
      this.wake();
    });
  }

  #apply(): void {
    const { mix, random, healed } = this.#world;
    const { slowMachines, weakMachines } = mix.strength;
    if (slowMachines + weakMachines === 0 || healed) return this.#applyNow();
    if (this.#applying) return;
    this.#applying = true;
    const perEntry = random.between(0, 4) * weakMachines * mix.writeEvery;
    this.#later(random.between(0, slowMachines * 50) + perEntry, () => {
      this.#applying = false;
      this.#guarded(() => this.#applyNow(weakMachines === 0 ? Infinity : 1));
      const log = this.raft?.log;
      if (log !== undefined && log.applied < log.applicable) this.#apply();
    });
  }

  /** Applies up to `most` entries. */
  #applyNow(most = Infinity): void {
    const raw = this.#raw;
    if (raw === undefined) return;
    const { log } = raw.raft;
    for (let left = most; left > 0 && log.applied < log.applicable;) {
      const from = log.applied + 1;
      const entries: readonly Entry[] =
        log.slice(from, Math.min(log.applicable, from + left - 1), 10_000)?.entries ??
        this.disk.read(from, Math.min(log.applicable, from + left - 1), 10_000);
      left -= entries.length;
      this.applied = from + entries.length - 1;
      this.#world.checks.applied(this, entries);
      for (const entry of entries) this.#world.checks.appliesOnce(this.id, entry);
      raw.applied(this.applied);
      for (const entry of entries) this.proposals.settle(entry);
    }
    this.reads.serve(this.applied);
  }

  // ---- time

  /** Time on the server's own clock, which starts at a random time and may run fast or slow. */
  get #localNow(): number {
    return this.#clock.offset + this.#world.schedule.now * this.#clock.rate;
  }

  /** Runs a function after a delay, unless the process crashes first. */
  #later(delay: number, run: () => void): void {
    const life = this.#life;
    this.#world.schedule.after(delay, () => {
      if (life === this.#life) run();
    });
  }

  /**
   * Sets the timer. If `wakeAt` moves to a later time, the timer still fires at the earlier time.
   */
  #setTimer(wakeAt: number): void {
    const { schedule, mix, random, healed } = this.#world;
    // Add a microsecond so that rounding never plans a time just before `wakeAt`.
    const delay = Math.max(0, (wakeAt - this.#localNow) / this.#clock.rate) + 0.001;
    if (schedule.now + delay >= this.#timerAt) return;
    const at = schedule.now + delay;
    this.#timerAt = at;
    const late = !healed && random.chance(mix.strength.lateTimers * 0.1) ? random.between(0, 1_000) : 0;
    this.#later(delay + late, () => {
      if (this.#timerAt !== at) return;
      this.#timerAt = Infinity;
      if (!this.#paused) this.#turn();
    });
  }
}

function isFullStepDown(report: Report): boolean {
  return report.kind === 'steppedDown' && report.reason === 'diskFull';
}

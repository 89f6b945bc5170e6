import type { Entry, Message, ServerId, Timings } from '@kontiki/core';
import { Raft, type PageRead, type Mail, type Output } from '@kontiki/core/protocol';
import type { Random } from '../../random.js';
import type { Bounds } from './bounds.js';
import type { Checks } from './checks.js';
import type { ModelDisk } from './disk.js';
import type { Breakable } from '../faults.js';
import type { Mix } from '../mix.js';
import type { ModelNetwork } from '../network.js';
import type { Schedule } from '../schedule.js';
import { WaitingProposals, WaitingReads } from './waiting.js';

/** What a server of a world stands in. */
export interface Surroundings {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly mix: Mix;
  readonly network: ModelNetwork<Message>;
  readonly bounds: Bounds;
  readonly checks: Checks;
  /** Tells the story of the world, if anybody listens. */
  readonly tell: ((text: string) => void) | undefined;
  /** Folds a number into the hash of the execution. */
  readonly hash: (value: number) => void;
  /** Whether the faults are over. */
  readonly healed: boolean;
}

interface HeldMail {
  readonly after: number;
  readonly mail: Mail;
}

/** A server: `Raft` on a model disk and network, driven as `RaftNode` drives it, and crashed as processes are. */
export class ModelServer implements Breakable {
  readonly id: ServerId;
  readonly disk: ModelDisk;
  readonly #world: Surroundings;
  /** Undefined while it is down. */
  raft: Raft | undefined;
  incarnation = 0;
  /** It has lost its disk, and stays out for good. */
  lost = false;
  /** What the state machine holds; `#kept` of it on its own disk. */
  applied = 0;
  turns = 0;
  #kept = 0;
  #life = 0;
  #inbox: { from: ServerId; message: Message }[] = [];
  #held: HeldMail[] = [];
  #persisted = 0;
  readonly proposals: WaitingProposals;
  readonly reads: WaitingReads;
  #commands: Uint8Array[] = [];
  #scheduled = false;
  #lettingIn = false;
  #dueAt = Infinity;
  #paused = false;
  #applying = false;
  /** When the timer is set to, in the world's time. */
  #timerAt = Infinity;
  #clock = { rate: 1, offset: 0 };

  constructor(id: ServerId, disk: ModelDisk, world: Surroundings) {
    this.id = id;
    this.disk = disk;
    this.#world = world;
    this.proposals = new WaitingProposals(world.checks);
    this.reads = new WaitingReads(world.checks);
  }

  get up(): boolean {
    return this.raft !== undefined;
  }

  get leads(): boolean {
    return this.raft?.role === 'leader';
  }

  // ---- the life of a process

  start(): void {
    if (this.raft !== undefined) return;
    const { random, mix, checks, tell } = this.#world;
    this.#life += 1;
    this.incarnation = 1 + random.below(2 ** 31);
    this.#clock = { rate: 1 + mix.strength.drift * random.between(-0.1, 0.1), offset: random.between(0, 1e6) };
    this.#timerAt = Infinity;
    this.#persisted = 0;
    this.#lettingIn = false;
    this.#dueAt = Infinity;
    this.applied = mix.durableMachines ? this.#kept : 0;
    const raft = this.#guarded(
      () =>
        new Raft({
          id: this.id,
          incarnation: this.incarnation,
          timings: mix.timings,
          limits: mix.limits,
          random: random.next,
          now: this.#localNow,
          log: this.disk.open(),
          applied: this.applied,
        }),
    );
    if (raft === undefined) return;
    this.raft = raft;
    tell?.(`${this.id} starts: term ${raft.ballot.term}, last ${raft.log.lastIndex}, applied ${this.applied}`);
    checks.started(this, raft);
    if (this.disk.full) raft.setFull(true);
    this.wake();
  }

  crash(kind: 'kill' | 'powerCut'): void {
    if (this.raft === undefined) return;
    this.#world.tell?.(`${this.id}: ${kind === 'kill' ? 'kill -9' : 'power cut'}`);
    this.raft = undefined;
    this.#life += 1;
    this.#inbox = [];
    this.#held = [];
    this.#commands = [];
    this.#scheduled = false;
    this.#paused = false;
    this.#applying = false;
    this.#kept = this.#world.random.chance(0.5) ? this.applied : Math.min(this.#kept, this.applied);
    this.proposals.abandon();
    this.reads.abandon();
    this.disk.crash(kind);
  }

  wipe(): void {
    this.crash('powerCut');
    this.#world.tell?.(`${this.id} loses its disk`);
    this.lost = true;
    this.#kept = 0;
    this.disk.wipe();
    this.#world.checks.wiped(this);
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
    this.#world.tell?.(`${this.id}: the disk ${full ? 'is full' : 'has room again'}`);
    this.disk.full = full;
    this.raft?.setFull(full);
    this.wake();
  }

  setTimings(timings: Timings): void {
    this.raft?.setTimings(timings);
  }

  // ---- inputs

  receive(from: ServerId, message: Message): void {
    if (this.raft === undefined) return;
    this.#inbox.push({ from, message });
    this.wake();
  }

  propose(data: Uint8Array): void {
    if (this.raft?.role !== 'leader') return;
    this.#commands.push(data);
    this.wake();
  }

  read(): void {
    if (this.raft === undefined) return;
    this.reads.add(this.raft.read());
    this.wake();
  }

  /** A turn comes: at once, or when the event loop gets to it. */
  wake(): void {
    if (this.#scheduled || this.#paused || this.raft === undefined) return;
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
    const { raft } = this;
    if (raft === undefined) return;
    this.turns += 1;
    this.#guarded(() => {
      const now = this.#localNow;
      const late = now > this.#dueAt + raft.timings.heartbeat;
      raft.advance(now);
      this.#takeInputs(raft);
      const letIn = late && !this.#lettingIn;
      if (!letIn) raft.tick(late || this.#lettingIn);
      this.#lettingIn = letIn;
      const output = raft.takeOutput();
      this.#carryOut(raft, output);
      this.#apply();
      if (output.needsAnotherTurn) this.#later(0.01, () => this.wake());
      this.#dueAt = letIn ? Infinity : raft.wakeAt;
      if (letIn) this.#later(0.01, () => this.#turn());
      else this.#setTimer(raft.wakeAt);
    });
    if (this.raft !== raft) return;
    this.#world.checks.turned(this, raft);
    this.#world.bounds.turned(this.id, raft);
    this.#world.hash(raft.log.lastIndex * 64 + raft.log.committed * 8 + raft.role.length + raft.ballot.term);
  }

  /** What `Raft` throws is an assertion of its own that failed: the server stops, as `RaftNode` would. */
  #guarded<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      this.#world.checks.threw(this.id, error);
      this.crash('kill');
      return undefined;
    }
  }

  #takeInputs(raft: Raft): void {
    // Nothing depends on the order in which a turn takes what is waiting.
    if (this.#world.random.chance(0.5)) {
      this.#takePersisted(raft);
      this.#takeMessages(raft);
    } else {
      this.#takeMessages(raft);
      this.#takePersisted(raft);
    }
    const commands = this.#commands;
    this.#commands = [];
    for (const data of commands) {
      const outcome = raft.propose(data);
      if (typeof outcome === 'object') this.proposals.add(outcome);
    }
  }

  #takePersisted(raft: Raft): void {
    if (this.#persisted <= raft.log.lastDurableWrite) return;
    raft.persisted(this.#persisted);
    while (this.#held[0] !== undefined && this.#held[0].after <= this.#persisted) {
      this.#send((this.#held.shift() as HeldMail).mail);
    }
  }

  #takeMessages(raft: Raft): void {
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const { from, message } of inbox) raft.step(from, message);
  }

  #carryOut(raft: Raft, output: Output): void {
    this.#send(output.messages);
    const { write } = output;
    if (write !== undefined) {
      this.#world.checks.issued(this, raft, write);
      this.disk.append(write, (number) => {
        this.#persisted = Math.max(this.#persisted, number);
        this.wake();
      });
    }
    if (output.afterWrite.size > 0) {
      if (output.after <= raft.log.lastDurableWrite) this.#send(output.afterWrite);
      else this.#held.push({ after: output.after, mail: output.afterWrite });
    }
    for (const load of output.pageReads) this.#load(load);
    if (output.reads !== undefined) this.reads.confirm(output.reads);
    const { tell } = this.#world;
    if (tell !== undefined) for (const report of output.reports) tell(`${this.id}: ${JSON.stringify(report)}`);
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

  #load(load: PageRead): void {
    this.#later(this.disk.readLatency, () => {
      this.#guarded(() => this.raft?.pageRead(load, this.disk.read(load.from, load.to, load.maxBytes)));
      this.wake();
    });
  }

  #apply(): void {
    const { mix, random, healed } = this.#world;
    if (mix.strength.slowMachines === 0 || healed) return this.#applyNow();
    if (this.#applying) return;
    this.#applying = true;
    this.#later(random.between(0, mix.strength.slowMachines * 50), () => {
      this.#applying = false;
      this.#guarded(() => this.#applyNow());
    });
  }

  #applyNow(): void {
    const { raft } = this;
    if (raft === undefined) return;
    const { log } = raft;
    while (log.applied < log.applicable) {
      const from = log.applied + 1;
      const entries: readonly Entry[] =
        log.slice(from, log.applicable, 10_000)?.entries ?? this.disk.read(from, log.applicable, 10_000);
      this.applied = from + entries.length - 1;
      this.#world.checks.applied(this, entries);
      raft.applied(this.applied);
      for (const entry of entries) this.proposals.settle(entry);
    }
    this.reads.serve(this.applied);
  }

  // ---- time

  /** A clock of its own, which begins anywhere at each start and may run fast or slow. */
  get #localNow(): number {
    return this.#clock.offset + this.#world.schedule.now * this.#clock.rate;
  }

  /** In this life only. */
  #later(delay: number, run: () => void): void {
    const life = this.#life;
    this.#world.schedule.after(delay, () => {
      if (life === this.#life) run();
    });
  }

  /** A timer that is put off fires all the same, and is set anew then. */
  #setTimer(wakeAt: number): void {
    const { schedule, mix, random, healed } = this.#world;
    // A thousandth keeps rounding from planning a moment that has not quite come.
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

import {
  RaftNode,
  type Clock,
  type LogState,
  type Membership,
  type ServerId,
  type StateMachine,
  type Timings,
} from '@kontiki/core';
import type { Random } from '../../random.js';
import type { SimulatedDisk } from '../../simulated-disk.js';
import type { Request, Environment } from '../../workload/workload.js';
import { drawRate } from '../drift.js';
import type { FaultTarget } from '../faults.js';
import { applyMs } from './machine-speed.js';
import { ignoreViolation, Violation } from '../violation.js';
import type { NodeChecks } from './checks.js';
import type { NodeContext } from './context.js';
import { Disks } from './disks.js';
import { frozenClock, readStores, type DurableState } from './durable-state.js';
import { OperatedNode } from './operated-node.js';
import type { RequestOutcome } from './outcome.js';
import { Process } from './process.js';
import { Requests, type RequestOptions } from './requests.js';
import { SimulatedTransport, type SentFrame } from './transport.js';
import { LogMemory, WatchedLog } from './watched-log.js';
import { isUnusable } from './unusable.js';
import { MAX_VERSION } from './versions.js';
import { WatchedMachine } from './watched-machine.js';

/**
 * A server of the full world: a whole node with its stores on simulated disks. The node runs in a
 * `Process`, which can be paused and killed. Its log and state machine are wrapped so that the
 * checks can observe all calls.
 */
export class NodeServer extends OperatedNode implements FaultTarget {
  readonly id: ServerId;
  /**
   * Contents of the server's log. After the server has lost its disk, these are the contents before
   * the loss.
   */
  readonly log: LogMemory = new LogMemory();
  /** The checks of the server's epoch. */
  checks: NodeChecks;
  readonly #world: NodeContext;
  readonly #random: Random;
  readonly #disks: Disks;
  /** Number of the server's current process. */
  life = 0;
  process: Process | undefined;
  node: RaftNode | undefined;
  machine: WatchedMachine<StateMachine> | undefined;
  leads = false;
  /** Whether the server's disk was lost or damaged. */
  lost = false;
  /** Whether the store rejects the data on the disk. The server is then never started again. */
  unusable = false;
  /** Whether the server was stopped after its removal from the membership. */
  isRetired = false;
  /** Whether the server's disk was replaced with an empty one. */
  #wiped = false;
  #transport: SimulatedTransport | undefined;
  readonly #requests: Requests;

  constructor(id: ServerId, world: NodeContext, random: Random) {
    super();
    this.id = id;
    this.#world = world;
    this.checks = world.checks;
    this.#random = random;
    this.#requests = new Requests(this, random.next);
    this.#disks = new Disks(world, random, () => this.process as Process);
  }

  /** The disk of the server's log and snapshots. */
  get disk(): SimulatedDisk {
    return this.#disks.log;
  }

  get up(): boolean {
    return this.process !== undefined;
  }

  /** Number of requests that the node has received but not yet answered. */
  get pendingRequests(): number {
    return this.#requests.pending;
  }

  // ---- start and stop

  start(): void {
    if (this.process !== undefined || this.unusable) return;
    this.#open(this.startProcess()).catch(ignoreViolation);
  }

  /** Starts a process without a node. */
  startProcess(): Process {
    const { schedule, mix, trace } = this.#world;
    const { lateTimers, slowLoops } = mix.strength;
    const random = this.#random;
    this.life += 1;
    trace?.(`${this.id} starts with version ${this.version}`);
    const process = new Process(
      schedule,
      {
        rate: drawRate(mix, random),
        loop:
          slowLoops === 0
            ? undefined
            : () => (this.#world.healed ? 0 : random.between(0, slowLoops * 0.25) * mix.timings.election),
        lateness: () => (!this.#world.healed && random.chance(lateTimers * 0.1) ? random.between(0, 1_000) : 0),
      },
      random.between(0, 1e6),
    );
    this.process = process;
    return process;
  }

  /** Returns the environment for a process's stores and machine. */
  environment(clock: Clock): Environment {
    const { id, disk, version } = this;
    return { id, folder: disk.folder, clock, random: this.#random.next, seed: this.#world.seed, version };
  }

  async #open(process: Process): Promise<void> {
    const { checks } = this;
    const { cluster, workload, makeLog, makeSnapshots, mix } = this.#world;
    const environment = this.environment(process);
    const machine = new WatchedMachine(
      workload.machine({ ...environment, folder: this.#disks.machine.folder }),
      {
        applied: (batch, results, after) => {
          checks.applied(this, after, batch, results);
          if (batch.through % 16 === 0) checks.state(this.id, batch.through, workload.digest(machine.inner));
          this.#world.hash(batch.through);
        },
        hasState: (through) => {
          checks.state(this.id, through, workload.digest(machine.inner));
          this.#world.hash(through);
        },
      },
      (commands) =>
        mix.strength.slowMachines + mix.strength.weakMachines === 0 || this.#world.healed
          ? undefined
          : process.sleep(applyMs(mix, commands, this.#random)),
    );
    // After the disk was lost, `this.log` keeps the contents of the lost disk.
    const memory = this.#wiped ? new LogMemory() : this.log;
    this.#transport = new SimulatedTransport(process, {
      carry: (to, sent) => this.#world.carry(this.id, to, sent),
      sent: (to, message) => checks.sent(this.id, memory, to, message),
    });
    const log = new WatchedLog(makeLog(environment), memory, {
      opened: async (state) => {
        checks.opened(this, state);
        if (this.#random.chance(0.25)) await this.#checkOpened(state);
      },
      issued: (prevTerm, last, write) => checks.issued(this, prevTerm, last, write),
    });
    try {
      const node = await RaftNode.open({
        id: this.id,
        cluster,
        machine,
        log,
        transport: this.#transport,
        snapshots: makeSnapshots?.(environment),
        snapshotPolicy: mix.snapshotPolicy,
        timings: mix.timings,
        limits: mix.limits,
        timeout: 3_000,
        clock: process,
        random: this.#random.next,
      });
      this.node = node;
      this.machine = machine;
      this.#listen(node);
    } catch (error) {
      this.#stopped(error as Error);
    }
  }

  /** Checks that all data that a log reported when it opened would survive a power cut now. */
  async #checkOpened(found: LogState): Promise<void> {
    if (this.lost) return;
    const { last, terms, ballot } = (await this.durableState()).state;
    const same = JSON.stringify([last, terms, ballot]) === JSON.stringify([found.last, found.terms, found.ballot]);
    this.checks.invariants.check(
      'openedIsDurable',
      same,
      () => `${this.id} opened a log of ${found.last} entries, but only ${last} are durable`,
    );
  }

  /** Opens the stores on a copy of the disk as the worst possible power cut would leave it. */
  durableState(): Promise<DurableState> {
    const { folder } = this.disk.durableCopy();
    return readStores(this.#world, { ...this.environment(frozenClock), folder });
  }

  #listen(node: RaftNode): void {
    const { checks } = this;
    const { hash, onElected } = this.#world;
    this.leads = node.status().role === 'leader';
    node.on('term', ({ term }) => hash(term));
    node.on('commit', ({ index }) => {
      hash(index);
      checks.committed(this, node.status().term, index);
    });
    node.on('snapshot', ({ index }) => {
      checks.counts.snapshots += 1;
      hash(index);
    });
    node.on('snapshotInstalled', ({ index }) => {
      checks.counts.installs += 1;
      this.#world.trace?.(`${this.id} installs the snapshot of entry ${index}`);
      hash(index);
    });
    node.on('state', (state) => {
      this.leads = state.role === 'leader';
      if (!this.leads) return;
      const { term } = node.status();
      this.#world.trace?.(`${this.id} leads term ${term}`);
      checks.leads(this, term);
      onElected(this);
    });
    node.on('fatal', ({ error }) => this.#nodeEnded(() => this.#stopped(error)));
  }

  /**
   * Called when the node has stopped. Checks that all its calls have an outcome, and then calls
   * `then`.
   */
  #nodeEnded(then: () => void): void {
    // The node settles its pending calls in the same event loop turn in which it stops.
    this.process?.after(0.001, () => {
      this.checks.invariants.check(
        'callsSettle',
        this.pendingRequests === 0,
        () => `${this.id} stopped, and ${this.pendingRequests} calls got no outcome`,
      );
      then();
    });
  }

  /**
   * Called when the node has stopped because of an error or has failed to start. Restarts the node
   * later, as an operator would.
   */
  #stopped(error: Error): void {
    if (error instanceof Violation) return;
    const { checks } = this;
    const { schedule, trace } = this.#world;
    const lacksVersion = this.lacksVersion(error);
    // A node may stop because of an injected error, or if it reports injected damage or loss of data.
    const excused = lacksVersion || (this.lost && isUnusable(error)) || this.#disks.injected(error);
    checks.stopped(this.id, excused, error);
    checks.counts.stops += 1;
    trace?.(`${this.id} stopped: ${error.message}`);
    if (lacksVersion) this.install(MAX_VERSION);
    else if (this.lost && isUnusable(error)) this.unusable = true;
    this.crash('kill');
    schedule.after(this.#random.between(10, 1_000), () => this.start());
  }

  // ---- faults

  crash(kind: 'kill' | 'powerCut'): void {
    if (this.process === undefined) return;
    this.#world.trace?.(`${this.id}: ${kind === 'kill' ? 'kill -9' : 'power cut'}`);
    this.process.kill();
    this.checks.counts.lostWrites += this.log.pendingWrites;
    this.process = this.node = this.machine = this.#transport = undefined;
    this.leads = false;
    this.#disks.crash(kind);
    this.#requests.crash();
  }

  close(): void {
    // A paused process closes the node when it resumes.
    if (this.node !== undefined) this.process?.enter(() => this.#close());
  }

  #close(): void {
    const { checks } = this;
    if (this.node === undefined) return;
    const { schedule, trace } = this.#world;
    trace?.(`${this.id} is closed`);
    const closed = (): void => {
      checks.counts.closes += 1;
      this.crash('kill');
      schedule.after(this.#random.between(1, 500), () => this.start());
    };
    // A slow disk may take longer than the node's default timeout, but never longer than this
    // timeout.
    this.node.close({ timeout: 600_000 }).then(
      () => this.#nodeEnded(closed),
      (error: Error) => this.#nodeEnded(() => this.#stopped(error)),
    );
  }

  protected get servers(): readonly OperatedNode[] {
    return this.#world.servers;
  }

  protected raiseCommand(version: number): Uint8Array | undefined {
    return this.machine && this.#world.workload.raise?.(this.machine.inner, version);
  }

  get membership(): Membership | undefined {
    return this.node?.status().membership;
  }

  /** Stops the server forever, as an operator does after removing it. */
  retire(): void {
    this.crash('kill');
    this.unusable = this.isRetired = true;
  }

  wipe(): void {
    this.crash('powerCut');
    this.#world.trace?.(`${this.id} loses its disk`);
    this.lost = this.#wiped = true;
    this.checks.counts.lostDisks += 1;
    this.#disks.wipe();
    this.checks.wiped(this.id);
  }

  damage(): void {
    const where = this.disk.flipBit(this.#random.next);
    if (where === undefined) return;
    this.lost = true;
    this.checks.counts.lostDisks += 1;
    this.#world.trace?.(`${this.id}: a bit flips in ${where}`);
  }

  pause(): void {
    this.process?.pause();
  }

  suspend(): void {
    this.process?.suspend();
  }

  resume(): void {
    this.process?.resume();
  }

  jump(span: number): void {
    this.#world.trace?.(`${this.id}: the clock jumps forward by ${Math.round(span)} ms`);
    this.process?.jump(span);
  }

  stepWall(span: number): void {
    this.process?.stepWall(span);
  }

  setFull(full: boolean): void {
    this.#world.trace?.(`${this.id}: the disk ${full ? 'is full' : 'has room again'}`);
    this.#disks.full = full;
  }

  hang(): void {
    this.#world.trace?.(`${this.id}: the disk stops answering`);
    this.#disks.hang();
  }

  unhang(): void {
    this.#world.trace?.(`${this.id}: the disk answers again`);
    this.#disks.unhang();
  }

  setTimings(timings: Timings): void {
    this.node?.setTimings(timings);
  }

  /** Whether the server must recover after the faults. False if its disk is lost or unusable. */
  get participates(): boolean {
    return !this.unusable && !this.#wiped;
  }

  // ---- inputs

  /** Receives a frame. Returns false if the frame cannot be decoded. */
  arrive(sent: SentFrame): boolean {
    return this.#transport?.arrive(sent) ?? true;
  }

  /** Sends a request to the node. Calls `onEnd` once with the outcome. */
  request(
    request: Request<StateMachine, unknown>,
    options: RequestOptions,
    onEnd: (outcome: RequestOutcome) => void,
  ): void {
    this.#requests.send(request, options, onEnd);
  }
}

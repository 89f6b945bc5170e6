import { bootstrap, isKontikiError, type LogStore, type ServerId, type SnapshotStore } from '@kontiki/core';
import { drainPromises } from '../../drain-promises.js';
import { Random } from '../../random.js';
import { defaultWorkload } from '../../workload/default-workload.js';
import type { Environment, Workload } from '../../workload/workload.js';
import { SPARES } from '../churn.js';
import type { Counts } from '../counts.js';
import { latestLogTime } from '../drift.js';
import { Faults, type FaultTarget } from '../faults.js';
import { InvariantChecker } from '../invariant-checker.js';
import { drawMix, type Mix } from '../mix.js';
import { ModelNetwork } from '../network.js';
import type { Outcome, WorldOptions } from '../outcome.js';
import { Schedule } from '../schedule.js';
import { INVARIANTS, NODE_INVARIANTS, Violation } from '../violation.js';
import { NodeChecks } from './checks.js';
import { Clients } from './clients.js';
import type { Elapse } from './context.js';
import { slowestBatchMs } from './machine-speed.js';
import { Recovery } from './recovery.js';
import { NodeServer } from './server.js';
import type { SentFrame } from './transport.js';
import { Upgrade } from './upgrade.js';

export interface FullWorldOptions extends WorldOptions {
  /** Creates the log store for one process of a server, in the environment's folder. */
  readonly log: (environment: Environment) => LogStore;
  /** Creates the snapshot store for a process of a server. Without it, no log is compacted. */
  readonly snapshots?: ((environment: Environment) => SnapshotStore) | undefined;
  /** Creates the state machines and the requests of one world. Default: `defaultWorkload`. */
  readonly workload?: (() => Workload) | undefined;
}

/** The full world of one seed. See `runFullWorld`. */
class World {
  readonly seed: number;
  readonly cluster = 'simulated';
  readonly schedule = new Schedule();
  readonly mix: Mix;
  checks: NodeChecks;
  readonly network: ModelNetwork<SentFrame>;
  readonly servers: NodeServer[];
  workload: Workload;
  readonly makeLog: (environment: Environment) => LogStore;
  readonly makeSnapshots: ((environment: Environment) => SnapshotStore) | undefined;
  readonly trace: ((text: string) => void) | undefined;
  healed = false;
  readonly #random: Random;
  #clients: Clients;
  readonly #makeWorkload: () => Workload;
  readonly #faults: Faults;
  #hash = 0x811c9dc5;

  constructor(seed: number, options: FullWorldOptions) {
    const { trace, invariants = [...INVARIANTS, ...NODE_INVARIANTS] } = options;
    this.seed = seed;
    this.#makeWorkload = options.workload ?? ((): Workload => defaultWorkload(seed));
    this.workload = this.#makeWorkload();
    const without =
      this.workload.raise === undefined ? [...(options.without ?? []), 'versions' as const] : options.without;
    this.mix = drawMix(seed, { ...options, without }, 'nodes');
    this.makeLog = options.log;
    this.makeSnapshots = options.snapshots;
    this.trace = trace && ((text): void => trace(this.schedule.now, text));
    const latest = latestLogTime(this.schedule, this.mix);
    this.checks = new NodeChecks(new InvariantChecker(new Set(invariants)), this.mix, () => this.servers, latest);
    this.#random = new Random(seed, 'world');
    const { servers, strength } = this.mix;
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const ids = all.slice(0, strength.churn > 0 ? servers + SPARES : servers);
    this.network = new ModelNetwork(this.schedule, new Random(seed, 'network'), this.mix, ids, (_from, to, sent) =>
      this.#deliver(to, sent),
    );
    this.servers = ids.map((id) => new NodeServer(id, this, new Random(seed, `server ${id}`)));
    this.#clients = new Clients(this, new Random(seed, 'clients'));
    this.#faults = new Faults(this, new Random(seed, 'faults'));
  }

  get counts(): Counts {
    return this.checks.counts;
  }

  /** Mixes a number into the execution's hash. */
  readonly hash = (value: number): void => {
    this.#hash = Math.imul(this.#hash ^ value ^ (this.schedule.now * 1_000), 0x01000193);
  };

  readonly carry = (from: ServerId, to: ServerId, sent: SentFrame): void => {
    this.network.send(from, to, sent);
  };

  readonly onElected = (server: FaultTarget): void => this.#faults.onElected(server);

  get digest(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  async run(): Promise<void> {
    this.trace?.(JSON.stringify(this.mix));
    await this.#bootstrap();
    for (const server of this.servers) server.start();
    await this.#found();
    this.#faults.start();
    this.#clients.start();
    this.#checkStatuses();
    const { seconds } = this.mix;
    for (let part = 0; part < 3; part += 1) {
      await this.#elapse((seconds * 1_000) / 3);
      await this.#checkDisks();
    }
    if (this.mix.strength.lostMajorities > 0 && this.mix.servers > 2) await this.#loseMajority();
    else await this.#heal();
    await this.#checkDisks();
    this.#checkAnswers();
  }

  #checkAnswers(): void {
    const anomalies = this.workload.anomalies?.() ?? [];
    this.checks.invariants.check('linearizable', anomalies.length === 0, () => anomalies.join('\n'));
  }

  async #bootstrap(): Promise<void> {
    const first = this.servers.slice(0, this.mix.servers);
    const members = Object.fromEntries(first.map(({ id }) => [id, `simulated:${id}`]));
    this.healed = true;
    for (const server of first) {
      const process = server.startProcess();
      const log = this.makeLog(server.environment(process));
      let done = false;
      const random = new Random(this.seed, `store of ${server.id}`).next;
      const bootstrapping = bootstrap(log, { cluster: this.cluster, server: server.id, members, random }).then(
        () => (done = true),
      );
      await this.#elapse(10_000, () => done);
      await bootstrapping;
      server.crash('kill');
    }
    this.healed = false;
  }

  /**
   * Waits until the cluster is founded, which takes all servers. The fast world also injects faults
   * before that.
   */
  async #found(): Promise<void> {
    this.healed = true;
    const first = this.servers.slice(0, this.mix.servers);
    const isFounded = (): boolean => first.every(({ membership }) => membership?.founded === true);
    this.network.heal();
    const founded = await this.#elapse(600_000, isFounded);
    this.network.unheal();
    this.checks.invariants.check(
      'recovers',
      founded,
      () => 'the cluster was not founded in ten minutes without crashes',
    );
    this.healed = false;
  }

  #deliver(to: ServerId, { sender, frame }: SentFrame): void {
    // The frame's checksum covers all bytes of the frame.
    this.hash(new DataView(frame.buffer, frame.byteOffset).getUint32(0));
    const { badFrames } = this.mix.strength;
    const server = this.servers.find(({ id }) => id === to) as NodeServer;
    if (this.healed || !this.#random.chance(badFrames * 0.05)) return void server.arrive({ sender, frame });
    this.counts.badFrames += 1;
    const damaged = frame.slice();
    const at = this.#random.below(damaged.length);
    damaged[at] = (damaged[at] as number) ^ (1 << this.#random.below(8));
    const read = server.up && server.arrive({ sender, frame: damaged });
    this.checks.invariants.check('assertions', !read, () => `${to} decoded a damaged frame`);
  }

  /** Checks the status of all nodes twice per heartbeat interval. */
  #checkStatuses(): void {
    this.schedule.after(this.mix.timings.heartbeat / 2, () => {
      for (const server of this.servers)
        if (server.node !== undefined) this.checks.status(server, server.node.status());
      this.#checkStatuses();
    });
  }

  /**
   * Checks that acknowledged entries are on the disks of a majority. Runs three times during the
   * test and once at the end. Does not trust the stores' promises: copies each disk as the worst
   * possible power cut would leave it, and opens the store on the copy. This finds a store that
   * resolves before its data is durable, without needing a crash at just the right moment.
   */
  async #checkDisks(): Promise<void> {
    const disks = await Promise.all(
      this.servers.map(async (server) => [server.id, await this.#durableTerms(server)] as const),
    );
    const termsOf = new Map(disks);
    const { acknowledged, invariants } = this.checks;
    for (const [index, term] of acknowledged) {
      const holds = (id: ServerId): boolean => termsOf.get(id)?.(index) === term;
      invariants.check(
        'acknowledgedIsDurable',
        this.checks.isOnQuorum(holds),
        () =>
          `the acknowledged entry ${index} is only on the disks of ${this.servers
            .filter(({ id }) => holds(id))
            .map(({ id }) => id)
            .join(', ')}`,
      );
    }
  }

  /**
   * Returns a function that returns the term of an entry on a server's disk. If the disk was lost
   * or damaged, the function returns the terms before the loss.
   */
  async #durableTerms(server: NodeServer): Promise<(index: number) => number | undefined> {
    const { durable } = server.log;
    const before = (index: number): number | undefined =>
      durable.covers(index) ? this.checks.acknowledged.get(index) : durable.at(index);
    if (!server.participates) return before;
    try {
      const { state, covered } = await server.durableState();
      const { base, last, terms } = state;
      const message = `${server.id} compacted its log up to ${base.index}, but its snapshot ends at ${covered}`;
      this.checks.invariants.check('acknowledgedIsDurable', base.index <= covered, () => message);
      return (index) => {
        // The state in a snapshot is compared later, when the snapshot is restored.
        if (index <= covered) return this.checks.acknowledged.get(index);
        return index > last ? undefined : (terms.findLast((first) => first.index <= index)?.term ?? base.term);
      };
    } catch (error) {
      if (error instanceof Violation) throw error;
      const damaged = server.lost && isKontikiError(error);
      const why = (error as Error).message;
      this.checks.invariants.check(
        'acknowledgedIsDurable',
        damaged,
        () => `the disk of ${server.id} cannot be read: ${why}`,
      );
      return before;
    }
  }

  // ---- after the faults

  /** Ends all faults, loses a majority of the servers, and recovers a survivor. */
  async #loseMajority(): Promise<void> {
    this.#clients.end();
    this.healed = true;
    this.#faults.end();
    this.network.heal();
    const recovery = new Recovery(this, new Random(this.seed, 'recovery'), this.#elapse);
    await recovery.stopAll();
    this.#checkAnswers();
    this.checks = await recovery.recover();
    this.workload = this.#makeWorkload();
    // Continue with new keys, because the loss of entries may have changed the keys of earlier
    // requests.
    const random = new Random(this.seed, 'clients after the recovery');
    this.#clients = new Clients(this, random, this.#clients.requests + 100);
    await recovery.serve(this.#clients);
  }

  /**
   * Ends all faults. Checks that the cluster then elects a leader, acknowledges a write, converges,
   * and sends only heartbeats.
   */
  async #heal(): Promise<void> {
    const { election, heartbeat } = this.mix.timings;
    // Allow ten election timeouts, each of which is drawn between T and 2T. A store on a full disk
    // checks for free space once per second.
    const patience = 10 * 2 * election + 2_000;
    // A state machine finishes its batch at its own speed before its node closes or serves again.
    const batch = slowestBatchMs(this.mix);
    this.trace?.('all faults end');
    this.healed = true;
    this.#faults.end();
    this.network.heal();
    const upgrade = this.mix.strength.versions > 0 ? new Upgrade(this, this.#elapse) : undefined;
    for (const server of this.servers) {
      server.unhang();
      server.resume();
      server.setFull(false);
      upgrade?.install(server);
      server.start();
    }
    const { invariants, counts } = this.checks;
    const led = await this.#elapse(patience + batch, () => this.servers.some(({ leads }) => leads));
    invariants.check('recovers', led, () => `no leader within ${patience + batch} ms after the faults ended`);
    const { acknowledged } = counts;
    const ends = this.#statuses.map(({ last }) => last);
    // Some worlds send one entry per round trip, and thousands of entries may precede the write.
    // Clients may also wait up to three seconds for earlier requests before they send another.
    const longer = 2 * patience + 3_000 + batch + 10 * (Math.max(0, ...ends) - Math.min(...ends));
    const wrote = await this.#elapse(longer, () => counts.acknowledged > acknowledged);
    invariants.check('recovers', wrote, () => `no acknowledged write within ${longer} ms after a leader was elected`);
    this.#clients.end();
    if (this.mix.strength.churn > 0) await this.#stopRemoved(longer);
    await upgrade?.raise();
    const agree = await this.#elapse(60_000, () => this.#agree);
    invariants.check('converges', agree, () => `the servers do not converge: ${JSON.stringify(this.#statuses)}`);
    for (const { id, machine } of this.#participants)
      if (machine !== undefined) this.checks.state(id, machine.through, this.workload.digest(machine.inner));
    // A timer set before the faults ended may fire up to a second late.
    await this.#elapse(patience + 1_000);
    for (const { id, pendingRequests } of this.servers)
      invariants.check(
        'callsSettle',
        pendingRequests === 0,
        () => `${pendingRequests} requests at ${id} got no outcome`,
      );
    const { sent } = this.network;
    await this.#elapse(10 * heartbeat);
    const frames = this.network.sent - sent;
    invariants.check(
      'isQuiet',
      frames <= 24 * (this.servers.filter(({ isRetired }) => !isRetired).length - 1),
      () => `${frames} frames were sent without requests`,
    );
    this.checks.refusedHaveNoEffect();
  }

  /** Stops all servers that are not members, once the last membership change is complete. */
  async #stopRemoved(patience: number): Promise<void> {
    const leader = (): NodeServer | undefined => this.servers.find(({ leads }) => leads);
    const isDone = (): boolean => {
      const { membership } = leader() ?? {};
      return membership?.outgoing.length === 0 && membership.voters.includes(leader()?.id as ServerId);
    };
    await this.#elapse(5 * this.mix.timings.election);
    const done = await this.#elapse(patience, isDone);
    this.checks.invariants.check('recovers', done, () => `a membership change did not end within ${patience} ms`);
    const members = leader()?.membership?.servers;
    for (const server of this.servers) if (members?.has(server.id) !== true) server.retire();
  }

  get #participants(): readonly NodeServer[] {
    return this.servers.filter(({ participates }) => participates);
  }

  get #statuses(): {
    readonly id: ServerId;
    readonly last: number;
    readonly committed: number;
    readonly applied: number;
  }[] {
    return this.#participants.map(({ id, node }) => {
      const { last = 0, committed = 0, applied = 0 } = node?.status() ?? {};
      return { id, last, committed, applied };
    });
  }

  get #agree(): boolean {
    const [first, ...others] = this.#statuses;
    const { last = 0 } = first ?? {};
    return last > 0 && [first, ...others].every((s) => s?.last === last && s.committed === last && s.applied === last);
  }

  // ---- time

  /**
   * Advances time by `span`, or until a condition is true. Returns false if the condition is still
   * false at the end. Awaits all promises that can settle after each event.
   */
  readonly #elapse: Elapse = async (span, condition) => {
    const until = this.schedule.now + span;
    await this.#settle();
    while (condition?.() !== true) {
      if (!this.schedule.step(until)) return condition === undefined;
      await this.#settle();
    }
    return true;
  };

  async #settle(): Promise<void> {
    await drainPromises();
    const { violation } = this.checks.invariants;
    if (violation !== undefined) throw violation;
  }
}

/**
 * Runs the full world of one seed, a cluster of one to seven `RaftNode`s. Their log and snapshot
 * stores are on simulated disks, and the nodes exchange encoded frames. Clients send requests, and
 * their histories must be linearizable. Like the fast world (`runFastWorld`), the full world is a
 * repeatable simulation on virtual time, with faults that end after `seconds`. It is slower, but
 * also tests the node and its stores.
 *
 * All promises settle between two events (`drainPromises`), so real time has no influence.
 */
export async function runFullWorld(seed: number, options: FullWorldOptions): Promise<Outcome> {
  const world = new World(seed, options);
  let violation: Violation | undefined;
  try {
    await world.run();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
    options.trace?.(world.schedule.now, error.message);
  }
  const { schedule, mix, digest: hash, counts } = world;
  return { seed, mix, hash, events: schedule.planned, elapsed: schedule.now, counts, violation };
}

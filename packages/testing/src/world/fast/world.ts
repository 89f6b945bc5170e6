import {
  membershipOf,
  type MembershipEntry,
  type Message,
  type ServerId,
  type ServerInfo,
  type StoreId,
} from '@kontiki/core';
import { LEVEL, type Report } from '@kontiki/core/protocol';
import { Random } from '../../random.js';
import { SPARES } from '../churn.js';
import type { Counts } from '../counts.js';
import { latestLogTime } from '../drift.js';
import { InvariantChecker } from '../invariant-checker.js';
import { Bounds } from './bounds.js';
import { Checks } from './checks.js';
import { Copies } from './copies.js';
import { ModelDisk } from './disk.js';
import { checkLeases } from './lease-reads.js';
import { Faults } from '../faults.js';
import { MAX_LEVEL } from '../levels.js';
import { isQuorum } from '../memberships.js';
import { drawMix, type Mix } from '../mix.js';
import { ModelNetwork } from '../network.js';
import type { Outcome, WorldOptions } from '../outcome.js';
import { Schedule } from '../schedule.js';
import { ModelServer } from './server.js';
import { INVARIANTS, Violation } from '../violation.js';

/** The fast world of one seed. See `runFastWorld`. */
class World {
  readonly schedule = new Schedule();
  readonly mix: Mix;
  readonly bounds: Bounds;
  readonly checks: Checks;
  readonly copies: Copies = new Copies(
    () => this.servers,
    () => this.counts,
  );
  readonly network: ModelNetwork<Message>;
  readonly random: Random;
  readonly servers: readonly ModelServer[];
  readonly first: MembershipEntry;
  readonly trace: ((text: string) => void) | undefined;
  healed = false;
  readonly #clients: Random;
  readonly #forwarders: Random;
  readonly #leaseReaders: Random;
  readonly #faults: Faults;
  #hash = 0x811c9dc5;
  /** Whether clients still send commands. */
  writing = true;
  #commands = 0;

  constructor(seed: number, options: WorldOptions) {
    const { trace, invariants = INVARIANTS } = options;
    this.mix = drawMix(seed, options, 'rafts');
    this.random = new Random(seed, 'servers');
    this.#clients = new Random(seed, 'clients');
    this.#forwarders = new Random(seed, 'forwarders');
    this.#leaseReaders = new Random(seed, 'lease readers');
    this.trace = trace && ((text): void => trace(this.schedule.now, text));
    const checker = new InvariantChecker(new Set(invariants));
    this.bounds = new Bounds(checker, this.mix, () => this.schedule.now);
    this.checks = new Checks(
      checker,
      (_id, index, term) => this.#isOnQuorum(index, term),
      latestLogTime(this.schedule, this.mix),
      (id) => {
        checkLeases(this.checks, this.servers);
        this.#faults.onElected(this.#server(id));
      },
    );
    const { servers, strength } = this.mix;
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const ids = all.slice(0, strength.churn > 0 ? servers + SPARES : servers);
    this.network = new ModelNetwork(this.schedule, new Random(seed, 'network'), this.mix, ids, (from, to, message) => {
      this.trace?.(`${to} ← ${from}: ${describe(message)}`);
      this.hash(message.term);
      this.#server(to).receive(from, message);
    });
    this.first = firstEntry(ids.slice(0, servers), this.mix.founding, strength.levels > 0 ? 1 : LEVEL);
    const levels = new Random(seed, 'levels');
    this.servers = ids.map((id) => {
      const disk = new ModelDisk(this.schedule, new Random(seed, `disk ${id}`), this.mix);
      if (this.first.membership.servers.has(id)) disk.bootstrap(this.first);
      return new ModelServer(id, disk, strength.levels > 0 ? levels.pick([1, 2, 2, MAX_LEVEL]) : LEVEL, this);
    });
    this.#faults = new Faults(this, new Random(seed, 'faults'));
  }

  readonly hash = (value: number): void => {
    this.#hash = Math.imul(this.#hash ^ value ^ (this.schedule.now * 1_000), 0x01000193);
  };

  readonly checkReports = ({ id, disk }: Pick<ModelServer, 'id' | 'disk'>, reports: readonly Report[]): void => {
    if (!reports.some((report) => report.kind === 'steppedDown' && report.reason === 'diskFull')) return;
    const since = disk.fullSince ?? Infinity;
    const others = this.servers.filter((other) => other.id !== id);
    // A leader counts only reports of free space that arrive after its own disk became full.
    // Another server may have sent such a report before its disk also became full, so it counts as
    // a server with room.
    const hadRoom = others.filter(({ disk: { fullSince } }) => fullSince === undefined || fullSince > since);
    this.checks.check(
      'fullClustersLead',
      hadRoom.length * 2 > this.mix.servers,
      () => `${id} steps down because its disk is full, although no quorum of others has room`,
    );
  };

  get counts(): Counts {
    return this.checks.counts;
  }

  get digest(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  run(): void {
    this.trace?.(JSON.stringify(this.mix));
    for (const server of this.servers) server.start();
    this.#faults.start();
    this.#write();
    this.#read();
    if (this.mix.strength.leases > 0) this.#readByLease();
    this.#elapse(this.mix.seconds * 1_000);
    this.#heal();
  }

  // ---- after the faults

  /**
   * Ends all faults. Checks that the cluster then elects a leader, acknowledges a write, converges,
   * and sends only heartbeats.
   */
  #heal(): void {
    const { election, heartbeat } = this.mix.timings;
    // Allow ten election timeouts, each of which is drawn between T and 2T.
    const patience = 10 * 2 * election;
    this.trace?.('all faults end');
    this.healed = true;
    this.#faults.end();
    this.copies.stop();
    this.network.heal();
    for (const server of this.servers) {
      server.disk.heal();
      server.resume();
      if (this.mix.strength.levels > 0) {
        server.crash('kill');
        server.install(MAX_LEVEL);
      }
      server.start();
    }
    if (this.mix.strength.fullDisks > 0) this.#leadWithFullDisks(patience);
    for (const server of this.servers) server.setFull(false);
    const led = this.#elapse(patience, () => this.#leader !== undefined);
    this.checks.check('recovers', led, () => `no leader within ${patience} ms after the faults ended`);
    const { acknowledged } = this.checks.counts;
    // In some worlds, only one entry is sent per round trip, and thousands of entries may precede
    // the write.
    const states = this.#states;
    const ends = states.map(({ lastIndex }) => lastIndex);
    const backlog = Math.max(...ends) - Math.min(...ends, ...states.map(({ committed }) => committed));
    const longer = patience + 10 * backlog;
    const wrote = this.#elapse(longer, () => this.checks.counts.acknowledged > acknowledged);
    this.checks.check('recovers', wrote, () => `no acknowledged write within ${longer} ms after a leader was elected`);
    this.writing = false;
    if (this.mix.strength.churn > 0) this.#stopRemoved(longer);
    const agree = this.#elapse(60_000, () => this.#agree);
    this.checks.check('converges', agree, () => `the servers do not converge: ${JSON.stringify(this.#states)}`);
    this.#elapse(patience);
    this.#allSettled();
    this.#isQuiet(10 * heartbeat);
    this.#readAfterLeader(patience);
  }

  /** Fills all disks, kills the leader and checks that the cluster still elects a leader. */
  #leadWithFullDisks(patience: number): void {
    for (const server of this.servers) server.setFull(true);
    const leader = this.#leader;
    leader?.crash('kill');
    leader?.start();
    const led = this.#elapse(2 * patience, () => this.#leader !== undefined);
    this.checks.check('fullClustersLead', led, () => `no leader within ${2 * patience} ms while all disks are full`);
  }

  /**
   * Waits until the last membership change is complete. Then stops all servers that are not
   * members, as an operator would.
   */
  #stopRemoved(patience: number): void {
    const settled = (): boolean => {
      const leader = this.#leader;
      const log = leader?.raft?.log;
      if (leader === undefined || log?.membership === undefined) return false;
      return log.membershipIndex <= log.committed && log.membership.voters.includes(leader.id);
    };
    // Messages to removed servers stop within a few election timeouts.
    this.#elapse(5 * this.mix.timings.election);
    const done = this.#elapse(patience, settled);
    this.checks.check('recovers', done, () => `a membership change did not end within ${patience} ms`);
    const members = this.#leader?.membership?.servers;
    for (const server of this.servers) {
      if (members?.has(server.id) !== true) server.retire();
    }
  }

  /**
   * Returns whether an entry is durable on a quorum of a membership that a server uses, or used
   * before its latest change. Different servers may use different memberships.
   */
  #isOnQuorum(index: number, term: number): boolean {
    return this.servers.some((server) =>
      server.memberships.some(({ membership }) => {
        const storeOf = (id: ServerId): StoreId | undefined =>
          membership.founded ? membership.servers.get(id)?.store : undefined;
        return isQuorum(membership, (id) => this.#server(id).disk.counts(index, term, storeOf(id)));
      }),
    );
  }

  get #alive(): readonly ModelServer[] {
    return this.servers.filter(({ participates }) => participates);
  }

  get #states(): { lastIndex: number; committed: number; applied: number }[] {
    return this.#alive.map(({ raft, applied }) => {
      const { lastIndex = 0, committed = 0 } = raft?.log ?? {};
      return { lastIndex, committed, applied };
    });
  }

  get #agree(): boolean {
    const states = this.#states;
    const last = states[0]?.lastIndex;
    return states.every((s) => s.lastIndex === last && s.committed === last && s.applied === last);
  }

  #allSettled(): void {
    for (const { id, reads, leaseReads, proposals, applied } of this.#alive) {
      const waiting = reads.count + leaseReads.count;
      this.checks.check('callsSettle', waiting === 0, () => `${waiting} reads at ${id} got no answer`);
      const settled = proposals.first > applied;
      this.checks.check(
        'callsSettle',
        settled,
        () => `the proposal of entry ${proposals.first} at ${id} got no outcome`,
      );
    }
  }

  /**
   * Checks that, while there are no requests, the servers send only heartbeats and replies to them.
   */
  #isQuiet(span: number): void {
    const { sent } = this.network;
    const turns = this.servers.map((server) => server.turns);
    this.#elapse(span);
    const beats = Math.ceil(span / this.mix.timings.heartbeat) + 2;
    const peers = (this.mix.strength.churn > 0 ? this.#alive.length : this.mix.servers) - 1;
    const messages = this.network.sent - sent;
    this.checks.check(
      'isQuiet',
      messages <= 2 * beats * peers,
      () => `${messages} messages were sent without requests`,
    );
    this.servers.forEach(({ id, turns: now }, i) => {
      const woken = now - (turns[i] ?? 0);
      this.checks.check('isQuiet', woken <= beats * (peers + 3), () => `${id} woke ${woken} times without requests`);
    });
  }

  /**
   * Checks that a new leader serves reads without new writes. It must commit an entry of its own
   * term first.
   */
  #readAfterLeader(patience: number): void {
    const leader = this.#leader;
    leader?.crash('kill');
    leader?.start();
    for (const server of this.#alive) server.read();
    const served = this.#elapse(patience, () => this.#alive.every(({ reads }) => reads.count === 0));
    this.checks.check(
      'recovers',
      served,
      () => `reads got no answer within ${patience} ms after the leader was killed`,
    );
  }

  get #leader(): ModelServer | undefined {
    return this.servers.find(({ leads }) => leads);
  }

  // ---- clients

  /**
   * Proposes commands, mostly to a server that considers itself the leader, even if it has been
   * deposed. Other servers forward commands to the leader.
   */
  #write(): void {
    this.schedule.after(this.#clients.between(0, 2 * this.mix.writeEvery), () => {
      if (!this.writing) return;
      this.#write();
      const leaders = this.servers.filter(({ leads }) => leads);
      const forwards = this.#forwarders.chance(0.2);
      if (forwards) this.#forwarders.pick(this.#alive).propose(this.#command());
      else if (leaders.length > 0) this.#clients.pick(leaders).propose(this.#command());
    });
  }

  #read(): void {
    this.schedule.after(this.#clients.between(0, 2 * this.mix.readEvery), () => {
      if (!this.writing) return;
      this.#read();
      const server = this.#clients.pick(this.servers);
      // Let a limited number of reads queue up while there is no leader.
      if (server.participates && server.reads.count < 100) server.read();
    });
  }

  /** Sends lease reads to all servers that consider themselves leaders. */
  #readByLease(): void {
    this.schedule.after(this.#leaseReaders.between(0, this.mix.timings.election / 2), () => {
      if (!this.writing) return;
      this.#readByLease();
      checkLeases(this.checks, this.servers);
      for (const server of this.servers) if (server.leads && server.leaseReads.count < 100) server.readByLease();
    });
  }

  #command(): Uint8Array {
    const data = new Uint8Array(4 + this.#clients.below(this.mix.commandBytes - 3));
    new DataView(data.buffer).setUint32(0, (this.#commands += 1));
    return data;
  }

  // ---- time

  /**
   * Advances time by `span`, or until a condition is true. Returns false if the condition is still
   * false at the end.
   */
  #elapse(span: number, condition?: () => boolean): boolean {
    const until = this.schedule.now + span;
    while (condition?.() !== true) if (!this.schedule.step(until)) return condition === undefined;
    return true;
  }

  #server(id: ServerId): ModelServer {
    return this.servers.find((server) => server.id === id) as ModelServer;
  }
}

function firstEntry(ids: readonly ServerId[], founding: boolean, level: number): MembershipEntry {
  const infos = ids.map((id): [ServerId, ServerInfo] => [id, { address: `simulated:${id}`, metadata: '' }]);
  const founded = membershipOf(infos, [], level);
  const membership = { ...founded, founded: !founding || ids.length === 1 };
  return { kind: 'membership', index: 1, term: 1, membership };
}

function describe(message: object): string {
  const { kind, incarnation: _i, to: _to, entries, ...rest } = message as Record<string, unknown>;
  const carried = Array.isArray(entries) ? [`entries ${entries.length}`] : [];
  return [kind, ...Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`), ...carried].join(
    ' ',
  );
}

/**
 * Runs the fast world of one seed. A world is a simulation of a cluster on virtual time. It draws
 * its conditions (`Mix`) and all events from the seed, and checks invariants after every event. The
 * same seed always gives the same execution.
 *
 * The fast world has one to seven pure `Raft`s on model disks and a model network, which inject the
 * faults of real ones. Servers crash, pause and lose their disks. After `seconds`, all faults end
 * and the cluster must recover. The run stops at the first broken invariant and returns it.
 */
export function runFastWorld(seed: number, options: WorldOptions = {}): Outcome {
  const world = new World(seed, options);
  let violation: Violation | undefined;
  try {
    world.run();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
    options.trace?.(world.schedule.now, error.message);
  }
  const { schedule, mix, digest: hash, checks } = world;
  for (const { disk } of world.servers) checks.counts.lostWrites += disk.lostWrites;
  return { seed, mix, hash, events: schedule.planned, elapsed: schedule.now, counts: checks.counts, violation };
}

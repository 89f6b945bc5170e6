import {
  membershipOf,
  type Entry,
  type Limits,
  type Membership,
  type Message,
  type Position,
  type ServerId,
  type Timings,
} from '@kontiki/core';
import { defaultLimits, RawNode, type ProposalRefusal, type Raft } from '@kontiki/core/protocol';
import { Random } from '../random.js';
import { Checks } from '../world/fast/checks.js';
import { InvariantChecker } from '../world/invariant-checker.js';
import { readAs } from '../world/levels.js';
import { isQuorum } from '../world/memberships.js';
import { command } from './command.js';
import type { ScenarioDisk } from './disk.js';
import { INVARIANTS } from './invariants.js';
import { matches, ScenarioNetwork, type Envelope, type MessageFilter } from './network.js';
import type { ScenarioOptions } from './options.js';
import { ScenarioServer } from './server.js';

const encoder = new TextEncoder();

/**
 * The servers of a scenario, their disks, and the network links between them. An event happens only
 * when the test requests it.
 */
export class ScenarioCluster {
  readonly timings: Timings;
  readonly servers: ReadonlyMap<ServerId, ScenarioServer>;
  readonly #first: Entry;
  readonly #limits: Limits;
  readonly #levels: Map<ServerId, number>;
  readonly #random: () => number;
  readonly #hasStores: boolean;
  readonly #checks: Checks;
  protected readonly network: ScenarioNetwork = new ScenarioNetwork();
  protected readonly stalled: Set<ServerId> = new Set();
  protected readonly paused: Set<ServerId> = new Set();
  #now = 0;
  #lives = 0;
  /**
   * The highest commit index in a forged message. Entries up to this index count as durable on a
   * quorum.
   */
  #forgedCommit = 0;

  constructor(ids: readonly ServerId[], options: ScenarioOptions = {}) {
    const { seed = 1, timings = { heartbeat: 50, election: 200 }, limits } = options;
    const { membership = membershipOf(ids.map((id) => [id, { address: `memory:${id}`, metadata: '' }])) } = options;
    this.#first = { kind: 'membership', index: 1, term: 1, membership };
    this.timings = timings;
    this.#limits = { ...defaultLimits, ...limits };
    this.#levels = new Map(Object.entries(options.levels ?? {}));
    this.#random = new Random(seed).next;
    this.#hasStores = options.stores === true;
    this.#checks = new Checks(
      new InvariantChecker(new Set(INVARIANTS)),
      (id, index, term) =>
        index <= this.#forgedCommit ||
        isQuorum(this.raft(id).log.membership as Membership, (at) => this.server(at).disk.holds(index, term)),
      () => Infinity,
      () => {},
    );
    this.servers = new Map(ids.map((id) => [id, new ScenarioServer(id, this.#checks, this.network)]));
    for (const { id, disk } of this.servers.values()) {
      if (!membership.servers.has(id)) continue;
      this.#bootstrap(disk);
    }
    for (const id of ids) this.start(id);
  }

  // ---- state

  server(id: ServerId): ScenarioServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`no server ${id}`);
    return server;
  }

  raft(id: ServerId): Raft {
    return this.server(id).raft;
  }

  /** The running servers that consider themselves leaders. */
  get leaders(): ServerId[] {
    return [...this.servers.values()].filter((s) => s.up && s.raft.role === 'leader').map(({ id }) => id);
  }

  /** Returns the term of each entry on a server's disk. */
  terms(id: ServerId): number[] {
    return this.server(id).disk.entries.map(({ term }) => term);
  }

  /** The messages in flight, oldest first. */
  get underWay(): readonly Envelope[] {
    return this.network.underWay;
  }

  /** All messages sent so far, in order. */
  get sent(): readonly Envelope[] {
    return this.network.sent;
  }

  /** Milliseconds since the start of the scenario. */
  get now(): number {
    return this.#now;
  }

  // ---- servers

  /**
   * Starts a server from its disk, with a version that reads up to `level` (default: the server's
   * last version). Crashes the server first if it is running.
   */
  start(id: ServerId, level?: number): void {
    const server = this.server(id);
    if (server.up) this.crash(id);
    if (level !== undefined) this.#levels.set(id, level);
    this.#lives += 1;
    const incarnation = this.#lives;
    const { timings } = this;
    const { disk } = server;
    if (this.#hasStores) disk.life = { id: disk.life?.id ?? incarnation, starts: (disk.life?.starts ?? 0) + 1 };
    const { life } = disk;
    const log = disk.open();
    const [limits, random, now] = [this.#limits, this.#random, this.#now];
    const raw = new RawNode({
      id,
      incarnation,
      timings,
      limits,
      random,
      now,
      wallOffset: server.wallOffset,
      log,
      life,
      applied: 0,
      level: this.#levels.get(id),
    });
    server.start(raw, incarnation, now);
  }

  /**
   * Restarts a server with a handwritten log. The log contains the initial membership and one
   * command per given term.
   */
  startWith(id: ServerId, terms: readonly number[], term: number = Math.max(1, ...terms)): void {
    const { disk } = this.server(id);
    this.crash(id);
    disk.entries = [this.#first, ...terms.map((of, i) => command(i + 2, of))];
    disk.ballot = { term, votedFor: undefined };
    disk.committed = 1;
    this.start(id);
  }

  /** Crashes a server. Only the oldest `keep` of its writes in progress survive. */
  crash(id: ServerId, keep = 0): void {
    const server = this.server(id);
    server.disk.crash(keep);
    server.stop();
    this.paused.delete(id);
  }

  /** Crashes a server and empties its disk. */
  wipe(id: ServerId): void {
    this.crash(id);
    this.server(id).disk.wipe();
    this.#checks.wiped(this.server(id));
  }

  /**
   * Bootstraps a server again after it has lost its disk, as a careless operator would, and starts
   * it.
   */
  bootstrapAgain(id: ServerId): void {
    this.#bootstrap(this.server(id).disk);
    this.start(id);
  }

  #bootstrap(disk: ScenarioDisk): void {
    disk.entries = [this.#first];
    disk.committed = 1;
  }

  /**
   * Pauses a server's process, as SIGSTOP would. Messages to the server wait, and its timers fire
   * late.
   */
  pause(id: ServerId): void {
    this.paused.add(id);
  }

  resume(id: ServerId): void {
    this.paused.delete(id);
  }

  // ---- disks

  /** Prevents `settle` from finishing a server's writes until `unstall` is called. */
  stall(id: ServerId): void {
    this.stalled.add(id);
  }

  unstall(id: ServerId): void {
    this.stalled.delete(id);
  }

  /** Finishes a server's oldest write. Returns false if no write is in progress. */
  write(id: ServerId): boolean {
    return this.server(id).write(this.#now);
  }

  /** Finishes all of a server's writes. */
  writeAll(id: ServerId): void {
    while (this.write(id));
  }

  /**
   * Answers a server's oldest request for entries that were evicted from memory. Returns false if
   * there is no request.
   */
  readPage(id: ServerId): boolean {
    return this.server(id).readPage(this.#now);
  }

  // ---- the network

  /** Cuts the link from one server to another. Messages sent over a cut link are lost. */
  cut(from: ServerId, to: ServerId): void {
    this.network.cut(from, to);
  }

  /** Cuts the links between a server and all other servers, in both directions. */
  isolate(id: ServerId): void {
    for (const other of this.servers.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  /** Cuts all links except those within each group. */
  partition(...groups: readonly (readonly ServerId[])[]): void {
    this.connect(...groups.flatMap((group) => group.flatMap((a) => group.map((b) => [a, b] as const))));
  }

  /** Cuts all links except those between the given pairs, in both directions. */
  connect(...pairs: readonly (readonly [ServerId, ServerId])[]): void {
    for (const id of this.servers.keys()) this.isolate(id);
    for (const [a, b] of pairs) {
      this.network.join(a, b);
      this.network.join(b, a);
    }
  }

  /** Restores all links. */
  heal(): void {
    this.network.heal();
  }

  /** Delivers all matching messages, oldest first, even over cut links. */
  deliver(filter: MessageFilter = {}): void {
    for (const envelope of this.network.take(filter)) this.arrive(envelope);
  }

  /** Drops matching messages. */
  drop(filter: MessageFilter = {}): void {
    this.network.take(filter);
  }

  /** Appends a copy of each matching message to the messages in flight. */
  duplicate(filter: MessageFilter = {}): void {
    this.release(this.network.underWay.filter((envelope) => matches(filter, envelope)));
  }

  /**
   * Removes matching messages from the network and returns them, so that the test can pass them to
   * `release` later.
   */
  hold(filter: MessageFilter = {}): Envelope[] {
    return this.network.take(filter);
  }

  /** Adds messages to the end of the messages in flight. */
  release(envelopes: readonly Envelope[]): void {
    this.network.underWay.push(...envelopes);
  }

  /**
   * Delivers a message that no server sent. The checks trust its commit index, even if the disks
   * contradict it.
   */
  forge(from: ServerId, to: ServerId, message: Message): void {
    if ('committed' in message) this.#forgedCommit = Math.max(this.#forgedCommit, message.committed);
    this.arrive({ from, to, message });
  }

  // ---- callers

  /** Proposes a command. Returns the command's position, or the reason for the refusal. */
  propose(id: ServerId, text: string): Position | ProposalRefusal {
    return this.feed(id, (raft) => {
      const outcome = raft.propose(encoder.encode(text));
      if (typeof outcome === 'object') this.server(id).proposals.add(outcome);
      return outcome;
    });
  }

  /** Starts a linearizable read. Returns the read's number. */
  read(id: ServerId): number {
    return this.feed(id, (raft) => {
      const ticket = raft.read();
      this.server(id).reads.add(ticket);
      return ticket;
    });
  }

  /**
   * Returns the index that must be applied before a read can be served, or undefined if the read is
   * not confirmed yet.
   */
  answer(id: ServerId, ticket: number): number | undefined {
    for (const [upTo, index] of this.server(id).answers) if (upTo >= ticket) return index;
    return undefined;
  }

  /** Runs `input` on a server's `Raft` within a turn. Returns the result of `input`. */
  feed<T>(id: ServerId, input: (raft: Raft) => T): T {
    let result: { readonly value: T } | undefined;
    this.#running(id).turn(this.#now, { timers: 'skip', propose: (raft) => (result = { value: input(raft) }) });
    return (result as unknown as { readonly value: T }).value;
  }

  // ---- time

  /**
   * Makes a server check its timers. If `late` is true, the server acts as if its process had just
   * stalled.
   */
  tick(id: ServerId, late = false): void {
    this.#running(id).turn(this.#now, { timers: late ? 'late' : 'onTime' });
  }

  /**
   * Runs one turn of a server as a node would. The server determines whether its timers are late.
   */
  turn(id: ServerId): void {
    this.#running(id).turn(this.#now, { timers: 'auto' });
  }

  /** Moves a server to a higher term without a leader, by forging a rejected vote reply. */
  raiseTerm(id: ServerId, term: number): void {
    const { incarnation: to } = this.server(id);
    this.forge(id, id, { kind: 'voteReply', term, incarnation: to, to, granted: false });
  }

  /** Advances time without checking timers. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** Makes a server campaign as if its election timer had fired. */
  campaign(id: ServerId): void {
    this.feed(id, (raft) => raft.campaign());
  }

  /** Makes a server a candidate in a new term, by forging pre-votes from the other servers. */
  makeCandidate(id: ServerId): void {
    this.campaign(id);
    const { incarnation: to } = this.server(id);
    const { term } = this.raft(id).ballot;
    for (const other of this.servers.keys()) {
      if (other === id || this.raft(id).role !== 'preCandidate') continue;
      this.forge(other, id, { kind: 'preVoteReply', term, incarnation: 1, to, candidacy: term + 1, granted: true });
    }
  }

  protected arrive({ from, to, message }: Envelope): void {
    const server = this.server(to);
    if (!server.up) return;
    server.raw.receive(from, readAs(server.raft.level, message));
    server.turn(this.#now, { timers: 'skip' });
  }

  #running(id: ServerId): ScenarioServer {
    const server = this.server(id);
    if (!server.up) throw new Error(`${id} is down`);
    return server;
  }
}

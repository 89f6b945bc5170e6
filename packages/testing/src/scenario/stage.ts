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
import { Judge } from '../world/judge.js';
import { isQuorum } from '../world/memberships.js';
import { command } from './command.js';
import { INVARIANTS } from './invariants.js';
import { isMeant, ScenarioNet, type Flight, type Which } from './net.js';
import type { ScenarioOptions } from './options.js';
import { ScenarioServer } from './server.js';

const encoder = new TextEncoder();

/** The servers of a scenario, their disks and the links between them. Nothing on it moves by itself. */
export class Stage {
  readonly timings: Timings;
  readonly servers: ReadonlyMap<ServerId, ScenarioServer>;
  readonly #first: Entry;
  readonly #limits: Limits;
  readonly #random: () => number;
  readonly #checks: Checks;
  protected readonly net: ScenarioNet = new ScenarioNet();
  protected readonly stalled: Set<ServerId> = new Set();
  protected readonly paused: Set<ServerId> = new Set();
  #now = 0;
  #lives = 0;
  /** Up to here a message that no server has sent says that it is committed. */
  #claimed = 0;

  constructor(ids: readonly ServerId[], options: ScenarioOptions = {}) {
    const { seed = 1, timings = { heartbeat: 50, election: 200 }, limits } = options;
    const { membership = membershipOf(ids.map((id) => [id, { address: `memory:${id}`, metadata: '' }])) } = options;
    this.#first = { kind: 'membership', index: 1, term: 1, membership };
    this.timings = timings;
    this.#limits = { ...defaultLimits, ...limits };
    this.#random = new Random(seed).next;
    this.#checks = new Checks(
      new Judge(new Set(INVARIANTS)),
      (id, index, term) =>
        index <= this.#claimed ||
        isQuorum(this.raft(id).log.membership as Membership, (at) => this.server(at).disk.holds(index, term)),
      () => {},
    );
    this.servers = new Map(ids.map((id) => [id, new ScenarioServer(id, this.#checks, this.net)]));
    for (const { id, disk } of this.servers.values()) {
      if (!membership.servers.has(id)) continue;
      disk.entries = [this.#first];
      disk.committed = 1;
    }
    for (const id of ids) this.start(id);
  }

  // ---- what there is to see

  server(id: ServerId): ScenarioServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`no server ${id}`);
    return server;
  }

  raft(id: ServerId): Raft {
    return this.server(id).raft;
  }

  /** Who leads, as they think. */
  get leaders(): ServerId[] {
    return [...this.servers.values()].filter((s) => s.up && s.raft.role === 'leader').map(({ id }) => id);
  }

  /** The terms of the entries on a server's disk. */
  terms(id: ServerId): number[] {
    return this.server(id).disk.entries.map(({ term }) => term);
  }

  /** The messages under way, oldest first. */
  get underWay(): readonly Flight[] {
    return this.net.underWay;
  }

  /** Every message that ever left a server, in order. */
  get sent(): readonly Flight[] {
    return this.net.sent;
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now;
  }

  // ---- servers

  /** Starts a server from what its disk holds; one that is up crashes before. */
  start(id: ServerId): void {
    const server = this.server(id);
    if (server.up) this.crash(id);
    this.#lives += 1;
    const incarnation = this.#lives;
    const { timings } = this;
    const log = server.disk.open();
    const [limits, random, now] = [this.#limits, this.#random, this.#now];
    server.start(new RawNode({ id, incarnation, timings, limits, random, now, log, applied: 0 }), incarnation, now);
  }

  /** Starts a server from a log that is written by hand: behind the bootstrapped membership, commands of these terms. */
  startWith(id: ServerId, terms: readonly number[], term: number = Math.max(1, ...terms)): void {
    const { disk } = this.server(id);
    this.crash(id);
    disk.entries = [this.#first, ...terms.map((of, i) => command(i + 2, of))];
    disk.ballot = { term, votedFor: undefined };
    disk.committed = 1;
    this.start(id);
  }

  /** Loses what is not durable; of the writes under way the oldest `keep` are. */
  crash(id: ServerId, keep = 0): void {
    const server = this.server(id);
    server.disk.crash(keep);
    server.stop();
    this.paused.delete(id);
  }

  /** Crashes and loses its disk. */
  wipe(id: ServerId): void {
    this.crash(id);
    this.server(id).disk.wipe();
    this.#checks.wiped(this.server(id));
  }

  /** The process stands still (SIGSTOP): what comes for it waits, its timers fire late. */
  pause(id: ServerId): void {
    this.paused.add(id);
  }

  resume(id: ServerId): void {
    this.paused.delete(id);
  }

  // ---- disks

  /** The disk finishes nothing by itself, until `unstall`. */
  stall(id: ServerId): void {
    this.stalled.add(id);
  }

  unstall(id: ServerId): void {
    this.stalled.delete(id);
  }

  /** Finishes the oldest write of a server; false when none is under way. */
  write(id: ServerId): boolean {
    return this.server(id).write(this.#now);
  }

  /** Finishes all writes of a server. */
  writeAll(id: ServerId): void {
    while (this.write(id));
  }

  /** Answers a server's oldest request for entries that have left its memory; false when there is none. */
  readPage(id: ServerId): boolean {
    return this.server(id).readPage(this.#now);
  }

  // ---- the network

  /** Messages of one direction are lost from now on. */
  cut(from: ServerId, to: ServerId): void {
    this.net.cut(from, to);
  }

  /** Cuts a server off from all others, both ways. */
  isolate(id: ServerId): void {
    for (const other of this.servers.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  /** Splits the cluster: messages pass within each group only. */
  partition(...groups: readonly (readonly ServerId[])[]): void {
    this.connect(...groups.flatMap((group) => group.flatMap((a) => group.map((b) => [a, b] as const))));
  }

  /** Messages pass between these pairs only, both ways. */
  connect(...pairs: readonly (readonly [ServerId, ServerId])[]): void {
    for (const id of this.servers.keys()) this.isolate(id);
    for (const [a, b] of pairs) {
      this.net.join(a, b);
      this.net.join(b, a);
    }
  }

  heal(): void {
    this.net.heal();
  }

  /** Hands over the messages under way that are meant, oldest first, also across cuts. */
  deliver(which: Which = {}): void {
    for (const flight of this.net.take(which)) this.arrive(flight);
  }

  drop(which: Which = {}): void {
    this.net.take(which);
  }

  /** Puts a copy of each behind the messages under way. */
  duplicate(which: Which = {}): void {
    this.release(this.net.underWay.filter((flight) => isMeant(which, flight)));
  }

  /** Takes messages off the net, to `release` them later. */
  hold(which: Which = {}): Flight[] {
    return this.net.take(which);
  }

  /** Puts messages back on the net, behind the others. */
  release(flights: readonly Flight[]): void {
    this.net.underWay.push(...flights);
  }

  /** A message that no server has sent. What it says is committed is believed, whatever the disks hold. */
  forge(from: ServerId, to: ServerId, message: Message): void {
    if ('committed' in message) this.#claimed = Math.max(this.#claimed, message.committed);
    this.arrive({ from, to, message });
  }

  // ---- callers

  propose(id: ServerId, text: string): Position | ProposalRefusal {
    return this.feed(id, (raft) => {
      const outcome = raft.propose(encoder.encode(text));
      if (typeof outcome === 'object') this.server(id).proposals.add(outcome);
      return outcome;
    });
  }

  /** A linearizable read begins. Returns its number. */
  read(id: ServerId): number {
    return this.feed(id, (raft) => {
      const ticket = raft.read();
      this.server(id).reads.add(ticket);
      return ticket;
    });
  }

  /** The index that a read sees at the least; undefined while it waits for an answer. */
  answer(id: ServerId, ticket: number): number | undefined {
    for (const [upTo, index] of this.server(id).answers) if (upTo >= ticket) return index;
    return undefined;
  }

  /** Any input to a server's `Raft`, and what comes of it. */
  feed<T>(id: ServerId, input: (raft: Raft) => T): T {
    let result: { readonly value: T } | undefined;
    this.#running(id).turn(this.#now, { timers: 'skip', propose: (raft) => (result = { value: input(raft) }) });
    return (result as unknown as { readonly value: T }).value;
  }

  // ---- time

  /** Checks a server's timers. `late`: its process was stalled, so that it checks them only now. */
  tick(id: ServerId, late = false): void {
    this.#running(id).turn(this.#now, { timers: late ? 'late' : 'onTime' });
  }

  /** Takes a server's turn as a node would: the server judges by itself whether it is late. */
  turn(id: ServerId): void {
    this.#running(id).turn(this.#now, { timers: 'auto' });
  }

  /** Makes a server follow a higher term without a leader, by a forged refusal of a vote. */
  raiseTerm(id: ServerId, term: number): void {
    const { incarnation: to } = this.server(id);
    this.forge(id, id, { kind: 'voteReply', term, incarnation: to, to, granted: false });
  }

  /** Time passes, and nobody looks at the timers. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** A server's election timer fires. */
  campaign(id: ServerId): void {
    this.feed(id, (raft) => raft.campaign());
  }

  /** Makes a server a candidate in a new term, by forged pre-votes of all others. */
  makeCandidate(id: ServerId): void {
    this.campaign(id);
    const { incarnation: to } = this.server(id);
    const { term } = this.raft(id).ballot;
    for (const other of this.servers.keys()) {
      if (other === id || this.raft(id).role !== 'preCandidate') continue;
      this.forge(other, id, { kind: 'preVoteReply', term, incarnation: 1, to, candidacy: term + 1, granted: true });
    }
  }

  protected arrive({ from, to, message }: Flight): void {
    const server = this.server(to);
    if (!server.up) return;
    server.raw.receive(from, message);
    server.turn(this.#now, { timers: 'skip' });
  }

  #running(id: ServerId): ScenarioServer {
    const server = this.server(id);
    if (!server.up) throw new Error(`${id} is down`);
    return server;
  }
}

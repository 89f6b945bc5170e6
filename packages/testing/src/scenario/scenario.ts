import { membershipOf, type Entry, type Limits, type Membership, type Message, type Position } from '@kontiki/core';
import type { ServerId, Timings } from '@kontiki/core';
import { defaultLimits, Raft, type Refusal } from '@kontiki/core/protocol';
import { Random } from '../random.js';
import { Checks } from '../world/fast/checks.js';
import { Judge } from '../world/judge.js';
import { isQuorum } from '../world/memberships.js';
import type { Invariant } from '../world/violation.js';
import { isMeant, ScenarioNet, type Flight, type Which } from './net.js';
import { ScenarioServer } from './server.js';

export interface ScenarioOptions {
  /** Draws the election timeouts. Default 1. */
  readonly seed?: number;
  /** Milliseconds. Default: a heartbeat of 50, elections of 200. */
  readonly timings?: Timings;
  /** Default: those of `RaftNode`. */
  readonly limits?: Partial<Limits>;
  /** What the servers in it are bootstrapped with; the others are blank. Default: all are voters. */
  readonly membership?: Membership;
}

/** What is looked at after each step. What bounds time and memory is not: a scenario moves both as it likes. */
const INVARIANTS: readonly Invariant[] = [
  'electionSafety',
  'leaderAppendOnly',
  'logMatching',
  'leaderCompleteness',
  'stateMachineSafety',
  'termsRise',
  'positionsRise',
  'commitIsDurable',
  'oneVoteATerm',
  'termIsDurable',
  'readsAreFresh',
];

/** Steps after which a cluster that was to come to rest has a storm of messages. */
const STORM = 100_000;

const encoder = new TextEncoder();

/** A command for a log that is written by hand: the same place and term, the same command. */
export function command(index: number, term: number, text = `${index}/${term}`): Entry {
  return { kind: 'command', index, term, data: encoder.encode(text) };
}

/**
 * A directed case: pure `Raft`s on virtual time, moved by hand. Nothing moves by itself: disks finish a write at `write`,
 * messages arrive at `deliver`, time passes at `skip` and `tick`; or `settle` and `elapse` do all of it in a fixed order.
 * Every step throws a `Violation` when it breaks an invariant, whatever the case itself is about.
 */
export class Scenario {
  readonly timings: Timings;
  readonly servers: ReadonlyMap<ServerId, ScenarioServer>;
  readonly #limits: Limits;
  readonly #random: () => number;
  readonly #checks: Checks;
  readonly #net = new ScenarioNet();
  readonly #stalled = new Set<ServerId>();
  readonly #paused = new Set<ServerId>();
  #now = 0;
  #lives = 0;
  /** Up to here a message that no server has sent says that it is committed. */
  #claimed = 0;

  constructor(ids: readonly ServerId[], options: ScenarioOptions = {}) {
    const { seed = 1, timings = { heartbeat: 50, election: 200 }, limits } = options;
    const { membership = membershipOf(ids.map((id) => [id, { address: `memory:${id}`, metadata: '' }])) } = options;
    this.timings = timings;
    this.#limits = { ...defaultLimits, ...limits };
    this.#random = new Random(seed).next;
    this.#checks = new Checks(
      new Judge(new Set(INVARIANTS)),
      (id, index, term) =>
        index <= this.#claimed || isQuorum(this.raft(id).membership, (at) => this.server(at).disk.holds(index, term)),
      () => {},
    );
    this.servers = new Map(ids.map((id) => [id, new ScenarioServer(id, this.#checks, this.#net)]));
    for (const { id, disk } of this.servers.values()) {
      if (!membership.servers.has(id)) continue;
      disk.entries = [{ kind: 'membership', index: 1, term: 1, membership }];
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
    return this.#net.underWay;
  }

  /** Every message that ever left a server, in order. */
  get sent(): readonly Flight[] {
    return this.#net.sent;
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now;
  }

  // ---- servers

  /** Starts a server from what its disk holds. */
  start(id: ServerId): void {
    const server = this.server(id);
    if (server.up) this.crash(id);
    this.#lives += 1;
    const incarnation = this.#lives;
    const { timings } = this;
    const log = server.disk.open();
    const [limits, random, now] = [this.#limits, this.#random, this.#now];
    server.start(new Raft({ id, incarnation, timings, limits, random, now, log, applied: 0 }), incarnation);
  }

  /** Starts a server from a log that is written by hand: behind the bootstrapped membership, commands of these terms. */
  startWith(id: ServerId, terms: readonly number[], term: number = Math.max(1, ...terms)): void {
    const { disk } = this.server(id);
    this.crash(id);
    disk.entries = [...disk.entries.slice(0, 1), ...terms.map((of, i) => command(i + 2, of))];
    disk.ballot = { term, votedFor: undefined };
    this.start(id);
  }

  /** Loses what is not durable; of the writes under way the oldest `keep` are. */
  crash(id: ServerId, keep = 0): void {
    const server = this.server(id);
    server.disk.crash(keep);
    server.stop();
    this.#paused.delete(id);
  }

  /** Crashes and loses its disk. */
  wipe(id: ServerId): void {
    this.crash(id);
    this.server(id).disk.wipe();
    this.#checks.wiped(this.server(id));
  }

  /** The process stands still (SIGSTOP): what comes for it waits, its timers fire late. */
  pause(id: ServerId): void {
    this.#paused.add(id);
  }

  resume(id: ServerId): void {
    this.#paused.delete(id);
  }

  // ---- disks

  /** The disk finishes nothing by itself, until `unstall`. */
  stall(id: ServerId): void {
    this.#stalled.add(id);
  }

  unstall(id: ServerId): void {
    this.#stalled.delete(id);
  }

  /** Finishes the oldest write of a server; false when none is under way. */
  write(id: ServerId): boolean {
    const server = this.server(id);
    server.raft.advance(this.#now);
    return server.write();
  }

  /** Finishes all writes of a server. */
  writeAll(id: ServerId): void {
    while (this.write(id));
  }

  // ---- the network

  /** Messages of one direction are lost from now on. */
  cut(from: ServerId, to: ServerId): void {
    this.#net.cut(from, to);
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
      this.#net.join(a, b);
      this.#net.join(b, a);
    }
  }

  heal(): void {
    this.#net.heal();
  }

  /** Hands over the messages under way that are meant, oldest first, also across cuts. */
  deliver(which: Which = {}): void {
    for (const flight of this.#net.take(which)) this.#arrive(flight);
  }

  drop(which: Which = {}): void {
    this.#net.take(which);
  }

  /** Puts a copy of each behind the messages under way. */
  duplicate(which: Which = {}): void {
    this.release(this.#net.underWay.filter((flight) => isMeant(which, flight)));
  }

  /** Takes messages off the net, to `release` them later. */
  hold(which: Which = {}): Flight[] {
    return this.#net.take(which);
  }

  /** Puts messages back on the net, behind the others. */
  release(flights: readonly Flight[]): void {
    this.#net.underWay.push(...flights);
  }

  /** A message that no server has sent. What it says is committed is believed, whatever the disks hold. */
  forge(from: ServerId, to: ServerId, message: Message): void {
    if ('committed' in message) this.#claimed = Math.max(this.#claimed, message.committed);
    this.#arrive({ from, to, message });
  }

  // ---- callers

  propose(id: ServerId, text: string): Position | Refusal {
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
    const server = this.server(id);
    server.raft.advance(this.#now);
    const result = input(server.raft);
    server.turn();
    return result;
  }

  // ---- time

  /** A server looks at its timers. `late`: it is its own fault that it does so only now. */
  tick(id: ServerId, late = false): void {
    this.feed(id, (raft) => raft.tick(late));
  }

  /** Time passes, and nobody looks at the timers. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** A server's election timer fires. */
  campaign(id: ServerId): void {
    this.feed(id, (raft) => raft.askForPreVotes());
  }

  /** A server campaigns until it leads, which it must be able to, without time passing; messages that `held` means stay under way. */
  elect(id: ServerId, held?: Which): void {
    this.settle(held);
    // A refusal may have to tell it of a higher term first.
    for (let attempt = 0; attempt < 3 && this.raft(id).role !== 'leader'; attempt += 1) {
      this.campaign(id);
      this.settle(held);
    }
    if (this.raft(id).role !== 'leader') throw new Error(`${id} is not elected`);
  }

  /** Lets disks and messages run until nothing moves, in order, without time passing; messages that `held` means stay under way. */
  settle(held: Which = () => false): void {
    for (let i = 0; i < STORM; i += 1) {
      let moved = false;
      for (const { id } of this.#running) {
        if (!this.#stalled.has(id)) while (this.write(id)) moved = true;
        while (this.#load(id)) moved = true;
      }
      const flight = this.#net.next(held, this.#paused);
      if (flight !== undefined) {
        if (this.#net.carries(flight)) this.#arrive(flight);
        moved = true;
      }
      if (!moved) return;
    }
    throw new Error('the cluster does not come to rest: a storm of messages');
  }

  /** Lets time pass, timer by timer, settling after each. */
  elapse(ms: number): void {
    const end = this.#now + ms;
    this.settle();
    for (;;) {
      const next = Math.min(...this.#running.map(({ raft }) => raft.wakeAt));
      if (next > end) break;
      this.#now = Math.max(this.#now, next);
      for (const { id, raft } of this.#running) {
        if (raft.wakeAt <= this.#now) this.tick(id, this.#now > raft.wakeAt + this.timings.heartbeat);
      }
      this.settle();
    }
    this.#now = end;
  }

  /** Lets time pass until a condition holds; fails after `limit` milliseconds, by default of 20 elections. */
  elapseUntil(condition: () => boolean, limit: number = 20 * this.timings.election): void {
    for (const end = this.#now + limit; !condition(); this.elapse(5)) {
      if (this.#now >= end) throw new Error(`the condition does not hold after ${limit} ms`);
    }
  }

  get #running(): ScenarioServer[] {
    return [...this.servers.values()].filter(({ id, up }) => up && !this.#paused.has(id));
  }

  #load(id: ServerId): boolean {
    const server = this.server(id);
    server.raft.advance(this.#now);
    return server.load();
  }

  #arrive({ from, to, message }: Flight): void {
    if (this.server(to).up) this.feed(to, (raft) => raft.step(from, message));
  }
}

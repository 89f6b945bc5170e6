import { entryBytes, membershipOf, type Ballot, type Entry, type Membership, type Message } from '@kontiki/core';
import { Random } from '@kontiki/testing';
import type { LogStart } from '../../src/log/raft-log.js';
import { Raft, type Refusal } from '../../src/protocol/raft.js';
import type { Load, Mail, Output, Report, Write } from '../../src/protocol/output.js';
import { defaultLimits, type Limits, type Timings } from '../../src/protocol/settings.js';

export const timings: Timings = { heartbeat: 50, election: 200 };

function members(...ids: string[]): Membership {
  return membershipOf(ids.map((id) => [id, { address: `memory:${id}`, metadata: '' }]));
}

export function command(index: number, term: number, text = `${index}/${term}`): Entry {
  return { kind: 'command', index, term, data: new TextEncoder().encode(text) };
}

/** What a server's disk holds: what a restart begins with. */
class Disk {
  ballot: Ballot | undefined;
  entries: Entry[] = [];
  committed = 0;

  write(write: Pick<Write, 'ballot' | 'entries' | 'committed'>): void {
    if (write.ballot !== undefined) this.ballot = write.ballot;
    const [first] = write.entries;
    if (first !== undefined) this.entries.splice(first.index - 1, Infinity, ...write.entries);
    this.committed = Math.max(this.committed, write.committed);
  }

  get state(): LogStart & { ballot: Ballot | undefined } {
    const { ballot, entries, committed } = this;
    return {
      ballot,
      committed,
      base: { index: 0, term: 0, membership: undefined },
      last: entries.length,
      terms: entries.filter((entry, i) => entry.term !== entries[i - 1]?.term),
      memberships: entries.flatMap((e) =>
        e.kind === 'membership' ? [{ index: e.index, membership: e.membership }] : [],
      ),
    };
  }

  load({ from, to, maxBytes }: Load): Entry[] {
    const page: Entry[] = [];
    let bytes = 0;
    for (const entry of this.entries.slice(from - 1, to)) {
      bytes += entryBytes(entry);
      if (page.length > 0 && bytes > maxBytes) break;
      page.push(entry);
    }
    return page;
  }
}

export interface Flight {
  readonly from: string;
  readonly to: string;
  readonly message: Message;
}

/** One server: a pure Raft, its disk, and what is under way between them. */
export class Server {
  readonly disk = new Disk();
  /** Writes issued and not yet durable, in order, with the mail that waits for each. */
  readonly writes: { write: Write | undefined; after: number; mail: Mail }[] = [];
  readonly loads: Load[] = [];
  readonly reports: Report[] = [];
  readonly reads = new Map<number, number>();
  applied: Entry[] = [];
  raft!: Raft;
  up = true;
  incarnation = 0;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }
}

export interface ClusterOptions {
  readonly seed?: number;
  readonly limits?: Partial<Limits>;
  /** Blank servers, beside those bootstrapped. */
  readonly blank?: readonly string[];
}

/**
 * Pure Rafts on virtual time. Nothing moves by itself: a test writes disks, delivers, drops or duplicates messages and
 * lets time pass, or lets `settle` and `elapse` do it in a fixed order.
 */
export class Cluster {
  readonly servers = new Map<string, Server>();
  readonly net: Flight[] = [];
  readonly cuts = new Set<string>();
  readonly limits: Limits;
  readonly random: () => number;
  /** Called with each output taken, before anything is done with it. */
  watch: (server: Server, output: Output) => void = () => {};
  /** Servers whose disk stands still. */
  readonly stalled = new Set<string>();
  now = 0;
  #lives = 0;

  constructor(ids: readonly string[], options: ClusterOptions = {}) {
    this.random = new Random(options.seed ?? 1).next;
    this.limits = { ...defaultLimits, ...options.limits };
    for (const id of ids) {
      const server = new Server(id);
      server.disk.write({
        ballot: undefined,
        entries: [{ kind: 'membership', index: 1, term: 1, membership: members(...ids) }],
        committed: 1,
      });
      this.servers.set(id, server);
    }
    for (const id of options.blank ?? []) this.servers.set(id, new Server(id));
    for (const id of this.servers.keys()) this.start(id);
  }

  get(id: string): Server {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`no server ${id}`);
    return server;
  }

  raft(id: string): Raft {
    return this.get(id).raft;
  }

  get leaders(): string[] {
    return [...this.servers.values()].filter((s) => s.up && s.raft.role === 'leader').map((s) => s.id);
  }

  /** (Re)starts a server from its disk. */
  start(id: string): void {
    const server = this.get(id);
    this.#lives += 1;
    server.up = true;
    server.incarnation = this.#lives;
    server.applied = [];
    server.raft = new Raft({
      id,
      incarnation: server.incarnation,
      timings,
      limits: this.limits,
      random: this.random,
      now: this.now,
      log: server.disk.state,
      applied: 0,
    });
    this.pump(id);
  }

  /** Loses what is not durable: `keep` writes under way survive. */
  crash(id: string, keep = 0): void {
    const server = this.get(id);
    for (const { write } of server.writes.slice(0, keep)) if (write !== undefined) server.disk.write(write);
    server.writes.length = 0;
    server.loads.length = 0;
    server.up = false;
  }

  /** Takes a server's output and puts it where it belongs. */
  pump(id: string): void {
    const server = this.get(id);
    const output = server.raft.takeOutput();
    this.watch(server, output);
    this.#post(id, output.messages);
    if (output.write !== undefined || output.afterWrite.size > 0) {
      server.writes.push({ write: output.write, after: output.after, mail: output.afterWrite });
    }
    server.loads.push(...output.loads);
    server.reports.push(...output.reports);
    if (output.reads !== undefined) server.reads.set(output.reads.ticket, output.reads.index);
    const { log } = server.raft;
    while (server.applied.length < log.applicable) {
      const index = server.applied.length + 1;
      server.applied.push(log.entry(index) ?? (server.disk.entries[index - 1] as Entry));
      server.raft.applied(index);
    }
    if (output.again) this.pump(id);
  }

  /** An input to a server, and what comes of it. */
  feed<T>(id: string, input: (raft: Raft) => T): T {
    const { raft } = this.get(id);
    raft.advance(this.now);
    const result = input(raft);
    this.pump(id);
    return result;
  }

  propose(id: string, text: string): { index: number; term: number } | Refusal {
    return this.feed(id, (raft) => raft.propose(new TextEncoder().encode(text)));
  }

  step(from: string, to: string, message: Message): void {
    if (this.get(to).up) this.feed(to, (raft) => raft.step(from, message));
  }

  tick(id: string, late = false): void {
    this.feed(id, (raft) => raft.tick(late));
  }

  /** Finishes a server's oldest write. */
  write(id: string): boolean {
    const server = this.get(id);
    const oldest = server.writes.shift();
    if (oldest === undefined) return false;
    if (oldest.write !== undefined) server.disk.write(oldest.write);
    this.feed(id, (raft) => raft.persisted(oldest.after));
    this.#post(id, oldest.mail);
    return true;
  }

  load(id: string): boolean {
    const server = this.get(id);
    const load = server.loads.shift();
    if (load === undefined) return false;
    // The store sees writes under way too.
    const seen = new Disk();
    seen.entries = [...server.disk.entries];
    for (const { write } of server.writes) if (write !== undefined) seen.write(write);
    this.feed(id, (raft) => raft.loaded(load, seen.load(load)));
    return true;
  }

  deliver(flight: Flight): void {
    this.step(flight.from, flight.to, flight.message);
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  cut(from: string, to: string): void {
    this.cuts.add(`${from}>${to}`);
  }

  /** Cuts a server off from all others, both ways. */
  isolate(id: string): void {
    for (const other of this.servers.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  /** Splits the cluster: messages pass within each group only. */
  partition(...groups: string[][]): void {
    this.cuts.clear();
    for (const group of groups) {
      for (const from of group) for (const to of this.servers.keys()) if (!group.includes(to)) this.cut(from, to);
    }
  }

  heal(): void {
    this.cuts.clear();
  }

  /** Lets disks and messages run until nothing moves, in order, without time passing. */
  settle(): void {
    for (let i = 0; i < 100_000; i += 1) {
      let moved = false;
      for (const { id, up } of this.servers.values()) {
        if (!up) continue;
        if (!this.stalled.has(id)) while (this.write(id)) moved = true;
        while (this.load(id)) moved = true;
      }
      const flight = this.net.shift();
      if (flight !== undefined) {
        if (!this.isCut(flight.from, flight.to)) this.deliver(flight);
        moved = true;
      }
      if (!moved) return;
    }
    throw new Error('the cluster does not come to rest: a storm of messages');
  }

  /** Lets time pass, timer by timer, settling after each. */
  elapse(ms: number): void {
    const end = this.now + ms;
    this.settle();
    for (;;) {
      const up = [...this.servers.values()].filter((s) => s.up);
      const next = Math.min(...up.map((s) => s.raft.wakeAt));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      for (const { id, raft } of up) if (raft.wakeAt <= this.now) this.tick(id);
      this.settle();
    }
    this.now = end;
  }

  /** Lets time pass until a condition holds. */
  elapseUntil(condition: () => boolean, limit = 20 * timings.election): void {
    for (const end = this.now + limit; !condition(); this.elapse(5)) {
      if (this.now >= end) throw new Error(`the condition does not hold after ${limit} ms`);
    }
  }

  /** Makes a server campaign and win, if it can. */
  elect(id: string): void {
    this.settle();
    this.feed(id, (raft) => raft.askForPreVotes());
    this.settle();
  }

  #post(from: string, mail: Mail): void {
    for (const [to, messages] of mail) for (const message of messages) this.net.push({ from, to, message });
  }
}

import { entryBytes, type Ballot, type Entry, type Position } from '@kontiki/core';
import type { LogStart, Write } from '@kontiki/core/protocol';
import type { Random } from '../../random.js';
import type { Mix } from '../mix.js';
import type { Schedule } from '../schedule.js';

/**
 * A log store without bytes: what was issued during a sync is written as one batch when that sync has ended, and is
 * durable, all of it, one sync later. Keeps what it would keep through a crash.
 */
export class ModelDisk {
  /** What is durable. `entries[i]` has index i + 1. */
  ballot: Ballot | undefined;
  entries: Entry[] = [];
  committed = 0;
  /** What was on the disk that this one has replaced. */
  #lostEntries: readonly Entry[] = [];
  /** Durable writes that a crash has thrown away since, none of them acknowledged. */
  lostWrites = 0;
  full = false;
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #mix: Mix;
  #healed = false;
  /** The log as its user sees it, durable or not. */
  #view: Entry[] = [];
  /** The batch that a sync is making durable, and what waits for that to end. */
  #syncing: Write[] = [];
  #waiting: Write[] = [];
  /** Counts crashes: the end of a sync of an earlier life is nobody's. */
  #life = 0;

  constructor(schedule: Schedule, random: Random, mix: Mix) {
    this.#schedule = schedule;
    this.#random = random;
    this.#mix = mix;
  }

  /** What a server begins its life with. */
  open(): LogStart & { readonly ballot: Ballot | undefined } {
    const { ballot, committed, entries } = this;
    this.#view = [...entries];
    const terms: Position[] = [];
    let term = 0;
    for (const entry of entries) {
      if (entry.term !== term) terms.push({ index: entry.index, term: entry.term });
      term = entry.term;
    }
    const memberships = entries.flatMap((entry) =>
      entry.kind === 'membership' ? [{ index: entry.index, membership: entry.membership }] : [],
    );
    const base = { index: 0, term: 0, membership: undefined };
    return { ballot, base, last: entries.length, terms, memberships, committed };
  }

  /** The last index as issued, durable or not. */
  get issuedLast(): number {
    return this.#view.length;
  }

  /** `durable` is called when the write is, and every write before it. */
  append(write: Write, durable: (number: number) => void): void {
    this.#replace(this.#view, write.entries);
    this.#waiting.push(write);
    if (this.#syncing.length === 0) this.#sync(durable);
  }

  read(from: number, to: number, maxBytes: number): Entry[] {
    const page: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to && index <= this.#view.length; index += 1) {
      const entry = this.#view[index - 1] as Entry;
      bytes += entryBytes(entry);
      if (page.length > 0 && bytes > maxBytes) break;
      page.push(entry);
    }
    return page;
  }

  /** Whether the entry is durable here, or was until the disk was lost. */
  holds(index: number, term: number): boolean {
    return (this.entries[index - 1] ?? this.#lostEntries[index - 1])?.term === term;
  }

  get readLatency(): number {
    return this.#random.between(0.05, 0.5);
  }

  /**
   * The process dies, or the power goes. The batch being synced stays as a whole or goes as a whole; what waited goes.
   * After a kill it is there, unsynced, and opening the log syncs it.
   */
  crash(kind: 'kill' | 'powerCut'): void {
    this.#life += 1;
    const survives = this.#syncing.length > 0 && this.#random.chance(kind === 'kill' ? 0.8 : 0.3);
    if (survives) for (const write of this.#syncing) this.#settle(write);
    else this.lostWrites += this.#syncing.length;
    this.lostWrites += this.#waiting.length;
    this.#syncing = [];
    this.#waiting = [];
  }

  /** The disk is replaced by an empty one. */
  wipe(): void {
    this.ballot = undefined;
    this.#lostEntries = this.entries;
    this.entries = [];
    this.committed = 0;
  }

  /** No more slow syncs and stalls. */
  heal(): void {
    this.#healed = true;
    this.full = false;
  }

  #sync(durable: (number: number) => void): void {
    this.#syncing = this.#waiting;
    this.#waiting = [];
    const life = this.#life;
    this.#schedule.after(this.#latency(), () => {
      if (life !== this.#life) return;
      for (const write of this.#syncing) this.#settle(write);
      const number = this.#syncing.at(-1)?.number ?? 0;
      this.#syncing = [];
      if (this.#waiting.length > 0) this.#sync(durable);
      durable(number);
    });
  }

  #settle({ ballot, entries, committed }: Write): void {
    if (ballot !== undefined) this.ballot = ballot;
    this.#replace(this.entries, entries);
    this.committed = Math.max(this.committed, Math.min(committed, this.entries.length));
  }

  #replace(log: Entry[], entries: readonly Entry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    log.length = first.index - 1;
    for (const entry of entries) log.push(entry);
  }

  #latency(): number {
    const { slowDisks, stalls } = this.#mix.strength;
    if (this.#healed) return 0.5;
    if (this.#random.chance(stalls * 0.01)) return this.#random.between(0.5, 10) * this.#mix.timings.election;
    return this.#random.between(0.1, 1 + slowDisks * 40);
  }
}

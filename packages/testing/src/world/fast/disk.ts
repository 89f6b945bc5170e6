import {
  entryBytes,
  type Ballot,
  type Entry,
  type MembershipEntry,
  type Position,
  type StoreId,
  type StoreLife,
} from '@kontiki/core';
import type { LogStart, Write } from '@kontiki/core/protocol';
import type { Random } from '../../random.js';
import type { Mix } from '../mix.js';
import type { Schedule } from '../schedule.js';

/** A copy of a disk's durable contents. */
export type DiskCopy = Pick<ModelDisk, 'ballot' | 'entries' | 'committed'> & { readonly life: StoreLife };

/**
 * A model of a log store that keeps entries as objects. Writes issued during a sync form one batch.
 * When that sync ends, the batch is written, and the next sync makes the whole batch durable. After
 * a crash, the disk has contents that a real store could have.
 */
export class ModelDisk {
  /** The durable ballot: the current term and the vote in this term. */
  ballot: Ballot | undefined;
  /** The durable entries. `entries[i]` has index i + 1. */
  entries: Entry[] = [];
  committed = 0;
  /** The disk's id and the number of starts from it. Undefined until the first start. */
  life: StoreLife | undefined;
  /** Whether the disk was replaced by an older copy of itself. */
  isCopy = false;
  /** Entries of the disk that was lost, if any. */
  #lostEntries: readonly Entry[] = [];
  #lostStore: StoreId | undefined;
  /** Number of issued writes lost in crashes. */
  lostWrites = 0;
  /** The time at which the disk became full. Undefined while it has room. */
  fullSince: number | undefined;
  /** The time at which the unfinished batch was started. Undefined while no write is pending. */
  writingSince: number | undefined;
  /** Finishes the sync that was in progress when the disk stopped answering. */
  #onAnswer: (() => void) | undefined;
  #hangs = false;
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #mix: Mix;
  #healed = false;
  /** The log including all issued writes, durable or not. */
  #view: Entry[] = [];
  /** The writes of the batch that is being synced. */
  #syncing: Write[] = [];
  /** Writes that are waiting for the current sync to end. */
  #waiting: Write[] = [];
  /** Number of crashes, used to ignore syncs issued before a crash. */
  #life = 0;

  constructor(schedule: Schedule, random: Random, mix: Mix) {
    this.#schedule = schedule;
    this.#random = random;
    this.#mix = mix;
  }

  /** Counts a start, and returns the durable state from which the server starts. */
  open(): LogStart & { readonly ballot: Ballot | undefined } {
    const { ballot, committed, entries, life } = this;
    this.life = { id: life?.id ?? 1 + this.#random.below(2 ** 31), starts: (life?.starts ?? 0) + 1 };
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
    return { ballot, base, last: entries.length, time: entries.at(-1)?.time, terms, memberships, committed };
  }

  /** The last index in all writes issued so far, durable or not. */
  get issuedLast(): number {
    return this.#view.length;
  }

  /** Issues a write. Calls `onDurable` once this write and all earlier writes are durable. */
  append(write: Write, onDurable: (number: number) => void): void {
    this.#replace(this.#view, write.entries);
    this.#waiting.push(write);
    this.writingSince ??= this.#schedule.now;
    if (this.#syncing.length === 0) this.#sync(onDurable);
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

  /** Returns whether an entry is durable, or was durable before the disk was lost. */
  holds(index: number, term: number): boolean {
    return this.entries[index - 1]?.term === term || this.#lostEntries[index - 1]?.term === term;
  }

  /**
   * Returns whether the server counts as holding an entry. If `store` is set, only the disk with
   * that id counts. An older copy of a disk never counts.
   */
  counts(index: number, term: number, store: StoreId | undefined): boolean {
    const isOwn = !this.isCopy && (store === undefined || store === this.life?.id);
    const held = isOwn ? this.entries[index - 1] : undefined;
    const lost = store === undefined || store === this.#lostStore ? this.#lostEntries[index - 1] : undefined;
    return held?.term === term || lost?.term === term;
  }

  get readLatency(): number {
    return this.#random.between(0.05, 0.5);
  }

  /**
   * Kills the process or cuts the power. The batch being synced survives or is lost as a whole.
   * Writes waiting for the sync are lost. A surviving batch is durable, because opening the log
   * syncs it.
   */
  crash(kind: 'kill' | 'powerCut'): void {
    this.#life += 1;
    this.#hangs = false;
    this.#onAnswer = this.writingSince = undefined;
    const survives = this.#syncing.length > 0 && this.#random.chance(kind === 'kill' ? 0.8 : 0.3);
    if (survives) for (const write of this.#syncing) this.#makeDurable(write);
    else this.lostWrites += this.#syncing.length;
    this.lostWrites += this.#waiting.length;
    this.#syncing = [];
    this.#waiting = [];
  }

  /** Replaces the disk with an empty one. */
  wipe(): void {
    this.#lose();
    this.ballot = this.life = undefined;
    this.entries = [];
    this.committed = 0;
    this.isCopy = false;
  }

  /** Copies the durable contents. Returns undefined before the first start. */
  backUp(): DiskCopy | undefined {
    const { ballot, entries, committed, life } = this;
    return life && { ballot, entries: [...entries], committed, life };
  }

  /** Replaces the disk with an older copy of itself. */
  restore({ ballot, entries, committed, life }: DiskCopy): void {
    this.#lose();
    Object.assign(this, { ballot, entries: [...entries], committed, life });
    this.isCopy = true;
  }

  /** Remembers the entries of a disk that is being replaced, unless it is a copy. */
  #lose(): void {
    if (this.isCopy) return;
    this.#lostEntries = this.entries;
    this.#lostStore = this.life?.id;
  }

  /** Writes the first entry to a blank disk. */
  bootstrap(first: MembershipEntry): void {
    this.entries.push(first);
    this.committed = 1;
  }

  /** Ends all disk faults. */
  heal(): void {
    this.#healed = true;
    this.unhang();
  }

  unhang(): void {
    this.#hangs = false;
    this.#onAnswer?.();
  }

  get full(): boolean {
    return this.fullSince !== undefined;
  }

  set full(full: boolean) {
    this.fullSince = full ? (this.fullSince ?? this.#schedule.now) : undefined;
  }

  /** Stops answering until the server crashes or `unhang` is called. */
  hang(): void {
    this.#hangs = true;
  }

  #sync(onDurable: (number: number) => void): void {
    this.#syncing = this.#waiting;
    this.#waiting = [];
    const life = this.#life;
    const finish = (): void => {
      if (life !== this.#life) return;
      this.#onAnswer = this.#hangs ? finish : undefined;
      if (this.#hangs) return;
      for (const write of this.#syncing) this.#makeDurable(write);
      const number = this.#syncing.at(-1)?.number ?? 0;
      this.#syncing = [];
      this.writingSince = this.#waiting.length > 0 ? this.#schedule.now : undefined;
      if (this.#waiting.length > 0) this.#sync(onDurable);
      onDurable(number);
    };
    this.#schedule.after(this.#latency(), finish);
  }

  #makeDurable({ ballot, entries, committed }: Write): void {
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

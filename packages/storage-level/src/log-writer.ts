import type { Entry, LogBase } from '@kontiki/core';
import { GroupCommit, type LogRecord } from '@kontiki/core/store';
import { entriesLength } from '@kontiki/core/wire';
import { encodeBase } from './base.js';
import { blocksOf, decodeBlock, encodeBlock } from './block.js';
import { encodeHead } from './head.js';
import { BASE, HEAD, keyOf } from './keys.js';
import { encodeSince, linkTo, memberships, since, terms } from './linked.js';
import type { Recovered } from './recovery.js';
import type { Operation, Room } from './room.js';
import { Sweeper } from './sweeper.js';

/** What a batch of calls comes to. */
interface Sum {
  readonly resets: boolean;
  /** Where the log begins now; undefined when that has not changed. */
  readonly base: LogBase | undefined;
  /** Entries that are there now, and replace all from the first one on. */
  readonly entries: readonly Entry[];
}

/** Writes calls to the database, a batch of them in one batch of it. */
export class LogWriter {
  readonly calls: GroupCommit;
  readonly #room: Room;
  readonly #recovered: Recovered;
  readonly #sweeper: Sweeper;
  #generation: number;
  /** The checksum of the newest block. */
  #block: number;
  /** How often entries that were there have been replaced. */
  replaced = 0;

  constructor(room: Room, recovered: Recovered) {
    this.#room = room;
    this.#recovered = recovered;
    this.#generation = recovered.generation;
    this.#block = recovered.block;
    this.calls = new GroupCommit({
      checkpoint: recovered.ledger.checkpoint,
      where: room.where,
      bytesOf: (record) => (record.kind === 'write' ? entriesLength(record.entries ?? []) : 0),
      write: (records) => this.#write(records),
    });
    this.#sweeper = new Sweeper(room.db, (error) => this.calls.fail(error));
  }

  get generation(): number {
    return this.#generation;
  }

  /** Index of the last entry that is in the database, or is being written. */
  get last(): number {
    return this.#recovered.ledger.last;
  }

  /** Makes what was found durable, whoever wrote it, and goes on with what a life before has left undone. */
  async begin(more: readonly Operation[]): Promise<void> {
    await this.#room.write([...more, { type: 'put', key: BASE, value: encodeBase(this.#base) }, this.#head()]);
    this.#sweep();
  }

  async close(): Promise<void> {
    await this.calls.close();
    await this.#sweeper.close();
  }

  get #base(): LogBase {
    return this.#recovered.ledger.base;
  }

  #head(): Operation {
    const { ledger } = this.#recovered;
    const { ballot, base, last, committed, genesis } = ledger.checkpoint;
    const value = encodeHead({
      ballot,
      last,
      committed,
      genesis,
      generation: this.#generation,
      base: base.index,
      term: linkTo(terms, ledger.terms.at(-1)),
      membership: linkTo(memberships, ledger.memberships.at(-1)),
      block: this.#block,
    });
    return { type: 'put', key: HEAD, value };
  }

  async #write(records: readonly LogRecord[]): Promise<void> {
    const { ledger } = this.#recovered;
    const { resets, base, entries } = sum(records);
    const operations: Operation[] = [];
    const from = entries[0]?.index ?? Infinity;
    if (resets) {
      this.replaced += 1;
      this.#generation += 1;
      this.#block = 0;
    } else if (from <= ledger.last) {
      this.replaced += 1;
      operations.push(...this.#forgetSince(from), ...(await this.#cut(from)));
    }
    for (const record of records) ledger.apply(record);
    const generation = this.#generation;
    for (const held of blocksOf(entries)) operations.push(this.#put(held));
    for (const put of [
      ...encodeSince(terms, generation, ledger.terms, from),
      ...encodeSince(memberships, generation, ledger.memberships, from),
    ]) {
      operations.push({ type: 'put', ...put });
    }
    if (base !== undefined) operations.push({ type: 'put', key: BASE, value: encodeBase(ledger.base) });
    operations.push(this.#head());
    await this.#room.write(operations);
    if (base !== undefined) this.#sweep();
  }

  #put(entries: readonly Entry[]): Operation {
    const { key, value, sum: block } = encodeBlock(this.#generation, entries, this.#block);
    this.#block = block;
    return { type: 'put', key, value };
  }

  /** Deletes the terms and memberships of what is replaced. */
  #forgetSince(from: number): Operation[] {
    const { ledger } = this.#recovered;
    const generation = this.#generation;
    return [
      ...since(ledger.terms, from).map(({ index }) => keyOf('term', generation, index)),
      ...since(ledger.memberships, from).map(({ index }) => keyOf('membership', generation, index)),
    ].map((key) => ({ type: 'del', key }));
  }

  /** Deletes the blocks that hold entries from an index on, one by one: a range cannot be deleted in a batch. Of the first one, what is before stays. */
  async #cut(from: number): Promise<Operation[]> {
    const { db, where } = this.#room;
    const generation = this.#generation;
    const [low, high] = [keyOf('block', generation, 0), keyOf('block', generation + 1, 0)];
    const begin = keyOf('block', generation, from);
    const [before] = await db.iterator({ gte: low, lt: begin, reverse: true, limit: 1 }).all();
    const operations: Operation[] = [];
    for await (const key of db.keys({ gte: begin, lt: high })) operations.push({ type: 'del', key });
    if (before === undefined) {
      this.#block = 0;
      return operations;
    }
    const block = decodeBlock(...before, where);
    this.#block = block.sum;
    if (block.last < from) return operations;
    this.#block = block.before;
    operations.push(this.#put(block.entries.filter(({ index }) => index < from)));
    return operations;
  }

  #sweep(): void {
    this.#sweeper.sweep(this.#generation, this.#base.index);
  }
}

/** What calls come to, in their order. */
function sum(records: readonly LogRecord[]): Sum {
  let resets = false;
  let base: LogBase | undefined;
  let entries: Entry[] = [];
  for (const record of records) {
    if (record.kind !== 'write') {
      ({ base } = record);
      if (record.kind === 'compact') continue;
      resets = true;
      entries = [];
      continue;
    }
    const [first, more = []] = [record.entries?.[0], record.entries];
    if (first === undefined) continue;
    // They follow these, replace some of them, or begin before all of them.
    const kept = Math.max(0, first.index - (entries[0]?.index ?? first.index));
    entries.length = Math.min(entries.length, kept);
    for (const entry of more) entries.push(entry);
  }
  return { resets, base, entries };
}

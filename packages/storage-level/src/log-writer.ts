import type { Entry, LogBase } from '@kontiki/core';
import type { LogRecord } from '@kontiki/core/store';
import { decodeBlock, encodeBlock, splitIntoBlocks } from './block.js';
import { encodeItemsFrom, itemsFrom, linkTo, memberships, terms } from './chain.js';
import { BASE, HEAD, keyOf } from './keys.js';
import { encodeHead } from './log-head.js';
import type { Namespace, Operation } from './namespace.js';
import type { Recovered } from './recovery.js';
import { Sweeper } from './sweeper.js';
import { encodeBase } from './values.js';

/** The combined effect of the records in one batch. */
interface Effect {
  readonly isReset: boolean;
  /** The new base. Undefined if the base has not changed. */
  readonly base: LogBase | undefined;
  /** The new entries, which replace all existing entries from the first new index on. */
  readonly entries: readonly Entry[];
}

/** Writes each batch of records to the database as one database batch. */
export class LogWriter {
  readonly #namespace: Namespace;
  readonly #recovered: Recovered;
  readonly #sweeper: Sweeper;
  #generation: number;
  /** The checksum of the newest block. */
  #block: number;

  /** `onFailed` is called when the background cleanup fails. */
  constructor(namespace: Namespace, recovered: Recovered, onFailed: (error: unknown) => void) {
    this.#namespace = namespace;
    this.#recovered = recovered;
    this.#generation = recovered.generation;
    this.#block = recovered.block;
    this.#sweeper = new Sweeper(namespace.db, onFailed);
  }

  get generation(): number {
    return this.#generation;
  }

  /**
   * Makes the recovered state durable, and resumes any cleanup that the previous run did not
   * finish.
   */
  async start(more: readonly Operation[]): Promise<void> {
    await this.#namespace.write([...more, { type: 'put', key: BASE, value: encodeBase(this.#base) }, this.#head()]);
    this.#sweep();
  }

  async write(records: readonly LogRecord[]): Promise<void> {
    const { tracker } = this.#recovered;
    const { isReset, base, entries } = combine(records);
    let operations: Operation[] = [];
    const from = entries[0]?.index ?? Infinity;
    if (isReset) {
      this.#generation += 1;
      this.#block = 0;
    } else if (from <= tracker.last) {
      operations = [...this.#deleteItemsFrom(from), ...(await this.#truncateBlocks(from))];
    }
    for (const record of records) tracker.apply(record);
    const generation = this.#generation;
    for (const group of splitIntoBlocks(entries)) operations.push(this.#putBlock(group));
    for (const put of [
      ...encodeItemsFrom(terms, generation, tracker.terms, from),
      ...encodeItemsFrom(memberships, generation, tracker.memberships, from),
    ]) {
      operations.push({ type: 'put', ...put });
    }
    if (base !== undefined) operations.push({ type: 'put', key: BASE, value: encodeBase(tracker.base) });
    operations.push(this.#head());
    await this.#namespace.write(operations);
    if (base !== undefined) this.#sweep();
  }

  /** Stops the background cleanup, and waits for the database call in progress. */
  close(): Promise<void> {
    return this.#sweeper.close();
  }

  get #base(): LogBase {
    return this.#recovered.tracker.base;
  }

  #head(): Operation {
    const { tracker } = this.#recovered;
    const { ballot, life, base, last, committed, genesis } = tracker.checkpoint;
    const value = encodeHead({
      ballot,
      life,
      last,
      committed,
      genesis,
      generation: this.#generation,
      base: base.index,
      term: linkTo(terms, tracker.terms.at(-1)),
      membership: linkTo(memberships, tracker.memberships.at(-1)),
      block: this.#block,
    });
    return { type: 'put', key: HEAD, value };
  }

  #putBlock(entries: readonly Entry[]): Operation {
    const { key, value, checksum } = encodeBlock(this.#generation, entries, this.#block);
    this.#block = checksum;
    return { type: 'put', key, value };
  }

  /** Returns operations that delete the terms and memberships at and after an entry's index. */
  #deleteItemsFrom(from: number): Operation[] {
    const { tracker } = this.#recovered;
    const generation = this.#generation;
    return [
      ...itemsFrom(tracker.terms, from).map(({ index }) => keyOf('term', generation, index)),
      ...itemsFrom(tracker.memberships, from).map(({ index }) => keyOf('membership', generation, index)),
    ].map((key) => ({ type: 'del', key }));
  }

  /**
   * Returns the database operations that delete the entries from an index on. Blocks are deleted
   * one by one, because a batch cannot delete a range. A block that starts before that index is
   * rewritten without the deleted entries.
   */
  async #truncateBlocks(from: number): Promise<Operation[]> {
    const { db, where } = this.#namespace;
    const generation = this.#generation;
    const [low, high] = [keyOf('block', generation, 0), keyOf('block', generation + 1, 0)];
    const begin = keyOf('block', generation, from);
    const [previous] = await db.iterator({ gte: low, lt: begin, reverse: true, limit: 1 }).all();
    const operations: Operation[] = [];
    for await (const key of db.keys({ gte: begin, lt: high })) operations.push({ type: 'del', key });
    if (previous === undefined) {
      this.#block = 0;
      return operations;
    }
    const block = decodeBlock(...previous, where);
    this.#block = block.checksum;
    if (block.last < from) return operations;
    this.#block = block.previous;
    operations.push(this.#putBlock(block.entries.filter(({ index }) => index < from)));
    return operations;
  }

  #sweep(): void {
    this.#sweeper.sweep(this.#generation, this.#base.index);
  }
}

/** Combines a sequence of records into their net effect. */
function combine(records: readonly LogRecord[]): Effect {
  let isReset = false;
  let base: LogBase | undefined;
  let entries: Entry[] = [];
  for (const record of records) {
    if (record.kind !== 'write') {
      ({ base } = record);
      if (record.kind === 'compact') continue;
      isReset = true;
      entries = [];
      continue;
    }
    const [first, more = []] = [record.entries?.[0], record.entries];
    if (first === undefined) continue;
    // The record may append to the entries that have been combined so far, replace some of them, or
    // start before the first of them.
    const kept = Math.max(0, first.index - (entries[0]?.index ?? first.index));
    entries.length = Math.min(entries.length, kept);
    for (const entry of more) entries.push(entry);
  }
  return { isReset, base, entries };
}

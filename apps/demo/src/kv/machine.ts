import type { ApplyBatch, CommandEntry, RestorePoint, StateMachine } from '@kontiki/core';
import { decodeCommand, type Condition, type KeyCommand } from './command.js';
import { Items, type Item } from './items.js';
import { decodeState, encodeState, STATE_VERSION } from './state.js';
import type { Comparison, Transaction } from './transaction.js';
import type { Write } from './write.js';

/** What a write did to its key. A delete of a key that does not exist is `absent`. */
export type Effect = 'written' | 'deleted' | 'absent';

/** A comparison that does not hold, by its position in the transaction. */
export interface FailedComparison {
  readonly position: number;
  /** The key's revision, or null if the key does not exist. */
  readonly revision: number | null;
}

/** The result of a command. Every server computes the same result. */
export type KvResult =
  | { readonly kind: 'written'; readonly revision: number }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'absent' }
  /**
   * The condition was not met. `revision` is the key's revision, or undefined if the key does not
   * exist.
   */
  | { readonly kind: 'conflict'; readonly revision: number | undefined }
  /** The command sets a time to live, but its entry has no log time. Nothing was written. */
  | { readonly kind: 'timeless' }
  /** A transaction took effect. `effects` has one item per write. */
  | { readonly kind: 'committed'; readonly revision: number; readonly effects: readonly Effect[] }
  /** At least one comparison of a transaction does not hold. Nothing was written. */
  | { readonly kind: 'failed'; readonly comparisons: readonly FailedComparison[] };

/** The replicated key/value store. */
export class KvMachine implements StateMachine<KvResult> {
  readonly version: number = STATE_VERSION;
  #items = new Items();

  /** The number of keys in memory, including expired keys that are not removed yet. */
  get size(): number {
    return this.#items.size;
  }

  /**
   * The log time at which the next key expires, or at which more expired keys are removed from
   * memory. Undefined if all keys are permanent.
   */
  get nextExpiry(): number | undefined {
    return this.#items.nextExpiry;
  }

  get(key: string): Item | undefined {
    return this.#items.get(key);
  }

  /** Returns the first `limit` items whose key starts with `prefix`, sorted by key. */
  list(prefix: string, limit: number): [string, Item][] {
    let found: [string, Item][] = [];
    // Sorting a million keys would delay heartbeats. Therefore, the list is cut to its first
    // `limit` keys from time to time, and keys that sort after them are skipped.
    let lastKept: string | undefined;
    const keepFirst = (): void => {
      found = found.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
      lastKept = found.length < limit ? undefined : found.at(-1)?.[0];
    };
    for (const entry of this.#items) {
      const [key] = entry;
      if (!key.startsWith(prefix) || (lastKept !== undefined && key > lastKept)) continue;
      found.push(entry);
      if (found.length >= 2 * limit) keepFirst();
    }
    keepFirst();
    return found;
  }

  /**
   * Applies commands. A command does not see a key whose expiry is at or before the log time of
   * the command. After the batch, reads do not see a key whose expiry is at or before the log time
   * of the batch. So the state does not depend on how entries are divided into batches.
   */
  apply({ entries, time }: ApplyBatch): KvResult[] {
    const results = entries.map((entry) => this.#apply(entry));
    this.#items.advance(time);
    this.#items.removeExpired();
    return results;
  }

  /**
   * Returns the state as it is when the first chunk is read. Commands may be applied between
   * chunks.
   */
  snapshot(): AsyncIterable<Uint8Array> {
    return encodeState(this.#items.snapshot());
  }

  async restore(chunks: AsyncIterable<Uint8Array>, { version }: Pick<RestorePoint, 'version'>): Promise<void> {
    this.#items = await decodeState(chunks, version);
  }

  #apply(entry: CommandEntry): KvResult {
    if (entry.time !== undefined) this.#items.advance(entry.time);
    const command = decodeCommand(entry.data);
    return command.kind === 'transaction' ? this.#transact(command, entry) : this.#applyToKey(command, entry);
  }

  #applyToKey(command: KeyCommand, entry: CommandEntry): KvResult {
    const held = this.#items.get(command.key);
    if (!holds(command.condition, held)) return { kind: 'conflict', revision: held?.revision };
    if (!canWrite(command, entry)) return { kind: 'timeless' };
    const effect = this.#write(command, entry);
    return effect === 'written' ? { kind: effect, revision: entry.index } : { kind: effect };
  }

  #transact({ compare, writes }: Transaction, entry: CommandEntry): KvResult {
    const comparisons = compare.flatMap((comparison, position) => this.#fault(comparison, position));
    if (comparisons.length > 0) return { kind: 'failed', comparisons };
    if (!writes.every((write) => canWrite(write, entry))) return { kind: 'timeless' };
    return { kind: 'committed', revision: entry.index, effects: writes.map((write) => this.#write(write, entry)) };
  }

  /** Returns a list with the comparison if it does not hold, and otherwise an empty list. */
  #fault({ key, revision }: Comparison, position: number): FailedComparison[] {
    const current = this.#items.get(key)?.revision ?? null;
    return current === revision ? [] : [{ position, revision: current }];
  }

  #write(write: Write, { index, time = 0 }: CommandEntry): Effect {
    const { key } = write;
    if (write.kind === 'delete') return this.#items.delete(key) ? 'deleted' : 'absent';
    const expiry = write.ttl === undefined ? undefined : time + write.ttl;
    // Copy the value. A view would keep the whole frame or page that contains the command in
    // memory.
    this.#items.set(key, { value: write.value.slice(), revision: index, expiry });
    return 'written';
  }
}

/** Returns whether a write can be applied. A time to live needs an entry that has a log time. */
function canWrite(write: Write, { time }: CommandEntry): boolean {
  return time !== undefined || write.kind === 'delete' || write.ttl === undefined;
}

function holds(condition: Condition, held: Item | undefined): boolean {
  switch (condition.kind) {
    case 'always':
      return true;
    case 'absent':
      return held === undefined;
    case 'revision':
      return held?.revision === condition.revision;
  }
}

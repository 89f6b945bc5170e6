import type { ApplyBatch, CommandEntry, StateMachine } from '@kontiki/core';
import { decodeCommand, type Condition } from './command.js';
import { Items, type Item } from './items.js';
import { decodeState, encodeState } from './state.js';

/** The result of a command. Every server computes the same result. */
export type KvResult =
  | { readonly kind: 'written'; readonly revision: number }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'absent' }
  /**
   * The condition was not met. `revision` is the key's revision, or undefined if the key does not
   * exist.
   */
  | { readonly kind: 'conflict'; readonly revision: number | undefined };

/** The replicated key/value store. */
export class KvMachine implements StateMachine<KvResult> {
  #items = new Items();

  get size(): number {
    return this.#items.size;
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

  apply({ entries }: ApplyBatch): KvResult[] {
    return entries.map((entry) => this.#apply(entry));
  }

  /**
   * Returns the state as it is when the first chunk is read. Commands may be applied between
   * chunks.
   */
  snapshot(): AsyncIterable<Uint8Array> {
    return encodeState(this.#items.snapshot());
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.#items = await decodeState(chunks);
  }

  #apply({ data, index }: CommandEntry): KvResult {
    const command = decodeCommand(data);
    const held = this.#items.get(command.key);
    if (!holds(command.condition, held)) return { kind: 'conflict', revision: held?.revision };
    if (command.kind === 'delete') return { kind: this.#items.delete(command.key) ? 'deleted' : 'absent' };
    // Copy the value. A view would keep the whole frame or page that contains the command in
    // memory.
    this.#items.set(command.key, { value: command.value.slice(), revision: index });
    return { kind: 'written', revision: index };
  }
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

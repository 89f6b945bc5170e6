import type { ApplyBatch, CommandEntry, StateMachine } from '@kontiki/core';
import { decodeCommand, type Condition } from './command.js';
import { Items, type Item } from './items.js';
import { decodeState, encodeState } from './state.js';

/** What became of a command, the same on every server. */
export type KvResult =
  | { readonly kind: 'written'; readonly revision: number }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'absent' }
  /** The condition did not hold; `revision` is the key's, if it is there. */
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

  /** The items whose key begins with `prefix`, sorted by key, `limit` at the most. */
  list(prefix: string, limit: number): [string, Item][] {
    let found: [string, Item][] = [];
    // Sorting a million keys would keep the node from its heartbeats: what cannot be among the first is left out early.
    let least: string | undefined;
    const keepFirst = (): void => {
      found = found.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
      least = found.length < limit ? undefined : found.at(-1)?.[0];
    };
    for (const entry of this.#items) {
      const [key] = entry;
      if (!key.startsWith(prefix) || (least !== undefined && key > least)) continue;
      found.push(entry);
      if (found.length >= 2 * limit) keepFirst();
    }
    keepFirst();
    return found;
  }

  apply({ entries }: ApplyBatch): KvResult[] {
    return entries.map((entry) => this.#apply(entry));
  }

  /** Applying goes on while it is read. */
  snapshot(): AsyncIterable<Uint8Array> {
    return encodeState(this.#items.walk());
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.#items = await decodeState(chunks);
  }

  #apply({ data, index }: CommandEntry): KvResult {
    const command = decodeCommand(data);
    const held = this.#items.get(command.key);
    if (!holds(command.condition, held)) return { kind: 'conflict', revision: held?.revision };
    if (command.kind === 'delete') return { kind: this.#items.delete(command.key) ? 'deleted' : 'absent' };
    // Copied: a view would keep the whole frame or page that it came in alive.
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

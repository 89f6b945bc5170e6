import { defineStateMachine, isKontikiError, Replica } from '@kontiki/core';
import { check, type Target } from '../target.js';
import { piecesOf } from './samples.js';

interface Inventory {
  counts: Map<string, number>;
  tags?: Set<string>;
}

const first = {
  version: 1,
  initial: (): Inventory => ({ counts: new Map() }),
  commands: {
    add: ({ counts }: Inventory, name: string) => void counts.set(String(name), (counts.get(String(name)) ?? 0) + 1),
    clear: ({ counts }: Inventory) => counts.clear(),
  },
};
const inventory = defineStateMachine({
  ...first,
  version: 2,
  previous: defineStateMachine(first),
  migrate: (state: Inventory): Inventory => ({ ...state, tags: new Set(['migrated']) }),
});

/**
 * Applies an input as an entry. Returns whether the entry contains a command that the machine
 * defines.
 */
function apply(input: Uint8Array): boolean {
  const replica = new Replica(inventory);
  const entry = { kind: 'command', index: 1, term: 1, data: input } as const;
  const [outcome] = replica.apply({ entries: [entry], through: 1, time: 0 });
  return outcome !== undefined && 'result' in outcome;
}

export const machine: Target = {
  name: 'machine',
  about: 'the entries and the snapshots of a state machine that defineStateMachine made',
  seeds: async () => {
    const replica = new Replica(inventory);
    const data = replica.encode('add', 'a');
    replica.apply({ entries: [{ kind: 'command', index: 1, term: 1, data }], through: 1, time: 0 });
    const parts: number[] = [];
    for await (const piece of replica.snapshot()) parts.push(...piece);
    return [data, replica.encode('clear'), new Uint8Array(parts)];
  },
  run: async (input) => {
    let isCommand = false;
    try {
      isCommand = apply(input);
    } catch (error) {
      if (!machine.isExpected(error)) throw error;
    }
    // Pass each input to both readers. The target accepts an input if one reader accepts it.
    const replica = new Replica(inventory);
    try {
      await replica.restore(piecesOf(input));
      check(Number.isSafeInteger(replica.raised), 'a restored version is possible');
    } catch (error) {
      if (!isCommand || !machine.isExpected(error)) throw error;
    }
    return true;
  },
  isExpected: (error) => isKontikiError(error, 'KONTIKI_FORMAT'),
};

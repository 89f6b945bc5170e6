import { describe, expect, it } from 'vitest';
import { encodeCommand } from '../src/kv/command.js';
import { KvMachine } from '../src/kv/machine.js';

function machineWith(keys: readonly string[]): KvMachine {
  const machine = new KvMachine();
  const entries = keys.map((key, i) => {
    const data = encodeCommand({ kind: 'put', key, condition: { kind: 'always' }, value: new Uint8Array() });
    return { kind: 'command' as const, index: i + 1, term: 1, data };
  });
  machine.apply({ entries, through: entries.length, time: 0 });
  return machine;
}

describe('KvMachine.list', () => {
  const keys = Array.from({ length: 500 }, (_, i) => `${i % 3}-${(i * 271) % 500}`);

  it.each([1, 2, 7, 100, 1_000])('list with a limit of %i returns the first keys in sort order', (limit) => {
    for (const order of [keys, [...keys].sort(), [...keys].sort().reverse()]) {
      const listed = machineWith(order).list('1-', limit);
      const sorted = keys.filter((key) => key.startsWith('1-')).sort();
      expect(listed.map(([key]) => key)).toEqual(sorted.slice(0, limit));
    }
  });

  it('list skips most of the keys without sorting them', () => {
    const machine = machineWith(keys);
    const sort = Array.prototype.sort;
    let sorted = 0;
    Array.prototype.sort = function (this: unknown[], ...args) {
      sorted += this.length;
      return sort.apply(this, args);
    };
    try {
      machine.list('', 5);
    } finally {
      Array.prototype.sort = sort;
    }
    expect(sorted).toBeLessThan(200);
  });
});

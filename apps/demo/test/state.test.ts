import { describe, expect, it } from 'vitest';
import { Random } from '@kontiki/testing';
import { encodeCommand, MAX_KEY, MAX_VALUE, type KvCommand } from '../src/kv/command.js';
import type { Item } from '../src/kv/items.js';
import { KvMachine } from '../src/kv/machine.js';
import { encodeState } from '../src/kv/state.js';

let index = 0;

function apply(machine: KvMachine, command: Omit<KvCommand, 'condition'> & { readonly value?: Uint8Array }): void {
  index += 1;
  const data = encodeCommand({ ...command, condition: { kind: 'always' } } as KvCommand);
  machine.apply({ entries: [{ kind: 'command', index, term: 1, data }], through: index });
}

/** Keys with values of 1 KiB, so that the state has many pieces. */
function filled(count = 500): KvMachine {
  const machine = new KvMachine();
  for (let i = 0; i < count; i += 1) {
    apply(machine, { kind: 'put', key: `ä/${i}`, value: new Uint8Array(1024).fill(i) });
  }
  return machine;
}

function digest(machine: KvMachine): unknown {
  return machine
    .list('', Infinity)
    .map(([key, { value, revision }]) => [key, revision, Buffer.from(value).toString('hex')]);
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

async function* stream(pieces: readonly Uint8Array[], error?: Error): AsyncGenerator<Uint8Array, void> {
  yield* pieces;
  if (error !== undefined) throw error;
}

const taken = async (machine: KvMachine): Promise<Uint8Array> =>
  new Uint8Array(Buffer.concat(await collect(machine.snapshot())));

describe('the state of the key/value store', () => {
  it('is the same restored, however its bytes are cut, and goes on by itself', async () => {
    const machine = filled();
    apply(machine, { kind: 'put', key: 'k'.repeat(MAX_KEY), value: new Uint8Array(MAX_VALUE).fill(7) });
    apply(machine, { kind: 'put', key: 'empty', value: new Uint8Array() });
    const bytes = await taken(machine);
    for (let seed = 0; seed < 5; seed += 1) {
      const random = new Random(seed, 'cuts');
      const pieces: Uint8Array[] = [];
      for (let at = 0, n = 1; at < bytes.length; at += n) {
        n = 1 + random.below(seed === 0 ? 300 : 300_000);
        pieces.push(bytes.slice(at, at + n));
      }
      const restored = filled(3);
      await restored.restore(stream(pieces));
      // What it holds is its own.
      for (const piece of pieces) piece.fill(0xff);
      expect(digest(restored)).toEqual(digest(machine));
      apply(restored, { kind: 'delete', key: 'empty' });
      expect(restored.size).toBe(machine.size - 1);
    }
  });

  it('is given in pieces, as it was when the first one was asked for, whatever is written meanwhile', async () => {
    const machine = filled();
    const [due, given] = [digest(machine), machine.snapshot()[Symbol.asyncIterator]()];
    const pieces: Uint8Array[] = [];
    for (let next = await given.next(); next.done !== true; next = await given.next()) {
      pieces.push(next.value);
      expect(next.value.length).toBeLessThan(66 * 1024);
      for (let i = pieces.length; i < 500; i += 7) {
        apply(machine, { kind: 'put', key: `ä/${i}`, value: new Uint8Array(2) });
        apply(machine, { kind: 'delete', key: `ä/${(i * 31) % 500}` });
        apply(machine, { kind: 'put', key: `new/${i}`, value: new Uint8Array(3) });
      }
    }
    expect(pieces.length).toBeGreaterThan(5);
    const restored = new KvMachine();
    await restored.restore(stream(pieces));
    expect(digest(restored)).toEqual(due);
    expect(digest(machine)).not.toEqual(due);
  });

  it('is looked at piece by piece: what is not asked for costs nothing yet', async () => {
    let asked = 0;
    function* items(): Generator<[string, Item], void> {
      for (; ; asked += 1) yield [`${asked}`, { value: new Uint8Array(1024), revision: 1 }];
    }
    const pieces = encodeState(items());
    expect((await pieces.next()).value?.length).toBeGreaterThanOrEqual(64 * 1024);
    expect(asked).toBeLessThan(64);
    await pieces.return();
  });

  it('stays as it was when what it is to be restored from breaks off, has an end too many or makes no sense', async () => {
    const machine = filled(50);
    const [due, bytes] = [digest(machine), await taken(filled(100))];
    const broken = new Error('the disk is gone');
    await expect(machine.restore(stream([bytes.subarray(0, 70_000)], broken))).rejects.toBe(broken);
    await expect(machine.restore(stream([bytes.subarray(0, -1)]))).rejects.toThrow('in the middle of an item');
    await expect(machine.restore(stream([bytes, new Uint8Array(1)]))).rejects.toThrow('in the middle of an item');
    const endless = new Uint8Array(3 * MAX_VALUE).fill(0xff);
    await expect(machine.restore(stream([endless]))).rejects.toThrow('cannot have');
    await expect(machine.restore(stream([new Uint8Array(600 + 12).fill(2)]))).rejects.toThrow();
    expect(digest(machine)).toEqual(due);
    await machine.restore(stream([]));
    expect(machine.size).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { Random } from '@kontiki/testing';
import { encodeCommand } from '../src/kv/command.js';
import type { Item } from '../src/kv/items.js';
import { KvMachine } from '../src/kv/machine.js';
import { encodeState } from '../src/kv/state.js';
import { MAX_KEY, MAX_VALUE, type Write } from '../src/kv/write.js';

let index = 0;

/** Applies a write at log time 1,000. */
function apply(machine: KvMachine, write: Write): void {
  index += 1;
  const data = encodeCommand({ ...write, condition: { kind: 'always' } });
  machine.apply({ entries: [{ kind: 'command', index, term: 1, time: 1_000, data }], through: index, time: 1_000 });
}

/** Returns a machine that has enough values of 1 KiB to fill many chunks of state. */
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
    .map(([key, { value, revision, expiry }]) => [key, revision, expiry, Buffer.from(value).toString('hex')]);
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** The version of the snapshots that `KvMachine` takes. */
const NEWEST = { version: 1 };

async function* stream(chunks: readonly Uint8Array[], error?: Error): AsyncGenerator<Uint8Array, void> {
  yield* chunks;
  if (error !== undefined) throw error;
}

const snapshotOf = async (machine: KvMachine): Promise<Uint8Array> =>
  new Uint8Array(Buffer.concat(await collect(machine.snapshot())));

describe('snapshots of KvMachine', () => {
  it('restore accepts chunks of any size and shares no memory with them', async () => {
    const machine = filled();
    apply(machine, { kind: 'put', key: 'k'.repeat(MAX_KEY), value: new Uint8Array(MAX_VALUE).fill(7) });
    apply(machine, { kind: 'put', key: 'empty', value: new Uint8Array() });
    const bytes = await snapshotOf(machine);
    for (let seed = 0; seed < 5; seed += 1) {
      const random = new Random(seed, 'cuts');
      const chunks: Uint8Array[] = [];
      for (let at = 0, n = 1; at < bytes.length; at += n) {
        n = 1 + random.below(seed === 0 ? 300 : 300_000);
        chunks.push(bytes.slice(at, at + n));
      }
      const restored = filled(3);
      await restored.restore(stream(chunks), NEWEST);
      // Overwrite the chunks, to check that the machine does not share their memory.
      for (const chunk of chunks) chunk.fill(0xff);
      expect(digest(restored)).toEqual(digest(machine));
      apply(restored, { kind: 'delete', key: 'empty' });
      expect(restored.size).toBe(machine.size - 1);
    }
  });

  it('a snapshot contains the state as of its first chunk, despite later commands', async () => {
    const machine = filled();
    const [expected, snapshot] = [digest(machine), machine.snapshot()[Symbol.asyncIterator]()];
    const chunks: Uint8Array[] = [];
    for (let next = await snapshot.next(); next.done !== true; next = await snapshot.next()) {
      chunks.push(next.value);
      expect(next.value.length).toBeLessThan(66 * 1024);
      for (let i = chunks.length; i < 500; i += 7) {
        apply(machine, { kind: 'put', key: `ä/${i}`, value: new Uint8Array(2) });
        apply(machine, { kind: 'delete', key: `ä/${(i * 31) % 500}` });
        apply(machine, { kind: 'put', key: `new/${i}`, value: new Uint8Array(3) });
      }
    }
    expect(chunks.length).toBeGreaterThan(5);
    const restored = new KvMachine();
    await restored.restore(stream(chunks), NEWEST);
    expect(digest(restored)).toEqual(expected);
    expect(digest(machine)).not.toEqual(expected);
  });

  it('encodeState requests only the items of the chunk being read', async () => {
    let requested = 0;
    function* items(): Generator<[string, Item], void> {
      for (; ; requested += 1) yield [`${requested}`, { value: new Uint8Array(1024), revision: 1 }];
    }
    const chunks = encodeState(items());
    expect((await chunks.next()).value?.length).toBeGreaterThanOrEqual(64 * 1024);
    expect(requested).toBeLessThan(64);
    await chunks.return();
  });

  it('a machine keeps its state when a restore fails', async () => {
    const machine = filled(50);
    const [expected, bytes] = [digest(machine), await snapshotOf(filled(100))];
    const broken = new Error('the disk is gone');
    await expect(machine.restore(stream([bytes.subarray(0, 70_000)], broken), NEWEST)).rejects.toBe(broken);
    await expect(machine.restore(stream([bytes.subarray(0, -1)]), NEWEST)).rejects.toThrow('in the middle of an item');
    await expect(machine.restore(stream([bytes, new Uint8Array(1)]), NEWEST)).rejects.toThrow(
      'in the middle of an item',
    );
    const endless = new Uint8Array(3 * MAX_VALUE).fill(0xff);
    await expect(machine.restore(stream([endless]), NEWEST)).rejects.toThrow('too long');
    await expect(machine.restore(stream([new Uint8Array(600 + 12).fill(2)]), NEWEST)).rejects.toThrow();
    expect(digest(machine)).toEqual(expected);
    await machine.restore(stream([]), NEWEST);
    expect(machine.size).toBe(0);
  });

  /** Two items, as encoded by each version of the machine. The second item expires in version 1. */
  const golden = [
    ['0', '02010000000000000200000001006101020300000000000000000000000200c3a9', undefined],
    ['1', '020100000000000000000000000000000200000001006101020300000000000000dc05000000000000000000000200c3a9', 1_500],
  ] as const;

  it.each(golden)('a machine restores a snapshot of version %s', async (version, hex, expiry) => {
    const machine = new KvMachine();
    await machine.restore(stream([new Uint8Array(Buffer.from(hex, 'hex'))]), { version: Number(version) });
    expect(digest(machine)).toEqual([
      ['a', 258, undefined, '0102'],
      ['é', 3, expiry, ''],
    ]);
    expect(machine.nextExpiry).toBe(expiry);
  });

  it('the encoding of a snapshot matches its golden bytes', async () => {
    const [[, [version, hex]], machine] = [golden, new KvMachine()];
    expect([machine.version, NEWEST]).toEqual([Number(version), { version: machine.version }]);
    await machine.restore(stream([new Uint8Array(Buffer.from(hex, 'hex'))]), NEWEST);
    expect(Buffer.from(await snapshotOf(machine)).toString('hex')).toBe(hex);
  });

  it('a restored machine removes its keys when they expire', async () => {
    const [machine, restored] = [new KvMachine(), new KvMachine()];
    for (const ttl of [undefined, 500, 300])
      apply(machine, { kind: 'put', key: `${ttl}`, value: new Uint8Array(), ttl });
    await restored.restore(stream([await snapshotOf(machine)]), NEWEST);
    const sizes = [restored.size, restored.nextExpiry];
    restored.apply({ entries: [], through: 100, time: 1_300 });
    sizes.push(restored.size, restored.nextExpiry);
    restored.apply({ entries: [], through: 101, time: 1_500 });
    expect([...sizes, restored.size, restored.nextExpiry]).toEqual([3, 1_300, 2, 1_500, 1, undefined]);
  });

  it.each([
    ['an expiry above 2^53', '0201000000000000ffffffffffffffff00000000010061'],
    ['a key that is not UTF-8', '02010000000000000000000000000000000000000100ff'],
    ['an incomplete item', '0201000000000000000000000000000001000000010061'],
    ['an incomplete expiry', '020100000000000000000000'],
  ])('restore rejects a snapshot with %s', async (_, hex) => {
    const restored = new KvMachine().restore(stream([new Uint8Array(Buffer.from(hex, 'hex'))]), NEWEST);
    await expect(restored).rejects.toMatchObject({ code: 'KONTIKI_PROTOCOL' });
  });
});

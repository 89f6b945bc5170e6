// Shows when keys with a time to live expire. The state machine runs without a node. Its only
// clock is the log time of entries and batches.
import { Readable } from 'node:stream';
import type { CommandEntry } from '@kontiki/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCommand, type Condition, type KvCommand } from '../src/kv/command.js';
import { KvMachine, type KvResult } from '../src/kv/machine.js';
import type { Write } from '../src/kv/write.js';

const put = (key: string, ttl?: number, condition: Condition = { kind: 'always' }): KvCommand => ({
  kind: 'put',
  key,
  value: Uint8Array.of(1),
  ttl,
  condition,
});
const deletion = (key: string): KvCommand => ({ kind: 'delete', key, condition: { kind: 'always' } });
const transaction = (key: string, revision: number | null, ...writes: Write[]): KvCommand => ({
  kind: 'transaction',
  compare: [{ key, revision }],
  writes,
});

/** A machine, and the index of its last entry. */
class Server {
  readonly machine = new KvMachine();
  #index = 0;

  /**
   * Applies commands at a log time, in one batch. Undefined stands for entries without a log time.
   */
  apply(time: number | undefined, ...commands: KvCommand[]): KvResult[] {
    const entries = commands.map((command): CommandEntry => {
      this.#index += 1;
      return { kind: 'command', index: this.#index, term: 1, time, data: encodeCommand(command) };
    });
    return this.machine.apply({ entries, through: this.#index, time: time ?? 0 });
  }

  /** Applies an entry that is not a command. */
  tick(time: number): void {
    this.#index += 1;
    this.machine.apply({ entries: [], through: this.#index, time });
  }

  get keys(): string[] {
    return this.machine.list('', Infinity).map(([key]) => key);
  }
}

async function snapshotOf(machine: KvMachine): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of machine.snapshot()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('keys with a time to live', () => {
  it('a key expires when log time reaches the time of its entry plus its time to live', () => {
    const server = new Server();
    server.apply(1_000, put('a', 500), put('b'));
    server.tick(1_499);
    expect([server.keys, server.machine.get('a')?.expiry]).toEqual([['a', 'b'], 1_500]);
    server.tick(1_500);
    expect([server.keys, server.machine.get('a'), server.machine.size]).toEqual([['b'], undefined, 1]);
  });

  it('a command sees no key that expires at the time of its entry', () => {
    const server = new Server();
    server.apply(1_000, put('a', 500), put('b', 500), put('c', 500), put('d', 500), put('e', 501));
    expect(
      server.apply(
        1_500,
        deletion('a'),
        put('b', undefined, { kind: 'revision', revision: 2 }),
        put('c', undefined, { kind: 'absent' }),
        transaction('d', null, { kind: 'delete', key: 'd' }),
        deletion('e'),
      ),
    ).toEqual([
      { kind: 'absent' },
      { kind: 'conflict', revision: undefined },
      { kind: 'written', revision: 8 },
      { kind: 'committed', revision: 9, effects: ['absent'] },
      { kind: 'deleted' },
    ]);
  });

  it('a later put without a time to live makes a key permanent', () => {
    const server = new Server();
    server.apply(1_000, put('a', 500), put('a'), put('b'), put('b', 700), put('b', 600));
    expect(server.machine.nextExpiry).toBe(1_600);
    server.tick(1_600);
    expect([server.keys, server.machine.nextExpiry]).toEqual([['a'], undefined]);
  });

  it('a key that was deleted and set again does not expire at its old time', () => {
    const server = new Server();
    server.apply(1_000, put('a', 500), deletion('a'), put('a'));
    server.tick(9_000);
    expect(server.keys).toEqual(['a']);
  });

  it('nextExpiry is the earliest log time at which a key expires', () => {
    const server = new Server();
    const seen = [server.machine.nextExpiry];
    for (const command of [put('a', 500), put('b', 300), put('c', 400), deletion('b'), put('c')]) {
      server.apply(1_000, command);
      seen.push(server.machine.nextExpiry);
    }
    server.tick(1_500);
    expect([...seen, server.machine.nextExpiry]).toEqual([undefined, 1_500, 1_300, 1_300, 1_400, 1_500, undefined]);
  });

  it('a put with a time to live changes nothing if its entry has no log time', () => {
    const server = new Server();
    const write: Write = { kind: 'put', key: 'b', value: Uint8Array.of(1) };
    expect(
      server.apply(
        undefined,
        put('a', 500),
        transaction('a', null, write, { ...write, key: 'c', ttl: 1 }),
        transaction('a', null, write),
        put('d'),
      ),
    ).toEqual([
      { kind: 'timeless' },
      { kind: 'timeless' },
      { kind: 'committed', revision: 3, effects: ['written'] },
      { kind: 'written', revision: 4 },
    ]);
    expect([server.keys, server.machine.nextExpiry]).toEqual([['b', 'd'], undefined]);
  });

  it('a snapshot keeps the keys that expire while it is being read', async () => {
    const server = new Server();
    server.apply(1_000, ...Array.from({ length: 5_000 }, (_, i) => put(`key ${i}`, 500)));
    const contentOf = (machine: KvMachine): unknown =>
      machine.list('', Infinity).map(([key, { revision, expiry }]) => [key, revision, expiry]);
    const expected = contentOf(server.machine);
    const chunks = server.machine.snapshot()[Symbol.asyncIterator]();
    const parts = [(await chunks.next()).value as Uint8Array];
    server.tick(1_500);
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) parts.push(next.value);
    const restored = new KvMachine();
    await restored.restore(Readable.from(parts), restored);
    expect(contentOf(restored)).toEqual(expected);
    expect(server.keys).toEqual([]);
  });

  it('keys that expire at the same time are absent at once and removed in steps', async () => {
    const [server, other] = [new Server(), new Server()];
    const commands = Array.from({ length: 2_500 }, (_, i) => put(`key ${i}`, 500));
    for (const each of [server, other]) each.apply(1_000, ...commands);
    for (let i = 0; i < 3; i += 1) other.tick(1_500);
    expect([other.machine.size, other.machine.nextExpiry]).toEqual([0, undefined]);
    server.tick(1_500);
    expect([server.machine.size, server.machine.nextExpiry]).toEqual([1_500, 1_501]);
    expect([server.keys, server.machine.get('key 2000')]).toEqual([[], undefined]);
    expect(await snapshotOf(server.machine)).toHaveLength(0);
    for (let i = 0; i < 2; i += 1) server.tick(1_500);
    expect([server.machine.size, server.machine.nextExpiry]).toEqual([0, undefined]);
  });

  it('the state does not depend on whether an expired key is still in memory', async () => {
    const keys = Array.from({ length: 2_500 }, (_, i) => `key ${i}`);
    const [lagging, prompt] = [new Server(), new Server()];
    for (const server of [lagging, prompt]) server.apply(1_000, ...keys.map((key) => put(key, 500)));
    for (let i = 0; i < 3; i += 1) prompt.tick(1_500);
    for (let i = 0; i < 3; i += 1) lagging.tick(1_000);
    const [few, last] = [keys.slice(-5), keys.slice(-5).reverse()];
    const results = [prompt, lagging].map((server) => [
      server.apply(1_500, ...few.map(deletion), put('new'), ...last.map((key) => put(key, 9, { kind: 'absent' }))),
      server.keys,
    ]);
    expect(lagging.machine.size).toBeGreaterThan(prompt.machine.size);
    expect(results[1]).toEqual(results[0]);
    expect(await snapshotOf(lagging.machine)).toEqual(await snapshotOf(prompt.machine));
  });
});

/** A step of log time, and the command of the next entry. Null if the entry is not a command. */
const step = fc.tuple(
  fc.constantFrom(0, 0, 1, 3),
  fc.oneof(
    fc.constant(null),
    fc
      .record({
        key: fc.constantFrom('a', 'b', 'c', 'd'),
        ttl: fc.constantFrom(undefined, 1, 2, 3, 6),
        condition: fc.constantFrom<Condition>({ kind: 'always' }, { kind: 'always' }, { kind: 'absent' }),
        revision: fc.option(fc.integer({ min: 1, max: 40 })),
        kind: fc.constantFrom('put', 'put', 'delete', 'transaction'),
      })
      .map(({ key, ttl, condition, revision, kind }) => {
        if (kind === 'put') return put(key, ttl, condition);
        if (kind === 'delete') return deletion(key);
        return transaction(key, revision, { kind: 'put', key: 'd', value: Uint8Array.of(2), ttl });
      }),
  ),
);

it('results and state depend on the entries, not on their division into batches', async () => {
  const equal = fc.asyncProperty(
    fc.array(step, { maxLength: 40 }),
    fc.infiniteStream(fc.integer({ min: 1, max: 6 })),
    async (steps, sizes) => {
      let time = 0;
      const log = steps.map(([elapsed, command], i) => {
        time += elapsed;
        return { index: i + 1, time, data: command === null ? undefined : encodeCommand(command) };
      });
      const run = async (cut: () => number): Promise<unknown> => {
        const [machine, results] = [new KvMachine(), [] as KvResult[]];
        for (let at = 0; at < log.length;) {
          const batch = log.slice(at, (at += cut()));
          const entries = batch.flatMap(({ index, time: stamp, data }): CommandEntry[] => {
            return data === undefined ? [] : [{ kind: 'command', index, term: 1, time: stamp, data }];
          });
          const last = batch.at(-1)!;
          results.push(...machine.apply({ entries, through: last.index, time: last.time }));
        }
        return [results, await snapshotOf(machine), machine.nextExpiry];
      };
      const expected = await run(() => 1);
      expect(await run(() => log.length)).toEqual(expected);
      expect(await run(() => sizes.next().value as number)).toEqual(expected);
    },
  );
  await fc.assert(equal, { numRuns: 500 });
});

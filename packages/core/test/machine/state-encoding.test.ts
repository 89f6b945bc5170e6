// Shows that a state of plain data round-trips through its encoding, including references. Any
// other state is refused.
import { VirtualClock } from '@kontiki/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeState, encodeState } from '../../src/machine/state-encoding.js';
import { collect, stream } from './harness.js';

const atOnce = { now: () => 0, defer: (callback: () => void) => callback() };
const encoded = (state: unknown): Promise<Uint8Array[]> => collect(encodeState(state, atOnce));
const roundTrip = async (state: unknown): Promise<unknown> => decodeState(stream(await encoded(state)));

describe('encodeState', () => {
  it('any state round-trips exactly or is refused', async () => {
    let accepted = 0;
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    await fc.assert(
      fc.asyncProperty(anything, async (state) => {
        const chunks = await encoded(state).catch((error: unknown) => {
          expect(error).toBeInstanceOf(TypeError);
        });
        if (chunks === undefined) return;
        accepted += 1;
        expect(await decodeState(stream(chunks))).toStrictEqual(state);
      }),
      { numRuns: 500, seed: 1 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('two references to one object stay references to one object', async () => {
    const item = { name: 'a' };
    const state = { byId: new Map([['a', item]]), list: [item], self: undefined as unknown };
    state.self = state;
    const copy = (await roundTrip(state)) as typeof state;
    expect(copy.byId.get('a')).toBe(copy.list[0]);
    expect(copy.self).toBe(copy);
    expect(copy.list[0]).toEqual({ name: 'a' });
  });

  it('the order of object keys, map entries and set elements is kept', async () => {
    const state = { z: 1, a: new Map([['z', new Set(['z', 'a'])]]), m: { z: 1, a: 2 } };
    const copy = (await roundTrip(state)) as typeof state;
    expect(JSON.stringify([...Object.keys(copy), ...Object.keys(copy.m)])).toBe('["z","a","m","z","a"]');
    expect([...(copy.a.get('z') ?? [])]).toEqual(['z', 'a']);
  });

  it('a state with 100,000 nested levels round-trips', async () => {
    let state: unknown[] = [];
    for (let i = 0; i < 100_000; i += 1) state = [state];
    let copy = (await roundTrip(state)) as unknown[];
    let levels = 0;
    for (; copy.length > 0; copy = copy[0] as unknown[]) levels += 1;
    expect(levels).toBe(100_000);
  });

  it('a key named __proto__ and a lone surrogate round-trip', async () => {
    const state = [JSON.parse('{"__proto__": {"polluted": true}}') as object, '\ud800', { toJSON: 1 }];
    const copy = (await roundTrip(state)) as object[];
    expect(copy).toStrictEqual(state);
    expect('polluted' in (copy[0] as object)).toBe(false);
  });

  it('a large state is encoded in bounded chunks, with pauses for other work', async () => {
    const clock = new VirtualClock();
    const state = Array.from({ length: 20_000 }, (_, i) => ({ id: `item ${i}`, value: i }));
    let at = 0;
    const slow = { now: () => (at += 10), defer: clock.defer.bind(clock) };
    let chunks: Uint8Array[] | undefined;
    void collect(encodeState(state, slow)).then((all) => (chunks = all));
    await Promise.resolve();
    expect(chunks).toBeUndefined();
    await clock.settle();
    expect(Math.max(...(chunks as Uint8Array[]).map(({ length }) => length))).toBeLessThan(256 * 1024);
    expect(await decodeState(stream(chunks as Uint8Array[]))).toEqual(state);
  });

  it('decodeState accepts chunks of any size', async () => {
    const state = { words: ['ä', '💧', '\n', '"'], n: [NaN, -0, 1e300] };
    const all = Buffer.concat(await encoded(state));
    expect(await decodeState(stream(Array.from(all, (_, i) => all.subarray(i, i + 1))))).toStrictEqual(state);
  });

  class Account {}
  it.each<[string, unknown, string]>([
    [
      'an instance of a class',
      { accounts: new Map([['a', [1, new Account()]]]) },
      'accounts.a.1 is an instance of Account',
    ],
    ['a function', [{ a: 1, run: () => 1 }], '0.run is a function'],
    ['a subclass of Map', [new (class Index extends Map {})()], '0 is an instance of Index'],
    ['a Date', { at: new Date(0) }, 'at is an instance of Date'],
    ['a symbol', [Symbol('s')], '0 is Symbol(s)'],
    ['a promise', new Set([Promise.resolve()]), '0 is an instance of Promise'],
  ])('%s in a state is refused with an error that reports its location', async (_name, state, message) => {
    await expect(encoded(state)).rejects.toThrow(message);
  });

  it.each([
    ['too many ends', '[["{"],[],[]]\n[1]\n'],
    ['no end', '[["{"],"a"]\n'],
    ['an unknown mark', '[["date",5]]\n'],
    ['a reference to nothing', '[["ref",5]]\n'],
    ['half a line', '[1]'],
    ['nothing', ''],
    ['text that is not JSON', 'state\n'],
    ['JSON that is not an array', '5\n'],
    ['an invalid bigint', '[["bigint","x"]]\n'],
    ['bytes that are not UTF-8', Uint8Array.of(0x5b, 0xff, 0x5d, 0x0a)],
  ])('decodeState refuses %s', async (_name, data) => {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    await expect(decodeState(stream([bytes]))).rejects.toMatchObject({
      code: 'KONTIKI_FORMAT',
      cause: expect.any(Error),
    });
  });
});

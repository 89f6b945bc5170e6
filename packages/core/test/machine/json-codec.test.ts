import { jsonCodec } from '@kontiki/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const roundTrip = (value: unknown): unknown => jsonCodec.decode(jsonCodec.encode(value));

describe('jsonCodec', () => {
  it('any JSON value round-trips exactly', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(roundTrip(value)).toStrictEqual(value);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('a value that is not JSON round-trips exactly or is refused', () => {
    let accepted = 0;
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    fc.assert(
      fc.property(anything, (value) => {
        let encoded: Uint8Array;
        try {
          encoded = jsonCodec.encode(value);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          return;
        }
        accepted += 1;
        expect(jsonCodec.decode(encoded)).toStrictEqual(value);
      }),
      { numRuns: 1_000, seed: 1 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  it.each([
    ['-0', -0],
    ['a lone surrogate', '\ud800'],
    ['a byte order mark', '\ufeffa'],
    ['a key __proto__', JSON.parse('{"__proto__": {"a": 1}}') as unknown],
    ['one object twice', ((shared) => [shared, shared])({ a: 1 })],
    ['a deep array', JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown],
  ])('%s round-trips', (_name, value) => {
    expect(roundTrip(value)).toStrictEqual(value);
  });

  class Point {
    x = 1;
  }
  const cycle: unknown[] = [];
  cycle.push(cycle);
  it.each<[string, unknown, string]>([
    ['undefined in an object', { a: { b: undefined } }, 'The value at a.b is undefined'],
    ['undefined in an array', [1, undefined], 'The value at 1 is undefined'],
    ['NaN', { a: NaN }, 'The value at a is NaN'],
    ['Infinity', -Infinity, 'The value is -Infinity'],
    ['a bigint', [1n], 'The value at 0 is a bigint'],
    ['a function', { a: () => 1 }, 'The value at a is a function'],
    ['a symbol', Symbol('s'), 'The value is Symbol(s)'],
    ['a Date', { at: new Date(0) }, 'The value at at is an instance of Date'],
    ['a Map', new Map(), 'The value is an instance of Map'],
    ['an instance of a class', [new Point()], 'The value at 0 is an instance of Point'],
    ['bytes', new Uint8Array(1), 'The value is an instance of Uint8Array'],
    ['a hole', [1, , 2], 'The value is an array with holes'], // oxlint-disable-line no-sparse-arrays
    ['a property of an array', Object.assign([1], { a: 1 }), 'The value is an array with holes, further properties'],
    ['a subclass of Array', new (class extends Array {})(), 'The value is an array with holes, further properties or'],
    ['a symbol as key', { [Symbol('s')]: 1 }, 'The value is an object with hidden properties or a class'],
    ['toJSON', { toJSON: () => 1 }, 'The value at toJSON is a function'],
    ['a cycle', cycle, 'The value contains itself, or has more than 1000 levels'],
  ])('%s is refused with an error that reports its location', (_name, value, message) => {
    expect(() => jsonCodec.encode(value)).toThrow(message);
  });

  it('the codec refuses to decode text that is not UTF-8', () => {
    expect(() => jsonCodec.decode(new Uint8Array([34, 0xff, 34]))).toThrow(TypeError);
  });
});

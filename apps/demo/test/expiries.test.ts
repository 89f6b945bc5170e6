// Shows that the heap of expiries always knows the earliest one. Random changes are also made to a
// map, whose minimum must be the same.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Expiries } from '../src/kv/expiries.js';

const expiry = fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined });
const changes = fc.array(fc.tuple(fc.nat({ max: 40 }).map(String), expiry), { maxLength: 300 });

it('Expiries returns the earliest expiry after every change', () => {
  const agree = fc.property(changes, (steps) => {
    const [expiries, model] = [new Expiries(), new Map<string, number>()];
    for (const [key, time] of steps) {
      expiries.set(key, time);
      if (time === undefined) model.delete(key);
      else model.set(key, time);
      const { first } = expiries;
      expect(first?.expiry).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
      expect(first?.expiry).toBe(first && model.get(first.key));
    }
    const drained: number[] = [];
    for (let { first } = expiries; first !== undefined; { first } = expiries) {
      drained.push(first.expiry);
      expiries.delete(first.key);
    }
    expect(drained).toEqual([...model.values()].sort((a, b) => a - b));
  });
  fc.assert(agree, { numRuns: 500 });
});

// Shows that the inputs of each target reach the code under test. Otherwise, all inputs could be
// refused early, for example because of a wrong name in a header, and would test nothing.
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { accepts, type Target } from '../src/target.js';
import { targets } from '../src/targets/index.js';

/** Returns the number of inputs that a target accepts. */
async function countAccepted(target: Target, inputs: readonly Uint8Array[]): Promise<number> {
  let accepted = 0;
  for (const input of inputs) accepted += Number(await accepts(target, input));
  return accepted;
}

describe.each(targets.map((target) => [target.name, target] as const))('the fuzz target %s', (name, target) => {
  afterAll(() => target.close?.());

  it(`${name} accepts all of its valid inputs`, async () => {
    const seeds = await target.seeds();
    expect(await countAccepted(target, seeds)).toBe(seeds.length);
  });

  const { structured } = target;
  if (structured !== undefined)
    it(`${name} accepts some of its structured inputs`, async () => {
      const accepted = await countAccepted(target, fc.sample(structured, { numRuns: 200, seed: 1 }));
      expect(accepted).toBeGreaterThan(0);
    });

  if (target.repair !== undefined)
    it(`${name} accepts some modified inputs only after they are repaired`, async () => {
      let repaired = 0;
      const seed = (await target.seeds()).at(-1) as Uint8Array;
      for (let at = 0; at < seed.length; at += 1) {
        const input = seed.slice();
        input[at] = (input[at] as number) ^ 1;
        if (await accepts(target, input)) continue;
        target.repair?.(input);
        repaired += Number(await accepts(target, input));
      }
      expect(repaired).toBeGreaterThan(0);
    });
});

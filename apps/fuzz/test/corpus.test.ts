// Shows that every stored input is handled as documented. Valid inputs are outputs of the encoders,
// so they must be accepted. All other inputs once caused a failure, or run code that other inputs
// rarely reach.
import { afterAll, describe, expect, it } from 'vitest';
import { readCorpus } from '../src/corpus.js';
import { accepts } from '../src/target.js';
import { targets } from '../src/targets/index.js';

describe.each(targets.map((target) => [target.name, target] as const))('the fuzz target %s', (name, target) => {
  afterAll(() => target.close?.());

  it.each([...readCorpus(name)])(`${name} handles the stored input %s as documented`, async (file, input) => {
    const accepted = await accepts(target, input);
    if (file.startsWith('valid-')) expect(accepted).toBe(true);
  });
});

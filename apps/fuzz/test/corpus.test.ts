// Shows that every kept input is treated as documented. Valid inputs are outputs of the encoders,
// so they must be accepted. The others once failed, or reach rare code.
import { afterAll, describe, expect, it } from 'vitest';
import { readCorpus } from '../src/corpus.js';
import { targets } from '../src/targets/index.js';

/** Targets whose inputs go to several readers, of which each refuses the inputs of the others. */
const SHARED = new Set(['database', 'demo-state']);

describe.each(targets.map((target) => [target.name, target] as const))('the fuzz target %s', (name, target) => {
  afterAll(() => target.close?.());

  it.each([...readCorpus(name)])(`${name} treats the kept input %s as documented`, async (file, input) => {
    const error = await Promise.resolve()
      .then(() => target.run(input))
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    if (file.startsWith('valid-') && !SHARED.has(name)) expect(error).toBeUndefined();
    else if (error !== undefined && !target.isExpected(error)) throw error;
  });
});

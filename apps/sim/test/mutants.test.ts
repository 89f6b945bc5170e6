// Shows that every mutant (a bug injected into a source file) still matches the code. The text that
// it replaces must occur exactly once in the source. `sim mutants` checks whether the worlds find
// the mutants, which takes minutes.

import { describe, expect, it } from 'vitest';
import { mutants as levelMutants } from '../src/mutants/level.js';
import { mutants as nodeMutants } from '../src/mutants/nodes.js';
import { mutants as protocolMutants } from '../src/mutants/protocol.js';
import { mutants as snapshotMutants } from '../src/mutants/snapshots.js';
import { mutate } from '../src/mutants/mutant.js';
import { sourceOf } from '../src/mutants/build.js';

const mutants = [...protocolMutants, ...nodeMutants, ...snapshotMutants, ...levelMutants];

describe('mutants', () => {
  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    'the find text of a mutant occurs once in the source: %s',
    (_, mutant) => {
      const source = sourceOf(mutant);
      expect(mutate(source, mutant)).not.toBe(source);
    },
  );

  it('all mutants have different names', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it('mutate throws if the find text does not occur exactly once', () => {
    const mutant = { name: 'x', file: 'a.ts', find: 'gone', replace: '' };
    expect(() => mutate('text', mutant)).toThrow('mutant "x": its find text occurs 0 times in a.ts');
    expect(() => mutate('gone, gone', mutant)).toThrow('occurs 2 times');
  });
});

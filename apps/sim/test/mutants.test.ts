// Shows that every mutant still fits the code: its find text must occur exactly once in the source.
// Whether the worlds find the mutants takes minutes, so `sim mutants` checks that.

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
    'the find text occurs once in the source: %s',
    (_, mutant) => {
      const source = sourceOf(mutant);
      expect(mutate(source, mutant)).not.toBe(source);
    },
  );

  it('mutants have different names', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it('a mutant throws if its find text occurs never or twice', () => {
    const mutant = { name: 'x', file: 'a.ts', find: 'gone', replace: '' };
    expect(() => mutate('text', mutant)).toThrow('mutant "x": its find text occurs 0 times in a.ts');
    expect(() => mutate('gone, gone', mutant)).toThrow('occurs 2 times');
  });
});

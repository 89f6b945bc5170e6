import { describe, expect, it } from 'vitest';
import { mutants as ofLevel } from '../src/mutants/level.js';
import { mutants as ofNodes } from '../src/mutants/nodes.js';
import { mutants as ofProtocol } from '../src/mutants/protocol.js';
import { mutants as ofSnapshots } from '../src/mutants/snapshots.js';
import { mutate } from '../src/mutants/mutant.js';
import { sourceOf } from '../src/mutants/build.js';

const mutants = [...ofProtocol, ...ofNodes, ...ofSnapshots, ...ofLevel];

describe('mutants', () => {
  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s: its text stands once', (_, mutant) => {
    const source = sourceOf(mutant);
    expect(mutate(source, mutant)).not.toBe(source);
  });

  it('have names of their own', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it('whose text has changed are an error', () => {
    const mutant = { name: 'x', file: 'a.ts', find: 'gone', replace: '' };
    expect(() => mutate('text', mutant)).toThrow('mutant x: its text stands 0 times in a.ts');
    expect(() => mutate('gone, gone', mutant)).toThrow('stands 2 times');
  });
});

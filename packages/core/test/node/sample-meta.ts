import { membershipOf, type SnapshotMeta } from '@kontiki/core';

/**
 * Returns the metadata of a snapshot that ends at entry `index`. Its id consists of `letter`
 * repeated 32 times.
 */
export function metaOf(letter: string, index: number): SnapshotMeta {
  return {
    id: letter.repeat(32),
    cluster: 'test',
    last: { index, term: 2 },
    membership: { index: 1, membership: membershipOf([['a', { address: 'memory:a', metadata: '' }]]) },
    genesis: 5,
    version: 0,
  };
}

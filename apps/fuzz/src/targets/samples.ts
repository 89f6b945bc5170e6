import { type Entry, type Identity, membershipOf, type SnapshotMeta } from '@kontiki/core';

/** The server whose readers are under test. */
export const self: Identity = { cluster: 'fuzz', server: 'a', incarnation: 11, genesis: 5, epoch: 'c'.repeat(32) };

/** Another server of the same cluster as `self`. */
export const peer: Identity = { ...self, server: 'b', incarnation: 12 };

/** The owner recorded in the stores of the server `self`. */
export const owner = { cluster: self.cluster, server: self.server };

/** A membership with a learner and with text that contains non-ASCII characters. */
export const membership = membershipOf(
  ['a', 'b', 'c'].map((id) => [id, { address: `ws://${id}:1`, metadata: 'é' }]),
  ['b'],
);

export const meta: SnapshotMeta = {
  id: '00112233445566778899aabbccddeeff',
  cluster: self.cluster,
  last: { index: 9, term: 3 },
  membership: { index: 7, membership },
  genesis: 5,
  version: 3,
};

export function command(index: number, term: number): Entry {
  return { kind: 'command', index, term, data: Buffer.alloc(9, index) };
}

/** Returns an input in two pieces, because snapshots are read in pieces. */
export async function* piecesOf(input: Uint8Array): AsyncGenerator<Uint8Array, void> {
  const middle = input.length >> 1;
  yield input.subarray(0, middle);
  yield input.subarray(middle);
}

// Shows that a node passes announced addresses to its transport. See address-book.test.ts for which
// address a node uses.
import type { Identity, Transport } from '@kontiki/core';
import { expect, it } from 'vitest';
import { Nodes } from './harness.js';

it('a node dials announced addresses even without a leader', async () => {
  const nodes = new Nodes();
  await nodes.bootstrap('a', 'b', 'c');
  const inner = nodes.network.transport();
  let self: Identity | undefined;
  let peers: ReadonlyMap<string, string> | undefined;
  const transport: Transport = {
    start: (identity, receive) => inner.start((self = identity), receive),
    send: (to, messages) => inner.send(to, messages),
    setPeers: (given) => inner.setPeers((peers = given)),
    close: () => inner.close(),
  };
  const node = await nodes.open('a', { transport, address: 'memory:moved-a' });
  await nodes.clock.elapse(1);
  expect(self?.announcements?.list()).toMatchObject([{ id: 'a', address: 'memory:moved-a' }]);
  self?.announcements?.learn({ id: 'b', count: 9, address: 'memory:moved-b' });
  await nodes.clock.elapse(1);
  expect(peers).toEqual(
    new Map([
      ['b', 'memory:moved-b'],
      ['c', 'memory:c'],
    ]),
  );
  expect(node.leader).toBeUndefined();
  await nodes.close();
});

import { afterEach, expect, it } from 'vitest';
import { silentLogger } from '@kontiki/core';
import { Nodes } from './harness.js';

let nodes: Nodes;
afterEach(() => nodes.close());

it.each([
  [1_000, 0],
  [1_001, 1],
])('a node whose term rises by %i at once logs %i warnings', async (rise, expected) => {
  nodes = new Nodes();
  const warnings: string[] = [];
  await nodes.bootstrap('a', 'b', 'c');
  for (const id of ['a', 'b'])
    await nodes.open(id, { logger: { ...silentLogger, warn: (line) => warnings.push(line) } });
  await nodes.clock.until(() => nodes.leader !== undefined);
  await nodes.clock.elapse(300);
  const before = nodes.get('a').status().term;
  warnings.length = 0;
  // Server `c` claims to lead a later term.
  const c = nodes.network.transport();
  await c.start({ cluster: 'test', server: 'c', incarnation: 7, genesis: undefined, epoch: undefined }, () => {});
  c.setPeers(new Map([['a', 'memory:a']]));
  c.send('a', [{ kind: 'heartbeat', term: before + rise, incarnation: 7, stream: 1, round: 1, committed: 0 }]);
  await nodes.clock.until(() => nodes.get('a').status().term >= before + rise);
  expect(warnings.filter((line) => line.includes(`rose by ${rise}`))).toHaveLength(expected);
  await c.close();
});

import { expect, it } from 'vitest';
import { type RaftNode, type Transport } from '@kontiki/core';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { Cluster } from '../../peers/test/transports/cluster.js';

it('a running cluster moves from WebSocket to HTTP, one server at a time', async () => {
  const transports = new Map<number, Transport>();
  const cluster = new Cluster('ws', (port) => {
    const transport = new WebSocketTransport({ listen: { port } });
    transports.set(port, transport);
    return transport;
  });
  const ids = ['a', 'b', 'c'];
  await cluster.bootstrap(ids);
  await cluster.open(...ids);
  await cluster.execute('before');
  for (const id of ids) {
    const node = cluster.nodes.get(id) as RaftNode<number>;
    const port = cluster.ports.get(id) as number;
    await expect(node.setTransport(new HttpTransport({ listen: { port } }))).rejects.toMatchObject({
      code: 'KONTIKI_LISTEN',
    });
    await cluster.execute(`still ${id}`);
    await transports.get(port)?.close();
    await node.setTransport(new HttpTransport({ listen: { port } }));
    await cluster.execute(`after ${id}`);
  }
  await cluster.applied('after c', ...ids);
  const [first] = ids.map((id) => cluster.machines.get(id)?.applied);
  for (const id of ids) expect(cluster.machines.get(id)?.applied).toEqual(first);
  expect([...new Set(first)]).toEqual(['before', ...ids.flatMap((id) => [`still ${id}`, `after ${id}`])]);
});

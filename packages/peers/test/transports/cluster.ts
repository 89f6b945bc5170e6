import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { bootstrap, MemoryLog, RaftNode, type StateMachine, type Transport } from '@kontiki/core';
import { after, until } from './servers.js';

/** A port that was free a moment ago: addresses must stand in the first membership, before anybody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

class List implements StateMachine<number> {
  readonly applied: string[] = [];
  apply({ entries }: Parameters<StateMachine['apply']>[0]): number[] {
    return entries.map(({ data }) => this.applied.push(new TextDecoder().decode(data)));
  }
}

/** That whole nodes make a cluster over it. */
export function testCluster(scheme: string, make: (port: number) => Transport): void {
  it('carries a cluster: an election, commits on all servers, a server that goes and comes back', async () => {
    const ids = ['a', 'b', 'c'];
    const ports = new Map<string, number>();
    for (const id of ids) ports.set(id, await freePort());
    const members = Object.fromEntries(ids.map((id) => [id, `${scheme}://127.0.0.1:${ports.get(id)}`]));
    const logs = new Map(ids.map((id) => [id, new MemoryLog()]));
    const machines = new Map<string, List>();

    const open = async (id: string): Promise<RaftNode<number>> => {
      const machine = new List();
      machines.set(id, machine);
      const node = await RaftNode.open({
        id,
        cluster: 'c-1',
        machine,
        log: logs.get(id) as MemoryLog,
        transport: make(ports.get(id) as number),
        timings: { heartbeat: 50, election: 250 },
      });
      after(() => node.close());
      return node;
    };

    for (const id of ids) await bootstrap(logs.get(id) as MemoryLog, { cluster: 'c-1', server: id, members });
    const nodes = new Map<string, RaftNode<number>>();
    for (const node of await Promise.all(ids.map(open))) nodes.set(node.id, node);
    const leader = (): RaftNode<number> | undefined =>
      [...nodes.values()].find((node) => node.status().role === 'leader');
    const execute = async (text: string): Promise<void> => {
      await until(() => leader() !== undefined, 'a leader');
      await (leader() as RaftNode<number>).propose(new TextEncoder().encode(text));
    };

    await execute('one');
    await execute('x'.repeat(500_000));
    await until(() => ids.every((id) => machines.get(id)?.applied.length === 2), 'both commands on all servers');

    const gone = (leader() as RaftNode<number>).id;
    await nodes.get(gone)?.close();
    nodes.delete(gone);
    await execute('two');

    nodes.set(gone, await open(gone));
    await execute('three');
    await until(() => ids.every((id) => machines.get(id)?.applied.length === 4), 'all commands on all servers');
    expect(machines.get(gone)?.applied.map((text) => text.length)).toEqual([3, 500_000, 3, 5]);
  });
}

import { expect, it } from 'vitest';
import { isKontikiError, type RaftNode, type Transport } from '@kontiki/core';
import type { TransportOptions } from '@kontiki/peers';
import { Cluster } from './cluster.js';
import { freePort, until } from './servers.js';

const ids = ['a', 'b', 'c'] as const;

/** Shows that servers that announce their addresses can be found again after a move. */
export function testAddresses(scheme: string, make: (port: number, dial: TransportOptions['dial']) => Transport): void {
  /** Addresses that the next server to be opened has learned from other servers. */
  let known = new Map<string, string>();
  const addressOf = (cluster: Cluster, id: string): string => `${scheme}://127.0.0.1:${cluster.ports.get(id)}`;

  async function cluster(): Promise<Cluster> {
    known = new Map();
    const created = new Cluster(scheme, (port) => {
      const hints = known;
      return make(port, (id, address) => hints.get(id) ?? address);
    });
    created.announces = (id) => addressOf(created, id);
    await created.bootstrap(ids);
    await created.open(...ids);
    await created.execute('one');
    await created.applied('one', ...ids);
    return created;
  }

  const recorded = (node: RaftNode<number>): Record<string, string | undefined> =>
    Object.fromEntries(ids.map((id) => [id, node.status().membership?.servers.get(id)?.address]));
  const addresses = (of: Cluster): Record<string, string> =>
    Object.fromEntries(ids.map((id) => [id, addressOf(of, id)]));

  async function areRecorded(of: Cluster): Promise<void> {
    const expected = JSON.stringify(addresses(of));
    await until(
      () => [...of.nodes.values()].every((node) => JSON.stringify(recorded(node)) === expected),
      'all servers to have the new addresses in their membership',
    );
  }

  it('a server that starts on another port is found, and the leader records its address', async () => {
    const moving = await cluster();
    for (const id of ids) {
      await moving.close(id);
      moving.ports.set(id, await freePort());
      await moving.open(id);
      await moving.execute(`${id} has moved`);
      await moving.applied(`${id} has moved`, ...ids);
      await areRecorded(moving);
    }
    // The membership has not been changed by an operator.
    expect(moving.leader?.status().membership?.revision).toBe(0);
  });

  it('servers on new ports find each other if each of them can reach one other server', async () => {
    const moving = await cluster();
    for (const id of ids) await moving.close(id);
    for (const id of ids) moving.ports.set(id, await freePort());
    await moving.open('a');
    known = new Map([['a', addressOf(moving, 'a')]]);
    await moving.open('b');
    await moving.execute('a leader is known');
    if (moving.leader?.id === 'b') await moving.leader.members.transferLeadership('a');
    // The last server to start knows only the current address of b, which is not the leader.
    known = new Map([['b', addressOf(moving, 'b')]]);
    await moving.open('c');
    await moving.execute('two');
    await moving.applied('two', ...ids);
    await areRecorded(moving);
    // From now on, the log contains the addresses.
    known = new Map();
    for (const id of ids) await moving.close(id);
    await moving.open(...ids);
    await moving.execute('three');
    await moving.applied('three', ...ids);
  });

  it('a server that announces the address of another server changes nothing', async () => {
    const moving = await cluster();
    const before = addresses(moving);
    await moving.close('c');
    moving.announces = (id) => addressOf(moving, id === 'c' ? 'a' : id);
    await moving.open('c');
    await moving.execute('two');
    await moving.applied('two', ...ids);
    for (const id of ['a', 'b']) await moving.close(id);
    await moving.open('a', 'b');
    await moving.execute('three');
    await moving.applied('three', ...ids);
    for (const node of moving.nodes.values()) expect(recorded(node)).toEqual(before);
  });

  it('an address set by an operator replaces one that a server announced earlier', async () => {
    const moving = await cluster();
    const other = `${scheme}://localhost:${moving.ports.get('c')}`;
    await until(() => moving.leader !== undefined, 'a leader');
    // The leader refuses changes until it has written the announced addresses to the membership.
    const set = async (): Promise<boolean> => {
      try {
        return (await moving.leader?.members.setAddress('c', other)) !== undefined;
      } catch (error) {
        if (isKontikiError(error, 'KONTIKI_CHANGING')) return false;
        throw error;
      }
    };
    await until(set, 'a leader that takes the change');
    await moving.close('a');
    await moving.open('a');
    await moving.execute('two');
    await moving.applied('two', ...ids);
    for (const node of moving.nodes.values()) expect(recorded(node)['c']).toBe(other);
  });
}

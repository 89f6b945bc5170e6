import { expect, it } from 'vitest';
import { MemoryLog, membershipOf, RaftNode, type ServerInfo, type StateMachine, type Transport } from '@kontiki/core';
import { after, freePort, until } from './servers.js';

class List implements StateMachine<number> {
  readonly applied: string[] = [];
  apply({ entries }: Parameters<StateMachine['apply']>[0]): number[] {
    return entries.map(({ data }) => this.applied.push(new TextDecoder().decode(data)));
  }
}

/** A cluster of servers in this process. Each server has its own port. */
export class Cluster {
  readonly nodes = new Map<string, RaftNode<number>>();
  readonly machines = new Map<string, List>();
  readonly ports = new Map<string, number>();
  /**
   * Returns the address that a server announces when it starts. By default, servers announce
   * nothing.
   */
  announces: (id: string) => string | undefined = () => undefined;
  readonly #address: (id: string) => string;
  readonly #make: (port: number) => Transport;
  readonly #logs = new Map<string, MemoryLog>();

  /**
   * `address` returns the address of a server. Default: an address with the port of that server.
   */
  constructor(scheme: string, make: (port: number) => Transport, address?: (id: string) => string) {
    this.#make = make;
    this.#address = address ?? ((id) => `${scheme}://127.0.0.1:${this.ports.get(id)}`);
  }

  /** Writes the cluster's first entry to the logs of all voters. Learners stay blank. */
  async bootstrap(voters: readonly string[], learners: readonly string[] = []): Promise<void> {
    const servers: [string, ServerInfo][] = [];
    for (const id of [...voters, ...learners]) {
      this.#logs.set(id, new MemoryLog());
      this.ports.set(id, await freePort());
      servers.push([id, { address: this.#address(id), metadata: '' }]);
    }
    const membership = membershipOf(servers, learners);
    for (const server of voters) {
      const log = this.#logs.get(server) as MemoryLog;
      await log.open({ cluster: 'c-1', server });
      await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }], committed: 1 });
      await log.close();
    }
  }

  async open(...ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const machine = new List();
      const node = await RaftNode.open({
        id,
        cluster: 'c-1',
        machine,
        address: this.announces(id),
        log: this.#logs.get(id) as MemoryLog,
        transport: this.#make(this.ports.get(id) as number),
        timings: { heartbeat: 50, election: 250 },
      });
      after(() => node.close());
      this.machines.set(id, machine);
      this.nodes.set(id, node);
    }
  }

  async close(id: string): Promise<void> {
    await this.nodes.get(id)?.close();
    this.nodes.delete(id);
  }

  get leader(): RaftNode<number> | undefined {
    return [...this.nodes.values()].find((node) => node.status().role === 'leader');
  }

  /**
   * Proposes a command repeatedly until a proposal succeeds. If the leader changes during a
   * proposal, the command may be applied twice.
   */
  async execute(text: string): Promise<void> {
    for (let done = false; !done;) {
      await until(() => this.leader !== undefined, 'a leader');
      const data = new TextEncoder().encode(text);
      done = await (this.leader as RaftNode<number>).propose(data, { timeout: 2_000 }).then(
        () => true,
        () => false,
      );
    }
  }

  /** Resolves when the given servers have applied the command. */
  async applied(text: string, ...ids: readonly string[]): Promise<void> {
    await until(
      () => ids.every((id) => this.machines.get(id)?.applied.includes(text)),
      'all servers to apply a command',
    );
  }
}

/** Shows that nodes form a cluster over the transport. */
export function testCluster(scheme: string, make: (port: number) => Transport): void {
  it('a cluster elects a leader, commits on all servers and readmits a restarted one', async () => {
    const ids = ['a', 'b', 'c'];
    const cluster = new Cluster(scheme, make);
    await cluster.bootstrap(ids);
    await cluster.open(...ids);
    const large = 'x'.repeat(500_000);
    await cluster.execute('one');
    await cluster.execute(large);
    await cluster.applied(large, ...ids);

    const stopped = (cluster.leader as RaftNode<number>).id;
    await cluster.close(stopped);
    await cluster.execute('two');
    await cluster.open(stopped);
    await cluster.execute('three');
    await cluster.applied('three', ...ids);
    for (const id of ids) {
      expect([...new Set(cluster.machines.get(id)?.applied)]).toEqual(['one', large, 'two', 'three']);
    }
  });

  it('a blank server receives the log and learns the other servers from it', async () => {
    const cluster = new Cluster(scheme, make);
    await cluster.bootstrap(['a'], ['blank']);
    await cluster.open('a');
    for (let i = 0; i < 20; i += 1) await cluster.execute(`${i} ${'x'.repeat(100_000)}`);
    await cluster.execute('last');
    await cluster.open('blank');
    await cluster.applied('last', 'blank');
    expect(cluster.machines.get('blank')?.applied).toEqual(cluster.machines.get('a')?.applied);
  });
}

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Proxy } from '../../../packages/peers/test/transports/proxy.js';
import type { ClusterFile } from '../src/cluster/cluster-file.js';
import type { DemoCluster, Program } from './cluster.js';

/**
 * Each node has its own folder with a `cluster.json`, which has the ports of the proxies instead
 * of the ports of the peers.
 */
export class PeerLinks {
  readonly #cluster: DemoCluster;
  /** The proxies by the ids of the dialing node and of the dialed node. */
  readonly #proxies = new Map<string, Proxy>();

  constructor(cluster: DemoCluster) {
    this.#cluster = cluster;
  }

  /** Starts the proxies. The cluster must exist, and its nodes must not be running. */
  async start(): Promise<void> {
    const { data, ids } = this.#cluster;
    const file = JSON.parse(readFileSync(join(data, 'cluster.json'), 'utf8')) as ClusterFile;
    for (const id of ids) {
      const nodes = await Promise.all(
        file.nodes.map(async (node) => {
          if (node.id === id) return node;
          const proxy = await new Proxy(() => node.peerPort).start();
          this.#proxies.set(`${id} ${node.id}`, proxy);
          return { ...node, peerPort: proxy.port };
        }),
      );
      mkdirSync(this.#folder(id), { recursive: true });
      writeFileSync(join(this.#folder(id), 'cluster.json'), JSON.stringify({ ...file, nodes }));
      symlinkSync(join(data, id), join(this.#folder(id), id));
    }
  }

  /** Starts a node that reaches its peers through the proxies. */
  run(id: string): Program {
    return this.#cluster.run(['node', '--id', id, '--data', this.#folder(id)]);
  }

  /** Drops everything that one node sends to another, on the connections that either has opened. */
  cut(from: string, to: string): void {
    this.#proxies.get(`${from} ${to}`)?.stall('forth');
    this.#proxies.get(`${to} ${from}`)?.stall('back');
  }

  /** Restores all links. */
  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.resume();
  }

  close(): void {
    for (const proxy of this.#proxies.values()) proxy.close();
  }

  #folder(id: string): string {
    return join(this.#cluster.data, 'links', id);
  }
}

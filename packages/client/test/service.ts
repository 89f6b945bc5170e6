import type { IncomingMessage, ServerResponse } from 'node:http';
import { bootstrap, CommandError, defineStateMachine, MemoryLog, MemoryNetwork, TypedNode } from '@kontiki/core';
import { handler, type HandlerOptions } from '@kontiki/client/server';
import { after, serve, type TestServer } from './servers.js';

export const machine = defineStateMachine({
  initial: () => ({ items: [] as string[] }),
  commands: {
    append: ({ items }, item: string) => items.push(item),
    clear: ({ items }) => void items.splice(0),
    take: ({ items }, item: string) => {
      const at = items.indexOf(item);
      if (at < 0) throw new CommandError('ABSENT', `There is no item ${item}.`);
      return items.splice(at, 1);
    },
    date: () => new Date(0),
  },
  queries: {
    items: ({ items }) => items,
    item: ({ items }, at: number) => items[at],
    broken: () => {
      throw new Error('secret detail');
    },
  },
});

/** A node with its HTTP server. */
export class ServiceNode {
  readonly node: TypedNode<typeof machine>;
  readonly server: TestServer;

  constructor(node: TypedNode<typeof machine>, server: TestServer) {
    this.node = node;
    this.server = server;
  }

  /** Stops the node and its server. Requests in progress are not answered. */
  async kill(): Promise<void> {
    this.server.close();
    await this.node.close({ drain: false, transfer: false });
  }
}

/** A cluster of nodes in this process, each with a server that can lose responses. */
export class Service {
  readonly network = new MemoryNetwork();
  readonly nodes: ServiceNode[] = [];
  /** Whether to lose a response after the node has handled the request. */
  loses: (request: IncomingMessage) => boolean = () => false;

  static async start(ids: readonly string[] = ['a'], options: HandlerOptions = {}): Promise<Service> {
    const service = new Service();
    const members = Object.fromEntries(ids.map((id) => [id, `memory:${id}`]));
    const opening = ids.map(async (id) => {
      const log = new MemoryLog();
      await bootstrap(log, { cluster: 'service', server: id, members });
      const transport = service.network.transport();
      const timings = { heartbeat: 30, election: 150 };
      const node = await TypedNode.open({ id, cluster: 'service', machine, log, transport, timings });
      after(() => node.close());
      const listener = handler(node, options);
      const server = await serve((request, response) => {
        if (service.loses(request)) loseResponse(response);
        listener(request, response);
      });
      service.nodes.push(new ServiceNode(node, server));
    });
    await Promise.all(opening);
    await Promise.any(service.nodes.map(({ node }) => node.raft.waitForLeader()));
    // Until a cluster is founded, it needs all its nodes.
    for (const { node } of service.nodes)
      while (node.raft.status().membership?.founded !== true) await node.raft.once('apply');
    return service;
  }

  get urls(): string[] {
    return this.nodes.map(({ server }) => server.url);
  }

  get leader(): ServiceNode | undefined {
    return this.nodes.find(({ node }) => node.raft.isLeader);
  }
}

/** Closes the connection instead of sending the response. */
function loseResponse(response: ServerResponse): void {
  response.end = (() => response.socket?.destroy()) as never;
}

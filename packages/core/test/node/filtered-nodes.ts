import type { NodeOptions, RaftNode } from '@kontiki/core';
import { Filtered } from './filtered-transport.js';
import { Nodes } from './harness.js';

/** Nodes whose transports can hold messages. */
export class FilteredNodes extends Nodes {
  readonly #transports = new Map<string, Filtered>();

  override open(id: string, options: Partial<NodeOptions<number>> = {}): Promise<RaftNode<number>> {
    const transport = new Filtered(this.network.transport());
    this.#transports.set(id, transport);
    return super.open(id, { transport, ...options });
  }

  transportOf({ id }: { readonly id: string }): Filtered {
    return this.#transports.get(id) as Filtered;
  }

  /** Starts a cluster of three servers. Resolves with the leader and a follower that knows the leader. */
  async led(options: Partial<NodeOptions<number>> = {}): Promise<[RaftNode<number>, RaftNode<number>]> {
    await this.bootstrap('a', 'b', 'c');
    for (const id of ['a', 'b', 'c']) await this.open(id, options);
    await this.clock.until(() => this.leader !== undefined && this.followers.every(({ leader }) => leader));
    return [this.leader as RaftNode<number>, this.followers[0] as RaftNode<number>];
  }
}

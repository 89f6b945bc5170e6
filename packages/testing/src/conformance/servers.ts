import type { Identity, Message, ServerId, Transport } from '@kontiki/core';
import { numbered } from './messages.js';
import { until } from './waiting.js';

/** What the transports of a test run on. What it cannot do it leaves out. */
export interface Wire<T extends Transport> {
  /** A transport for this server, not started yet. A server that restarts asks for another. */
  transport(id: ServerId): T;
  /** Where a transport that has been started is reached: what memberships say of its server. */
  address(transport: T, id: ServerId): string | Promise<string>;
  /** From now on the system of this server reads nothing that is sent to it, or does again; what is held up is delivered then. */
  hold?(id: ServerId, held: boolean): void;
  /** Waits until a condition holds, and throws when it never does. Default: looks at it for 20 seconds. */
  until?(condition: () => boolean): Promise<void>;
  /** Called when the test is over and every transport closed. */
  remove?(): void | Promise<void>;
}

/** A server of a test: its transport, and what it received. */
export interface Server<T extends Transport> {
  readonly id: ServerId;
  readonly transport: T;
  readonly address: string;
  readonly received: { readonly from: ServerId; readonly message: Message }[];
  /** Called for each message. */
  onMessage: (message: Message) => void;
}

/** The servers of one test. */
export class Servers<T extends Transport> {
  readonly wire: Wire<T>;
  readonly #started: T[] = [];
  #incarnations = 0;
  #tickets = 1_000_000;

  constructor(wire: Wire<T>) {
    this.wire = wire;
  }

  /** Starts a server, again if it is one that was closed. */
  async start(id: ServerId, identity: Partial<Identity> = {}): Promise<Server<T>> {
    const transport = this.wire.transport(id);
    this.#started.push(transport);
    const received: Server<T>['received'] = [];
    this.#incarnations += 1;
    // Identities are read anew for each handshake, so this object's own fields stand, and may be changed by the test.
    const self = Object.assign(identity, {
      cluster: identity.cluster ?? 'conformance',
      server: id,
      incarnation: this.#incarnations,
      genesis: identity.genesis,
    });
    const onMessage = (): void => {};
    const server: Server<T> = { id, transport, address: '', received, onMessage };
    await transport.start(self, (from, message) => {
      received.push({ from, message });
      server.onMessage(message);
    });
    return Object.assign(server, { address: await this.wire.address(transport, id) });
  }

  /** Starts servers, at once, tells each of all others, and waits until each has reached each. */
  async meeting<Ids extends readonly ServerId[]>(...ids: Ids): Promise<{ [i in keyof Ids]: Server<T> }> {
    const servers = await Promise.all(ids.map((id) => this.start(id)));
    introduce(...servers);
    await this.meet(...servers);
    return servers as { [i in keyof Ids]: Server<T> };
  }

  until(condition: () => boolean): Promise<void> {
    return this.wire.until?.(condition) ?? until(condition);
  }

  /** Sends until a message arrives: what is sent while there is no connection may be dropped. */
  async reaches(from: Server<T>, to: Server<T>): Promise<void> {
    this.#tickets += 1;
    const message = numbered(this.#tickets);
    await this.until(() => {
      if (tickets(to).includes(this.#tickets)) return true;
      from.transport.send(to.id, [message]);
      return false;
    });
  }

  /** Each reaches each. */
  async meet(...servers: readonly Server<T>[]): Promise<void> {
    for (const from of servers) for (const to of servers) if (from !== to) await this.reaches(from, to);
  }

  async close(): Promise<void> {
    await Promise.all(this.#started.map((transport) => transport.close()));
    await this.wire.remove?.();
  }
}

/** Tells each of these servers of all others. */
export function introduce<T extends Transport>(...servers: readonly Server<T>[]): void {
  for (const server of servers) {
    const others = servers.filter((other) => other !== server);
    server.transport.setPeers(new Map(others.map(({ id, address }) => [id, address])));
  }
}

/** The numbers of the numbered messages that a server received. */
export function tickets({ received }: Server<Transport>): number[] {
  return received.flatMap(({ message }) => (message.kind === 'readIndex' ? [message.ticket] : []));
}

/** The first indices of the appends that a server received. */
export function appends({ received }: Server<Transport>): number[] {
  return received.flatMap(({ message }) => (message.kind === 'append' ? [message.prevIndex + 1] : []));
}

import type { Identity, Message, ServerId, Transport } from '@kontiki/core';
import { numbered } from './messages.js';
import { until } from './waiting.js';

/** A network for the transports of one test. `hold`, `until` and `remove` are optional. */
export interface Wire<T extends Transport> {
  /**
   * Creates a transport for a server without starting it. Called again when the server restarts.
   */
  transport(id: ServerId): T;
  /** Returns the address of a started transport, in the form used in memberships. */
  address(transport: T, id: ServerId): string | Promise<string>;
  /**
   * If `held` is true, keeps a server's operating system from delivering received data. If false,
   * delivers the data held so far and all later data.
   */
  hold?(id: ServerId, held: boolean): void;
  /**
   * Resolves when a condition becomes true. Rejects if that does not happen within some time limit.
   * Needed only for networks on virtual time. Default: checks the condition for 20 seconds of real
   * time.
   */
  until?(condition: () => boolean): Promise<void>;
  /** Called after the test to remove the network, once all transports are closed. */
  remove?(): void | Promise<void>;
}

/** A server of a test, with its transport and its received messages. */
export interface Server<T extends Transport> {
  readonly id: ServerId;
  readonly transport: T;
  readonly address: string;
  readonly received: { readonly from: ServerId; readonly message: Message }[];
  /** Called for each received message. */
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

  /** Starts a server with a new transport and a new incarnation. */
  async start(id: ServerId, identity: Partial<Identity> = {}): Promise<Server<T>> {
    const transport = this.wire.transport(id);
    this.#started.push(transport);
    const received: Server<T>['received'] = [];
    this.#incarnations += 1;
    // Transports read the identity for each handshake. Pass the object itself, so that a test can
    // change it later.
    const self = Object.assign(identity, {
      cluster: identity.cluster ?? 'conformance',
      server: id,
      incarnation: this.#incarnations,
      genesis: identity.genesis,
      epoch: identity.epoch,
    });
    const onMessage = (): void => {};
    const server: Server<T> = { id, transport, address: '', received, onMessage };
    await transport.start(self, (from, message) => {
      if (message.kind === 'unreadable') throw new Error(message.reason);
      received.push({ from, message });
      server.onMessage(message);
    });
    return Object.assign(server, { address: await this.wire.address(transport, id) });
  }

  /**
   * Starts servers at the same time, makes them peers, and waits until they have reached each
   * other.
   */
  async startConnected<Ids extends readonly ServerId[]>(...ids: Ids): Promise<{ [i in keyof Ids]: Server<T> }> {
    const servers = await Promise.all(ids.map((id) => this.start(id)));
    introduce(...servers);
    await this.waitConnected(...servers);
    return servers as { [i in keyof Ids]: Server<T> };
  }

  until(condition: () => boolean): Promise<void> {
    return this.wire.until?.(condition) ?? until(condition);
  }

  /**
   * Sends a message repeatedly until it arrives, because a transport may drop messages while it has
   * no connection.
   */
  async waitReached(from: Server<T>, to: Server<T>): Promise<void> {
    this.#tickets += 1;
    const message = numbered(this.#tickets);
    await this.until(() => {
      if (tickets(to).includes(this.#tickets)) return true;
      from.transport.send(to.id, [message]);
      return false;
    });
  }

  /** Waits until all of these servers have reached each other. */
  async waitConnected(...servers: readonly Server<T>[]): Promise<void> {
    for (const from of servers) for (const to of servers) if (from !== to) await this.waitReached(from, to);
  }

  async close(): Promise<void> {
    await Promise.all(this.#started.map((transport) => transport.close()));
    await this.wire.remove?.();
  }
}

/** Makes these servers peers of each other. */
export function introduce<T extends Transport>(...servers: readonly Server<T>[]): void {
  for (const server of servers) {
    const others = servers.filter((other) => other !== server);
    server.transport.setPeers(new Map(others.map(({ id, address }) => [id, address])));
  }
}

/** Returns the numbers of the `numbered` messages that the server has received. */
export function tickets({ received }: Server<Transport>): number[] {
  return received.flatMap(({ message }) => (message.kind === 'readIndex' ? [message.ticket] : []));
}

/** Returns the first index of each append that the server has received. */
export function appends({ received }: Server<Transport>): number[] {
  return received.flatMap(({ message }) => (message.kind === 'append' ? [message.prevIndex + 1] : []));
}

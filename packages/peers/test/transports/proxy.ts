import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** The direction of bytes: to the target of a proxy, or back to the client. */
export type Direction = 'forth' | 'back';

/**
 * A TCP proxy that can stall without closing its connections, as if the network were dropping
 * packets.
 */
export class Proxy {
  readonly #server: Server;
  /** The open sockets, each with the direction of the bytes that it receives. */
  readonly #sockets = new Map<Socket, Direction>();
  readonly #stalled = new Set<Direction>();
  /** Number of bytes that the proxy has forwarded so far. */
  carried = 0;
  connections = 0;
  /** Maximum number of bytes that the proxy forwards every ten milliseconds in each direction. */
  rate = Infinity;

  constructor(target: () => number) {
    this.#server = createServer((near) => {
      this.connections += 1;
      const far = createConnection(target(), '127.0.0.1');
      this.#forward('forth', near, far);
      this.#forward('back', far, near);
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The host and port of the proxy. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  #forward(direction: Direction, from: Socket, to: Socket): void {
    const isStalled = (): boolean => this.#stalled.has(direction);
    this.#sockets.set(from, direction);
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      if (!isStalled()) to.destroy();
    });
    from.on('data', (bytes) => {
      if (isStalled()) return;
      this.carried += bytes.length;
      if (this.rate < Infinity) return this.#trickle(bytes, from, to);
      if (!to.write(bytes)) {
        from.pause();
        to.once('drain', () => {
          if (!isStalled()) from.resume();
        });
      }
    });
    if (isStalled()) from.pause();
  }

  #trickle(bytes: Buffer, from: Socket, to: Socket): void {
    from.pause();
    to.write(bytes.subarray(0, this.rate));
    const rest = bytes.subarray(this.rate);
    setTimeout(() => (rest.length > 0 ? this.#trickle(rest, from, to) : from.resume()), 10);
  }

  /** Stops reading and writing, in one direction or in both. */
  stall(...directions: readonly Direction[]): void {
    for (const direction of directions.length > 0 ? directions : (['forth', 'back'] as const))
      this.#stalled.add(direction);
    for (const [socket, direction] of this.#sockets) if (this.#stalled.has(direction)) socket.pause();
  }

  /** Resumes forwarding after `stall`, starting with the bytes that have not been read yet. */
  resume(): void {
    this.#stalled.clear();
    for (const socket of this.#sockets.keys()) socket.resume();
  }

  /** Resets all connections. */
  cut(): void {
    for (const socket of this.#sockets.keys()) socket.resetAndDestroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets.keys()) socket.destroy();
  }
}

import type { ServerId } from '../log/server.js';
import type { Message } from '../protocol/message.js';

/** Who speaks, told to every peer when a connection is made. */
export interface Identity {
  readonly cluster: string;
  readonly server: ServerId;
  /** Drawn at random at each start; a safe integer above 0. */
  readonly incarnation: number;
  /** The checksum of the cluster's first entry; undefined while this server is blank. May become known while it runs: read it anew for each handshake. */
  readonly genesis: number | undefined;
}

/**
 * Moves messages between the servers of a cluster. It may drop, delay, duplicate and reorder them; it must not alter
 * them, must not grow without bound, and must neither throw out of `send` nor block. What isn't an append should
 * overtake appends that wait for room, or a slow link makes a living leader look dead.
 */
export interface Transport {
  /**
   * Begins to listen and to connect. `receive` is called for each message that arrives from a server of the same
   * cluster, member or not, with its id as the handshake proved it; it does not throw. Rejects when it cannot listen.
   */
  start(self: Identity, receive: (from: ServerId, message: Message) => void): Promise<void>;
  /**
   * Hands messages over, appends to leave in this order as far as room allows. A full queue drops, and so does a
   * receiver that neither `setPeers` named nor is connected: one that has just joined is answered before it is named.
   */
  send(to: ServerId, messages: readonly Message[]): void;
  /** The address of every other server that a membership not yet superseded names. Replaces the map given before. */
  setPeers(peers: ReadonlyMap<ServerId, string>): void;
  /** Stops; nothing is received after it was called. Idempotent. */
  close(): Promise<void>;
}

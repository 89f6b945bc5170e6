import type { ServerId } from '../log/server.js';
import type { Message } from '../protocol/message.js';

/** The identity of a server. Transports send it to every peer when they connect. */
export interface Identity {
  readonly cluster: string;
  readonly server: ServerId;
  /** A safe integer above 0, drawn at random at each start. */
  readonly incarnation: number;
  /**
   * The checksum of the cluster's first entry; undefined while this server is blank. It may become
   * known while the server runs, so read it for each handshake.
   */
  readonly genesis: number | undefined;
}

/**
 * Carries messages between the servers of a cluster. It may drop, delay, duplicate and reorder
 * messages. It must not alter them, must not queue without bound, and `send` must neither throw nor
 * block. Messages other than appends should overtake appends that wait for room: otherwise a slow
 * link makes a live leader look dead.
 */
export interface Transport {
  /**
   * Starts listening and connecting. `receive` is called for each message from a server of the same
   * cluster, member or not, with the id from that server's handshake. It does not throw. Rejects if
   * the transport cannot listen, and has then released whatever it had opened.
   */
  start(self: Identity, receive: (from: ServerId, message: Message) => void): Promise<void>;
  /**
   * Queues messages; appends leave in this order, as far as room allows. Messages are dropped if
   * the queue is full, or if `setPeers` did not name the receiver and it is not connected. A server
   * that has just joined is connected before it is named, so it can be answered.
   */
  send(to: ServerId, messages: readonly Message[]): void;
  /**
   * Sets the addresses of all other servers in every membership that may be in force. Replaces the
   * previous map.
   */
  setPeers(peers: ReadonlyMap<ServerId, string>): void;
  /** Stops. No message is received after this was called. Idempotent. */
  close(): Promise<void>;
}

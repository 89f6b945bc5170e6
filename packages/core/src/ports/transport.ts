import type { ServerId } from '../log/server.js';
import type { Message, Received } from '../protocol/message.js';

/** An address that a server announced for itself. Servers pass it on to each other. */
export interface Announcement {
  readonly id: ServerId;
  /** Higher for newer announcements of the same server. At first the number of its starts. */
  readonly count: number;
  /** 1 to 512 printable ASCII characters without spaces. */
  readonly address: string;
}

/** The announced addresses that a server knows, its own included. */
export interface Announcements {
  /** Rises when a server announces another address, so that the others must be told. */
  readonly version: number;
  /** The announcements to be sent to peers, newest first. */
  list(): readonly Announcement[];
  /** Whether `learn` would change anything. */
  isNews(announcement: Announcement): boolean;
  /** Takes what an accepted peer sent. Ignores servers that no membership names. */
  learn(announcement: Announcement): void;
}

/** The identity of a server. Transports send it to every peer when they connect. */
export interface Identity {
  readonly cluster: string;
  readonly server: ServerId;
  /** The server's incarnation: a safe integer above 0, drawn at random at each start. */
  readonly incarnation: number;
  /**
   * The checksum of the cluster's first entry; undefined while this server is blank. It may become
   * known while the server runs, so read it for each handshake.
   */
  readonly genesis: number | undefined;
  /**
   * The epoch of the newest membership that names this server: '' unless its cluster was recovered.
   * Undefined while none names it. Such a server still receives the log, which may contain earlier
   * epochs, so it talks to servers of any epoch. May change like `genesis`.
   */
  readonly epoch: string | undefined;
  /**
   * The addresses that servers announced. A transport exchanges them with its peers in each
   * handshake. The node passes new addresses to `setPeers`.
   */
  readonly announcements?: Announcements | undefined;
}

/**
 * Carries messages between the servers of a cluster. A transport may drop, delay, duplicate and
 * reorder messages. It must not alter them or queue them without bound, and `send` must neither
 * throw nor block. Other messages should overtake queued appends. Otherwise a slow link makes a
 * live leader appear dead.
 */
export interface Transport {
  /**
   * Throws `KONTIKI_BAD_OPTION` if servers cannot be reached at these addresses, for example
   * because of an unknown scheme. `addresses` contains all servers of a membership, including the
   * transport's own. Called before an address is written to a log, and before `start`.
   */
  checkAddresses?(addresses: ReadonlyMap<ServerId, string>): void;
  /**
   * Starts listening and connecting. Calls `receive`, which never throws, for each message from a
   * server of the same cluster, member or not. `from` is the id that the sender gave in its
   * handshake. Rejects if the transport cannot listen, and then has released everything that it had
   * opened.
   */
  start(self: Identity, receive: (from: ServerId, message: Received) => void): Promise<void>;
  /**
   * Queues messages. Appends to one peer are sent in call order. Drops messages if the queue is
   * full, or if the receiver was not passed to `setPeers` and is not connected. A server that has
   * just joined connects before `setPeers` names it, so it can receive answers.
   */
  send(to: ServerId, messages: readonly Message[]): void;
  /**
   * Sets the addresses of all other servers in the live memberships (`RaftLog.liveMemberships`).
   * Replaces the previous map.
   */
  setPeers(peers: ReadonlyMap<ServerId, string>): void;
  /**
   * Number of connections and messages that the transport has refused, by reason. The reasons must
   * not come from clients, because `status()` shows them. Default: none.
   */
  readonly refusals?: Readonly<Record<string, number>>;
  /** Stops the transport. After this call `receive` is no longer called. Idempotent. */
  close(): Promise<void>;
}

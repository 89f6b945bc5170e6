import type { ServerId } from '../log/server.js';
import type { Message, Received } from '../protocol/message.js';

/** An address that a server announced for itself. Servers forward announcements to each other. */
export interface Announcement {
  readonly id: ServerId;
  /**
   * A number that is higher for newer announcements of the same server. It starts as the number of
   * times that the server has started.
   */
  readonly count: number;
  /** The announced address: 1 to 512 printable ASCII characters without spaces. */
  readonly address: string;
}

/** The announced addresses that a server knows, including its own address. */
export interface Announcements {
  /**
   * A number that increases when a server announces a different address. When it increases, the
   * transport must send the announcements to its peers.
   */
  readonly version: number;
  /** Returns the announcements to send to peers, from newest to oldest. */
  list(): readonly Announcement[];
  /**
   * Returns whether `learn` would store an announcement because it is newer than the one already
   * known.
   */
  isNews(announcement: Announcement): boolean;
  /**
   * Stores an announcement from an accepted peer. Ignores announcements of servers that are not in
   * any membership.
   */
  learn(announcement: Announcement): void;
}

/** The identity of a server. Transports send this identity to every peer when they connect. */
export interface Identity {
  readonly cluster: string;
  readonly server: ServerId;
  /** The server's incarnation: a safe integer above 0, drawn at random at each start. */
  readonly incarnation: number;
  /**
   * The checksum of the cluster's first entry; undefined while this server is blank. The value may
   * become known while the server runs, so read it for each handshake.
   */
  readonly genesis: number | undefined;
  /**
   * The epoch of the newest membership that contains this server; empty unless its cluster was
   * recovered. Undefined if no membership contains this server. In that case, the server
   * communicates with servers of any epoch, because the log that it is receiving may contain
   * earlier epochs. The value may change while the server runs.
   */
  readonly epoch: string | undefined;
  /**
   * The addresses that servers have announced. A transport exchanges these addresses with its peers
   * in each handshake. The node passes new addresses to `setPeers`.
   */
  readonly announcements?: Announcements | undefined;
}

/**
 * Carries messages between the servers of a cluster. A transport may drop, delay, duplicate and
 * reorder messages. It must not alter messages or queue an unlimited number of them, and `send`
 * must neither throw nor block. Other messages should overtake queued appends. Otherwise, a slow
 * connection would make a live leader look as if it had failed.
 */
export interface Transport {
  /**
   * Throws `KONTIKI_BAD_OPTION` if servers cannot be reached at these addresses, for example
   * because of an unknown scheme. `addresses` contains all servers of a membership, including the
   * transport's own server. Called before an address is written to a log, and before `start`.
   */
  checkAddresses?(addresses: ReadonlyMap<ServerId, string>): void;
  /**
   * Starts listening and connecting. Calls `receive`, which never throws, for each message from a
   * server of the same cluster, even if the sender is not a member. `from` is the sender's id from
   * its handshake. Rejects if the transport cannot listen, after releasing all resources that it
   * opened.
   */
  start(self: Identity, receive: (from: ServerId, message: Received) => void): Promise<void>;
  /**
   * Queues messages for a server. Appends to one server are sent in call order. Drops messages if
   * the queue is full, or if the receiver was neither passed to `setPeers` nor is connected. A new
   * member connects before this server knows the member's address, so answers can still reach it.
   */
  send(to: ServerId, messages: readonly Message[]): void;
  /**
   * Sets the addresses of all other servers in the live memberships (`RaftLog.liveMemberships`).
   * Replaces the previous map.
   */
  setPeers(peers: ReadonlyMap<ServerId, string>): void;
  /**
   * Number of connections and messages that the transport has refused, by reason. The reasons must
   * not contain text from clients, because `status()` shows them. Default: none.
   */
  readonly refusals?: Readonly<Record<string, number>>;
  /**
   * Stops the transport. After this call, `receive` is no longer called. This method is idempotent.
   */
  close(): Promise<void>;
}
